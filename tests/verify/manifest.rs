//! Manifest, rows, labels, indexes, and what is missing or unfinished.

use std::fs;
use std::sync::atomic::AtomicBool;

use kpack::pipeline::{Part, ShardRule};
use kpack::progress::NoProgress;
use kpack_formats::Compression;

use super::{check, flip, only, shards};
use crate::pipeline::{Case, make, noise, number, shards as target};

fn packed(clips: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut case = Case::new("webdataset", ShardRule::Samples(5));
    case.clips = clips;
    case.run(dir.path()).unwrap();
    dir
}

#[test]
fn every_byte_beside_the_shards_is_watched() {
    let dir = packed(9);
    for name in ["dataset.json", "samples.jsonl", "labels.txt"] {
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            flip(&path, at as u64, noise(at as u64) as u8);
            let report = check(dir.path());
            assert!(!report.is_whole(), "{name} {at}");
            assert!(
                report.damage.iter().all(|d| d.file == path),
                "{:?}",
                report.damage
            );
            fs::write(&path, &whole).unwrap();
        }
        fs::remove_file(&path).unwrap();
        if name != "dataset.json" {
            assert_eq!(only(dir.path()).file, path);
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(check(dir.path()).is_whole());
}

#[test]
fn what_is_missing_cut_or_too_long_is_named() {
    let dir = packed(30);
    let shard = shards(dir.path())[1].clone();
    let whole = fs::read(&shard).unwrap();
    fs::write(&shard, &whole[..whole.len() / 2]).unwrap();
    let damage = only(dir.path());
    assert!(damage.what.contains("the shard ends here"), "{damage}");
    assert_eq!(
        (damage.file, damage.offset),
        (shard.clone(), Some(whole.len() as u64 / 2))
    );
    assert!(damage.key.is_some() && damage.member.is_some());
    fs::write(&shard, [&whole[..], b"more"].concat()).unwrap();
    let damage = only(dir.path());
    assert!(damage.what.contains("4 bytes follow"), "{damage}");
    fs::remove_file(&shard).unwrap();
    assert!(only(dir.path()).what.contains("missing"));
    fs::write(&shard, &whole).unwrap();
    let index = shard.with_extension("tar.kidx");
    fs::remove_file(&index).unwrap();
    let damage = only(dir.path());
    assert_eq!(
        (damage.file, &*damage.what),
        (index, "the index is missing")
    );
}

#[test]
fn an_index_of_another_shard_is_noticed() {
    let dir = packed(60);
    let list = shards(dir.path());
    let index = |i: usize| list[i].with_extension("tar.kidx");
    fs::copy(index(0), index(1)).unwrap();
    let damage = only(dir.path());
    assert_eq!(damage.file, index(1));
}

#[test]
fn without_index_and_manifest_the_format_speaks() {
    for format in ["webdataset", "tfrecord"] {
        let dir = tempfile::tempdir().unwrap();
        Case::new(format, ShardRule::Count(1))
            .run(dir.path())
            .unwrap();
        let shard = shards(dir.path())[0].clone();
        let alone = tempfile::tempdir().unwrap();
        let copy = alone.path().join(shard.file_name().unwrap());
        let whole = fs::read(&shard).unwrap();
        fs::write(&copy, &whole).unwrap();
        assert!(check(&copy).is_whole() && check(alone.path()).is_whole());
        assert!(check(&copy).samples > 10);
        fs::write(&copy, &whole[..whole.len() / 3]).unwrap();
        let damage = only(&copy);
        let cut = ["truncated", "the archive has no end"];
        assert!(
            cut.iter().any(|text| damage.what.contains(text)),
            "{damage}"
        );
    }
}

#[test]
fn an_unfinished_dataset_is_said_to_be_one() {
    let case = Case::new("webdataset", ShardRule::Samples(5));
    let dir = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let stopping = |clip: &kpack::source::Clip, state: &mut Vec<u8>| {
        if number(clip) == 30 {
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        make(clip, state)
    };
    case.run_with(dir.path(), &case.options(), stopping, &NoProgress, &stop)
        .unwrap();
    let damage = only(dir.path());
    assert!(damage.what.starts_with("unfinished: "), "{damage}");
    assert!(damage.what.contains("of 90 clips"), "{damage}");
}

#[test]
fn parts_that_are_all_there_are_to_be_merged() {
    let dir = tempfile::tempdir().unwrap();
    for index in 0..2 {
        let mut case = Case::new("tfrecord", ShardRule::Samples(5));
        case.target = target("tfrecord", Compression::Gzip);
        case.plan.part = Part { index, of: 2 };
        case.run(dir.path()).unwrap();
    }
    assert!(only(dir.path()).what.contains("kpack merge"));
    kpack::pipeline::merge(dir.path()).unwrap();
    assert!(check(dir.path()).is_whole());
}
