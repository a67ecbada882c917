//! Failed rows, once more: the dataset ends in the bytes of a run in which nothing had failed.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use kpack::pipeline::{Options, Plan, PlanOptions, Retried, ShardRule, Target, pack, retry};
use kpack::progress::NoProgress;
use kpack::sample::{Class, Facts, Made, Recipe, SampleError, Stage};
use kpack::source::Clip;
use kpack::tree::{FrameNames, Tree, TreeLayout, TreeOptions};
use kpack_formats::{Compression, WriteOptions};

use super::{Case, assert_same, files, input, noise, number, recipe, sample, shards as target};

fn good(clip: &Clip, _: &mut Vec<u8>) -> Result<Made, SampleError> {
    let n = number(clip);
    if n % 20 == 7 {
        return Ok(Made::Skipped("too short".into()));
    }
    let sample = sample(clip, 100 + noise(n) as usize % 1500);
    let facts = Facts {
        frames: Some(2),
        ..Facts::default()
    };
    Ok(Made::Sample(Box::new(sample), Box::new(facts)))
}

/// Fails on some clips here and there, and on a run of them.
fn bad(clip: &Clip, state: &mut Vec<u8>) -> Result<Made, SampleError> {
    let n = number(clip);
    let class = match n {
        60..72 => Class::Timeout,
        n if n % 10 == 3 => Class::Corrupt,
        _ => return good(clip, state),
    };
    Err(SampleError::new(&clip.key, Stage::Decode, class, "not now"))
}

fn again(out: &Path, classes: &[Class]) -> Retried {
    let make = |clip: &Clip, _: &Recipe, state: &mut Vec<u8>| good(clip, state);
    let stop = AtomicBool::new(false);
    let options = Case::new("webdataset", ShardRule::Count(1)).options();
    retry(out, classes, &options, make, &NoProgress, &stop).unwrap()
}

fn cases() -> Vec<(String, Case)> {
    let mut cases = Vec::new();
    for format in ["webdataset", "tfrecord"] {
        for rule in [
            ShardRule::Samples(4),
            ShardRule::Count(7),
            ShardRule::Bytes(9000),
        ] {
            cases.push((format!("{format} {rule:?}"), Case::new(format, rule)));
        }
    }
    for (format, compression) in [
        ("webdataset", Compression::Gzip),
        ("tfrecord", Compression::Zlib),
        ("tfrecord", Compression::Zstd),
    ] {
        let mut case = Case::new(format, ShardRule::Samples(5));
        case.target = target(format, compression);
        case.plan.shuffle = Some(7);
        cases.push((format!("{format} {compression:?} shuffled"), case));
    }
    let mut dmvr = Case::new("tfrecord", ShardRule::Bytes(20_000));
    dmvr.target.write = WriteOptions {
        schema: kpack_formats::Schema::Dmvr,
    };
    cases.push(("dmvr".into(), dmvr));
    cases
}

#[test]
fn it_ends_in_the_bytes_of_a_run_in_which_nothing_had_failed() {
    for (what, case) in cases() {
        let (got, want) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let stop = AtomicBool::new(false);
        let run = |out: &Path, make: fn(&Clip, &mut Vec<u8>) -> Result<Made, SampleError>| {
            case.run_with(out, &case.options(), make, &NoProgress, &stop)
                .unwrap()
        };
        run(want.path(), good);
        let failed = run(got.path(), bad).counts.failed;
        let before = files(got.path());
        let retried = again(got.path(), &[]);
        // Those without media took no place.
        assert_eq!(retried.unplanned, 10, "{what}");
        assert_eq!(
            (retried.tried, retried.done),
            (failed - 10, failed - 10),
            "{what}"
        );
        let after = files(got.path());
        assert_same(&after, &files(want.path()), &what);
        assert!(crate::verify::check(got.path()).is_whole(), "{what}");
        // What needed no change was not touched.
        let same = before
            .iter()
            .filter(|(name, bytes)| after.get(*name) == Some(bytes));
        let untouched = same.filter(|(name, _)| !name.contains('.')).count();
        assert!(
            untouched == 0 || retried.shards.len() < before.len(),
            "{what}"
        );
    }
}

