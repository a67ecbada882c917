//! `kpack convert --to mds`, stopped by the system in the middle: killed, out of room, interrupted.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use kpack_formats::{Blob, Sample, WriteOptions};

use super::shard;
use crate::cli::{Ended, kpack};

const KPACK: &str = env!("CARGO_BIN_EXE_kpack");

/// Records of two splits, about 8 MB, with one that is damaged.
fn source(dir: &Path) -> String {
    for split in ["train", "val"] {
        let sample = |i: usize| Sample {
            key: format!("{split}/k{i:03}"),
            blobs: [(
                "mp4".to_owned(),
                Blob::from(vec![i as u8; 20_000 + 900 * (i % 23)]),
            )]
            .into(),
            ..Sample::default()
        };
        let all: Vec<Sample> = (0..150).map(sample).collect();
        let path = dir.join(format!("src/{split}-00000-of-00001.tfrecord"));
        shard(&path, "tfrecord", &WriteOptions::default(), &all);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
    }
    dir.join("src").display().to_string()
}

fn args(source: &str, out: &str) -> Vec<String> {
    let args = ["convert", source, "-o", out, "--to", "mds"];
    let more = ["--shard-size", "200000", "--shuffle", "7"];
    args.iter()
        .chain(&more)
        .map(|&arg| arg.to_owned())
        .collect()
}

fn failed_twice(ended: &Ended) {
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert!(ended.err.contains("298 samples in "), "{}", ended.err);
    assert!(ended.err.contains("2 samples could not"), "{}", ended.err);
    assert_eq!(
        ended.err.matches("kpack repair").count(),
        2,
        "{}",
        ended.err
    );
}

/// Every file of an undisturbed run by its name.
fn undisturbed(dir: &Path, source: &str) -> BTreeMap<String, Vec<u8>> {
    let out = dir.join("undisturbed");
    failed_twice(&kpack(args(source, &out.display().to_string())));
    files(&out)
}

fn files(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = walkdir::WalkDir::new(out).into_iter().map(|e| e.unwrap());
    let files = entries.filter(|entry| entry.file_type().is_file());
    let name = |path: &Path| path.strip_prefix(out).unwrap().display().to_string();
    files
        .map(|e| (name(e.path()), fs::read(e.path()).unwrap()))
        .collect()
}

/// When each shard was written.
fn stamps(out: &Path) -> BTreeMap<String, std::time::SystemTime> {
    let shards = files(out).into_keys().filter(|name| name.ends_with(".mds"));
    let time = |name: &str| fs::metadata(out.join(name)).unwrap().modified().unwrap();
    shards.map(|name| (name.clone(), time(&name))).collect()
}

#[test]
fn killed_again_and_again_it_ends_in_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let source = source(dir.path());
    let want = undisturbed(dir.path(), &source);
    let out = dir.path().join("out");
    let args = args(&source, &out.display().to_string());
    let (mut kills, mut midway, mut before) = (0, 0, BTreeMap::new());
    loop {
        let mut child = Command::new(KPACK)
            .args(&args)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(8 + 3 * kills));
        let _ = child.kill();
        let status = child.wait().unwrap();
        if out.exists() {
            let now = stamps(&out);
            for (name, time) in &before {
                assert_eq!(now.get(name), Some(time), "{name} was written again");
            }
            midway += u64::from(!now.is_empty() && now.len() < want.len() - 2);
            before = now;
        }
        if status.code().is_some() {
            assert_eq!(status.code(), Some(3));
            break;
        }
        kills += 1;
        assert!(kills < 1000, "it never ends");
    }
    assert!(files(&out) == want, "killed {kills} times");
    assert!(kills > 0, "it ended before it could be killed");
    println!("killed {kills} times, {midway} times between two shards");
    let again = kpack(&args);
    failed_twice(&again);
    assert!(again.err.contains("nothing was written"), "{}", again.err);
}

/// A limit on the length of files stands for a disk that is full.
#[cfg(unix)]
#[test]
fn no_room_is_an_error_with_a_name_and_room_lets_it_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let source = source(dir.path());
    let want = undisturbed(dir.path(), &source);
    let out = dir.path().join("out");
    let args = args(&source, &out.display().to_string());
    // In blocks of 512 or 1024 bytes: less than a shard, more than a log.
    let script = "trap '' XFSZ; ulimit -f 100; exec \"$0\" \"$@\"";
    let output = Command::new("sh")
        .args(["-c", script, KPACK])
        .args(&args)
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("train/shard.0000"), "{err}");
    assert!(err.contains("cannot write"), "{err}");
    let left = files(&out);
    assert!(
        left.keys().all(|name| name.contains(".kpack/")),
        "{:?}",
        left.keys()
    );
    failed_twice(&kpack(&args));
    assert!(files(&out) == want);
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_says_how_to_go_on_and_clean_gives_it_up() {
    let dir = tempfile::tempdir().unwrap();
    let source = source(dir.path());
    let want = undisturbed(dir.path(), &source);
    let out = dir.path().join("out");
    let args = args(&source, &out.display().to_string());
    let child = Command::new(KPACK)
        .args(&args)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let patience = std::time::Instant::now();
    while !out.join("train/shard.00000.mds").exists() && patience.elapsed().as_secs() < 60 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    if output.status.code() == Some(3) {
        println!("skipped: the run was faster than the signal");
        return;
    }
    assert_eq!(output.status.code(), Some(130), "{err}");
    assert!(err.contains("the same command goes on"), "{err}");
    assert!(!out.join("val/index.json").exists());
    let list = kpack(["clean", &out.display().to_string()]);
    assert!(
        list.err.contains("a conversion to MDS was interrupted"),
        "{}",
        list.err
    );
    let second = kpack(&args);
    failed_twice(&second);
    assert!(second.err.contains("there before"), "{}", second.err);
    assert!(files(&out) == want);
}
