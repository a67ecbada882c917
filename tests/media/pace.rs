//! Encoded videos: at a constant rate, without repeated frames, in each codec, with other sound.

use kpack::media::VideoCodec;
use kpack::sample::{
    AudioCodec, FrameChoice, Pace, Preset, Recipe, Size, Trim, VideoRecipe, VideoSound,
};

use super::video::{Cut, cut, video};
use super::{blob, fixture, frames, make, numbers, sound, span};

const FINE: VideoRecipe = VideoRecipe::H264 {
    crf: 18,
    preset: Preset::Ultrafast,
    gop: None,
};

fn paced(pace: Pace) -> Recipe {
    Recipe {
        pace,
        ..video(FINE, Trim::Exact)
    }
}

#[test]
fn a_constant_rate_has_the_frames_that_pictures_at_that_rate_have() {
    for name in [
        "media/h264_bframes_aac.mp4",
        "media/vfr.mp4",
        "media/start_nonzero.ts",
        "media/edit_list.mp4",
        "media/rotated_90.mp4",
    ] {
        for range in [None, span(0.51, Some(1.37)), span(1.0, None)] {
            for (num, den) in [(10, 1), (30_000, 1001), (50, 1), (3, 2)] {
                let told = format!("{name} {range:?} {num}/{den}");
                let cut = cut(name, range, &paced(Pace::Rate { num, den }), "mp4");
                let (got, times) = cut.read();
                let choice = FrameChoice::Rate { num, den };
                let (pictures, facts) = make(&fixture(name), range, &frames(choice));
                assert_eq!(got, numbers(&pictures), "{told}");
                assert_eq!(cut.facts.frames, Some(got.len() as u64), "{told}");
                assert_eq!(cut.facts.fps, facts.fps, "{told}");
                assert_eq!(cut.facts.got_end, facts.got_end, "{told}");
                let step = f64::from(den) / f64::from(num);
                for (k, time) in times.iter().enumerate() {
                    let want = times[0] + k as f64 * step;
                    assert!((time - want).abs() < 1e-5, "{told}: {times:?}");
                }
            }
        }
    }
}

#[test]
fn a_clip_shorter_than_half_a_step_has_one_frame() {
    let range = span(1.0, Some(1.2));
    let recipe = paced(Pace::Rate { num: 1, den: 1 });
    let (got, _) = cut("media/gop250.mp4", range, &recipe, "mp4").read();
    assert_eq!(got, [25]);
}

#[test]
fn repeated_frames_go_and_the_others_keep_their_times() {
    // Each frame twice, but for the compression.
    let twice = cut(
        "media/no_audio.mp4",
        None,
        &paced(Pace::Rate { num: 50, den: 1 }),
        "mp4",
    );
    assert_eq!(twice.facts.frames, Some(100));
    let (sample, facts) = make(&twice.path, None, &paced(Pace::Distinct));
    // The last frame stays although it repeats the one before, so the length is the same.
    assert_eq!(facts.frames, Some(51));
    assert_eq!(facts.dropped_frames, Some(49));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("once.mp4");
    std::fs::write(&path, blob(&sample, "mp4")).unwrap();
    let (sample, read) = make(&path, None, &frames(FrameChoice::All));
    let want: Vec<u32> = (0..50).chain([49]).collect();
    assert_eq!(numbers(&sample), want);
    let times: Vec<f64> = read.frame_times.iter().map(|t| t.secs()).collect();
    for (k, time) in times.iter().take(50).enumerate() {
        assert!((time - k as f64 * 0.04).abs() < 1e-4, "{times:?}");
    }
    assert!((times[50] - 1.98).abs() < 1e-4, "{times:?}");
    assert_eq!(read.got_end, facts.got_end);
}

#[test]
fn a_picture_that_stands_still_is_kept_once_a_second() {
    // One frame, shown for as long as the rate takes for four.
    let name = "media/h264_bframes_aac.mp4";
    let still = cut(
        name,
        span(1.0, Some(1.04)),
        &paced(Pace::Rate { num: 2500, den: 1 }),
        "mp4",
    );
    assert_eq!(still.facts.frames, Some(100));
    let (_, facts) = make(&still.path, None, &paced(Pace::Distinct));
    assert_eq!((facts.frames, facts.dropped_frames), (Some(2), Some(98)));
    // What moves stays as it is.
    let (_, facts) = make(&fixture(name), None, &paced(Pace::Distinct));
    assert_eq!((facts.frames, facts.dropped_frames), (Some(100), Some(0)));
}

