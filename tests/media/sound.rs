//! Sound: length to the sample, waveform, ranges, codings.

use std::io::Cursor;

use kpack::sample::{AudioCodec, Class, Facts, FrameChoice, Made, NoAudio, Recipe};
use kpack::source::Span;
use kpack_formats::npy;

use super::{
    blob, decibels, expected, fixture, frames, make, sound, span, times, try_make, with_track,
};

/// Interleaved samples, their rate and channels.
pub(crate) struct Wave {
    pub(crate) samples: Vec<f32>,
    pub(crate) rate: f64,
    pub(crate) channels: usize,
    /// Seconds from the start of the source.
    pub(crate) start: f64,
}

impl Wave {
    pub(crate) fn frames(&self) -> usize {
        self.samples.len() / self.channels
    }

    /// The first channel from `seconds` of the source on.
    fn channel_from(&self, seconds: f64, count: usize) -> Vec<f32> {
        let first = ((seconds - self.start) * self.rate).round() as i64;
        let at = |i: i64| {
            let index = usize::try_from(first + i).ok();
            let sample = index.and_then(|i| self.samples.get(i * self.channels));
            sample.copied().unwrap_or(0.0)
        };
        (0..count as i64).map(at).collect()
    }
}

fn wave(path: &std::path::Path, range: Option<Span>, recipe: &Recipe) -> (Wave, Facts) {
    let (sample, facts) = make(path, range, recipe);
    let (array, samples) = npy::parse(&blob(&sample, "npy")).unwrap();
    assert_eq!(facts.audio_samples, Some(array.frames));
    assert_eq!(facts.channels.map(u64::from), Some(array.channels));
    let wave = Wave {
        samples,
        rate: f64::from(facts.sample_rate.unwrap()),
        channels: array.channels as usize,
        start: facts.audio_start.unwrap().secs(),
    };
    (wave, facts)
}

fn whole(name: &str) -> Wave {
    wave(&fixture(name), None, &sound(AudioCodec::F32)).0
}

/// 16-bit samples of a WAV.
pub(crate) fn wav(bytes: &[u8]) -> (hound::WavSpec, Vec<f32>) {
    let mut reader = hound::WavReader::new(Cursor::new(bytes)).unwrap();
    let samples = reader.samples::<i16>();
    let samples = samples.map(|s| f32::from(s.unwrap()) / 32768.0).collect();
    (reader.spec(), samples)
}

/// The first channel as `fixtures/paint.py` painted it, at 16 bits.
fn painted(seconds: f64, rate: f64) -> f32 {
    let t = seconds;
    if t < 0.0 {
        return 0.0;
    }
    // One millisecond, rounded down to whole samples.
    if (t + 1e-9).fract() * rate < (rate / 1000.0).floor() - 0.01 {
        return 29490.0 / 32768.0;
    }
    let tone = (std::f64::consts::TAU * (220.0 * t + 55.0 * t * t)).sin();
    ((8192.0 * tone).round() / 32768.0) as f32
}

/// Sample frames by which `got` lies behind `want`, by where the two differ least.
fn lag(got: &[f32], want: impl Fn(i64) -> f32) -> i64 {
    let error = |lag: &i64| {
        let off = got
            .iter()
            .enumerate()
            .map(|(i, g)| (g - want(i as i64 - lag)).powi(2));
        (f64::from(off.sum::<f32>()) * 1e9) as u64
    };
    (-40..=40).min_by_key(error).unwrap()
}

#[test]
fn whole_files_have_the_samples_of_the_reference() {
    for name in with_track("audio") {
        let want = &expected(name)["audio"];
        let (wave, facts) = wave(&fixture(name), None, &sound(AudioCodec::F32));
        assert_eq!(wave.frames() as u64, want["samples"], "{name}");
        assert_eq!(wave.rate as u64, want["rate"], "{name}");
        assert_eq!(wave.channels as u64, want["channels"], "{name}");
        assert_eq!(facts.has_audio, Some(true));
        assert_eq!(facts.decode_errors, None, "{name}");
    }
}

