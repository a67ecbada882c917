//! One flipped byte in each of 100 shards.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use kpack::pipeline::{Options, Plan, PlanOptions, ShardRule, Target, pack};
use kpack::progress::NoProgress;
use kpack::tree::{FrameNames, Tree, TreeLayout, TreeOptions};
use kpack::verify::Damage;
use kpack_formats::{Compression, IndexEntry, IndexReader, Limits};

use super::{check, flip, shards};
use crate::pipeline::{Case, input, make, noise, recipe, shards as target};

fn packed(format: &str, compression: Compression) -> (tempfile::TempDir, Vec<PathBuf>) {
    let dir = tempfile::tempdir().unwrap();
    let mut case = Case::new(format, ShardRule::Samples(3));
    case.clips = 400;
    case.target = target(format, compression);
    case.run(dir.path()).unwrap();
    let shards = shards(dir.path());
    assert!(shards.len() >= 100, "{}", shards.len());
    (dir, shards)
}

fn index(shard: &Path) -> Vec<IndexEntry> {
    let file = File::open(format!("{}.kidx", shard.display())).unwrap();
    let mut reader = IndexReader::new(file, Limits::default()).unwrap();
    std::iter::from_fn(|| reader.next_entry().unwrap()).collect()
}

/// What must be said of a byte changed at `at`.
fn named(damage: &Damage, at: u64, entries: &[IndexEntry]) {
    let holds = |offset: u64, length: u64| (offset..offset + length).contains(&at);
    let entry = entries
        .iter()
        .find(|e| holds(e.extent.offset, e.extent.length));
    let Some(entry) = entry else {
        assert_eq!((&damage.key, damage.offset), (&None, Some(at)), "{damage}");
        return;
    };
    assert_eq!(damage.key.as_ref(), Some(&entry.key), "{damage}");
    let member = entry
        .extent
        .members
        .iter()
        .find(|m| holds(m.offset, m.length));
    match (member, &damage.member) {
        (Some(member), _) => {
            assert_eq!(damage.member.as_ref(), Some(&member.name), "{damage}");
            assert_eq!(damage.offset, Some(member.offset), "{damage}");
        }
        // A header or padding: the very byte.
        (None, Some(_)) => assert_eq!(damage.offset, Some(at), "{damage}"),
        // A record's frame: the very byte; its own fields: the record.
        (None, None) => {
            let offset = damage.offset.unwrap();
            assert!(offset == at || offset == entry.extent.offset, "{damage}");
        }
    }
}

#[test]
fn in_plain_shards_all_are_found_and_named() {
    for format in ["webdataset", "tfrecord"] {
        let (dir, shards) = packed(format, Compression::None);
        assert!(check(dir.path()).is_whole());
        let mut places = BTreeMap::new();
        for (i, shard) in shards.iter().enumerate().take(100) {
            let length = fs::metadata(shard).unwrap().len();
            let at = noise(i as u64 * 7 + 3) % length;
            flip(shard, at, noise(i as u64) as u8);
            places.insert(shard.clone(), at);
        }
        let report = check(dir.path());
        assert_eq!(report.damage.len(), 100, "{format}: {:#?}", report.damage);
        for damage in &report.damage {
            let at = places.remove(&damage.file).unwrap();
            named(damage, at, &index(&damage.file));
        }
        assert!(places.is_empty());
    }
}

#[test]
fn every_byte_of_a_shard_is_watched() {
    for format in ["webdataset", "tfrecord"] {
        let dir = tempfile::tempdir().unwrap();
        let mut case = Case::new(format, ShardRule::Samples(3));
        case.clips = 7;
        case.run(dir.path()).unwrap();
        let shard = &shards(dir.path())[0];
        let entries = index(shard);
        let whole = fs::read(shard).unwrap();
        for at in (0..whole.len()).step_by(13) {
            flip(shard, at as u64, noise(at as u64) as u8);
            // Without the manifest, by the index alone, too.
            for path in [dir.path(), shard] {
                let report = check(path);
                assert_eq!(
                    report.damage.len(),
                    1,
                    "{format} {at}: {:#?}",
                    report.damage
                );
                named(&report.damage[0], at as u64, &entries);
            }
            fs::write(shard, &whole).unwrap();
        }
    }
}