#[test]
fn only_the_classes_that_are_named_are_tried_and_only_their_shards_written() {
    use std::os::unix::fs::MetadataExt as _;
    let out = tempfile::tempdir().unwrap();
    let case = Case::new("webdataset", ShardRule::Samples(4));
    let stop = AtomicBool::new(false);
    case.run_with(out.path(), &case.options(), bad, &NoProgress, &stop)
        .unwrap();
    let inodes = || {
        let inode = |path: &std::path::PathBuf| std::fs::metadata(path).unwrap().ino();
        let shards = crate::verify::shards(out.path());
        shards
            .into_iter()
            .map(|path| (inode(&path), path))
            .collect::<Vec<_>>()
    };
    let before = inodes();
    let retried = again(out.path(), &[Class::Timeout]);
    assert!(retried.done > 5 && retried.dataset.counts.failed > 10);
    assert_eq!(retried.dataset.counts.failures.get(&Class::Timeout), None);
    let kept = inodes()
        .into_iter()
        .filter(|shard| before.contains(shard))
        .count();
    assert_eq!(kept + retried.shards.len(), inodes().len());
    assert!(kept > 10, "{kept}");
    assert!(crate::verify::check(out.path()).is_whole());
}

#[test]
fn a_stopped_retry_keeps_what_it_made_and_the_next_does_the_rest() {
    let (out, want) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let case = Case::new("tfrecord", ShardRule::Bytes(9000));
    let never = AtomicBool::new(false);
    case.run_with(want.path(), &case.options(), good, &NoProgress, &never)
        .unwrap();
    case.run_with(out.path(), &case.options(), bad, &NoProgress, &never)
        .unwrap();
    let mut tried = 0;
    for round in 0.. {
        let stop = AtomicBool::new(false);
        let make = |clip: &Clip, _: &Recipe, state: &mut Vec<u8>| {
            stop.store(round < 3, Relaxed);
            good(clip, state)
        };
        let options = Options {
            threads: 1,
            window_clips: 1,
            ..case.options()
        };
        let retried = retry(out.path(), &[], &options, make, &NoProgress, &stop).unwrap();
        tried += retried.tried;
        assert!(crate::verify::check(out.path()).is_whole());
        if retried.remaining == 0 {
            break;
        }
    }
    assert!(tried > 10);
    assert_same(&files(out.path()), &files(want.path()), "after stops");
}

#[test]
fn trees_get_their_samples_in_place() {
    let (got, want) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let run = |out: &Path, make: fn(&Clip, &mut Vec<u8>) -> Result<Made, SampleError>| {
        let options = TreeOptions {
            layout: TreeLayout::SplitClass,
            frames: Some(FrameNames::default()),
        };
        let tree = Tree::new(out, &input(90), options).unwrap();
        let target = Target::Tree(&tree);
        let plan = Plan::new(input(90), recipe(), target, PlanOptions::default()).unwrap();
        let options = Case::new("webdataset", ShardRule::Count(1)).options();
        let stop = AtomicBool::new(false);
        pack(&plan, out, target, &options, make, &NoProgress, &stop).unwrap();
    };
    run(want.path(), good);
    run(got.path(), bad);
    assert!(again(got.path(), &[]).done > 10);
    assert_same(&files(got.path()), &files(want.path()), "tree");
    assert!(crate::verify::check(got.path()).is_whole());
}

#[test]
fn rows_that_were_changed_are_refused() {
    let out = tempfile::tempdir().unwrap();
    let case = Case::new("webdataset", ShardRule::Samples(4));
    let stop = AtomicBool::new(false);
    case.run_with(out.path(), &case.options(), bad, &NoProgress, &stop)
        .unwrap();
    let path = out.path().join("samples.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("/media/8.mp4", "/media/other.mp4", 1)).unwrap();
    let make = |clip: &Clip, _: &Recipe, state: &mut Vec<u8>| good(clip, state);
    let e = retry(out.path(), &[], &case.options(), make, &NoProgress, &stop).unwrap_err();
    assert!(e.to_string().contains("do not give back the plan"), "{e}");
}