#[test]
fn sound_without_loss_is_exactly_what_was_painted() {
    for (name, step) in [
        ("media/stereo_48k.wav", 1.0 / 32768.0),
        ("media/mono_44k.flac", 1.0 / 32768.0),
        ("media/mono_8k_u8.wav", 1.0 / 128.0),
    ] {
        let wave = whole(name);
        for (i, got) in wave.samples.iter().step_by(wave.channels).enumerate() {
            let want = painted(i as f64 / wave.rate, wave.rate);
            assert!(
                (got - want).abs() <= 1.01 * step,
                "{name} {i}: {got} {want}"
            );
        }
    }
}

#[test]
fn encoder_delay_and_edit_lists_do_not_move_the_sound() {
    for (name, picture) in [
        ("media/h264_bframes_aac.mp4", true),
        ("media/hevc.mp4", true),
        ("media/start_nonzero.ts", true),
        ("media/start_nonzero.mkv", true),
        ("media/audio_late.mkv", true),
        ("media/vp9_opus.webm", true),
        ("media/edit_list.mp4", true),
        ("media/surround_5_1.mp4", true),
        ("media/aac.m4a", false),
        ("media/cover_art.m4a", false),
        ("media/vorbis.ogg", false),
        ("media/opus.webm", false),
        ("media/stereo_44k.mp3", false),
    ] {
        let wave = whole(name);
        // The instant of the source at which the painted sound begins: with its first picture.
        let mut begin = if picture { times(name)[0] } else { wave.start };
        match name {
            "media/audio_late.mkv" => begin += 0.5,
            // The file says that the sound begins 7 ms before the picture.
            "media/vp9_opus.webm" => begin -= 0.007,
            "media/edit_list.mp4" => begin -= 38.0 / 25.0,
            _ => {}
        }
        let from = begin
            + 0.9
            + if name == "media/edit_list.mp4" {
                1.5
            } else {
                0.0
            };
        let got = wave.channel_from(from, (wave.rate * 0.3) as usize);
        let lag = lag(&got, |i| {
            painted(from - begin + i as f64 / wave.rate, wave.rate)
        });
        // Matroska keeps milliseconds.
        let slack = if name.ends_with("mkv") || name.ends_with("webm") {
            30
        } else {
            1
        };
        assert!(lag.abs() <= slack, "{name}: {lag} samples late");
    }
}

#[test]
fn a_range_has_its_length_and_begins_at_its_start() {
    // Matroska keeps milliseconds: there a range is found by times that are rounded.
    let exact = |name: &&str| !name.ends_with("mkv") && !name.ends_with("webm");
    for name in with_track("audio").into_iter().filter(exact) {
        let whole = whole(name);
        for (start, end) in [(0.0, 0.5), (0.31, 0.92), (0.987_654_321, 1.2), (0.7, 3.1)] {
            let range = span(start, Some(end));
            let (cut, _) = wave(&fixture(name), range, &sound(AudioCodec::F32));
            let frames = ((end - start) * whole.rate).round() as usize;
            assert_eq!(cut.frames(), frames, "{name} {start}..{end}");
            assert_eq!(cut.start, start, "{name} {start}..{end}");
            let want = whole.channel_from(start, frames);
            let got = cut.channel_from(start, frames);
            let db = [-1, 0, 1].map(|lag: i64| {
                let moved = whole.channel_from(start + lag as f64 / whole.rate, frames);
                decibels(&got, &moved)
            });
            let best = db.into_iter().fold(0.0, f64::max);
            let none = want.iter().all(|s| *s == 0.0);
            assert!(none || best > 45.0, "{name} {start}..{end}: {db:?} dB");
        }
    }
}

