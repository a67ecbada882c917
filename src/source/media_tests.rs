//! Rows that find their video by its name.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;

use super::*;
use crate::Time;
use crate::sample::Class;

fn put(dir: &Path, file: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

/// What the rows of `csv` find in a folder with these files: `FILE cut` below it, or `-`.
fn find_with(csv: &str, files: &[&str], edit: fn(&mut ReadOptions, &Path)) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let media = dir.path().join("media");
    fs::create_dir(&media).unwrap();
    files.iter().for_each(|file| drop(put(&media, file, "x")));
    let mut options = ReadOptions {
        media_dir: Some(media.clone()),
        ..ReadOptions::default()
    };
    edit(&mut options, dir.path());
    let input = read(&[put(dir.path(), "a.csv", csv)], &options).unwrap();
    let found = |row: &Row| match &row.clip.media {
        Some(path) => {
            let path = path.strip_prefix(&media).or(path.strip_prefix(dir.path()));
            format!("{}{}", path.unwrap().display(), cut(&row.clip))
        }
        None => {
            assert_eq!(row.problem.as_ref().unwrap().class, Class::Missing);
            "-".to_owned()
        }
    };
    input.rows.iter().map(found).collect()
}

fn find(csv: &str, files: &[&str]) -> Vec<String> {
    find_with(csv, files, |_, _| {})
}

/// What is cut out of the media, in seconds.
fn cut(clip: &Clip) -> String {
    let end = |span: Span| span.end.map_or(String::new(), |end| end.to_string());
    clip.span.map_or_else(String::new, |span| {
        format!(" {}..{}", span.start, end(span))
    })
}

const ROW: &str =
    "label,youtube_id,time_start,time_end,split\nair drumming,-3B_12lodo2,59,69,val\n";

#[test]
fn names_say_whether_a_range_is_still_to_be_cut() {
    for (file, found) in [
        (
            "-3B_12lodo2_000059_000069.mp4",
            "-3B_12lodo2_000059_000069.mp4",
        ),
        ("-3B_12lodo2_59_69.webm", "-3B_12lodo2_59_69.webm"),
        ("-3B_12lodo2_0059_0069.MKV", "-3B_12lodo2_0059_0069.MKV"),
        ("-3B_12lodo2.mp4", "-3B_12lodo2.mp4 59..69"),
        ("-3B_12lodo2.unknown", "-3B_12lodo2.unknown 59..69"),
        (
            "-3B_12lodo2_000050_000080.mp4",
            "-3B_12lodo2_000050_000080.mp4 9..19",
        ),
        (
            "val/air_drumming/-3B_12lodo2.mp4",
            "val/air_drumming/-3B_12lodo2.mp4 59..69",
        ),
    ] {
        assert_eq!(find(ROW, &[file]), [found]);
    }
    for other in [
        "-3B_12lodo2_000059_000068.mp4",
        "-3B.mp4",
        "3B_12lodo2.mp4",
        "-3B_12lodo2_000059.mp4",
        "-3b_12lodo2.mp4",
        "-3B_12lodo2.mp4.part",
        "-3B_12lodo2.json",
        "-3B_12lodo2_000059_000069/img_00001.jpg",
    ] {
        assert_eq!(find(ROW, &[other]), ["-"], "{other}");
    }
}

#[test]
fn the_clip_itself_is_better_than_its_source() {
    let files = ["-3B_12lodo2.mp4", "x/-3B_12lodo2_000059_000069.mp4"];
    assert_eq!(find(ROW, &files), ["x/-3B_12lodo2_000059_000069.mp4"]);
    let trimmed = find_with(ROW, &["-3B_12lodo2.mp4"], |o, _| o.media_trimmed = true);
    assert_eq!(trimmed, ["-3B_12lodo2.mp4"]);
}

#[test]
fn folders_of_the_class_and_split_come_first() {
    for folder in [
        "air drumming",
        "air_drumming",
        "air-drumming",
        "val",
        "validate/x",
        "Val/Air_Drumming",
    ] {
        let right = format!("{folder}/-3B_12lodo2.mp4");
        let found = find(
            ROW,
            &["aaa/-3B_12lodo2.mp4", &right, "train/zumba/-3B_12lodo2.mp4"],
        );
        assert_eq!(found, [format!("{right} 59..69")]);
    }
    // A sound file beside a video is not the video.
    assert_eq!(
        find(ROW, &["a/-3B_12lodo2.wav", "b/-3B_12lodo2.mp4"]),
        ["b/-3B_12lodo2.mp4 59..69"]
    );
    let odd = "label,youtube_id,time_start,time_end\nmassaging person's head (x),abc,1,2\n";
    let found = find(odd, &["a/abc.mp4", "massaging_persons_head_x/abc.mp4"]);
    assert_eq!(found, ["massaging_persons_head_x/abc.mp4 1..2"]);
}

