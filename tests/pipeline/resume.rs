//! Interrupted anywhere, continued to the same bytes.

use std::cell::RefCell;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use kpack::pipeline::{End, Outcome, ShardRule};
use kpack::progress::{NoProgress, Progress};
use kpack_formats::Compression;

use super::{Case, Files, assert_same, files, make, number, shards};

fn cases() -> Vec<(&'static str, Case)> {
    let mut shuffled = Case::new("webdataset", ShardRule::Samples(4));
    shuffled.plan.shuffle = Some(3);
    let mut packed = Case::new("tfrecord", ShardRule::Count(3));
    packed.target = shards("tfrecord", Compression::Gzip);
    let mut all = vec![
        ("tar", shuffled),
        ("compressed records", packed),
        (
            "records by bytes",
            Case::new("tfrecord", ShardRule::Bytes(5000)),
        ),
    ];
    all.iter_mut().for_each(|(_, case)| case.clips = 24);
    all
}

/// Copies the folder as it is, which is what a killed process would leave.
fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.unwrap();
        let to = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(to).unwrap();
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Runs to the end in a copy of `left`.
fn continued(case: &Case, left: &Path) -> Files {
    let out = tempfile::tempdir().unwrap();
    copy(left, out.path());
    let stop = AtomicBool::new(false);
    let summary = case
        .run_with(out.path(), &case.options(), make, &NoProgress, &stop)
        .unwrap();
    assert_eq!(summary.counts.settled(), summary.counts.clips);
    files(out.path())
}

/// Copies the folder whenever something happens.
struct Snapshots<'a> {
    out: &'a Path,
    into: &'a Path,
    taken: RefCell<Vec<PathBuf>>,
}

impl Snapshots<'_> {
    fn take(&self) {
        let mut taken = self.taken.borrow_mut();
        let to = self.into.join(taken.len().to_string());
        copy(self.out, &to);
        taken.push(to);
    }
}

impl Progress for Snapshots<'_> {
    fn planned(&self, _: u64, _: u64) {
        self.take();
    }
    fn outcome(&self, _: Outcome, _: u64, _: u64) {
        self.take();
    }
    fn shard(&self, _: &str, _: u64, _: u64) {
        self.take();
    }
}

#[test]
fn killed_at_any_outcome_or_commit() {
    for (what, case) in cases() {
        let want = case.undisturbed();
        let (out, into) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let watch = Snapshots {
            out: out.path(),
            into: into.path(),
            taken: RefCell::default(),
        };
        let stop = AtomicBool::new(false);
        case.run_with(out.path(), &case.options(), make, &watch, &stop)
            .unwrap();
        let taken = watch.taken.into_inner();
        assert!(taken.len() > 24, "{what}: {}", taken.len());
        for (i, left) in taken.iter().enumerate() {
            assert_same(
                &continued(&case, left),
                &want,
                &format!("{what}, moment {i}"),
            );
        }
    }
}

/// The log and the partial shard that an interrupted run leaves.
fn interrupted(case: &Case, out: &Path) -> (PathBuf, PathBuf, PathBuf) {
    let stop = AtomicBool::new(false);
    let stopping = |clip: &kpack::source::Clip, state: &mut Vec<u8>| {
        if number(clip) == 15 {
            stop.store(true, Relaxed);
        }
        make(clip, state)
    };
    let options = kpack::pipeline::Options {
        threads: 1,
        ..case.options()
    };
    let summary = case
        .run_with(out, &options, stopping, &NoProgress, &stop)
        .unwrap();
    assert_eq!((summary.end, summary.exit_code()), (End::Interrupted, 130));
    assert!(summary.remaining > 0);
    let inside = |ending: &str| {
        let entries = fs::read_dir(out.join(".kpack"))
            .unwrap()
            .map(|e| e.unwrap().path());
        let mut found = entries.filter(|p| p.to_string_lossy().ends_with(ending));
        found.next().unwrap_or_else(|| panic!("no {ending}"))
    };
    (
        inside(".jsonl"),
        inside("d.partial"),
        inside(".kidx.partial"),
    )
}

fn cut(path: &Path, length: u64) {
    OpenOptions::new()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(length)
        .unwrap();
}

#[test]
fn log_shard_or_index_cut_at_any_byte() {
    let mut case = Case::new("tfrecord", ShardRule::Samples(50));
    case.clips = 24;
    let want = case.undisturbed();
    let out = tempfile::tempdir().unwrap();
    let (log, shard, index) = interrupted(&case, out.path());
    for path in [log, shard, index] {
        let length = fs::metadata(&path).unwrap().len();
        // Every byte of the end, and a comb over the rest.
        for keep in (0..length).filter(|keep| keep % 97 == 0 || keep + 300 > length) {
            let left = tempfile::tempdir().unwrap();
            copy(out.path(), left.path());
            cut(
                &left.path().join(path.strip_prefix(out.path()).unwrap()),
                keep,
            );
            let what = format!("{} cut at {keep} of {length}", path.display());
            assert_same(&continued(&case, left.path()), &want, &what);
        }
    }
}

#[test]
fn a_rotten_byte_in_the_unfinished_shard_is_packed_again() {
    let mut case = Case::new("webdataset", ShardRule::Samples(50));
    case.clips = 24;
    case.target = shards("webdataset", Compression::None);
    let want = case.undisturbed();
    let out = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let stopping = |clip: &kpack::source::Clip, state: &mut Vec<u8>| {
        if number(clip) == 15 {
            stop.store(true, Relaxed);
        }
        make(clip, state)
    };
    case.threads = 1;
    case.run_with(out.path(), &case.options(), stopping, &NoProgress, &stop)
        .unwrap();
    let shard = out.path().join(".kpack/train-000000.tar.partial");
    let bytes = fs::read(&shard).unwrap();
    for at in (0..bytes.len()).step_by(701) {
        let mut rotten = bytes.clone();
        rotten[at] ^= 4;
        fs::write(&shard, &rotten).unwrap();
        assert_same(&continued(&case, out.path()), &want, &format!("byte {at}"));
    }
}

#[test]
fn stopped_again_and_again_it_repeats_nothing() {
    for (what, case) in cases() {
        let want = case.undisturbed();
        let out = tempfile::tempdir().unwrap();
        let made = AtomicU64::new(0);
        let mut last = 0;
        for round in 0.. {
            assert!(round < 100, "{what}: no progress");
            let stop = AtomicBool::new(false);
            let counting = |clip: &kpack::source::Clip, state: &mut Vec<u8>| {
                if made.fetch_add(1, Relaxed) % 3 == 2 {
                    stop.store(true, Relaxed);
                }
                make(clip, state)
            };
            let summary = case
                .run_with(out.path(), &case.options(), counting, &NoProgress, &stop)
                .unwrap();
            assert_eq!(
                summary.resumed,
                if round == 0 { summary.resumed } else { last },
                "{what}"
            );
            last = summary.counts.settled();
            if summary.end == End::Finished {
                break;
            }
        }
        assert_same(&files(out.path()), &want, what);
        let planned = 24 - 3;
        assert_eq!(
            made.load(Relaxed),
            planned,
            "{what}: a clip that was begun is never repeated"
        );
    }
}
