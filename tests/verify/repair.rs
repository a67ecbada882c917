//! `repair`: every whole sample comes back, in front of the damage and behind it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use kpack::pipeline::{
    OutcomeRow, Plan, PlanOptions, Repaired, ShardRule, Target, pack, repair, repair_shards,
};
use kpack::progress::NoProgress;
use kpack::sample::{Class, Made, Recipe, SampleError, Stage};
use kpack::source::Clip;
use kpack::tree::{FrameNames, Tree, TreeLayout, TreeOptions};
use kpack_formats::{Compression, IndexReader, Limits, ReadOptions};

use super::{check, flip, shards};
use crate::pipeline::{
    Case, assert_same, files, input, make, noise, recipe, rows, shards as target,
};

/// Keys of a shard and where each sample ends, by its index.
fn ends(shard: &Path) -> Vec<(String, u64)> {
    let file = File::open(format!("{}.kidx", shard.display())).unwrap();
    let mut reader = IndexReader::new(file, Limits::default()).unwrap();
    std::iter::from_fn(|| reader.next_entry().unwrap())
        .map(|entry| (entry.key, entry.extent.offset + entry.extent.length))
        .collect()
}

fn keys(shard: &Path) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    if shard.exists() {
        let mut reader = kpack_formats::open(shard, &ReadOptions::default()).unwrap();
        while let Some(sample) = reader.next_sample().unwrap() {
            keys.insert(sample.key);
        }
    }
    keys
}

fn one_shard(format: &str, clips: usize) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let mut case = Case::new(format, ShardRule::Count(1));
    case.clips = clips;
    case.run(dir.path()).unwrap();
    let shard = shards(dir.path())[0].clone();
    (dir, shard)
}

/// Repairs `shard` alone and gives the keys that come back; what comes back must verify.
fn mended(shard: &Path) -> (BTreeSet<String>, Repaired) {
    let out = tempfile::tempdir().unwrap();
    let repaired = repair_shards(&[shard.to_owned()], out.path()).unwrap();
    // Where nothing comes back there is nothing to verify.
    if repaired.whole > 0 {
        let report = check(out.path());
        assert!(report.is_whole(), "{:?}", report.damage);
    }
    let got = keys(&out.path().join(shard.file_name().unwrap()));
    assert_eq!(got.len() as u64, repaired.whole);
    (got, repaired)
}

#[test]
fn truncated_at_every_512th_byte() {
    for format in ["webdataset", "tfrecord"] {
        let (dir, shard) = one_shard(format, 12);
        let (whole, ends) = (fs::read(&shard).unwrap(), ends(&shard));
        let alone = tempfile::tempdir().unwrap();
        let copy = alone.path().join(shard.file_name().unwrap());
        for cut in (512..whole.len()).step_by(512) {
            let want: BTreeSet<String> = ends
                .iter()
                .filter(|(_, end)| *end <= cut as u64)
                .map(|(k, _)| k.clone())
                .collect();
            fs::write(&shard, &whole[..cut]).unwrap();
            let (got, repaired) = mended(&shard);
            assert_eq!(got, want, "{format} cut at {cut}");
            assert_eq!(
                got.len() + repaired.lost.len(),
                ends.len(),
                "all are accounted for"
            );
            fs::write(&copy, &whole[..cut]).unwrap();
            let (got, _) = mended(&copy);
            // Of a single sample nobody can tell whether members are missing.
            let tellable = want.len() > 1 || format == "tfrecord";
            assert!(
                got == want || !tellable,
                "{format} without index, cut at {cut}: {got:?}"
            );
        }
        drop(dir);
    }
}

#[test]
fn behind_a_hole_samples_come_back_too() {
    for format in ["webdataset", "tfrecord"] {
        for n in 0..40 {
            let (_dir, shard) = one_shard(format, 12);
            let (mut bytes, ends) = (fs::read(&shard).unwrap(), ends(&shard));
            let last = ends.last().unwrap().1;
            let begin = noise(n) % last;
            let end = (begin + 1 + noise(n + 100) % 900).min(last);
            for byte in &mut bytes[begin as usize..end as usize] {
                *byte = !*byte;
            }
            let mut from = 0;
            let mut want = BTreeSet::new();
            for (key, to) in &ends {
                if end <= from || begin >= *to {
                    want.insert(key.clone());
                }
                from = *to;
            }
            fs::write(&shard, &bytes).unwrap();
            assert_eq!(mended(&shard).0, want, "{format} {begin}..{end}");
            // Without the index: every record; of a tar those whose headers are whole.
            fs::remove_file(format!("{}.kidx", shard.display())).unwrap();
            let got = mended(&shard).0;
            match format {
                "tfrecord" => assert_eq!(got, want, "{begin}..{end}"),
                _ => assert!(got.is_superset(&want), "{begin}..{end}: {got:?} {want:?}"),
            }
        }
    }
}

#[test]
fn bytes_that_are_missing_or_too_many_in_the_middle_are_stepped_over() {
    for format in ["webdataset", "tfrecord"] {
        let (_dir, shard) = one_shard(format, 12);
        let (bytes, ends) = (fs::read(&shard).unwrap(), ends(&shard));
        fs::remove_file(format!("{}.kidx", shard.display())).unwrap();
        let at = ends[2].1 as usize + 100;
        for changed in [
            [&bytes[..at], &bytes[at + 7..]].concat(),
            [&bytes[..at], &[7; 77], &bytes[at..]].concat(),
        ] {
            fs::write(&shard, changed).unwrap();
            let got = mended(&shard).0;
            let lost: Vec<&String> = ends
                .iter()
                .map(|(k, _)| k)
                .filter(|k| !got.contains(*k))
                .collect();
            assert_eq!(lost, [&ends[3].0], "{format}");
        }
    }
}

