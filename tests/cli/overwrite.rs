//! Files that kpack did not write, and its own sources, stay as they are.

use std::fs;
use std::path::Path;

use super::{kpack, put};
use crate::media::fixture;
use crate::pipeline::{assert_same, files};

const FRAMES: &[&str] = &["--frames", "all", "--audio", "wav", "--overwrite"];

/// A folder with `c/a.mp4`.
fn media(dir: &Path) {
    put(dir, "c/a.mp4", fs::read(fixture("media/tiny.mp4")).unwrap());
}

fn run(command: &str, input: &Path, out: &Path, more: &[&str]) -> super::Ended {
    let (input, out) = (input.to_str().unwrap(), out.to_str().unwrap());
    kpack([command, input, "-o", out].iter().chain(more))
}

#[test]
fn what_lies_at_a_planned_place_is_refused() {
    for name in ["c/a/holiday.jpg", "c/a.json", "c/a.wav"] {
        let dir = tempfile::tempdir().unwrap();
        let (input, out) = (dir.path().join("in"), dir.path().join("out"));
        media(&input);
        put(&out, name, "mine");
        put(&out, "c/other.txt", "mine");
        let before = files(&out);
        let ended = run("frames", &input, &out, FRAMES);
        assert_eq!(ended.code, 2, "{name}: {}", ended.err);
        assert!(
            ended.err.contains("kpack did not write it"),
            "{}",
            ended.err
        );
        assert_same(&files(&out), &before, name);
        fs::remove_file(out.join(name)).unwrap();
        let _ = fs::remove_dir(out.join("c/a"));
        assert_eq!(run("frames", &input, &out, FRAMES).code, 0);
        assert_eq!(run("frames", &input, &out, FRAMES).code, 0, "over our own");
        assert_eq!(fs::read(out.join("c/other.txt")).unwrap(), b"mine");
    }
}

#[test]
fn a_source_is_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let tone = fs::read(fixture("media/aac.m4a")).unwrap();
    put(dir.path(), "c/tone.m4a", &tone);
    let both = &["--overwrite"][..];
    // The first run writes `c/tone.wav`, which is then a source itself.
    assert_eq!(run("audio", dir.path(), dir.path(), both).code, 0);
    fs::remove_file(dir.path().join("c/tone.m4a")).unwrap();
    let sound = dir.path().join("c/tone.wav");
    let before = fs::read(&sound).unwrap();
    for codec in ["wav", "flac"] {
        let more = ["--overwrite", "--audio", codec];
        let ended = run("audio", &sound, &dir.path().join("c"), &more);
        assert_ne!(ended.code, 0, "{}", ended.err);
        assert_eq!(fs::read(&sound).unwrap(), before);
    }
    let ended = run("audio", &dir.path().join("c"), dir.path(), both);
    assert_eq!(fs::read(&sound).unwrap(), before, "{}", ended.err);
}

#[test]
fn a_picture_put_into_a_folder_of_ours_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (input, out) = (dir.path().join("in"), dir.path().join("out"));
    media(&input);
    assert_eq!(run("frames", &input, &out, FRAMES).code, 0);
    put(&out, "c/a/holiday.jpg", "mine");
    assert_eq!(run("frames", &input, &out, FRAMES).code, 2);
    assert_eq!(fs::read(out.join("c/a/holiday.jpg")).unwrap(), b"mine");
}

#[test]
fn a_finished_dataset_that_lost_a_file_says_so() {
    for (command, lost, more) in [
        ("frames", "c/a.json", &["--frames", "all"][..]),
        ("webdataset", "data-000000.tar", &[]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (input, out) = (dir.path().join("in"), dir.path().join("out"));
        media(&input);
        assert_eq!(run(command, &input, &out, more).code, 0);
        assert_eq!(run(command, &input, &out, more).code, 0);
        fs::remove_file(out.join(lost)).unwrap();
        let ended = run(command, &input, &out, more);
        assert_eq!(ended.code, 4, "{command}: {}", ended.err);
        let name = lost.trim_end_matches(".json");
        assert!(ended.err.contains(name), "{}", ended.err);
        assert!(ended.err.contains("kpack verify"), "{}", ended.err);
    }
}

#[test]
fn what_a_killed_run_of_another_plan_left_is_ours() {
    let dir = tempfile::tempdir().unwrap();
    let (input, out) = (dir.path().join("in"), dir.path().join("out"));
    media(&input);
    assert_eq!(run("frames", &input, &out, FRAMES).code, 0);
    // The sample is there, its row is not.
    for name in ["dataset.json", "samples.jsonl", "labels.txt"] {
        fs::remove_file(out.join(name)).unwrap();
    }
    assert_eq!(run("frames", &input, &out, FRAMES).code, 2);
    put(&out, ".kpack/part-0-of-1.jsonl", "");
    let more = ["--frames", "all", "--quality", "50", "--overwrite"];
    let ended = run("frames", &input, &out, &more);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(!out.join("c/a.wav").exists());
}

/// A dataset that is named by its shards, by links to them or by its folders is not removed before it
/// is read.
#[test]
fn a_dataset_that_is_read_is_not_overwritten() {
    for (command, to) in [
        ("webdataset", "tfrecord"),
        ("tfrecord", "webdataset"),
        ("frames", "webdataset"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (input, out) = (dir.path().join("in"), dir.path().join("out"));
        media(&input);
        assert_eq!(run(command, &input, &out, &["--frames", "all"]).code, 0);
        let links = dir.path().join("links");
        fs::create_dir(&links).unwrap();
        let mut sources = vec![links.clone()];
        if command == "frames" {
            sources = vec![out.join("c")];
        }
        for entry in fs::read_dir(&out).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if name.ends_with(".tar") || name.ends_with(".tfrecord") {
                std::os::unix::fs::symlink(&path, links.join(name)).unwrap();
                sources.push(path);
            }
        }
        let before = files(&out);
        for source in &sources {
            let ended = run("convert", source, &out, &["--to", to, "--overwrite"]);
            assert_eq!(ended.code, 2, "{command} {source:?}: {}", ended.err);
            assert!(ended.err.contains("use another folder"), "{}", ended.err);
            assert_same(&files(&out), &before, command);
        }
        if command == "webdataset" {
            let ended = run("webdataset", &sources[1], &out, &["--overwrite"]);
            assert_eq!(ended.code, 2, "{}", ended.err);
            assert_same(&files(&out), &before, "packed from its own shards");
        }
        let other = dir.path().join("other");
        assert_eq!(run("convert", &out, &other, &["--to", to]).code, 0);
        assert_eq!(
            run("convert", &out, &other, &["--to", to, "--overwrite"]).code,
            0
        );
    }
}