/// A fixture in a codec; `None`, with a line that says so, where the libraries lack it.
fn encoded(codec: VideoCodec, name: &str, sound: VideoSound) -> Option<Cut> {
    if !codec.is_there() {
        println!("skipped: no encoder {}", codec.encoder());
        return None;
    }
    let recipe = Recipe {
        video_sound: sound,
        size: Size::ShortSide(96),
        ..video(
            VideoRecipe::encoded(codec, 20, Preset::Ultrafast, Some(20)),
            Trim::Exact,
        )
    };
    Some(cut(name, None, &recipe, codec.extension()))
}

#[test]
fn every_codec_holds_all_frames_and_the_sound_at_its_time() {
    let name = "media/h264_bframes_aac.mp4";
    let (_, before) = make(&fixture(name), None, &sound(AudioCodec::F32));
    for codec in VideoCodec::ALL {
        let Some(cut) = encoded(codec, name, VideoSound::Encode) else {
            continue;
        };
        let (got, times) = cut.read();
        assert_eq!(got, (0..100).collect::<Vec<_>>(), "{codec:?}");
        for (k, time) in times.iter().enumerate() {
            assert!((time - k as f64 * 0.04).abs() < 0.0011, "{codec:?} {time}");
        }
        let (_, heard) = make(&cut.path, None, &sound(AudioCodec::F32));
        let start = heard.audio_start.unwrap().secs();
        assert!(start.abs() < 0.0011, "{codec:?}: {start}");
        let seconds = |facts: &kpack::sample::Facts| {
            facts.audio_samples.unwrap() as f64 / f64::from(facts.sample_rate.unwrap())
        };
        let off = seconds(&heard) - seconds(&before);
        assert!((-0.001..0.03).contains(&off), "{codec:?}: {off}");
        let again = encoded(codec, name, VideoSound::Encode).unwrap();
        let read = |cut: &Cut| std::fs::read(&cut.path).unwrap();
        assert!(read(&cut) == read(&again), "{codec:?}: other bytes");
        let (keys, _) = make(&cut.path, None, &frames(FrameChoice::Keyframes));
        assert!(keys.blobs.len() >= 5, "{codec:?}: {}", keys.blobs.len());
    }
}

#[test]
fn sound_is_left_out_or_copied_where_the_container_takes_it() {
    let name = "media/h264_bframes_aac.mp4";
    let wav = |path: &std::path::Path| {
        let (sample, facts) = make(path, None, &sound(AudioCodec::Wav));
        (blob(&sample, "wav"), facts)
    };
    let silent = encoded(VideoCodec::H264, name, VideoSound::None).unwrap();
    let (sample, facts) = make(&silent.path, None, &{
        let pictures = frames(FrameChoice::Count(1));
        Recipe {
            audio: sound(AudioCodec::Wav).audio,
            ..pictures
        }
    });
    assert_eq!((facts.has_audio, sample.blobs.len()), (Some(false), 1));

    let copied = encoded(VideoCodec::H264, name, VideoSound::Copy).unwrap();
    assert!(copied.facts.notes.is_empty(), "{:?}", copied.facts.notes);
    assert!(wav(&copied.path).0 == wav(&fixture(name)).0);

    // Opus is WebM's; AAC is not, and is encoded.
    if let Some(cut) = encoded(VideoCodec::Vp9, "media/vp9_opus.webm", VideoSound::Copy) {
        assert!(cut.facts.notes.is_empty(), "{:?}", cut.facts.notes);
        let source = fixture("media/vp9_opus.webm");
        assert_eq!(wav(&cut.path).0.len(), wav(&source).0.len());
    }
    if let Some(cut) = encoded(VideoCodec::Vp9, name, VideoSound::Copy) {
        let note = cut.facts.notes.join(" ");
        assert!(note.contains("webm does not take aac"), "{note}");
        assert_eq!(wav(&cut.path).1.audio_codec.as_deref(), Some("opus"));
    }
}
