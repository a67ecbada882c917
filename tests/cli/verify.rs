//! `kpack verify`, `repair`, `retry` and `clean` on fixtures that were packed here.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Ended, kpack, put};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

fn run(args: &[&dyn AsRef<std::ffi::OsStr>]) -> Ended {
    kpack(args.iter().map(|arg| arg.as_ref().to_owned()))
}

/// Copies of three clips.
fn clips(dir: &Path) -> PathBuf {
    let from = fixture("classes");
    for (i, entry) in walkdir::WalkDir::new(from)
        .sort_by_file_name()
        .into_iter()
        .enumerate()
    {
        let entry = entry.unwrap();
        if entry.path().extension().is_some_and(|e| e == "mp4") {
            put(
                dir,
                &format!("clips/{i}.mp4"),
                fs::read(entry.path()).unwrap(),
            );
        }
    }
    dir.join("clips")
}

#[test]
fn damage_is_found_repaired_and_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (out, mended) = (dir.path().join("out"), dir.path().join("mended"));
    let clips = clips(dir.path());
    let ended = run(&[&"webdataset", &clips, &"-o", &out, &"--in-process", &"-q"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let ended = run(&[&"verify", &out, &"--decode"]);
    assert_eq!((ended.code, &*ended.out), (0, ""), "{}", ended.err);
    assert!(
        ended.err.contains("every byte is what was written"),
        "{}",
        ended.err
    );

    let shard = out.join("data-000000.tar");
    let mut bytes = fs::read(&shard).unwrap();
    bytes[3000] ^= 1;
    fs::write(&shard, bytes).unwrap();
    let ended = run(&[&"verify", &out]);
    assert_eq!(
        (ended.code, ended.out.lines().count()),
        (4, 1),
        "{}",
        ended.out
    );
    assert!(ended.out.contains("data-000000.tar: key "), "{}", ended.out);
    let ended = run(&[&"verify", &out, &"--json"]);
    let report: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((ended.code, &report["whole"]), (4, &false.into()));
    assert_eq!(report["damage"][0]["member"], "mp4");

    // The media are elsewhere by now.
    let away = dir.path().join("away");
    fs::rename(&clips, &away).unwrap();
    let repair = [
        &"repair" as &dyn AsRef<std::ffi::OsStr>,
        &out,
        &"-o",
        &mended,
        &"--in-process",
    ];
    let ended = run(&[&repair[..], &[&"--media-dir", &away]].concat());
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert!(
        ended.out.contains("made again from its source"),
        "{}",
        ended.out
    );
    assert_eq!(run(&[&"verify", &mended]).code, 0);
    assert_eq!(run(&[&"clean", &mended]).code, 0);
    let ended = run(&repair);
    assert_eq!(ended.code, 2, "a folder in use: {}", ended.err);
}

#[test]
fn what_failed_is_made_again_when_it_can_be() {
    let dir = tempfile::tempdir().unwrap();
    let (got, want) = (dir.path().join("got"), dir.path().join("want"));
    let clips = clips(dir.path());
    let first = fs::read_dir(&clips)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let whole = fs::read(&first).unwrap();
    let pack = |out: &PathBuf| {
        run(&[
            &"tfrecord",
            &clips,
            &"-o",
            out,
            &"--frames",
            &"2",
            &"--in-process",
            &"-q",
        ])
        .code
    };
    assert_eq!(pack(&want), 0);
    fs::write(&first, "<html>no video</html>").unwrap();
    assert_eq!(pack(&got), 3);
    let ended = run(&[&"retry", &got, &"--in-process"]);
    assert_eq!(ended.code, 3, "still no video: {}", ended.err);
    fs::write(&first, whole).unwrap();
    let ended = run(&[&"retry", &got, &"--class", &"timeout", &"--in-process"]);
    assert_eq!(ended.code, 3, "another class: {}", ended.err);
    let ended = run(&[&"retry", &got, &"--class", &"not-a-video", &"--in-process"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    for name in [
        "data-00000-of-00001.tfrecord",
        "samples.jsonl",
        "dataset.json",
    ] {
        assert_eq!(
            fs::read(got.join(name)).unwrap(),
            fs::read(want.join(name)).unwrap(),
            "{name}"
        );
    }
    assert_eq!(run(&[&"retry", &got, &"--class", &"bad-luck"]).code, 2);
}

/// Video is decoded in worker processes: the same is found as in this one, and a decoder that crashes
/// or hangs is the damage of one sample.
#[test]
fn verify_decodes_in_workers_and_outlives_them() {
    let dir = tempfile::tempdir().unwrap();
    let (out, clips) = (dir.path().join("out"), clips(dir.path()));
    let ended = run(&[
        &"webdataset",
        &clips,
        &"-o",
        &out,
        &"--video",
        &"copy",
        &"-q",
    ]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let report = |more: &[&str]| -> serde_json::Value {
        let mut args = vec!["verify", out.to_str().unwrap(), "--decode", "--json", "-q"];
        args.extend(more);
        serde_json::from_str(&kpack(args).out).unwrap()
    };
    assert_eq!(report(&[]), report(&["--in-process"]));
    if !cfg!(debug_assertions) {
        println!("skipped: faults are heard by debug builds only");
        return;
    }
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_kpack"));
    command.args(["verify", out.to_str().unwrap(), "--decode", "-q", "-j2"]);
    command.args(["--timeout", "1"]);
    command.env("KPACK_FAULT", "abort=2,hang=5,garbage=8");
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert_eq!(text.lines().count(), 3, "{text}");
    for (key, says) in [("2", "SIGABRT"), ("5", "no progress"), ("8", "ran wild")] {
        let place = format!("key {key}, member mp4");
        let line = text.lines().find(|line| line.contains(&place));
        assert!(
            line.is_some_and(|line| line.contains(says)),
            "{key}: {text}"
        );
    }
}

#[test]
fn a_folder_without_anything_to_verify_is_no_whole_dataset() {
    let dir = tempfile::tempdir().unwrap();
    let (empty, mds) = (dir.path().join("empty"), dir.path().join("mds"));
    fs::create_dir(&empty).unwrap();
    let ended = run(&[&"verify", &empty]);
    assert_eq!(ended.code, 2, "{}", ended.err);
    assert!(
        ended.err.contains("holds no shard and no sample"),
        "{}",
        ended.err
    );
    let clips = clips(dir.path());
    let out = dir.path().join("tars");
    assert_eq!(
        run(&[&"webdataset", &clips, &"-o", &out, &"--in-process", &"-q"]).code,
        0
    );
    let ended = run(&[&"convert", &out, &"-o", &mds, &"--to", &"mds", &"-q"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let ended = run(&[&"verify", &mds]);
    assert_eq!(ended.code, 2, "{}", ended.err);
    assert!(ended.err.contains("MosaicML"), "{}", ended.err);
}
