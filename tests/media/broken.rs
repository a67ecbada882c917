//! Damaged files, each a row with its class and reason, and everything else packed.

use std::path::Path;

use kpack::pipeline::{Outcome, OutcomeRow};
use kpack::sample::{AudioCodec, Class, FrameChoice};

use super::{fixture, frames, make, sound, try_make};
use crate::cli::{Ended, kpack};
use crate::pipeline::rows;

/// Packs `input` into `out` and gives the rows.
pub(super) fn pack(
    command: &str,
    input: &Path,
    out: &Path,
    args: &[&str],
) -> (Ended, Vec<OutcomeRow>) {
    let (input, out) = (input.to_str().unwrap(), out.to_str().unwrap());
    let ended = kpack(
        [command, "-o", out]
            .iter()
            .chain(args)
            .chain(&["--", input]),
    );
    let rows = rows(out.as_ref());
    (ended, rows)
}

fn row<'a>(rows: &'a [OutcomeRow], key: &str) -> &'a OutcomeRow {
    rows.iter().find(|row| row.key == key).unwrap()
}

#[test]
fn every_broken_file_is_a_row_with_class_and_reason() {
    let commands: [(&str, &[&str]); 3] = [
        ("webdataset", &["--frames", "all", "--audio", "wav"]),
        ("tfrecord", &["--frames", "5", "--audio", "f32"]),
        ("frames", &[]),
    ];
    for (command, args) in commands {
        let dir = tempfile::tempdir().unwrap();
        let (ended, rows) = pack(command, &fixture("broken"), &dir.path().join("out"), args);
        assert_eq!(ended.code, 3, "{command}: {}", ended.err);
        assert_eq!(rows.len(), 9);
        for (key, class, reason) in [
            ("garbage", Class::NoVideo, "no video track"),
            (
                "header_only",
                Class::Corrupt,
                "header or index is missing or cut off",
            ),
            ("html", Class::NotAVideo, "no media"),
            ("no_video", Class::NoVideo, "no video track"),
            ("text", Class::NotAVideo, "no media"),
            (
                "truncated_moov_end",
                Class::Corrupt,
                "header or index is missing or cut off",
            ),
            ("zero", Class::NotAVideo, "0 bytes"),
        ] {
            let row = row(&rows, key);
            assert_eq!(row.outcome, Outcome::Failed, "{command} {key}");
            assert_eq!(row.class, Some(class), "{command} {key}");
            let told = row.reason.as_deref().unwrap();
            assert!(told.contains(reason), "{command} {key}: {told}");
            // The closing summary names the file, in one line.
            let line = ended.err.lines().find(|line| line.contains(&*row.source));
            let line = line.unwrap_or_else(|| panic!("{command} {key}: {}", ended.err));
            assert!(
                line.contains(reason) && line.contains(class.as_str()),
                "{line}"
            );
        }
        for key in ["flipped_bits", "truncated_moov_front"] {
            let row = row(&rows, key);
            assert_eq!(row.outcome, Outcome::Done, "{command} {key}");
            assert!(row.decode_errors > Some(0), "{command} {key}");
        }
        if !args.contains(&"5") {
            assert_eq!(row(&rows, "flipped_bits").frames, Some(100));
            assert_eq!(row(&rows, "truncated_moov_front").frames, Some(57));
        }
    }
}

#[test]
fn sound_alone_is_enough_where_sound_alone_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let (ended, rows) = pack("audio", &fixture("broken"), &dir.path().join("out"), &[]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    for (key, samples) in [
        ("no_video", 96_256),
        ("truncated_moov_front", 104_448),
        ("flipped_bits", 184_320),
    ] {
        let row = row(&rows, key);
        assert_eq!(row.outcome, Outcome::Done, "{key}");
        assert_eq!(row.audio_samples, Some(samples), "{key}");
    }
    for key in ["header_only", "html", "text", "truncated_moov_end", "zero"] {
        assert_eq!(row(&rows, key).outcome, Outcome::Failed, "{key}");
    }
}

#[test]
fn every_whole_fixture_is_packed() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["--frames", "2", "--short-side", "64"];
    let (ended, rows) = pack(
        "webdataset",
        &fixture("media"),
        &dir.path().join("out"),
        &args,
    );
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert_eq!(
        rows.len(),
        super::EXPECTED["files"]
            .as_object()
            .unwrap()
            .keys()
            .filter(|name| name.starts_with("media/"))
            .count()
    );
    for row in &rows {
        // Sound alone, and sound with a cover, have no frames.
        let name = row.source.rsplit('/').next().unwrap();
        let has_video = super::expected(&format!("media/{name}"))["video"].is_object();
        // One frame of 40 ms holds no picture at 2 a second.
        if name == "tiny.mp4" {
            assert_eq!(row.class, Some(Class::TooShort), "{:?}", row.reason);
            continue;
        }
        let want = if has_video {
            Outcome::Done
        } else {
            Outcome::Failed
        };
        assert_eq!(row.outcome, want, "{name}: {:?}", row.reason);
        assert_eq!(row.class, (!has_video).then_some(Class::NoVideo), "{name}");
    }
    let (ended, rows) = pack(
        "webdataset",
        &fixture("classes"),
        &dir.path().join("b"),
        &args,
    );
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(rows.len(), 6);
    assert_eq!(rows[0].label, ["bouncing ball"]);
}

/// A file without any track is no clip without sound.
#[test]
fn file_without_tracks_fails_for_sound_too() {
    let made = try_make(
        &fixture("broken/garbage.avi"),
        None,
        &sound(AudioCodec::Wav),
    );
    assert!(made.is_err());
}

/// The index promises 100 frames and 57 come out: that is damage, also without sound.
#[test]
fn frames_that_are_missing_at_the_end_are_told() {
    let path = fixture("broken/truncated_moov_front.mp4");
    let (_, facts) = make(&path, None, &frames(FrameChoice::All));
    assert!(facts.decode_errors > Some(0));
}

#[test]
fn an_index_that_is_cut_off_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut.mp4");
    let whole = std::fs::read(fixture("media/gop250.mp4")).unwrap();
    let moov = whole.windows(4).position(|w| w == b"moov").unwrap();
    for kept in [moov + 100, moov + 1000] {
        std::fs::write(&path, &whole[..kept]).unwrap();
        let made = super::try_make(&path, None, &super::frames(kpack::sample::FrameChoice::All));
        let error = made.unwrap_err();
        assert_eq!(
            error.class,
            kpack::sample::Class::Corrupt,
            "{kept}: {error}"
        );
    }
}
