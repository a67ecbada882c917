//! Which frames become pictures.

use kpack::sample::{Class, FrameChoice};
use kpack::source::Span;

use super::{expected, fixture, frames, make, numbers, span, times, try_make};

const RATE: fn(u32, u32) -> FrameChoice = |num, den| FrameChoice::Rate { num, den };

/// Numbers of the frames shown at these instants (seconds from the start of the source), by the
/// rule of the command line's documentation: the last frame that is not later.
fn shown_at(name: &str, instants: impl Iterator<Item = f64>) -> Vec<u32> {
    let times = times(name);
    let first = expected(name)["video"]["first_number"].as_u64().unwrap() as u32;
    // Half a tick of the track: milliseconds, but for mp4 at 25 frames per second.
    let coarse = !name.ends_with(".mp4") || name.ends_with("vfr.mp4");
    let half_tick = if coarse { 5e-4 } else { 4e-5 };
    instants
        .map(|at| {
            let later = times.iter().take_while(|t| **t <= at + half_tick).count();
            first + later.max(1) as u32 - 1
        })
        .collect()
}

#[track_caller]
fn check(name: &str, range: Option<Span>, choice: FrameChoice, want: &[u32]) {
    let (sample, facts) = make(&fixture(name), range, &frames(choice));
    assert_eq!(numbers(&sample), want, "{name} {range:?} {choice:?}");
    assert_eq!(facts.frames, Some(want.len() as u64), "{name}");
    assert_eq!(facts.frame_times.len(), want.len(), "{name}");
}

#[test]
fn a_range_holds_the_first_frame_at_or_after_its_start_to_the_last_before_its_end() {
    // GOP of 250: the second keyframe stands at 10 s.
    let name = "media/gop250.mp4";
    check(name, span(1.0, Some(2.0)), FrameChoice::All, &list(25..50));
    check(name, span(0.99, Some(1.9)), FrameChoice::All, &list(25..48));
    check(
        name,
        span(9.9, Some(10.1)),
        FrameChoice::All,
        &list(248..253),
    );
    check(name, span(10.0, Some(10.04)), FrameChoice::All, &[250]);
    check(name, span(11.9, None), FrameChoice::All, &list(298..300));
    check(
        name,
        span(11.9, Some(99.0)),
        FrameChoice::All,
        &list(298..300),
    );
    for (name, first) in [
        ("media/open_gop.mp4", 0),
        ("media/h264_bframes_aac.mp4", 0),
        ("media/hevc.mp4", 0),
        ("media/vp8.webm", 0),
        ("media/av1.mkv", 0),
        ("media/mpeg4_asp.avi", 0),
        ("media/mpeg2.ts", 0),
        ("media/edit_list.mp4", 38),
        ("media/start_nonzero.ts", 0),
        ("media/start_nonzero.mkv", 0),
        ("media/vfr.mp4", 0),
        ("media/rotated_90.mp4", 0),
        ("media/vp9_opus.webm", 0),
    ] {
        for (start, end) in [
            (0.0, 0.5),
            (0.39, 0.85),
            (0.97, 1.09),
            (1.01, 1.77),
            (1.3, 9.0),
        ] {
            let times = times(name).into_iter().zip(first..);
            let inside = times.filter(|(t, _)| *t >= start - 1e-6 && *t < end - 1e-6);
            let want: Vec<u32> = inside.map(|(_, number)| number).collect();
            check(name, span(start, Some(end)), FrameChoice::All, &want);
        }
    }
}

fn list(range: std::ops::Range<u32>) -> Vec<u32> {
    range.collect()
}

#[test]
fn a_rate_takes_the_picture_shown_at_each_instant() {
    for name in [
        "media/gop250.mp4",
        "media/vfr.mp4",
        "media/edit_list.mp4",
        "media/start_nonzero.mkv",
        "media/open_gop.mp4",
        "media/av1.mkv",
    ] {
        for (num, den) in [(5, 1), (30, 1), (1, 1), (30_000, 1001), (2, 5), (7, 3)] {
            let times = times(name);
            let step = times[times.len() - 1] - times[times.len() - 2];
            let begin = times[0];
            let duration = times[times.len() - 1] + step - begin;
            let rate = f64::from(num) / f64::from(den);
            let total = (duration * rate).round() as u32;
            let instants = (0..total).map(|k| begin + f64::from(k) / rate);
            let want = shown_at(name, instants);
            check(name, None, RATE(num, den), &want);
            let (start, end) = match name {
                "media/vfr.mp4" => (2.02, 3.31),
                _ => (0.51, 1.83),
            };
            let total = ((end - start) * rate).round() as u32;
            let first = times.iter().take_while(|t| **t < start).count() as u32;
            let number = expected(name)["video"]["first_number"].as_u64().unwrap() as u32;
            let instants = (0..total).map(|k| start + f64::from(k) / rate);
            // Clamped to the clip: before its first frame, that frame.
            let want = shown_at(name, instants);
            let want: Vec<u32> = want.into_iter().map(|n| n.max(first + number)).collect();
            check(name, span(start, Some(end)), RATE(num, den), &want);
        }
    }
}

