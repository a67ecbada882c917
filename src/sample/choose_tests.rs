//! Choosing packets gives what decoding every frame gives, over all fixtures.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the test tells how often it chose")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::make::{Maker, Tools};
use super::pass::Decoded;
use super::{
    FrameChoice, FrameRecipe, ImageCodec, Pace, Recipe, Size, Trim, VideoRecipe, VideoSound,
};
use crate::Time;
use crate::media::Input;
use crate::source::{Clip, Span};

fn fixtures() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/media");
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    files
}

fn recipe(choice: FrameChoice) -> Recipe {
    Recipe {
        video: VideoRecipe::None,
        trim: Trim::None,
        frames: Some(FrameRecipe {
            choice,
            image: ImageCodec::Jpeg,
            quality: 70,
        }),
        size: Size::ShortSide(32),
        upscale: false,
        audio: None,
        waveform: false,
        pace: Pace::Source,
        video_sound: VideoSound::Encode,
    }
}

fn pass(path: &Path, span: Option<Span>, choice: FrameChoice, choose: bool) -> Option<Decoded> {
    let file = Arc::new(File::open(path).unwrap());
    let mut input = Input::open(file.clone()).unwrap();
    input.video()?;
    let clip = Clip {
        key: "k".to_owned(),
        span,
        ..Clip::default()
    };
    let recipe = recipe(choice);
    let maker = Maker {
        clip: &clip,
        file: &file,
        recipe: &recipe,
    };
    let length = maker.counted_length(&mut input).unwrap();
    let mut tools = Tools::default();
    maker.pass(&mut input, &mut tools, length, choose).unwrap()
}

fn spans() -> [Option<Span>; 4] {
    let span = |start: f64, end: Option<f64>| {
        Some(Span {
            start: Time::from_secs(start),
            end: end.map(Time::from_secs),
        })
    };
    [
        None,
        span(0.5, Some(1.5)),
        span(0.77, None),
        span(1.01, Some(1.02)),
    ]
}

#[test]
fn chosen_frames_are_those_of_decoding_all() {
    let rate = |num, den| FrameChoice::Rate { num, den };
    let choices = [
        rate(1, 2),
        rate(1, 1),
        rate(5, 1),
        rate(12, 1),
        FrameChoice::Count(1),
        FrameChoice::Count(3),
        FrameChoice::Count(16),
        FrameChoice::Keyframes,
    ];
    let (mut chosen, mut compared) = (0, 0);
    for path in fixtures() {
        for span in spans() {
            for choice in choices {
                let Some(all) = pass(&path, span, choice, false) else {
                    continue;
                };
                compared += 1;
                // Where the chooser is not sure it says so, and all is decoded.
                let Some(few) = pass(&path, span, choice, true) else {
                    continue;
                };
                chosen += 1;
                let told = format!("{} {span:?} {choice:?}", path.display());
                assert_eq!(few.times, all.times, "{told}");
                assert_eq!((few.first, few.end), (all.first, all.end), "{told}");
                assert_eq!(few.blobs.len(), all.blobs.len(), "{told}");
                for (few, all) in few.blobs.values().zip(all.blobs.values()) {
                    assert_eq!(few.load().unwrap(), all.load().unwrap(), "{told}");
                }
            }
        }
    }
    // Nearly always it is sure.
    println!("{chosen} of {compared} passes chose");
    assert!(chosen * 10 > compared * 8, "{chosen} of {compared}");
}