#[test]
fn replacements_go_before_everything() {
    let found = find_with(ROW, &["-3B_12lodo2_000059_000069.mp4"], |options, dir| {
        put(dir, "new/-3B_12lodo2_000059_000069.mkv", "x");
        options.replacement = Some(dir.join("new"));
    });
    assert_eq!(found, ["new/-3B_12lodo2_000059_000069.mkv"]);
    // Rows with a path find theirs by its name.
    let found = find_with(
        "path,label\nk/abc.mp4,run\nk/abd.mp4,run\n",
        &["k/abc.mp4", "k/abd.mp4"],
        |options, dir| {
            put(dir, "new/abc.mp4", "x");
            options.replacement = Some(dir.join("new"));
        },
    );
    assert_eq!(found, ["new/abc.mp4", "k/abd.mp4"]);
}

#[test]
fn what_is_trimmed_keeps_what_was_asked() {
    let dir = tempfile::tempdir().unwrap();
    let csv = put(dir.path(), "a.csv", ROW);
    put(dir.path(), "-3B_12lodo2_000059_000069.mp4", "x");
    // Without --media-dir videos beside the annotation file are found.
    let input = read(&[csv], &ReadOptions::default()).unwrap();
    let clip = &input.rows[0].clip;
    assert_eq!((clip.span, clip.source.as_str()), (None, "-3B_12lodo2"));
    let asked = clip.asked().unwrap();
    assert_eq!(
        (asked.start, asked.end),
        (Time::from_secs(59.0), Some(Time::from_secs(69.0)))
    );
    assert_eq!(clip.key, "-3B_12lodo2_000059_000069");
}

#[test]
fn windows_of_ava_find_their_clips() {
    let ava = "abc,12.500000\n";
    assert_eq!(find(ava, &["abc_000012.mp4"]), ["abc_000012.mp4"]);
    assert_eq!(find(ava, &["abc.mp4"]), ["abc.mp4 9..15"]);
    assert_eq!(find(ava, &["abc_000013.mp4"]), ["-"]);
    let wide = find_with(ava, &["abc.mp4"], |o, _| {
        o.window = Some(Time::from_secs(3.0))
    });
    assert_eq!(wide, ["abc.mp4 10.5..13.5"]);
    // Of clips of Kinetics that with the nearest midpoint, if that is near enough.
    let clips = [
        "abc_000010_000020.mp4",
        "abc_000006_000016.mp4",
        "abc_000000_000013.mp4",
    ];
    assert_eq!(find(ava, &clips), ["abc_000006_000016.mp4 3..9"]);
    assert_eq!(find(ava, &["abc_000000_000013.mp4"]), ["-"]);

    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "abc_000010_000020.mp4", "x");
    let csv = put(dir.path(), "a.csv", ava);
    let input = read(&[csv], &ReadOptions::default()).unwrap();
    let annotation = &input.rows[0].clip.columns["annotations"][0];
    assert_eq!(annotation["clip_timestamp"], 2.5);
}

#[test]
fn missing_videos_say_which_names_were_sought() {
    let dir = tempfile::tempdir().unwrap();
    let csv = put(dir.path(), "a.csv", ROW);
    let input = read(&[csv], &ReadOptions::default()).unwrap();
    let reason = &input.rows[0].problem.as_ref().unwrap().reason;
    for part in ["-3B_12lodo2_000059_000069", "a.csv line 2", "--media-dir"] {
        assert!(reason.contains(part), "{reason}");
    }
}

#[cfg(unix)]
#[test]
fn links_are_followed() {
    let dir = tempfile::tempdir().unwrap();
    let csv = put(dir.path(), "a.csv", ROW);
    let clip = put(dir.path(), "flat/x.mp4", "x");
    fs::create_dir(dir.path().join("m")).unwrap();
    std::os::unix::fs::symlink(&clip, dir.path().join("m/-3B_12lodo2_000059_000069.mp4")).unwrap();
    std::os::unix::fs::symlink("nowhere", dir.path().join("m/-3B_12lodo2.mp4")).unwrap();
    let options = ReadOptions {
        media_dir: Some(dir.path().join("m")),
        ..ReadOptions::default()
    };
    let input = read(&[csv], &options).unwrap();
    assert!(input.rows[0].problem.is_none() && input.rows[0].clip.span.is_none());
}
