//! Decoding in child processes: the same bytes as in this process, and whatever goes wrong with a
//! worker is the failure of one clip.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kpack::pipeline::OutcomeRow;

use super::{Ended, kpack};
use crate::pipeline::{assert_same, files, rows};

fn fixture(name: &str) -> PathBuf {
    crate::media::fixture(name)
}

/// Runs `kpack` with faults, and says how it ended.
fn faulty(faults: &str, args: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kpack"));
    let output = command
        .args(args)
        .env("KPACK_FAULT", faults)
        .output()
        .unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A folder of `count` copies of a small video, `clip_000.mp4` on, of which the numbers in `bad`
/// are damaged.
fn clips(folder: &Path, count: usize, bad: impl Fn(usize) -> Option<&'static str>) -> PathBuf {
    let media = folder.join("media");
    fs::create_dir_all(&media).unwrap();
    for i in 0..count {
        let from = fixture(bad(i).unwrap_or("media/tiny.mp4"));
        fs::copy(from, media.join(format!("clip_{i:03}.mp4"))).unwrap();
    }
    media
}

fn by_key(rows: Vec<OutcomeRow>) -> BTreeMap<String, OutcomeRow> {
    rows.into_iter().map(|row| (row.key.clone(), row)).collect()
}

/// Class and reason of a row that failed.
fn failure(rows: &BTreeMap<String, OutcomeRow>, key: &str) -> (String, String) {
    let row = serde_json::to_value(&rows[key]).unwrap();
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    (text("class"), text("reason"))
}

/// Every fixture, also the broken ones, with each kind of blob.
#[test]
fn a_child_gives_the_same_bytes_as_this_process() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = [fixture("media"), fixture("broken"), fixture("classes")];
    let kinds: &[&[&str]] = &[
        &[
            "webdataset",
            "--frames",
            "all",
            "--audio",
            "wav",
            "--short-side",
            "64",
        ],
        &[
            "webdataset",
            "--frames",
            "3",
            "--image",
            "png",
            "--audio",
            "flac",
        ],
        &[
            "webdataset",
            "--frames",
            "count:2",
            "--image",
            "webp",
            "--audio",
            "copy",
        ],
        &["webdataset", "--video", "copy"],
        &[
            "webdataset",
            "--video",
            "h264",
            "--preset",
            "ultrafast",
            "--short-side",
            "64",
        ],
        &[
            "tfrecord",
            "--frames",
            "2",
            "--audio",
            "f32",
            "--channels",
            "1",
        ],
        &[
            "frames",
            "--frames",
            "keyframes",
            "--audio",
            "wav",
            "--no-audio",
            "silence",
        ],
    ];
    for (i, options) in kinds.iter().enumerate() {
        let packed = ["child", "here"].map(|name| folder.path().join(format!("{i}-{name}")));
        for (out, more) in packed.iter().zip([&[][..], &["--in-process"]]) {
            let mut args: Vec<&str> = options.to_vec();
            args.extend(inputs.iter().map(|path| path.to_str().unwrap()));
            args.extend(["-q", "-j2", "-o", out.to_str().unwrap()]);
            args.extend(more);
            let ended = kpack(&args);
            assert_eq!(ended.code, 3, "{options:?}: {}", ended.err);
        }
        let [child, here] = packed.map(|out| files(&out));
        assert_same(&child, &here, &format!("{options:?}"));
    }
}

#[test]
fn whatever_a_worker_does_is_one_failed_row() {
    if !cfg!(debug_assertions) {
        println!("skipped: faults are heard by debug builds only");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let media = clips(folder.path(), 40, |_| None);
    let out = folder.path().join("out");
    let faults = "abort=clip_003,exit=clip_007,hang=clip_011,memory=clip_015,longer=clip_019,\
                  shorter=clip_023,endless=clip_027,garbage=clip_031,name=clip_035";
    let args = [
        "webdataset",
        media.to_str().unwrap(),
        "-o",
        out.to_str().unwrap(),
    ];
    let options = [
        "--frames",
        "all",
        "--audio",
        "wav",
        "--no-audio",
        "silence",
        "-q",
        "-j2",
        "--timeout",
        "5",
        "--max-memory",
        "200MiB",
    ];
    let ended = faulty(faults, &[&args[..], &options].concat());
    assert_eq!((ended.code, ended.err.as_str()), (3, ""));
    let rows = by_key(rows(&out));
    assert_eq!(rows.len(), 40);
    for (key, class, says) in [
        ("clip_003", "crash", "SIGABRT"),
        ("clip_003", "crash", "fault: aborting on purpose"),
        ("clip_007", "crash", "exit code 0"),
        ("clip_011", "timeout", "no progress for 5."),
        ("clip_015", "memory", "--max-memory"),
        ("clip_019", "timeout", "no progress for 5."),
        ("clip_023", "crash", "ran wild"),
        ("clip_027", "crash", "outside the bytes"),
        ("clip_031", "crash", "is no message"),
        ("clip_035", "crash", "../../etc/passwd"),
    ] {
        let (got, reason) = failure(&rows, key);
        assert_eq!(got, class, "{key}: {reason}");
        assert!(reason.contains(says), "{key}: {reason}");
    }
    let failed = rows.values().filter(|row| row.class.is_some()).count();
    assert_eq!(failed, 9);
}

/// Runs `kpack` and looks at it every few milliseconds until it ends: its exit code, and the most
/// descriptors, children and zombies it had.
#[cfg(target_os = "linux")]
fn watched(faults: &str, args: &[&str]) -> (i32, usize, usize, usize) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kpack"));
    command.args(args).env("KPACK_FAULT", faults);
    let mut process = command.stderr(Stdio::null()).spawn().unwrap();
    let id = process.id();
    let (mut files, mut children, mut zombies) = (0, 0, 0);
    let code = loop {
        if let Some(status) = process.try_wait().unwrap() {
            break status.code().unwrap_or(-1);
        }
        let open = fs::read_dir(format!("/proc/{id}/fd")).map_or(0, Iterator::count);
        let (alive, dead) = family(id);
        files = files.max(open);
        children = children.max(alive);
        zombies = zombies.max(dead);
        std::thread::sleep(Duration::from_millis(2));
    };
    (code, files, children, zombies)
}

