//! Video blobs: copied whole, cut at keyframes, encoded anew.

use std::path::PathBuf;

use kpack::media::Input;
use kpack::sample::{AudioCodec, Facts, FrameChoice, Preset, Recipe, Size, Trim, VideoRecipe};
use kpack::source::Span;
use kpack_formats::Blob;

use super::{
    NOTHING, blob, expected, fixture, frames, make, numbers, sound, span, times, try_make,
    with_track,
};

const H264: VideoRecipe = VideoRecipe::H264 {
    crf: 18,
    preset: Preset::Ultrafast,
    gop: None,
};

pub(super) fn video(video: VideoRecipe, trim: Trim) -> Recipe {
    Recipe {
        video,
        trim,
        ..NOTHING
    }
}

/// The blob as a file, and what was told of it.
pub(super) struct Cut {
    _dir: tempfile::TempDir,
    pub(super) path: PathBuf,
    pub(super) facts: Facts,
}

pub(super) fn cut(name: &str, range: Option<Span>, recipe: &Recipe, kind: &str) -> Cut {
    let (sample, facts) = make(&fixture(name), range, recipe);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(format!("cut.{kind}"));
    std::fs::write(&path, blob(&sample, kind)).unwrap();
    Cut {
        _dir: dir,
        path,
        facts,
    }
}

impl Cut {
    /// Painted numbers and times of its frames when it is read again.
    pub(super) fn read(&self) -> (Vec<u32>, Vec<f64>) {
        let (sample, facts) = make(&self.path, None, &frames(FrameChoice::All));
        let times = facts.frame_times.iter().map(|t| t.secs()).collect();
        (numbers(&sample), times)
    }
}

/// An Ogg file with a picture track has one extension for both, and neither may push out the other.
#[test]
fn video_and_sound_copied_from_one_ogg_both_stay() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("film.ogg");
    std::fs::copy(fixture("media/vp9_opus.webm"), &path).unwrap();
    let recipe = Recipe {
        video: VideoRecipe::Copy,
        ..sound(AudioCodec::Copy)
    };
    let (sample, _) = make(&path, None, &recipe);
    let source = std::fs::read(&path).unwrap();
    assert_eq!(blob(&sample, "video.ogg"), source);
    assert!(blob(&sample, "ogg").starts_with(b"OggS"));
}

/// Numbers and times of the frames of a fixture within a range.
pub(super) fn inside(name: &str, start: f64, end: f64) -> (Vec<u32>, Vec<f64>) {
    let first = expected(name)["video"]["first_number"].as_u64().unwrap() as u32;
    let frames = (first..).zip(times(name));
    frames
        .filter(|(_, t)| *t >= start - 1e-6 && *t < end - 1e-6)
        .unzip()
}

#[test]
fn a_whole_copy_is_the_file_itself() {
    for name in with_track("video") {
        let kind = name.rsplit('.').next().unwrap();
        let (sample, facts) = make(&fixture(name), None, &video(VideoRecipe::Copy, Trim::Exact));
        assert_eq!(
            blob(&sample, kind),
            std::fs::read(fixture(name)).unwrap(),
            "{name}"
        );
        let want = &expected(name)["video"];
        assert_eq!(facts.width.map(u64::from), want["width"].as_u64(), "{name}");
        assert_eq!(
            facts.height.map(u64::from),
            want["height"].as_u64(),
            "{name}"
        );
        assert_eq!(
            facts.video_codec.as_deref(),
            want["codec"].as_str(),
            "{name}"
        );
    }
    let range = span(1.0, Some(2.0));
    let recipe = video(VideoRecipe::Copy, Trim::None);
    let (sample, _) = make(&fixture("media/gop250.mp4"), range, &recipe);
    let whole = std::fs::read(fixture("media/gop250.mp4")).unwrap();
    assert_eq!(blob(&sample, "mp4"), whole, "--trim none");
}

