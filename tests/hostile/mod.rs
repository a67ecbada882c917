//! Hostile files, killed processes: nothing panics, hangs, grows without end or writes where it should
//! not, and what is wrong is named.

mod bombs;
mod crowd;
mod datasets;
#[allow(clippy::expect_used, reason = "a harness fails by panicking")]
mod fuzzed;
#[cfg(target_os = "linux")]
mod kill;
mod tars;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cli::Ended;

/// Runs `kpack` with 2 GB of address space and two minutes.
pub(crate) fn limited(args: &[&str]) -> Ended {
    let output = Command::new("timeout")
        .args(["120", "sh", "-c", "ulimit -v 2000000; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_kpack"))
        .args(args)
        .output()
        .unwrap();
    let ended = Ended {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    // 101 is a panic, 124 the end of the two minutes, 128 and more a signal.
    let known = [0, 1, 2, 3, 4].contains(&ended.code);
    assert!(known, "{args:?}: {} {:.3000}", ended.code, ended.err);
    for line in ended.err.lines() {
        assert!(line.len() < 4000, "{args:?}: {line:.300}..");
    }
    ended
}

/// A file that begins with `head` and goes on with zeros that take no room on the disk.
pub(crate) fn endless(path: &Path, head: &[u8], length: u64) {
    let mut file = File::create(path).unwrap();
    file.write_all(head).unwrap();
    // Far enough that it looks like text; then zeros that take no room on the disk.
    file.write_all(&[b'x'; 256 << 10]).unwrap();
    file.set_len(length).unwrap();
}

/// Everything below `dir`, links not followed.
pub(crate) fn listing(dir: &Path) -> BTreeSet<PathBuf> {
    let entries = walkdir::WalkDir::new(dir).into_iter();
    entries.map(|entry| entry.unwrap().into_path()).collect()
}

/// Everything below `dir` is a plain file or folder, and no file holds `secret`.
#[track_caller]
pub(crate) fn assert_plain(dir: &Path, secret: &[u8]) {
    for path in listing(dir) {
        let meta = fs::symlink_metadata(&path).unwrap();
        assert!(meta.is_dir() || meta.is_file(), "{}", path.display());
        if meta.is_file() {
            let bytes = fs::read(&path).unwrap();
            let found = bytes.windows(secret.len()).any(|part| part == secret);
            assert!(!found, "{} holds the secret", path.display());
        }
    }
}

/// A dataset of two small clips, packed with `args`.
pub(crate) fn packed(dir: &Path, args: &[&str]) -> PathBuf {
    let media = dir.join("media/run");
    fs::create_dir_all(&media).unwrap();
    for name in ["a.mp4", "b.mp4"] {
        fs::copy(crate::media::fixture("media/tiny.mp4"), media.join(name)).unwrap();
    }
    let out = dir.join("out");
    let input = dir.join("media");
    let fixed = ["-q", "-o", out.to_str().unwrap(), "--in-process"];
    let all = [&args[..1], &[input.to_str().unwrap()], &args[1..], &fixed].concat();
    let ended = crate::cli::kpack(&all);
    assert_eq!(ended.code, 0, "{}", ended.err);
    out
}
