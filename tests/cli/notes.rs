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
    let mut again = std::process::Command::new(env!("CARGO_BIN_EXE_kpack"));
    let again = again.arg("retry").arg(&out).output().unwrap();
    let again = String::from_utf8_lossy(&again.stderr);
    assert!(again.contains("1 no-audio"), "{again}");
}

#[test]
fn a_quiet_run_says_why_it_ended() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    media(&input, "c/a.mp4", "broken/text.mp4");
    media(&input, "c/b.mp4", "broken/text.mp4");
    for (name, limit) in [
        ("one", ["--on-error", "fail"]),
        ("two", ["--max-failures", "1"]),
    ] {
        let out = dir.path().join(name);
        let ended = run("webdataset", &input, &out, &[&limit[..], &["-q"]].concat());
        assert_eq!(ended.code, 1);
        assert!(
            ended.err.contains("c/a") || ended.err.contains("failed"),
            "{}",
            ended.err
        );
    }
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

#[test]
fn the_first_interrupt_is_answered() {
    use std::io::Read as _;
    use std::process::{Command, Stdio};
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    media(&input, "c/a.mp4", "media/tiny.mp4");
    if !cfg!(debug_assertions) {
        println!("skipped: this build does not hear KPACK_FAULT");
        return;
    }
    let out = dir.path().join("out");
    let mut child = Command::new(env!("CARGO_BIN_EXE_kpack"))
        .args(["webdataset", "--timeout", "3", "-o"])
        .args([&out, &input])
        .env("KPACK_FAULT", "hang=c/")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = out.join(".kpack/part-0-of-1.jsonl");
    while !log.exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // Until the clip is in flight.
    std::thread::sleep(std::time::Duration::from_secs(1));
    let id = child.id().to_string();
    let _ = Command::new("kill").args(["-INT", &id]).status().unwrap();
    let mut err = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut err)
        .unwrap();
    // It was the last clip, so the run has finished.
    assert_eq!(child.wait().unwrap().code(), Some(3), "{err}");
    assert!(
        err.contains("in flight; Ctrl-C again leaves at once"),
        "{err}"
    );
}