/// Packets without times are not taken for those of the beginning.
#[test]
fn a_bare_stream_cannot_be_cut_by_copying_and_says_so() {
    let mp4 = std::fs::read(fixture("media/gop250.mp4")).unwrap();
    let record = mp4.windows(4).position(|w| w == b"avcC").unwrap() + 4;
    let mut bare = Vec::new();
    let mut at = record + 6;
    for _ in 0..2 {
        let length = usize::from(mp4[at]) << 8 | usize::from(mp4[at + 1]);
        bare.extend_from_slice(&[0, 0, 0, 1]);
        bare.extend_from_slice(&mp4[at + 2..at + 2 + length]);
        // Behind the one set of the first kind the count of the other stands.
        at += 2 + length + 1;
    }
    let mut input = Input::open_blob(Blob::from(mp4)).unwrap();
    while let Some(packet) = input.next_packet().unwrap() {
        let mut data = packet.data().unwrap();
        while let Some((length, rest)) = data.split_first_chunk::<4>() {
            let (unit, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
            bare.extend_from_slice(&[0, 0, 0, 1]);
            bare.extend_from_slice(unit);
            data = rest;
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bare.h264");
    std::fs::write(&path, bare).unwrap();
    for start in [0.0, 10.2] {
        let range = span(start, Some(start + 1.0));
        let made = try_make(&path, range, &video(VideoRecipe::Copy, Trim::Copy));
        let reason = made.unwrap_err().full_reason();
        assert!(reason.contains("--trim exact"), "{start}: {reason}");
        let (_, facts) = make(&path, range, &video(VideoRecipe::Copy, Trim::Exact));
        assert_eq!(facts.frames, Some(25), "{start}");
    }
}

#[test]
fn an_exact_cut_holds_the_frames_of_the_range_at_their_times() {
    for name in [
        "media/gop250.mp4",
        "media/h264_bframes_aac.mp4",
        "media/open_gop.mp4",
        "media/vfr.mp4",
        "media/edit_list.mp4",
        "media/start_nonzero.ts",
        "media/start_nonzero.mkv",
        "media/rotated_90.mp4",
        "media/mpeg4_asp.avi",
        "media/av1.mkv",
        "media/vp9_opus.webm",
        "media/tenbit.mp4",
        "media/yuv444.mp4",
    ] {
        for (start, end) in [(0.51, 1.37), (1.01, 1.63), (0.0, 0.3)] {
            for recipe in [
                video(VideoRecipe::Copy, Trim::Exact),
                video(H264, Trim::Exact),
            ] {
                let cut = cut(name, span(start, Some(end)), &recipe, "mp4");
                let (want, want_times) = inside(name, start, end);
                let (got, got_times) = cut.read();
                assert_eq!(got, want, "{name} {start}..{end}");
                assert_eq!(cut.facts.frames, Some(want.len() as u64), "{name}");
                let told = cut.facts.got_start.unwrap().secs();
                assert!((told - want_times[0]).abs() < 0.0011, "{name}: {told}");
                for (got, want) in got_times.windows(2).zip(want_times.windows(2)) {
                    let off = (got[1] - got[0]) - (want[1] - want[0]);
                    assert!(
                        off.abs() < 0.0021,
                        "{name} {start}..{end}: {got:?} {want:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_copied_cut_begins_with_the_keyframe_at_or_before_the_start() {
    for (name, start, end, first, kind) in [
        ("media/gop250.mp4", 10.5, 11.0, 250, "mp4"),
        ("media/gop250.mp4", 9.99, 10.5, 0, "mp4"),
        ("media/h264_bframes_aac.mp4", 2.5, 3.0, 50, "mp4"),
        ("media/h264_bframes_aac.mp4", 2.0, 3.0, 50, "mp4"),
        ("media/start_nonzero.mkv", 1.0, 1.5, 0, "mkv"),
        ("media/vp9_opus.webm", 1.0, 1.5, 0, "mkv"),
    ] {
        let recipe = video(VideoRecipe::Copy, Trim::Copy);
        let cut = cut(name, span(start, Some(end)), &recipe, kind);
        let (got, _) = cut.read();
        let (_, all) = inside(name, 0.0, f64::MAX);
        let (wanted, _) = inside(name, start, end);
        assert_eq!(got[0], first, "{name} {start}..{end}");
        let got_start = cut.facts.got_start.unwrap().secs();
        let at = all[first as usize];
        assert!(
            (got_start - at).abs() < 0.0011,
            "{name}: {got_start}, not {at}"
        );
        assert!(
            wanted.iter().all(|n| got.contains(n)),
            "{name} {start}..{end}: {got:?}"
        );
        // Packets stand in decoding order: a few frames after the end may be with them.
        let last = wanted.last().unwrap() + 4;
        assert!(
            *got.last().unwrap() <= last,
            "{name} {start}..{end}: {got:?}"
        );
        let last = *wanted.last().unwrap();
        let run: Vec<u32> = got.into_iter().filter(|n| *n <= last).collect();
        assert_eq!(run, (first..=last).collect::<Vec<_>>(), "{name}: holes");
    }
}

#[test]
fn a_cut_video_has_the_sound_of_its_range() {
    for (name, recipe, slack) in [
        (
            "media/h264_bframes_aac.mp4",
            video(H264, Trim::Exact),
            0.0001,
        ),
        ("media/edit_list.mp4", video(H264, Trim::Exact), 0.0001),
        ("media/start_nonzero.ts", video(H264, Trim::Exact), 0.0001),
        (
            "media/h264_bframes_aac.mp4",
            video(VideoRecipe::Copy, Trim::Copy),
            0.06,
        ),
    ] {
        let (start, end) = (0.52, 1.52);
        let cut = cut(name, span(start, Some(end)), &recipe, "mp4");
        let (_, heard) = make(&cut.path, None, &sound(AudioCodec::F32));
        let rate = f64::from(heard.sample_rate.unwrap());
        let begin = cut.facts.got_start.unwrap().secs();
        let seconds = heard.audio_samples.unwrap() as f64 / rate;
        // A copied cut begins earlier, with its keyframe.
        let want = if begin < start {
            end - begin
        } else {
            end - start
        };
        assert!(
            (seconds - want).abs() <= slack + 1.5 * 1024.0 / rate,
            "{name}: {seconds} {want}"
        );
        assert_eq!(heard.has_audio, Some(true));
    }
}

/// Files of variable rate have packets that do not say how long they last, also the last of a cut.
#[test]
fn a_copied_cut_shows_all_frames_that_it_says() {
    for name in ["media/vfr.mp4", "media/vfr_gops.mp4", "media/gop250.mp4"] {
        for (start, end) in [(0.0, 0.3), (0.3, 1.9), (0.51, 1.37), (1.01, 1.63)] {
            let recipe = video(VideoRecipe::Copy, Trim::Copy);
            let cut = cut(name, span(start, Some(end)), &recipe, "mp4");
            let (got, times) = cut.read();
            assert_eq!(cut.facts.frames, Some(got.len() as u64), "{name} {start}");
            let told = cut.facts.got_end.unwrap().secs() - cut.facts.got_start.unwrap().secs();
            assert!(told > times[times.len() - 1], "{name} {start}: {told}");
        }
    }
}

#[test]
fn a_new_video_has_the_size_that_was_asked() {
    for (name, size, upscale, want) in [
        ("media/no_audio.mp4", Size::ShortSide(60), false, (80, 60)),
        (
            "media/no_audio.mp4",
            Size::ShortSide(256),
            false,
            (160, 120),
        ),
        ("media/no_audio.mp4", Size::ShortSide(240), true, (320, 240)),
        ("media/rotated_90.mp4", Size::ShortSide(60), false, (80, 60)),
        // H.264 with 4:2:0 has even sides.
        ("media/odd_size.webm", Size::Source, false, (160, 120)),
    ] {
        let recipe = Recipe {
            size,
            upscale,
            ..video(H264, Trim::Exact)
        };
        let cut = cut(name, None, &recipe, "mp4");
        assert_eq!(
            (cut.facts.width, cut.facts.height),
            (Some(want.0), Some(want.1)),
            "{name}"
        );
        let (sample, facts) = make(&cut.path, None, &frames(FrameChoice::All));
        assert_eq!(
            (facts.width, facts.height),
            (Some(want.0), Some(want.1)),
            "{name}"
        );
        assert_eq!(numbers(&sample), (0..50).collect::<Vec<u32>>(), "{name}");
    }
}

#[test]
fn encoding_settings_are_heeded_and_bytes_repeat() {
    let size = |crf, gop| {
        let preset = Preset::Veryfast;
        let recipe = video(VideoRecipe::H264 { crf, preset, gop }, Trim::Exact);
        let cut = cut("media/no_audio.mp4", None, &recipe, "mp4");
        let (sample, _) = make(&cut.path, None, &frames(FrameChoice::Keyframes));
        (std::fs::read(&cut.path).unwrap(), sample.blobs.len())
    };
    let (good, keys) = size(18, None);
    let (bad, _) = size(40, None);
    assert!(bad.len() * 2 < good.len() && keys == 1);
    assert_eq!(size(18, Some(10)).1, 5);
    for _ in 0..8 {
        assert!(size(18, None).0 == good, "other bytes");
    }
}

#[test]
fn colours_survive_a_new_encoding() {
    for name in [
        "media/bt709_limited.mp4",
        "media/bt709_full.mp4",
        "media/bt2020_10bit.mp4",
    ] {
        let recipe = Recipe {
            size: Size::ShortSide(90),
            ..video(H264, Trim::Exact)
        };
        let cut = cut(name, None, &recipe, "mp4");
        let recipe = Recipe {
            size: Size::ShortSide(90),
            ..frames(FrameChoice::Count(1))
        };
        let (before, _) = make(&fixture(name), None, &recipe);
        let (after, _) = make(&cut.path, None, &recipe);
        let (before, after) = (super::pictures(&before), super::pictures(&after));
        let pairs = before[0].iter().zip(after[0].iter());
        let sum: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        let mean = sum as f64 / before[0].len() as f64;
        assert!(mean < 2.5, "{name}: off by {mean} levels on average");
    }
}