fn never(clip: &Clip, _: &Recipe, _: &mut Vec<u8>) -> Result<Made, SampleError> {
    Err(SampleError::new(
        &clip.key,
        Stage::Probe,
        Class::Missing,
        "is gone",
    ))
}

fn mend(dir: &Path, out: &Path, sources: bool) -> Repaired {
    let options = Case::new("webdataset", ShardRule::Count(1)).options();
    let stop = AtomicBool::new(false);
    let good = |clip: &Clip, _: &Recipe, state: &mut Vec<u8>| make(clip, state);
    match sources {
        true => repair(dir, out, &options, good, &NoProgress, &stop),
        false => repair(dir, out, &options, never, &NoProgress, &stop),
    }
    .unwrap()
}

/// Damages shards, an index, and takes one shard away.
fn damage(dir: &Path) {
    for (i, shard) in shards(dir).iter().enumerate() {
        let length = fs::metadata(shard).unwrap().len();
        match i % 5 {
            0 | 1 => flip(shard, noise(i as u64) % length, 64),
            2 => fs::write(shard, &fs::read(shard).unwrap()[..length as usize / 2]).unwrap(),
            3 => flip(Path::new(&format!("{}.kidx", shard.display())), 20, 1),
            _ if i == 4 => fs::remove_file(shard).unwrap(),
            _ => {}
        }
    }
}

#[test]
fn with_its_sources_a_dataset_is_what_it_was() {
    for (format, compression, rule) in [
        ("webdataset", Compression::None, ShardRule::Samples(5)),
        ("tfrecord", Compression::None, ShardRule::Bytes(6000)),
        ("webdataset", Compression::Gzip, ShardRule::Samples(5)),
        ("tfrecord", Compression::Zstd, ShardRule::Count(9)),
    ] {
        let (dir, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut case = Case::new(format, rule);
        case.target = target(format, compression);
        case.run(dir.path()).unwrap();
        let want = files(dir.path());
        damage(dir.path());
        let damaged = files(dir.path());
        let repaired = mend(dir.path(), out.path(), true);
        assert!(!repaired.lost.is_empty() && repaired.lost.iter().all(|lost| lost.remade));
        assert_same(
            &files(out.path()),
            &want,
            &format!("{format} {compression:?}"),
        );
        assert_same(&files(dir.path()), &damaged, "nothing is changed in place");
    }
}

#[test]
fn without_sources_the_lost_are_failed_rows_and_all_else_is_kept() {
    let (dir, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let case = Case::new("webdataset", ShardRule::Samples(5));
    case.run(dir.path()).unwrap();
    let done = |rows: &[OutcomeRow]| -> BTreeSet<String> {
        let done = rows.iter().filter(|row| row.shard.is_some());
        done.map(|row| row.key.clone()).collect()
    };
    let before = done(&rows(dir.path()));
    damage(dir.path());
    let repaired = mend(dir.path(), out.path(), false);
    let lost: BTreeSet<String> = repaired.lost.iter().map(|lost| lost.key.clone()).collect();
    // Where nothing comes back there is nothing to verify.
    if repaired.whole > 0 {
        let report = check(out.path());
        assert!(report.is_whole(), "{:?}", report.damage);
    }
    let after = done(&rows(out.path()));
    assert_eq!(after, before.difference(&lost).cloned().collect());
    assert_eq!(repaired.whole as usize, after.len());
    let dataset = repaired.dataset.unwrap();
    assert_eq!(dataset.counts.done as usize, after.len());
    assert_eq!(dataset.counts.settled(), 90);
    let row = rows(out.path())
        .into_iter()
        .find(|row| lost.contains(&row.key))
        .unwrap();
    assert!(row.reason.unwrap().contains("was damaged"));
}

#[test]
fn trees_are_mended_sample_by_sample() {
    let (dir, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = TreeOptions {
        layout: TreeLayout::Class,
        frames: Some(FrameNames::default()),
    };
    let tree = Tree::new(dir.path(), &input(40), options).unwrap();
    let to = Target::Tree(&tree);
    let plan = Plan::new(input(40), recipe(), to, PlanOptions::default()).unwrap();
    let options = Case::new("webdataset", ShardRule::Count(1)).options();
    let stop = AtomicBool::new(false);
    pack(&plan, dir.path(), to, &options, make, &NoProgress, &stop).unwrap();
    let want = files(dir.path());
    flip(&dir.path().join("class/clip_1/img_00002.jpg"), 3, 1);
    fs::remove_file(dir.path().join("class/clip_2.json")).unwrap();
    let repaired = mend(dir.path(), out.path(), true);
    assert_eq!(repaired.lost.len(), 2);
    assert_same(&files(out.path()), &want, "tree");
}

#[test]
fn a_folder_in_use_is_refused() {
    let (dir, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    Case::new("webdataset", ShardRule::Samples(5))
        .run(dir.path())
        .unwrap();
    fs::write(out.path().join("mine"), "mine").unwrap();
    let stop = AtomicBool::new(false);
    let options = Case::new("webdataset", ShardRule::Count(1)).options();
    for to in [dir.path(), out.path()] {
        let e = repair(dir.path(), to, &options, never, &NoProgress, &stop).unwrap_err();
        assert!(e.to_string().contains("name another"), "{e}");
    }
}