#[test]
fn in_compressed_shards_all_are_found() {
    for (format, compression) in [
        ("webdataset", Compression::Gzip),
        ("webdataset", Compression::Zstd),
        ("tfrecord", Compression::Gzip),
        ("tfrecord", Compression::Zlib),
        ("tfrecord", Compression::Zstd),
    ] {
        let (dir, shards) = packed(format, compression);
        assert!(
            check(dir.path()).is_whole(),
            "{:#?}",
            check(dir.path()).damage
        );
        for (i, shard) in shards.iter().enumerate().take(100) {
            let length = fs::metadata(shard).unwrap().len();
            flip(
                shard,
                noise(i as u64 * 5 + 1) % length,
                noise(i as u64) as u8,
            );
        }
        let mut named: Vec<PathBuf> = check(dir.path())
            .damage
            .into_iter()
            .map(|damage| damage.file)
            .collect();
        named.dedup();
        assert_eq!(named, shards[..100], "{format} {compression:?}");
    }
}

#[test]
fn in_indexes_all_are_found() {
    let (dir, shards) = packed("webdataset", Compression::None);
    let mut flipped = Vec::new();
    for (i, shard) in shards.iter().enumerate().take(100) {
        let path = PathBuf::from(format!("{}.kidx", shard.display()));
        let length = fs::metadata(&path).unwrap().len();
        flip(&path, noise(i as u64 * 3) % length, noise(i as u64) as u8);
        flipped.push(path);
    }
    let damage = check(dir.path()).damage;
    let named: Vec<PathBuf> = damage.iter().map(|damage| damage.file.clone()).collect();
    assert_eq!(named, flipped, "{damage:#?}");
}

#[test]
fn in_frame_directories_all_are_found_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let options = TreeOptions {
        layout: TreeLayout::Class,
        frames: Some(FrameNames::default()),
    };
    let tree = Tree::new(dir.path(), &input(140), options).unwrap();
    let target = Target::Tree(&tree);
    let plan = Plan::new(input(140), recipe(), target, PlanOptions::default()).unwrap();
    let (stop, options) = (AtomicBool::new(false), Options::default());
    pack(
        &plan,
        dir.path(),
        target,
        &options,
        make,
        &NoProgress,
        &stop,
    )
    .unwrap();
    assert!(
        check(dir.path()).is_whole(),
        "{:#?}",
        check(dir.path()).damage
    );
    let samples: Vec<_> = crate::pipeline::rows(dir.path())
        .into_iter()
        .filter_map(|row| Some((row.key, row.path?)))
        .take(100)
        .collect();
    assert_eq!(samples.len(), 100);
    let mut wanted = Vec::new();
    for (i, (key, place)) in samples.into_iter().enumerate() {
        let files = [
            (format!("{place}/img_00001.jpg"), true),
            (format!("{place}/img_00002.jpg"), true),
            (format!("{place}.json"), false),
        ];
        let (file, is_member) = &files[i % 3];
        let path = dir.path().join(file);
        let length = fs::metadata(&path).unwrap().len();
        flip(&path, noise(i as u64) % length, 1 << (i % 8));
        wanted.push((path, key, *is_member));
    }
    let report = check(dir.path());
    for (path, key, is_member) in &wanted {
        let found: Vec<&Damage> = report
            .damage
            .iter()
            .filter(|d| d.key.as_ref() == Some(key))
            .collect();
        assert!(!found.is_empty(), "{key}");
        // A changed JSON may name another file or checksum; then that is what does not match.
        assert!(
            !is_member || found[0].file == *path && found[0].member.is_some(),
            "{found:?}"
        );
    }
}
