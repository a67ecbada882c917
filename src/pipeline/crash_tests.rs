//! The process dies before every single change on disk, and again in the run after; the third run
//! must end in the bytes of an undisturbed one.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use kpack_formats::{Compression, Sample, WriteOptions};

use crate::pipeline::{
    Options, Plan, PlanOptions, ShardRule, ShardTarget, Summary, Target, pack, retry,
};
use crate::progress::NoProgress;
use crate::sample::{
    Class, Made, Pace, Recipe, SampleError, Size, Stage, Trim, VideoRecipe, VideoSound,
};
use crate::source::{Clip, Input, Problem, Row};
use crate::{Error, Result};

thread_local! {
    /// Moments until the process dies.
    static LEFT: Cell<u64> = const { Cell::new(u64::MAX) };
}

pub(crate) fn moment() -> Result<()> {
    LEFT.with(|left| match left.get() {
        // Dead: nothing changes any more.
        0 => Err(Error::usage("died")),
        u64::MAX => Ok(()),
        n => {
            left.set(n - 1);
            Ok(())
        }
    })
}

/// Runs `run`, which dies at moment `n` of this thread if it comes to that.
pub(crate) fn dying<T>(n: u64, run: impl FnOnce() -> T) -> T {
    LEFT.set(n);
    let result = run();
    LEFT.set(u64::MAX);
    result
}

const CLIPS: usize = 12;

fn input() -> Input {
    let row = |i: usize| {
        let problem = (i == 4).then(|| Problem {
            stage: Stage::Plan,
            class: Class::Missing,
            reason: "not there".into(),
        });
        let split = Some(if i < 8 { "train" } else { "val" }.to_owned());
        Row {
            clip: Clip {
                key: format!("clip_{i}"),
                split,
                ..Clip::default()
            },
            problem,
        }
    };
    Input {
        rows: (0..CLIPS).map(row).collect(),
        classes: vec!["c".into()],
        notes: Vec::new(),
    }
}

fn make(clip: &Clip, _: &mut ()) -> std::result::Result<Made, SampleError> {
    // The second shard of `train` fails whole.
    if matches!(clip.key.as_bytes()[5], b'2' | b'3') {
        return Err(SampleError::new(
            &clip.key,
            Stage::Decode,
            Class::Corrupt,
            "broken",
        ));
    }
    good(clip)
}

fn good(clip: &Clip) -> std::result::Result<Made, SampleError> {
    let n = clip.key.as_bytes()[5];
    let mut sample = Sample {
        key: clip.key.clone(),
        ..Sample::default()
    };
    sample
        .blobs
        .insert("bin".into(), vec![n; 300 + 100 * usize::from(n % 5)].into());
    Ok(Made::Sample(Box::new(sample), Box::default()))
}

struct Case {
    format: &'static str,
    compression: Compression,
    rule: ShardRule,
}

impl Case {
    fn run(&self, out: &Path, overwrite: bool) -> Result<Summary> {
        let target = ShardTarget {
            format: kpack_formats::format(self.format).unwrap(),
            write: WriteOptions::default(),
            compression: self.compression,
            level: None,
        };
        let recipe = Recipe {
            video: VideoRecipe::Copy,
            trim: Trim::Exact,
            frames: None,
            size: Size::Source,
            upscale: false,
            audio: None,
            waveform: false,
            pace: Pace::Source,
            video_sound: VideoSound::Encode,
        };
        let target = Target::Shards(&target);
        let plan_options = PlanOptions {
            rule: self.rule,
            ..PlanOptions::default()
        };
        let plan = Plan::new(input(), recipe, target, plan_options).unwrap();
        let options = Options {
            threads: 2,
            overwrite,
            ..Options::default()
        };
        pack(
            &plan,
            out,
            target,
            &options,
            make,
            &NoProgress,
            &AtomicBool::new(false),
        )
    }

    /// Runs, and dies at moment `n`; says whether it came to that.
    fn dies(&self, out: &Path, n: u64, overwrite: bool) -> bool {
        dying(n, || self.run(out, overwrite).is_err())
    }
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.file_type().is_file());
    files
        .map(|e| {
            (
                e.path().display().to_string(),
                std::fs::read(e.path()).unwrap(),
            )
        })
        .map(|(name, bytes)| (name[folder.to_str().unwrap().len()..].to_owned(), bytes))
        .collect()
}