/// Children of a process: those that live, and those that nobody has reaped.
#[cfg(target_os = "linux")]
fn family(parent: u32) -> (usize, usize) {
    let (mut alive, mut dead) = (0, 0);
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let Some((_, rest)) = stat.rsplit_once(')') else {
            continue;
        };
        let fields: Vec<&str> = rest.split_whitespace().take(2).collect();
        if let [state, of] = fields[..]
            && of == parent.to_string()
        {
            if state == "Z" { dead += 1 } else { alive += 1 }
        }
    }
    (alive, dead)
}

/// Zombies are seen for the moment between a death and its reaping; only more than the workers
/// themselves would be ones that stay.
#[cfg(target_os = "linux")]
#[test]
fn hundreds_of_good_and_bad_files_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let broken = [
        "broken/flipped_bits.mp4",
        "broken/garbage.avi",
        "broken/truncated_moov_end.mp4",
        "broken/zero.mp4",
        "broken/html.mp4",
    ];
    let media = clips(folder.path(), 300, |i| {
        (i % 4 == 1).then(|| broken[i / 4 % broken.len()])
    });
    let run = |name: &str, more: &[&str], faults: &str| {
        let out = folder.path().join(name);
        let args = [
            "webdataset",
            media.to_str().unwrap(),
            "-o",
            out.to_str().unwrap(),
        ];
        let ended = watched(
            faults,
            &[&args[..], &["--frames", "all", "-q", "-j2"], more].concat(),
        );
        (ended, by_key(rows(&out)))
    };
    let ((code, ..), here) = run("here", &["--in-process"], "");
    assert_eq!(code, 3);
    let ((code, files, children, zombies), rows) =
        run("out", &[], "abort=0_,abort=clip_1,exit=clip_20");
    assert_eq!(code, 3);
    assert!(files < 40, "{files} descriptors");
    assert!(
        children <= 3 && zombies <= 2,
        "{children} children, {zombies} zombies"
    );
    assert_eq!((rows.len(), here.len()), (300, 300));
    let struck = |key: &str| key.contains("clip_1") || key.contains("clip_20");
    for (key, row) in &rows {
        match cfg!(debug_assertions) && struck(key) {
            true => assert_eq!(failure(&rows, key).0, "crash", "{key}"),
            false => assert_eq!(row.class, here[key].class, "{key}"),
        }
    }
}

/// A worker in the middle of a clip that never ends goes with its parent.
#[cfg(target_os = "linux")]
#[test]
fn workers_die_with_a_parent_that_is_killed() {
    if !cfg!(debug_assertions) {
        println!("skipped: faults are heard by debug builds only");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let media = clips(folder.path(), 4, |_| None);
    let out = folder.path().join("out");
    let args = [
        "webdataset",
        media.to_str().unwrap(),
        "-o",
        out.to_str().unwrap(),
    ];
    let mut command = Command::new(env!("CARGO_BIN_EXE_kpack"));
    command.args(args).args(["--frames", "all", "-q", "-j2"]);
    let mut parent = Killed(command.env("KPACK_FAULT", "hang=clip").spawn().unwrap());
    let patience = Instant::now();
    let workers = loop {
        let ids = children(parent.0.id());
        if ids.len() == 2 {
            break ids;
        }
        assert!(patience.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(5));
    };
    parent.0.kill().unwrap();
    parent.0.wait().unwrap();
    let lives = |id: &String| {
        fs::read_to_string(format!("/proc/{id}/cmdline")).is_ok_and(|c| c.contains("worker"))
    };
    while workers.iter().any(lives) {
        assert!(
            patience.elapsed() < Duration::from_secs(20),
            "{workers:?} live on"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    // Nothing holds the lock of the part any more: the same command goes on.
    let ended = kpack([&args[..], &["--frames", "all", "-q"]].concat());
    assert_eq!(ended.code, 0, "{}", ended.err);
}

/// A process that does not outlive its test.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(target_os = "linux")]
fn children(parent: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{parent}/task"))
        .unwrap()
        .flatten();
    let ids =
        tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
    ids.flat_map(|ids| {
        ids.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    })
    .collect()
}

/// `kpack doctor` tries from inside a worker what a worker must not be able to do.
#[cfg(target_os = "linux")]
#[test]
fn doctor_says_what_a_worker_is_kept_from() {
    let ended = kpack(["doctor", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let check = |name: &str| checks.iter().find(|check| check["name"] == name).unwrap();
    let workers = check("worker processes");
    if workers["ok"] != true {
        println!("skipped: this system has no seccomp: {workers}");
        return;
    }
    assert_eq!(check("their bounds")["ok"], true, "{report}");
}
