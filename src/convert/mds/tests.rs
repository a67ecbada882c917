#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use kpack_formats::{Blob, Label, Layout, WriteOptions};

use super::*;
use crate::convert::{Choice, Edits};
use crate::pipeline::dying;
use crate::progress::NoProgress;

/// Samples of each split.
const EACH: usize = 20;
/// The one of each split that is damaged.
const BROKEN: usize = 7;

fn sample(split: &str, i: usize) -> kpack_formats::Sample {
    let mut meta = kpack_formats::Meta::new();
    meta.insert("split".into(), split.into());
    meta.insert("n".into(), i.into());
    kpack_formats::Sample {
        key: format!("{split}/k{i:03}"),
        blobs: [
            ("mp4", vec![b'v'; 40 + 97 * (i % 5)]),
            ("wav", vec![i as u8; 30]),
        ]
        .map(|(name, bytes)| (name.to_owned(), Blob::from(bytes)))
        .into(),
        labels: vec![Label {
            index: Some((i % 2) as i64),
            text: Some(["running", "singing"][i % 2].to_owned()),
        }],
        meta,
        ..kpack_formats::Sample::default()
    }
}

/// A shard of records for each split, with a damaged sample in the middle.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let Layout::Log { create } = kpack_formats::format("tfrecord").unwrap().layout else {
        unreachable!("a log")
    };
    let mut paths = Vec::new();
    for split in ["train", "val"] {
        let path = dir.join(format!("{split}-00000-of-00001.tfrecord"));
        let file = File::create(&path).unwrap();
        let mut writer = create(file, 0, &WriteOptions::default()).unwrap();
        let mut broken = 0;
        for i in 0..EACH {
            let extent = writer.append(&sample(split, i)).unwrap();
            if i == BROKEN {
                broken = extent.offset + extent.length;
            }
        }
        writer.finish().unwrap();
        let mut bytes = fs::read(&path).unwrap();
        // The checksum of the record's data stands at its end.
        bytes[broken as usize - 1] ^= 1;
        fs::write(&path, bytes).unwrap();
        paths.push(path);
    }
    paths
}

struct Case {
    sources: Vec<PathBuf>,
    edits: Edits,
    options: MdsOptions,
}

impl Case {
    fn new(dir: &Path) -> Self {
        Self {
            sources: sources(dir),
            edits: Edits::default(),
            options: MdsOptions {
                shard_size: 1 << 20,
                shard_samples: Some(3),
                shuffle: None,
                threads: 2,
            },
        }
    }

    fn run_with(
        &self,
        out: &Path,
        progress: &dyn Progress,
        stop: &AtomicBool,
    ) -> Result<MdsWritten> {
        let (conversion, input) = Conversion::read(
            &self.sources,
            &Choice::default(),
            self.edits.clone(),
            &out.join(".kpack"),
            2,
        )?;
        conversion.write_mds(&input, out, self.options, progress, stop)
    }

    fn run(&self, out: &Path) -> Result<MdsWritten> {
        self.run_with(out, &NoProgress, &AtomicBool::new(false))
    }

    /// Runs until `shards` of them stand.
    fn run_until(&self, out: &Path, shards: u64) -> MdsWritten {
        let stop = AtomicBool::new(false);
        let stopper = Stopper {
            left: AtomicU64::new(shards),
            stop: &stop,
        };
        self.run_with(out, &stopper, &stop).unwrap()
    }

    fn undisturbed(&self) -> BTreeMap<String, Vec<u8>> {
        let out = tempfile::tempdir().unwrap();
        let written = self.run(out.path()).unwrap();
        assert_eq!(written.samples, 2 * EACH as u64 - 2);
        broken(&written);
        files(out.path())
    }
}

/// Asserts that the damaged samples, and no others, failed.
fn broken(written: &MdsWritten) {
    let failed: Vec<_> = written.failed.iter().map(|e| (&*e.key, e.class)).collect();
    let class = crate::sample::Class::Corrupt;
    let mut want = [("train/k007", class), ("val/k007", class)];
    want.sort();
    assert_eq!(failed, want);
}

struct Stopper<'a> {
    left: AtomicU64,
    stop: &'a AtomicBool,
}

impl Progress for Stopper<'_> {
    fn shard(&self, _: &str, _: u64, _: u64) {
        if self.left.fetch_sub(1, Relaxed) == 1 {
            self.stop.store(true, Relaxed);
        }
    }
}