fn all_moments(case: &Case) {
    let out = tempfile::tempdir().unwrap();
    case.run(out.path(), false).unwrap();
    let want = files(out.path());
    assert_eq!(
        want.keys().filter(|name| name.contains("kpack/")).count(),
        0
    );
    for first in 0.. {
        // The second death comes at a moment that is spread over the rest.
        let second = [1 + first % 7, 3 + first % 23, 1000][first as usize % 3];
        let out = tempfile::tempdir().unwrap();
        if !case.dies(out.path(), first, false) {
            assert!(first > 50, "only {first} moments");
            return;
        }
        case.dies(out.path(), second, false);
        let summary = case.run(out.path(), false).unwrap();
        assert_eq!(summary.counts.settled(), CLIPS as u64);
        assert_eq!(summary.counts.failed, 3);
        assert!(
            files(out.path()) == want,
            "died at {first}, then at {second}"
        );
    }
}

#[test]
fn tar_by_samples() {
    let rule = ShardRule::Samples(2);
    all_moments(&Case {
        format: "webdataset",
        compression: Compression::None,
        rule,
    });
}

#[test]
fn compressed_tar_by_number() {
    let rule = ShardRule::Count(3);
    all_moments(&Case {
        format: "webdataset",
        compression: Compression::Gzip,
        rule,
    });
}

#[test]
fn records_by_bytes() {
    let rule = ShardRule::Bytes(1300);
    all_moments(&Case {
        format: "tfrecord",
        compression: Compression::None,
        rule,
    });
}

#[test]
fn compressed_records_by_bytes() {
    let rule = ShardRule::Bytes(1300);
    all_moments(&Case {
        format: "tfrecord",
        compression: Compression::Gzip,
        rule,
    });
}

#[test]
fn overwriting_can_be_interrupted_too() {
    let old = Case {
        format: "tfrecord",
        compression: Compression::None,
        rule: ShardRule::Bytes(1300),
    };
    let new = Case {
        format: "webdataset",
        compression: Compression::None,
        rule: ShardRule::Samples(2),
    };
    let out = tempfile::tempdir().unwrap();
    new.run(out.path(), false).unwrap();
    let want = files(out.path());
    for old_dies in [10, 40, 1000] {
        for moment in 0.. {
            let out = tempfile::tempdir().unwrap();
            old.dies(out.path(), old_dies, false);
            if !new.dies(out.path(), moment, true) {
                break;
            }
            new.run(out.path(), true).unwrap();
            assert!(
                files(out.path()) == want,
                "old died at {old_dies}, new at {moment}"
            );
        }
    }
}

#[test]
fn a_retry_can_be_interrupted_too() {
    let again = |out: &Path| {
        let make = |clip: &Clip, _: &Recipe, _: &mut ()| good(clip);
        let options = Options {
            threads: 1,
            ..Options::default()
        };
        retry(
            out,
            &[],
            &options,
            make,
            &NoProgress,
            &AtomicBool::new(false),
        )
    };
    for (format, rule) in [
        ("webdataset", ShardRule::Samples(2)),
        ("tfrecord", ShardRule::Bytes(1300)),
    ] {
        let case = Case {
            format,
            compression: Compression::None,
            rule,
        };
        let out = tempfile::tempdir().unwrap();
        case.run(out.path(), false).unwrap();
        assert_eq!(again(out.path()).unwrap().done, 2);
        let want = files(out.path());
        for moment in 0.. {
            let out = tempfile::tempdir().unwrap();
            case.run(out.path(), false).unwrap();
            let died = dying(moment, || again(out.path()).is_err());
            // The next retry, or a repetition of the packing, completes what was begun.
            if moment % 2 == 0 {
                case.run(out.path(), false).unwrap();
            }
            again(out.path()).unwrap();
            assert!(files(out.path()) == want, "{format} died at {moment}");
            if !died {
                assert!(moment > 20, "only {moment} moments");
                break;
            }
        }
    }
}
