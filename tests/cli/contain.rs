//! Whatever looks into media does so in child processes: a file that crashes its decoder is one that is
//! said, and the rest is right.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{Ended, put};
use crate::media::fixture;

/// Runs `kpack` with workers that misbehave on some keys; `None` where the build does not hear of it.
fn faulty(faults: &str, args: &[&dyn AsRef<std::ffi::OsStr>]) -> Option<Ended> {
    if !cfg!(debug_assertions) {
        println!("skipped: faults are heard by debug builds only");
        return None;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_kpack"));
    let args = args.iter().map(|arg| arg.as_ref());
    let output = command.args(args).env("KPACK_FAULT", faults).output();
    let output = output.unwrap();
    Some(Ended {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    })
}

/// Three clips of a class: `one`, `two` and `three`.
fn clips(dir: &Path) -> PathBuf {
    let video = fs::read(fixture("media/gop250.mp4")).unwrap();
    for name in ["one", "two", "three"] {
        put(dir, &format!("clips/run/{name}.mp4"), &video);
    }
    dir.join("clips")
}

fn packed(dir: &Path, more: &[&str]) -> PathBuf {
    let out = dir.join("out");
    let args = ["webdataset", clips(dir).to_str().unwrap(), "-q", "-o"].map(str::to_owned);
    let more = more.iter().map(|arg| (*arg).to_owned());
    let args = args.into_iter().chain([out.to_str().unwrap().to_owned()]);
    let ended = super::kpack(args.chain(more));
    assert_eq!(ended.code, 0, "{}", ended.err);
    out
}

#[test]
fn stats_says_which_file_crashed() {
    let dir = tempfile::tempdir().unwrap();
    let clips = clips(dir.path());
    for faults in ["abort=two.mp4", "garbage=two.mp4", "exit=two.mp4"] {
        let args: [&dyn AsRef<std::ffi::OsStr>; 3] = [&"stats", &clips, &"--json"];
        let Some(ended) = faulty(faults, &args) else {
            return;
        };
        assert_eq!((ended.code, &*ended.err), (0, ""), "{faults}");
        let stats: Value = serde_json::from_str(&ended.out).unwrap();
        assert_eq!(stats["total"]["found"], 2, "{faults}: {stats}");
        assert_eq!(stats["total"]["corrupt"], 1, "{faults}: {stats}");
        assert_eq!(stats["failures"][0]["key"], "run/two");
        assert_eq!(stats["failures"][0]["class"], "crash", "{faults}");
        assert_eq!(stats["channels"]["clips"], 2, "{faults}: {stats}");
    }
    // A frame in the middle may be what crashes.
    let page = dir.path().join("page.html");
    let args: [&dyn AsRef<std::ffi::OsStr>; 5] = [&"stats", &clips, &"--json", &"--html", &page];
    let Some(ended) = faulty("abort=run/two", &args) else {
        return;
    };
    let stats: Value = serde_json::from_str(&ended.out).unwrap();
    let (total, notes) = (&stats["total"], stats["notes"].to_string());
    if total["found"] == 3 {
        assert_eq!(stats["channels"]["clips"], 2, "{stats}");
        assert!(
            notes.contains("run/two") && notes.contains("SIGABRT"),
            "{notes}"
        );
    } else {
        assert_eq!(total["corrupt"], 1, "{stats}");
    }
    assert!(page.is_file());
}

#[test]
fn list_leaves_out_what_crashed() {
    let dir = tempfile::tempdir().unwrap();
    let clips = clips(dir.path());
    let lists = dir.path().join("lists");
    let args: [&dyn AsRef<std::ffi::OsStr>; 6] =
        [&"list", &clips, &"--for", &"slowfast", &"-o", &lists];
    let Some(ended) = faulty("abort=two.mp4", &args) else {
        return;
    };
    assert_eq!(ended.code, 3, "{}", ended.err);
    let left_out = fs::read_to_string(lists.join("left-out.jsonl")).unwrap();
    assert_eq!(left_out.lines().count(), 1, "{left_out}");
    assert!(
        left_out.contains("two.mp4") && left_out.contains("\"crash\""),
        "{left_out}"
    );
    let listed = fs::read_to_string(lists.join("data.csv")).unwrap();
    assert_eq!(listed.lines().count(), 2, "{listed}");
}

#[test]
fn pictures_that_crash_their_decoder_are_damage() {
    let dir = tempfile::tempdir().unwrap();
    let out = packed(dir.path(), &["--frames", "count:3"]);
    let args: [&dyn AsRef<std::ffi::OsStr>; 3] = [&"verify", &out, &"--decode"];
    let Some(ended) = faulty("", &args) else {
        return;
    };
    assert_eq!((ended.code, &*ended.out), (0, ""), "{}", ended.err);
    let Some(ended) = faulty("abort=run/two", &args) else {
        return;
    };
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!((ended.code, lines.len()), (4, 3), "{}", ended.out);
    for (line, name) in lines.iter().zip(["000001.jpg", "000002.jpg", "000003.jpg"]) {
        assert!(
            line.contains("key run/two") && line.contains(name),
            "{line}"
        );
        assert!(line.contains("SIGABRT"), "{line}");
    }
}

#[test]
fn frames_that_crash_their_decoder_are_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let out = packed(dir.path(), &[]);
    let there = dir.path().join("there");
    for (key, code) in [("run/one", 0), ("run/two", 1)] {
        let args: [&dyn AsRef<std::ffi::OsStr>; 8] = [
            &"inspect",
            &out,
            &"--key",
            &key,
            &"--frames",
            &"3..9:3",
            &"--extract",
            &there,
        ];
        let Some(ended) = faulty("abort=run/two", &args) else {
            return;
        };
        assert_eq!(ended.code, code, "{key}: {}", ended.err);
        assert_eq!(ended.err.contains("SIGABRT"), code == 1, "{}", ended.err);
    }
    let files = ["run/one.frame-000003.png", "run/one.frame-000006.png"];
    for file in files {
        assert!(image::open(there.join(file)).is_ok(), "{file}");
    }
    let sheet = dir.path().join("sheet.png");
    let args: [&dyn AsRef<std::ffi::OsStr>; 6] =
        [&"inspect", &out, &"--key", &"run/two", &"--sheet", &sheet];
    let ended = faulty("abort=run/two", &args);
    assert!(ended.is_some_and(|ended| ended.code == 1) && !sheet.exists());
}

