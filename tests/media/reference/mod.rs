//! Against the `ffmpeg` and `ffprobe` commands, over the fixtures and over real clips.
//!
//! Real clips are looked for in the folder that `KPACK_CLIPS` names, else in `../shared/clips` beside
//! the repository. Without them, or without the commands, a test says that it is skipped.

mod colours;
mod counts;
mod planes;
mod sound;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::fixture;

/// What a test compares with; `None` (and a printed line) where the commands are missing.
fn files(test: &str) -> Option<Vec<PathBuf>> {
    let there = |name| Command::new(name).arg("-version").output().is_ok();
    if !there("ffmpeg") || !there("ffprobe") {
        println!("{test}: skipped: ffmpeg and ffprobe are not installed (make setup)");
        return None;
    }
    let mut files = listed(&fixture("media"));
    if let Some(clips) = clips(test) {
        files.extend(listed(&clips));
    }
    Some(files)
}

/// The folder of real clips; `None` (and a printed line) where it is missing.
pub(super) fn clips(test: &str) -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let clips = std::env::var_os("KPACK_CLIPS");
    let clips = clips.map_or_else(|| here.join("../shared/clips"), PathBuf::from);
    if !clips.is_dir() {
        let clips = clips.display();
        println!("{test}: real clips skipped: {clips} is not there (KPACK_CLIPS names another)");
        return None;
    }
    Some(clips)
}

/// The media of a folder by name, without the damaged ones.
fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        !name.starts_with("bad_") && !name.ends_with(".tsv")
    });
    files.sort();
    files
}

/// Runs a command to its end and gives its standard output.
fn output(command: &mut Command) -> Vec<u8> {
    let done = command.stdin(Stdio::null()).output().unwrap();
    done.stdout
}

/// ffmpeg's standard output for `path`, with options before and after the input.
fn ffmpeg(before: &[&str], path: &Path, after: &[&str]) -> Vec<u8> {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-threads", "1"]);
    output(
        command
            .args(before)
            .arg("-i")
            .arg(path)
            .args(after)
            .arg("-"),
    )
}

/// The first stream of a kind as ffprobe describes it.
fn stream(path: &Path, kind: &str) -> Option<Value> {
    let mut command = Command::new("ffprobe");
    command.args([
        "-v",
        "error",
        "-of",
        "json",
        "-show_streams",
        "-select_streams",
        kind,
    ]);
    let text = output(command.arg(path));
    let shown: Value = serde_json::from_slice(&text).unwrap();
    let stream = shown["streams"].get(0)?.clone();
    (stream["disposition"]["attached_pic"] != 1).then_some(stream)
}