/// Every file below `folder` by its name there.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|e| e.unwrap());
    let files = entries.filter(|entry| entry.file_type().is_file());
    let name = |path: &Path| path.strip_prefix(folder).unwrap().display().to_string();
    files
        .map(|e| (name(e.path()), fs::read(e.path()).unwrap()))
        .collect()
}

/// When each shard was written, and which file it is.
fn stamps(folder: &Path) -> BTreeMap<String, (std::time::SystemTime, u64)> {
    let shards = files(folder).into_keys().filter(|n| n.ends_with(".mds"));
    let stamp = |name: &str| {
        let meta = fs::metadata(folder.join(name)).unwrap();
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&meta);
        #[cfg(not(unix))]
        let inode = 0;
        (meta.modified().unwrap(), inode)
    };
    shards.map(|name| (name.clone(), stamp(&name))).collect()
}

/// Asserts that the shards of `before` were not written again.
fn untouched(folder: &Path, before: &BTreeMap<String, (std::time::SystemTime, u64)>) {
    let now = stamps(folder);
    for (name, stamp) in before {
        assert_eq!(now.get(name), Some(stamp), "{name}");
    }
}

#[test]
fn any_number_of_threads_writes_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let mut case = Case::new(dir.path());
    for (shard_size, shard_samples, shuffle, shards) in [
        (1 << 20, Some(3), None, 14),
        (1 << 20, None, Some(7), 2),
        (1300, None, Some(7), 0),
        (1300, Some(4), None, 0),
        (1, None, None, 38),
    ] {
        case.options.shard_size = shard_size;
        (case.options.shard_samples, case.options.shuffle) = (shard_samples, shuffle);
        case.options.threads = 1;
        let want = case.undisturbed();
        let count = want.keys().filter(|name| name.ends_with(".mds")).count();
        assert!(count == shards || shards == 0 && count > 4, "{count}");
        assert_eq!(want.len(), count + 2, "nothing but shards and indexes");
        case.options.threads = 4;
        assert!(case.undisturbed() == want, "{:?}", case.options);
    }
}

#[test]
fn stopped_behind_any_shard_it_goes_on_and_writes_none_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut case = Case::new(dir.path());
    for shuffle in [None, Some(3)] {
        case.options.shuffle = shuffle;
        let want = case.undisturbed();
        for shards in 1..14 {
            let out = tempfile::tempdir().unwrap();
            let first = case.run_until(out.path(), shards);
            assert!(first.shards >= shards);
            assert_eq!(first.kept, 0);
            let before = stamps(out.path());
            assert_eq!(before.len() as u64, first.shards, "all that stand are told");
            let second = case.run(out.path()).unwrap();
            assert_eq!((second.shards, second.kept), (14, first.shards));
            assert_eq!(second.finished_before, !first.stopped);
            broken(&second);
            untouched(out.path(), &before);
            assert!(files(out.path()) == want, "stopped behind {shards}");
        }
    }
}

#[test]
fn it_dies_before_any_change_on_disk_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let case = Case::new(dir.path());
    let want = case.undisturbed();
    for first in 0.. {
        let out = tempfile::tempdir().unwrap();
        let died = dying(first, || case.run(out.path()).is_err());
        if !died {
            assert!(first > 20, "only {first} moments");
            break;
        }
        let before = stamps(out.path());
        let _ = dying(1 + first % 5, || case.run(out.path()));
        let written = case.run(out.path()).unwrap();
        broken(&written);
        untouched(out.path(), &before);
        assert!(files(out.path()) == want, "died at {first}");
    }
}

/// Runs up to the sixth shard, spoils something, and runs again.
fn spoiled(spoil: impl FnOnce(&Path)) -> MdsWritten {
    let dir = tempfile::tempdir().unwrap();
    let case = Case::new(dir.path());
    let out = tempfile::tempdir().unwrap();
    case.run_until(out.path(), 6);
    spoil(out.path());
    let written = case.run(out.path()).unwrap();
    broken(&written);
    assert!(files(out.path()) == case.undisturbed());
    written
}

