//! Who may write where.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use kpack::pipeline::{End, Options, ShardRule};
use kpack::progress::NoProgress;

use super::{Case, assert_same, files, make, number};

fn stopped_half_way(case: &Case, out: &Path) {
    let stop = AtomicBool::new(false);
    let stopping = |clip: &kpack::source::Clip, state: &mut Vec<u8>| {
        if number(clip) == 41 {
            stop.store(true, Relaxed);
        }
        make(clip, state)
    };
    let options = Options {
        threads: 1,
        ..case.options()
    };
    let summary = case
        .run_with(out, &options, stopping, &NoProgress, &stop)
        .unwrap();
    assert_eq!(summary.end, End::Interrupted);
}

fn overwrite(case: &Case, out: &Path) -> kpack::Result<kpack::pipeline::Summary> {
    let options = Options {
        overwrite: true,
        ..case.options()
    };
    case.run_with(out, &options, make, &NoProgress, &AtomicBool::new(false))
}

#[test]
fn another_plan_is_refused_with_what_differs() {
    let case = Case::new("webdataset", ShardRule::Samples(7));
    for finished in [true, false] {
        let out = tempfile::tempdir().unwrap();
        if finished {
            case.run(out.path()).unwrap();
        } else {
            stopped_half_way(&case, out.path());
        }
        let before = files(out.path());
        let mut other = case.clone();
        other.plan.shuffle = Some(1);
        let text = other.run(out.path()).unwrap_err().to_string();
        assert!(
            text.contains("other shards, order") && text.contains("--overwrite"),
            "{text}"
        );
        let mut other = case.clone();
        other.clips = 89;
        assert!(other.run(out.path()).is_err());
        let text = Case::new("tfrecord", ShardRule::Samples(7))
            .run(out.path())
            .unwrap_err();
        assert!(
            text.to_string().contains(r#""format":"webdataset""#),
            "{text}"
        );
        let options = Options {
            libav: "60.0".into(),
            ..case.options()
        };
        let stop = AtomicBool::new(false);
        let text = case
            .run_with(out.path(), &options, make, &NoProgress, &stop)
            .unwrap_err();
        assert!(
            text.to_string().contains("libav 61.1 there, 60.0 here"),
            "{text}"
        );
        assert_same(&files(out.path()), &before, "a refusal changes nothing");
    }
}

#[test]
fn overwrite_removes_what_kpack_wrote_and_nothing_else() {
    let old = Case::new("tfrecord", ShardRule::Bytes(9000));
    let new = Case::new("webdataset", ShardRule::Samples(7));
    let want = new.undisturbed();
    for finished in [true, false] {
        let out = tempfile::tempdir().unwrap();
        if finished {
            old.run(out.path()).unwrap();
        } else {
            stopped_half_way(&old, out.path());
        }
        fs::write(out.path().join("thesis.txt"), "mine").unwrap();
        overwrite(&new, out.path()).unwrap();
        let mut got = files(out.path());
        assert_eq!(got.remove("thesis.txt").unwrap(), b"mine");
        assert_same(&got, &want, "after overwrite");
        // And of the same plan.
        overwrite(&new, out.path()).unwrap();
        let mut got = files(out.path());
        got.remove("thesis.txt").unwrap();
        assert_same(&got, &want, "after overwrite of the same");
    }
}

#[test]
fn a_foreign_folder_is_refused_and_its_files_are_never_replaced() {
    let case = Case::new("webdataset", ShardRule::Samples(7));
    let out = tempfile::tempdir().unwrap();
    fs::write(out.path().join("train-000001.tar"), "mine").unwrap();
    let text = case.run(out.path()).unwrap_err().to_string();
    assert!(
        text.contains("not empty (it holds train-000001.tar)"),
        "{text}"
    );
    let text = overwrite(&case, out.path()).unwrap_err().to_string();
    assert!(
        text.contains("train-000001.tar") && text.contains("did not write it"),
        "{text}"
    );
    assert_eq!(
        fs::read(out.path().join("train-000001.tar")).unwrap(),
        b"mine"
    );
    assert_eq!(files(out.path()).len(), 1);
}

#[test]
fn a_second_process_on_the_same_part_is_refused() {
    let case = Case::new("webdataset", ShardRule::Samples(7));
    let out = tempfile::tempdir().unwrap();
    let refused = AtomicBool::new(false);
    let nested = |clip: &kpack::source::Clip, state: &mut Vec<u8>| {
        if number(clip) == 0 {
            let text = case.run(out.path()).unwrap_err().to_string();
            assert!(
                text.contains("another process is packing this part"),
                "{text}"
            );
            refused.store(true, Relaxed);
        }
        make(clip, state)
    };
    let stop = AtomicBool::new(false);
    case.run_with(out.path(), &case.options(), nested, &NoProgress, &stop)
        .unwrap();
    assert!(refused.load(Relaxed));
}

#[test]
fn a_shard_that_vanished_is_noticed_before_going_on() {
    let case = Case::new("webdataset", ShardRule::Samples(7));
    let out = tempfile::tempdir().unwrap();
    stopped_half_way(&case, out.path());
    fs::remove_file(out.path().join("train-000000.tar")).unwrap();
    let text = case.run(out.path()).unwrap_err().to_string();
    assert!(
        text.contains("train-000000.tar is missing or has changed"),
        "{text}"
    );
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let out = file.path().join("out");
    let error = Case::new("webdataset", ShardRule::Samples(7))
        .run(&out)
        .unwrap_err();
    assert!(
        error.to_string().contains(&*out.to_string_lossy()),
        "{error}"
    );
}
