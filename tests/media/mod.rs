//! What comes out of media: the fixtures against `fixtures/expected.json`, and damaged files.

#[cfg(feature = "cli")]
mod bad_input;
#[cfg(feature = "cli")]
mod broken;
mod choice;
mod color;
mod kinds;
#[cfg(feature = "cli")]
mod list;
mod old_x264;
mod pace;
mod packed;
mod past_end;
mod reference;
mod smart;
mod sound;
#[cfg(feature = "cli")]
mod threads;
mod video;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use image::RgbImage;
use kpack::Time;
use kpack::sample::{
    AudioCodec, AudioRecipe, Facts, FrameChoice, FrameRecipe, ImageCodec, Made, NoAudio, Pace,
    Recipe, SampleError, Size, Tools, Trim, VideoRecipe, VideoSound, make_sample,
};
use kpack::source::{Clip, Span};
use kpack_formats::Sample;
use serde_json::Value;

/// A recipe that asks for nothing; tests fill in what they look at.
pub(crate) const NOTHING: Recipe = Recipe {
    video: VideoRecipe::None,
    trim: Trim::Exact,
    frames: None,
    size: Size::Source,
    upscale: false,
    audio: None,
    waveform: false,
    pace: Pace::Source,
    video_sound: VideoSound::Encode,
};

/// Frames as JPEG at quality 90.
pub(crate) fn frames(choice: FrameChoice) -> Recipe {
    Recipe {
        frames: Some(FrameRecipe {
            choice,
            image: ImageCodec::Jpeg,
            quality: 90,
        }),
        ..NOTHING
    }
}

/// Sound as it is in the source.
pub(crate) fn sound(codec: AudioCodec) -> Recipe {
    Recipe {
        audio: Some(AudioRecipe {
            codec,
            sample_rate: None,
            channels: None,
            no_audio: NoAudio::Keep,
        }),
        ..NOTHING
    }
}

/// A file below `fixtures/`.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

/// What the reference commands make of every fixture, by its path below `fixtures/`.
pub(crate) static EXPECTED: LazyLock<Value> = LazyLock::new(|| {
    let text = std::fs::read(fixture("expected.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
});

/// The expectation of one fixture.
pub(crate) fn expected(name: &str) -> &'static Value {
    let entry = &EXPECTED["files"][name];
    assert!(entry.is_object(), "{name} is not in expected.json");
    entry
}

/// Names of the fixtures below `media/` that have this kind of track.
pub(crate) fn with_track(kind: &str) -> Vec<&'static str> {
    let files = EXPECTED["files"].as_object().unwrap();
    let has = |(name, entry): &(&'static String, &Value)| {
        name.starts_with("media/") && entry[kind].is_object()
    };
    let names: Vec<_> = files.iter().filter(has).map(|(name, _)| &**name).collect();
    assert!(names.len() > 10);
    names
}

/// Seconds as a range of the source.
pub(crate) fn span(start: f64, end: Option<f64>) -> Option<Span> {
    Some(Span {
        start: Time::from_secs(start),
        end: end.map(Time::from_secs),
    })
}

/// One clip through the library.
pub(crate) fn try_make(
    path: &Path,
    span: Option<Span>,
    recipe: &Recipe,
) -> Result<Made, SampleError> {
    let clip = Clip {
        key: "a".into(),
        source: path.display().to_string(),
        media: Some(path.to_owned()),
        span,
        ..Clip::default()
    };
    let file = Arc::new(File::open(path).unwrap());
    make_sample(&clip, &file, recipe, &mut Tools::default())
}

/// One clip that gives a sample.
#[track_caller]
pub(crate) fn make(path: &Path, span: Option<Span>, recipe: &Recipe) -> (Sample, Facts) {
    match try_make(path, span, recipe) {
        Ok(Made::Sample(sample, facts)) => (*sample, *facts),
        Ok(Made::Skipped(reason)) => panic!("{}: skipped: {reason}", path.display()),
        Ok(Made::Left) => panic!("{}: left", path.display()),
        Err(error) => panic!("{}: {}", path.display(), error.full_reason()),
    }
}

/// The bytes of one blob.
#[track_caller]
pub(crate) fn blob(sample: &Sample, name: &str) -> bytes::Bytes {
    let names: Vec<_> = sample.blobs.keys().collect();
    let blob = sample.blobs.get(name);
    blob.unwrap_or_else(|| panic!("no {name} among {names:?}"))
        .load()
        .unwrap()
}

/// The sample's pictures in order, decoded.
pub(crate) fn pictures(sample: &Sample) -> Vec<RgbImage> {
    let is_picture = |name: &&String| kpack_formats::frame_number(name).is_some();
    let names = sample.blobs.keys().filter(is_picture);
    names
        .map(|name| {
            let bytes = blob(sample, name);
            image::load_from_memory(&bytes).unwrap().to_rgb8()
        })
        .collect()
}

/// The number that `fixtures/paint.py` painted into a picture.
pub(crate) fn number(picture: &RgbImage) -> u32 {
    let (width, row) = (picture.width(), picture.height() * 6 / 120);
    let bit = |b: u32| {
        let pixel = picture.get_pixel((2 * b + 1) * width / 32, row);
        u32::from(pixel[1] > 128) << b
    };
    (0..16).map(bit).sum()
}

/// The painted numbers of all pictures.
pub(crate) fn numbers(sample: &Sample) -> Vec<u32> {
    pictures(sample).iter().map(number).collect()
}

/// Presentation times of all frames of a fixture in seconds from the start of the source, which is
/// where the first of its tracks begins.
pub(crate) fn times(name: &str) -> Vec<f64> {
    let entry = expected(name);
    let times = entry["video"]["times"].as_array().unwrap();
    let times: Vec<Option<f64>> = times.iter().map(Value::as_f64).collect();
    let first = times[0].unwrap();
    // Where the reference has no time the frame follows at the frame rate, 25 in all of these.
    let mut at = first - 0.04;
    let sound = entry["audio"]["start"].as_f64().unwrap_or(first);
    let origin = first.min(sound);
    times
        .into_iter()
        .map(|time| {
            at = time.unwrap_or(at + 0.04);
            at - origin
        })
        .collect()
}

/// Level of the difference below the wanted signal in dB; large is good.
pub(crate) fn decibels(got: &[f32], want: &[f32]) -> f64 {
    assert_eq!(got.len(), want.len());
    let power = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
    let signal = power(&mut want.iter().map(|w| f64::from(*w)));
    let noise = power(&mut got.iter().zip(want).map(|(g, w)| f64::from(g - w)));
    match noise {
        0.0 => 200.0,
        noise => 10.0 * (signal / noise).log10(),
    }
}