#[test]
fn what_a_power_cut_takes_is_written_again() {
    let log = |out: &Path| out.join(".kpack").join(crate::pipeline::MDS_LOG);
    // Half of the log, torn in a line: what stands beyond it is compared, and kept.
    let written = spoiled(|out| {
        let text = fs::read(log(out)).unwrap();
        fs::write(log(out), &text[..text.len() / 2]).unwrap();
        fs::write(out.join("train/.shard.00005.mds.tmp"), b"half").unwrap();
        fs::write(out.join("train/.shard.00006.mds.tmp"), b"half").unwrap();
    });
    assert!(written.kept >= 6, "{written:?}");
    // A shard of the log is gone: from there on all is looked at.
    let written = spoiled(|out| fs::remove_file(out.join("train/shard.00002.mds")).unwrap());
    assert!(written.kept >= 5, "{written:?}");
    // A shard beyond the log has other bytes.
    spoiled(|out| {
        fs::remove_file(out.join("train/shard.00002.mds")).unwrap();
        let path = out.join("train/shard.00004.mds");
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(path, bytes).unwrap();
    });
    // All of the log but its first line is gone.
    spoiled(|out| {
        let header = fs::read(log(out)).unwrap();
        let end = header.iter().position(|b| *b == b'\n').unwrap();
        fs::write(log(out), &header[..=end]).unwrap();
    });
}

#[test]
fn a_finished_folder_is_compared_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut case = Case::new(dir.path());
    let out = tempfile::tempdir().unwrap();
    case.run(out.path()).unwrap();
    let (before, want) = (stamps(out.path()), files(out.path()));
    let again = case.run(out.path()).unwrap();
    assert!(again.finished_before);
    assert_eq!((again.shards, again.kept), (14, 14));
    broken(&again);
    untouched(out.path(), &before);
    let refused = |case: &Case, what: &str| {
        let e = case.run(out.path()).unwrap_err();
        let text = e.to_string();
        assert!(matches!(e, Error::Usage(_)), "{what}: {text}");
        assert!(text.contains("another dataset"), "{what}: {text}");
        assert!(files(out.path()) == want, "{what}");
    };
    case.options.shuffle = Some(1);
    refused(&case, "another order");
    case.options.shuffle = None;
    case.options.shard_size += 1;
    refused(&case, "another size");
    case.options.shard_size -= 1;
    case.edits.drop = vec!["wav".into()];
    refused(&case, "another column");
    case.edits.drop.clear();
    case.options.shard_samples = Some(4);
    refused(&case, "other cuts");
    case.options.shard_samples = Some(3);
    fs::write(out.path().join("val/index.json"), b"{}").unwrap();
    let e = case.run(out.path()).unwrap_err().to_string();
    assert!(e.contains("val/index.json"), "{e}");
}

#[test]
fn another_conversion_is_refused_by_what_is_different() {
    let dir = tempfile::tempdir().unwrap();
    let out = tempfile::tempdir().unwrap();
    let case = Case::new(dir.path());
    case.run_until(out.path(), 3);
    let there = files(out.path());
    let refused = |change: &dyn Fn(&mut Case), expected: &str| {
        let mut other = Case::new(dir.path());
        change(&mut other);
        let text = other.run(out.path()).unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
        assert!(files(out.path()) == there, "{text}");
    };
    refused(
        &|c| c.options.shard_size = 99,
        "--shard-size: 1048576 there, 99 here",
    );
    refused(
        &|c| c.options.shard_samples = None,
        "--shard-samples: 3 there, none here",
    );
    refused(
        &|c| c.options.shuffle = Some(7),
        "--shuffle: none there, 7 here",
    );
    refused(&|c| c.edits.drop = vec!["wav".into()], "columns: ");
    refused(
        &|c| c.edits.rename = vec![("mp4".into(), "avi".into())],
        "columns: ",
    );
    refused(&|c| _ = c.sources.pop(), "other samples");
    let lock = crate::pipeline::lock(&out.path().join(".kpack/mds.jsonl")).unwrap();
    refused(&|_| (), "another process");
    drop(lock);
    let written = case.run(out.path()).unwrap();
    assert_eq!(written.samples, 38);
}

#[test]
fn what_others_put_into_the_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let case = Case::new(dir.path());
    for name in [
        "notes.txt",
        "train/shard.00000.mds",
        ".kpack/part-0-of-1.jsonl",
    ] {
        let out = tempfile::tempdir().unwrap();
        let path = out.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, b"foreign").unwrap();
        let text = case.run(out.path()).unwrap_err().to_string();
        assert!(text.contains("folder"), "{text}");
        assert_eq!(files(out.path()).len(), 1, "{name}");
    }
    // A log that tells of nothing, or an empty working folder, is in nobody's way.
    for log in [&b""[..], b"{\"pl"] {
        let out = tempfile::tempdir().unwrap();
        fs::create_dir(out.path().join(".kpack")).unwrap();
        fs::write(out.path().join(".kpack/mds.jsonl"), log).unwrap();
        case.run(out.path()).unwrap();
        assert!(files(out.path()) == case.undisturbed());
    }
}
