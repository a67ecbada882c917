//! What packing commands say of inputs and results that may surprise.

use std::fs;
use std::path::Path;

use super::{Ended, kpack, put};
use crate::media::fixture;

fn media(dir: &Path, name: &str, from: &str) {
    put(dir, name, fs::read(fixture(from)).unwrap());
}

fn run(command: &str, input: &Path, out: &Path, more: &[&str]) -> Ended {
    let (input, out) = (input.to_str().unwrap(), out.to_str().unwrap());
    kpack([command, input, "-o", out].iter().chain(more))
}

#[test]
fn columns_with_names_of_kpack_are_noted() {
    let dir = tempfile::tempdir().unwrap();
    media(dir.path(), "a.mp4", "media/tiny.mp4");
    let out = dir.path().join("out");
    let list = put(dir.path(), "l.csv", "path,width,mine\na.mp4,3,4\n");
    let ended = run("webdataset", &list, &out, &["--dry-run"]);
    assert!(
        ended.err.contains("columns width of the input"),
        "{}",
        ended.err
    );
    let list = put(dir.path(), "k.csv", "path,kpack\na.mp4,3\n");
    let ended = run("frames", &list, &out, &[]);
    assert_eq!(ended.code, 2, "{}", ended.err);
    assert!(ended.err.contains("rename the column"), "{}", ended.err);
}

#[test]
fn a_part_says_what_comes_then() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    media(&input, "c/a.mp4", "media/tiny.mp4");
    media(&input, "c/b.mp4", "media/tiny.mp4");
    let out = dir.path().join("out");
    let more = ["--shard-samples", "1", "--part", "0/2"];
    let ended = run("webdataset", &input, &out, &more);
    assert!(ended.err.contains("then: kpack merge"), "{}", ended.err);
}

#[test]
fn sound_is_counted_in_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    media(&input, "c/a.mp4", "media/tiny.mp4");
    media(&input, "c/b.m4a", "media/aac.m4a");
    let ended = run("audio", &input, &dir.path().join("out"), &[]);
    assert!(ended.err.contains(" s of sound, "), "{}", ended.err);
    assert!(!ended.err.contains("frame"), "{}", ended.err);
}

#[test]
fn a_clip_without_sound_has_no_place_in_the_schema_of_sound() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    media(&input, "c/a.mp4", "media/no_audio.mp4");
    let out = dir.path().join("out");
    let ended = run("tfrecord", &input, &out, &["--schema", "sound"]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert!(ended.err.contains("1 no-audio"), "{}", ended.err);
    assert!(ended.err.contains("--no-audio skip"), "{}", ended.err);
}

#[test]
fn records_for_dmvr_without_frames_are_noted() {
    let dir = tempfile::tempdir().unwrap();
    media(dir.path(), "in/a.mp4", "media/tiny.mp4");
    let more = ["--schema", "dmvr", "--dry-run"];
    let ended = run(
        "tfrecord",
        &dir.path().join("in"),
        &dir.path().join("out"),
        &more,
    );
    assert!(ended.err.contains("DMVR expect frames"), "{}", ended.err);
}

#[test]
fn a_binary_file_is_quoted_briefly() {
    let dir = tempfile::tempdir().unwrap();
    media(dir.path(), "a.mp4", "media/tiny.mp4");
    let more = ["--input-format", "csv"];
    let ended = run(
        "webdataset",
        &dir.path().join("a.mp4"),
        &dir.path().join("out"),
        &more,
    );
    assert_eq!(ended.code, 2);
    assert!(ended.err.len() < 500, "{}", ended.err);
}
