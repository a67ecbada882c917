//! `--trim smart`: the frames of an exact cut, most of them copied.

use kpack::sample::{AudioCodec, Trim, VideoRecipe};

use super::video::{cut, inside, video};
use super::{blob, fixture, make, sound, span};

/// Ranges that begin and end at key frames, inside of groups, at frames and between them.
const RANGES: [(f64, f64); 8] = [
    (0.0, 1.0),
    (0.0, 3.1),
    (0.3, 1.9),
    (0.51, 3.37),
    (1.01, 2.63),
    (1.0, 1.04),
    (0.8, 2.4),
    (2.0, 3.99),
];

#[test]
fn it_holds_the_frames_of_the_range_at_their_times() {
    for name in [
        "media/gop250.mp4",
        "media/h264_bframes_aac.mp4",
        "media/open_gop.mp4",
        "media/vfr.mp4",
        "media/vfr_gops.mp4",
        "media/edit_list.mp4",
        "media/start_nonzero.ts",
        "media/start_nonzero.mkv",
        "media/rotated_90.mp4",
        "media/rotated_gops.mp4",
        "media/tenbit.mp4",
        "media/hevc.mp4",
    ] {
        for (start, end) in RANGES {
            let (want, want_times) = inside(name, start, end);
            if want.is_empty() {
                continue;
            }
            let recipe = video(VideoRecipe::Copy, Trim::Smart);
            let cut = cut(name, span(start, Some(end)), &recipe, "mp4");
            let (got, got_times) = cut.read();
            let told = format!("{name} {start}..{end} {:?}", cut.facts);
            assert_eq!(got, want, "{told}");
            assert_eq!(cut.facts.frames, Some(want.len() as u64), "{told}");
            assert_eq!(cut.facts.decode_errors, None, "{told}");
            let begins = cut.facts.got_start.unwrap().secs();
            assert!((begins - want_times[0]).abs() < 0.0011, "{told}");
            for (got, want) in got_times.windows(2).zip(want_times.windows(2)) {
                let off = (got[1] - got[0]) - (want[1] - want[0]);
                assert!(off.abs() < 0.0021, "{told}: {got_times:?} {want_times:?}");
            }
        }
    }
}

#[test]
fn only_what_the_edges_cut_is_encoded() {
    for (name, start, end, encoded) in [
        // Groups of 50: 25 to 49 are encoded, and 50 to 87 copied, for nothing needs what is left out.
        ("media/h264_bframes_aac.mp4", 1.0, 4.0, Some(25)),
        ("media/h264_bframes_aac.mp4", 2.0, 4.0, Some(0)),
        ("media/h264_bframes_aac.mp4", 0.0, 4.0, Some(0)),
        ("media/rotated_gops.mp4", 0.4, 3.0, Some(10)),
        ("media/gop250.mp4", 9.0, 12.0, Some(25)),
        // No whole group.
        ("media/gop250.mp4", 1.0, 9.0, None),
        ("media/rotated_90.mp4", 0.5, 1.5, None),
    ] {
        let recipe = video(VideoRecipe::Copy, Trim::Smart);
        let (_, facts) = make(&fixture(name), span(start, Some(end)), &recipe);
        let most = 2 * 50;
        match (facts.encoded_frames, encoded) {
            (Some(got), Some(want)) => assert!(
                got >= want && got - want <= 20 && got <= most,
                "{name} {start}: {got}"
            ),
            (got, want) => assert_eq!(got, want, "{name} {start}"),
        }
        assert!(facts.notes.is_empty(), "{:?}", facts.notes);
    }
}

#[test]
fn what_cannot_be_joined_is_encoded_and_says_why() {
    for (name, start, end, why) in [
        ("media/open_gop.mp4", 0.5, 3.0, "open"),
        ("media/hevc.mp4", 0.5, 1.0, "hevc"),
        ("media/tenbit.mp4", 0.5, 1.0, "8 bits"),
        ("media/yuv444.mp4", 0.5, 1.0, "4:2:0"),
        ("media/vp9_opus.webm", 0.5, 1.0, "vp9"),
        ("media/mpeg4_asp.avi", 0.5, 1.0, "mpeg4"),
        ("media/size_change.mkv", 0.2, 1.8, ""),
        ("broken/flipped_bits.mp4", 0.5, 3.5, ""),
    ] {
        let recipe = video(VideoRecipe::Copy, Trim::Smart);
        let (_, facts) = make(&fixture(name), span(start, Some(end)), &recipe);
        assert_eq!(facts.encoded_frames, None, "{name}");
        if !why.is_empty() {
            let note = facts.notes.join(" ");
            assert!(
                note.contains("as --trim exact does") && note.contains(why),
                "{name}: {note}"
            );
        }
    }
}

#[test]
fn the_same_bytes_and_the_sound_of_an_exact_cut() {
    let name = "media/h264_bframes_aac.mp4";
    let range = span(1.013, Some(3.217));
    let of = |trim| cut(name, range, &video(VideoRecipe::Copy, trim), "mp4");
    let (smart, exact, again) = (of(Trim::Smart), of(Trim::Exact), of(Trim::Smart));
    let bytes = |cut: &super::video::Cut| std::fs::read(&cut.path).unwrap();
    assert!(bytes(&smart) == bytes(&again));
    let wav =
        |cut: &super::video::Cut| blob(&make(&cut.path, None, &sound(AudioCodec::Wav)).0, "wav");
    assert_eq!(wav(&smart), wav(&exact));
}