#[test]
fn ten_seconds_at_25_to_30_per_second_are_300() {
    let range = span(1.0, Some(11.0));
    let (sample, facts) = make(&fixture("media/gop250.mp4"), range, &frames(RATE(30, 1)));
    assert_eq!((sample.blobs.len(), facts.frames), (300, Some(300)));
    assert_eq!(facts.fps, Some(30.0));
}

#[test]
fn a_count_takes_the_centres_of_equal_parts() {
    for (name, count) in [
        ("media/gop250.mp4", 8),
        ("media/vfr.mp4", 5),
        ("media/tiny.mp4", 7),
        ("media/start_nonzero.ts", 4),
        ("media/edit_list.mp4", 3),
        ("media/hevc.mp4", 4),
        ("media/audio_late.mkv", 1),
    ] {
        let times = times(name);
        let step = times[times.len() - 1] - times[times.len() - 2];
        let duration = times[times.len() - 1] + step - times[0];
        let centres = |begin: f64, duration: f64| {
            let part = duration / f64::from(count);
            (0..count).map(move |k| begin + (f64::from(k) + 0.5) * part)
        };
        let want = shown_at(name, centres(times[0], duration));
        check(name, None, FrameChoice::Count(count), &want);
        if duration > 1.9 {
            let want = shown_at(name, centres(0.6, 0.9));
            check(name, span(0.6, Some(1.5)), FrameChoice::Count(count), &want);
        }
    }
}

#[test]
fn keyframes_are_those_of_the_codec() {
    let choice = FrameChoice::Keyframes;
    check("media/gop250.mp4", None, choice, &[0, 250]);
    check("media/gop250.mp4", span(1.0, Some(11.0)), choice, &[250]);
    check("media/h264_bframes_aac.mp4", None, choice, &[0, 50]);
    check("media/open_gop.mp4", None, choice, &[0, 25, 50, 75]);
}

#[test]
fn a_range_past_the_end_is_too_short() {
    for name in [
        "media/gop250.mp4",
        "media/vp8.webm",
        "media/start_nonzero.ts",
    ] {
        for choice in [FrameChoice::All, FrameChoice::Count(4), RATE(5, 1)] {
            let made = try_make(&fixture(name), span(20.0, Some(30.0)), &frames(choice));
            let error = made.unwrap_err();
            assert_eq!(error.class, Class::TooShort, "{name} {choice:?}: {error}");
        }
    }
}

/// Packets without a picture are no part of the clip.
#[test]
fn count_of_a_whole_file_with_packets_without_a_picture() {
    let choice = FrameChoice::Count(4);
    let (sample, _) = make(&fixture("media/mpeg4_asp.avi"), None, &frames(choice));
    assert_eq!(numbers(&sample), [6, 18, 31, 43], "mpeg4_asp.avi");
}

/// A range ends at its end where the source goes on, however long its last picture stands.
#[test]
fn rate_in_a_range_whose_last_picture_stands_longer() {
    let rate = FrameChoice::Rate { num: 5, den: 1 };
    let range = span(0.51, Some(1.83));
    let (sample, facts) = make(&fixture("media/vfr.mp4"), range, &frames(rate));
    assert_eq!(numbers(&sample), [11, 13, 17, 20, 20, 20, 20]);
    assert_eq!(facts.got_end.unwrap().secs(), 1.83);
}

/// A range that is too short for one picture at this rate says so.
#[test]
fn range_without_a_picture_is_too_short() {
    let rate = FrameChoice::Rate { num: 2, den: 5 };
    for name in ["media/edit_list.mp4", "media/gop250.mp4"] {
        let made = try_make(&fixture(name), span(0.5, Some(1.5)), &frames(rate));
        assert_eq!(made.unwrap_err().class, Class::TooShort, "{name}");
    }
}

/// The parts are those of the time that the source has.
#[test]
fn count_in_a_range_that_ends_after_its_source() {
    let path = fixture("media/no_audio.mp4");
    let count = FrameChoice::Count(4);
    let (whole, _) = make(&path, None, &frames(count));
    let (beyond, facts) = make(&path, span(0.0, Some(10.0)), &frames(count));
    assert_eq!(numbers(&beyond), numbers(&whole));
    assert_eq!(facts.got_end.unwrap().secs(), 2.0);
}

#[test]
fn more_pictures_than_names_is_too_large() {
    let path = fixture("media/tiny.mp4");
    let made = try_make(&path, None, &frames(FrameChoice::Count(4_000_000_000)));
    assert_eq!(made.unwrap_err().class, Class::TooLarge);
}