#[test]
fn wav_flac_and_floats_hold_the_same_sound() {
    for name in [
        "media/h264_bframes_aac.mp4",
        "media/stereo_48k.wav",
        "media/mono_44k.flac",
    ] {
        let floats = whole(name);
        let (sample, facts) = make(&fixture(name), None, &sound(AudioCodec::Wav));
        let (spec, sixteen) = wav(&blob(&sample, "wav"));
        assert_eq!(
            (spec.bits_per_sample, spec.sample_rate),
            (16, floats.rate as u32)
        );
        assert_eq!(usize::from(spec.channels), floats.channels);
        assert_eq!(facts.audio_samples, Some(floats.frames() as u64));
        for (i, (a, b)) in floats.samples.iter().zip(&sixteen).enumerate() {
            assert!((a - b).abs() <= 0.51 / 32768.0, "{name} {i}: {a} {b}");
        }
        let (sample, _) = make(&fixture(name), None, &sound(AudioCodec::Flac));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.flac");
        std::fs::write(&path, blob(&sample, "flac")).unwrap();
        let (back, _) = wave(&path, None, &sound(AudioCodec::F32));
        assert_eq!(back.samples, sixteen, "{name}");
    }
}

#[test]
fn copied_sound_decodes_to_what_the_source_decodes_to() {
    for (name, kind) in [
        ("media/h264_bframes_aac.mp4", "m4a"),
        ("media/aac.m4a", "m4a"),
        ("media/start_nonzero.mkv", "ogg"),
        ("media/vp9_opus.webm", "ogg"),
        ("media/mpeg4_asp.avi", "mp3"),
        ("media/mono_44k.flac", "flac"),
        ("media/stereo_48k.wav", "wav"),
    ] {
        let (sample, facts) = make(&fixture(name), None, &sound(AudioCodec::Copy));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(format!("a.{kind}"));
        std::fs::write(&path, blob(&sample, kind)).unwrap();
        let whole = whole(name);
        assert_eq!(facts.sample_rate, Some(whole.rate as u32), "{name}");
        let (copy, _) = wave(&path, None, &sound(AudioCodec::F32));
        let off = copy.frames().abs_diff(whole.frames());
        assert!(
            off <= 1200,
            "{name}: {} and {}",
            copy.frames(),
            whole.frames()
        );
        // From the middle, compared where both have it: the packets are the same.
        let (count, back) = (8000, copy.frames() / 2);
        let tail = |w: &Wave, first: usize| -> Vec<f32> {
            let samples = w.samples.iter().step_by(w.channels);
            samples.skip(first).take(count).copied().collect()
        };
        let want = tail(&copy, back);
        let db = (0..=2 * off).map(|shift| decibels(&want, &tail(&whole, back - off + shift)));
        let best = db.fold(0.0, f64::max);
        assert!(best > 60.0, "{name}: {best} dB at best");
    }
}

#[test]
fn resampled_and_mixed_sound_stays_in_place() {
    for name in [
        "media/h264_bframes_aac.mp4",
        "media/stereo_48k.wav",
        "media/mono_44k.flac",
    ] {
        let source = whole(name);
        for (rate, channels) in [(16_000, 1), (44_100, 2), (48_000, 1)] {
            let mut recipe = sound(AudioCodec::F32);
            let audio = recipe.audio.as_mut().unwrap();
            (audio.sample_rate, audio.channels) = (Some(rate), Some(channels));
            let (wave, _) = wave(&fixture(name), None, &recipe);
            assert_eq!(
                (wave.rate, wave.channels),
                (f64::from(rate), channels as usize)
            );
            let want = source.frames() as f64 * f64::from(rate) / source.rate;
            assert!((wave.frames() as f64 - want).abs() <= 1.0, "{name} {rate}");
            let (cut, _) = self::wave(&fixture(name), span(0.4, Some(1.2)), &recipe);
            assert_eq!(
                cut.frames(),
                (0.8 * f64::from(rate)).round() as usize,
                "{name}"
            );
            let want = wave.channel_from(0.4, cut.frames());
            let db = decibels(&cut.channel_from(0.4, cut.frames()), &want);
            assert!(db > 40.0, "{name} at {rate} Hz: a range differs, {db} dB");
        }
    }
}