/// The journal's rows by key: class or outcome, and reason.
fn fates(media: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(media.join("fetch.jsonl")).unwrap();
    let rows = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let fate = |row: Value| {
        let fate = row["class"].as_str().or(row["outcome"].as_str());
        (fate.unwrap_or_default().to_owned(), text(&row["reason"]))
    };
    rows.map(fate).collect()
}

#[test]
fn a_cut_that_crashes_is_one_failed_row() {
    let dir = tempfile::tempdir().unwrap();
    let video = fs::read(fixture("media/gop250.mp4")).unwrap();
    put(dir.path(), "long.mp4", &video);
    let rows = "path,start,end\nlong.mp4,0,1\nlong.mp4,3,4\nlong.mp4,5,6\n";
    let table = put(dir.path(), "table.csv", rows);
    for (i, (faults, class)) in [
        ("abort=000003", "crash"),
        ("exit=000003", "crash"),
        ("garbage=000003", "crash"),
    ]
    .into_iter()
    .enumerate()
    {
        let media = dir.path().join(format!("media{i}"));
        let args: [&dyn AsRef<std::ffi::OsStr>; 5] = [&"fetch", &table, &"-o", &media, &"-q"];
        let Some(ended) = faulty(faults, &args) else {
            return;
        };
        assert_eq!(ended.code, 3, "{}", ended.err);
        let fates = fates(&media);
        let classes: Vec<&str> = fates.iter().map(|(class, _)| &**class).collect();
        assert_eq!(classes, ["done", class, "done"], "{faults}: {fates:?}");
        // The same command again makes what is missing.
        let ended = super::kpack(args.map(|arg| arg.as_ref().to_owned()));
        assert_eq!(ended.code, 0, "{}", ended.err);
    }
}
