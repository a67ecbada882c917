//! The same bytes for any number of threads.

use kpack::pipeline::ShardRule;
use kpack_formats::Compression;

use super::{Case, assert_same, files, shards};

fn cases() -> Vec<(&'static str, Case)> {
    let tar = |rule| Case::new("webdataset", rule);
    let records = |rule| Case::new("tfrecord", rule);
    let mut shuffled = tar(ShardRule::Samples(7));
    shuffled.plan.shuffle = Some(42);
    let mut packed = records(ShardRule::Count(4));
    packed.target = shards("tfrecord", Compression::Gzip);
    let mut named = records(ShardRule::Bytes(9000));
    named.plan.name = Some("mine".into());
    named.plan.shuffle = Some(1);
    vec![
        ("tar by samples", tar(ShardRule::Samples(7))),
        ("tar by samples, shuffled", shuffled),
        ("tar by bytes", tar(ShardRule::Bytes(9000))),
        ("records by number", records(ShardRule::Count(4))),
        ("records by number, compressed", packed),
        ("records by bytes, named and shuffled", named),
    ]
}

#[test]
fn one_two_and_eight_threads_give_the_same_bytes() {
    for (what, mut case) in cases() {
        case.threads = 1;
        let want = case.undisturbed();
        for threads in [2, 8] {
            case.threads = threads;
            assert_same(
                &case.undisturbed(),
                &want,
                &format!("{what}, {threads} threads"),
            );
        }
    }
}

#[test]
fn a_shuffle_moves_samples_and_another_seed_moves_them_elsewhere() {
    let mut case = Case::new("webdataset", ShardRule::Samples(7));
    let plain = case.undisturbed();
    case.plan.shuffle = Some(1);
    let one = case.undisturbed();
    case.plan.shuffle = Some(2);
    let two = case.undisturbed();
    let name = "train-000000.tar";
    assert!(plain[name] != one[name] && one[name] != two[name] && plain[name] != two[name]);
    let keys = |files: &super::Files| {
        let text = String::from_utf8(files["samples.jsonl"].clone()).unwrap();
        text.lines()
            .map(|l| l.split(',').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&plain), keys(&one), "rows stand in input order");
}

#[test]
fn a_finished_dataset_is_left_alone() {
    let case = Case::new("tfrecord", ShardRule::Bytes(9000));
    let out = tempfile::tempdir().unwrap();
    let first = case.run(out.path()).unwrap();
    let want = files(out.path());
    let never = |_: &_, _: &mut _| unreachable!("nothing is to be done");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let again = case
        .run_with(
            out.path(),
            &case.options(),
            never,
            &kpack::progress::NoProgress,
            &stop,
        )
        .unwrap();
    assert_same(&files(out.path()), &want, "run again");
    assert_eq!((&again.counts, again.shards), (&first.counts, first.shards));
    assert_eq!(again.resumed, 90);
    assert_eq!((again.remaining, again.exit_code()), (0, 3));
}

#[test]
fn clips_are_made_side_by_side_with_the_usual_options() {
    let case = Case::new("webdataset", ShardRule::Samples(7));
    let dir = tempfile::tempdir().unwrap();
    // The first two clips wait for each other: one at a time would never go on.
    let together = std::sync::Barrier::new(2);
    let make = |clip: &kpack::source::Clip, state: &mut Vec<u8>| {
        if super::number(clip) < 2 {
            together.wait();
        }
        super::make(clip, state)
    };
    let out = dir.path().join("out");
    let never = std::sync::atomic::AtomicBool::new(false);
    let progress = kpack::progress::NoProgress;
    let summary = case.run_with(&out, &case.options(), make, &progress, &never);
    assert!(summary.unwrap().window_peak_clips > 2);
}