#[test]
fn a_clip_without_sound_is_kept_skipped_or_silent() {
    let path = fixture("media/no_audio.mp4");
    for choice in [None, Some(FrameChoice::Count(1))] {
        let with = |no_audio| {
            let mut recipe = sound(AudioCodec::Wav);
            recipe.frames = choice.map(frames).and_then(|r| r.frames);
            recipe.audio.as_mut().unwrap().no_audio = no_audio;
            recipe
        };
        let (sample, facts) = make(&path, None, &with(NoAudio::Keep));
        assert_eq!(facts.has_audio, Some(false));
        assert!(!sample.blobs.contains_key("wav"));
        assert_eq!(sample.meta["has_audio"], false);
        let skipped = try_make(&path, None, &with(NoAudio::Skip)).unwrap();
        assert!(matches!(skipped, Made::Skipped(reason) if reason.contains("no sound")));
        let (sample, facts) = make(&path, span(0.5, Some(1.75)), &with(NoAudio::Silence));
        assert_eq!(facts.has_audio, Some(false));
        let (spec, samples) = wav(&blob(&sample, "wav"));
        assert_eq!(samples.len() as u32, spec.sample_rate * 5 / 4);
        assert!(samples.iter().all(|s| *s == 0.0));
        if choice.is_some() {
            let (sample, _) = make(&path, None, &with(NoAudio::Silence));
            let (spec, samples) = wav(&blob(&sample, "wav"));
            assert_eq!(samples.len() as u32, spec.sample_rate * 2);
        }
    }
}

/// Silence has the length of the clip also where no pictures are decoded.
#[test]
fn silence_of_a_whole_file_without_pictures() {
    let mut recipe = sound(AudioCodec::Wav);
    recipe.audio.as_mut().unwrap().no_audio = NoAudio::Silence;
    let (sample, _) = make(&fixture("media/no_audio.mp4"), None, &recipe);
    let (spec, samples) = wav(&blob(&sample, "wav"));
    assert_eq!(samples.len() as u32, 2 * spec.sample_rate);
}

/// A range begins within one sample of its start also where times are rounded.
#[test]
fn ranges_of_matroska_begin_at_their_start() {
    let mut wrong = Vec::new();
    for name in ["audio_late.mkv", "opus.webm", "vp9_opus.webm"] {
        let path = fixture(&format!("media/{name}"));
        let (whole, facts) = make(&path, None, &sound(AudioCodec::F32));
        let (array, whole) = npy::parse(&blob(&whole, "npy")).unwrap();
        let (rate, wide) = (
            f64::from(facts.sample_rate.unwrap()),
            array.channels as usize,
        );
        let (cut, _) = make(&path, span(0.7, Some(1.4)), &sound(AudioCodec::F32));
        let (_, cut) = npy::parse(&blob(&cut, "npy")).unwrap();
        let at = ((0.7 - facts.audio_start.unwrap().secs()) * rate).round() as i64;
        let db = |lag: i64| {
            let from = (at + lag) as usize * wide;
            (super::decibels(&cut, &whole[from..from + cut.len()]) * 10.0) as i64
        };
        let lag = (-60..=60).max_by_key(|lag| db(*lag)).unwrap();
        if lag.abs() > 1 {
            wrong.push(format!("{name}: {lag} samples"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// FLAC's frames are shorter at low rates.
#[test]
fn flac_of_a_low_rate() {
    let path = fixture("media/mono_8k_u8.wav");
    let (sample, facts) = make(&path, None, &sound(AudioCodec::Flac));
    assert_eq!(facts.audio_samples, Some(16_000));
    assert!(blob(&sample, "flac").starts_with(b"fLaC"));
}

/// A row's wrong end does not fill the memory with silence.
#[test]
fn a_range_that_ends_long_after_its_source_is_filled_up_by_a_minute() {
    let path = fixture("media/h264_bframes_aac.mp4");
    let (_, facts) = make(&path, span(0.0, Some(1e7)), &sound(AudioCodec::Wav));
    let rate = f64::from(facts.sample_rate.unwrap());
    let seconds = facts.audio_samples.unwrap() as f64 / rate;
    assert!((61.0..70.0).contains(&seconds), "{seconds}");
    assert!(facts.notes.iter().any(|note| note.contains("60 s")));
    let mut recipe = sound(AudioCodec::Wav);
    recipe.audio.as_mut().unwrap().no_audio = NoAudio::Silence;
    let made = try_make(
        &fixture("media/no_audio.mp4"),
        span(0.0, Some(1e7)),
        &recipe,
    );
    assert_eq!(made.unwrap_err().class, Class::TooLarge);
}
