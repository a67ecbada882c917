//! The pipeline with samples that cost nothing.

mod determinism;
mod disk;
mod folder;
mod kill;
mod outcomes;
mod parts;
mod plan;
mod power;
mod resume;
mod retry;
mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use kpack::Result;
use kpack::pipeline::{
    Options, Outcome, OutcomeRow, Plan, PlanOptions, ShardRule, ShardTarget, Summary, Target, pack,
};
use kpack::progress::{NoProgress, Progress};
use kpack::sample::{
    Class, Facts, Made, Pace, Recipe, SampleError, Size, Stage, Trim, VideoRecipe, VideoSound,
};
use kpack::source::{Clip, Input, Problem, Row};
use kpack_formats::{Compression, Label, Sample, WriteOptions};

pub(crate) fn recipe() -> Recipe {
    Recipe {
        video: VideoRecipe::Copy,
        trim: Trim::Exact,
        frames: None,
        size: Size::Source,
        upscale: false,
        audio: None,
        waveform: false,
        pace: Pace::Source,
        video_sound: VideoSound::Encode,
    }
}

/// `n` clips, every third of split `val`, every ninth without its video.
pub(crate) fn input(n: usize) -> Input {
    let row = |i: usize| {
        let split = if i % 3 == 2 { "val" } else { "train" };
        let clip = Clip {
            key: format!("class/clip_{i}"),
            source: format!("class/clip \"{i}\".mp4"),
            media: Some(PathBuf::from(format!("/media/{i}.mp4"))),
            split: Some(split.into()),
            labels: vec![Label {
                index: Some(1),
                text: Some("class".into()),
            }],
            ..Clip::default()
        };
        let problem = (i % 9 == 4).then(|| Problem {
            stage: Stage::Plan,
            class: Class::Missing,
            reason: "no such file".into(),
        });
        Row { clip, problem }
    };
    Input {
        rows: (0..n).map(row).collect(),
        classes: vec!["a b".into(), "class".into()],
        notes: Vec::new(),
    }
}

pub(crate) fn shards(format: &str, compression: Compression) -> ShardTarget {
    ShardTarget {
        format: kpack_formats::format(format).unwrap(),
        write: WriteOptions::default(),
        compression,
        level: None,
    }
}

pub(crate) fn number(clip: &Clip) -> u64 {
    clip.key.rsplit('_').next().unwrap().parse().unwrap()
}

/// A number that looks random and is always the same for `n`.
pub(crate) fn noise(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z ^ (z >> 29)
}

pub(crate) fn sample(clip: &Clip, bytes: usize) -> Sample {
    let n = number(clip);
    let blob = |salt: u64, len: usize| -> Vec<u8> {
        (0..len)
            .map(|i| noise(n * 31 + salt + i as u64 / 8) as u8)
            .collect()
    };
    let mut sample = Sample {
        key: clip.key.clone(),
        labels: clip.labels.clone(),
        ..Sample::default()
    };
    sample
        .blobs
        .insert("000001.jpg".into(), blob(1, bytes / 2).into());
    sample
        .blobs
        .insert("000002.jpg".into(), blob(2, bytes - bytes / 2).into());
    sample.meta.insert("n".into(), n.into());
    sample
}

/// Fails, skips and panics on some clips; the others become samples of 100 to 1600 bytes.
pub(crate) fn make(clip: &Clip, state: &mut Vec<u8>) -> Result<Made, SampleError> {
    state.push(0);
    let n = number(clip);
    match n % 20 {
        3 => Err(SampleError::new(
            &clip.key,
            Stage::Decode,
            Class::Corrupt,
            "no frame came out",
        )),
        7 => Ok(Made::Skipped("too short".into())),
        11 => std::panic::panic_any("fake crash"),
        _ => {
            let sample = sample(clip, 100 + noise(n) as usize % 1500);
            let facts = Facts {
                frames: Some(2),
                fps: Some(29.97),
                frame_times: vec![kpack::Time::ZERO],
                ..Facts::default()
            };
            Ok(Made::Sample(Box::new(sample), Box::new(facts)))
        }
    }
}

/// [`make`] with random waits.
pub(crate) fn slow_make(clip: &Clip, state: &mut Vec<u8>) -> Result<Made, SampleError> {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let wait = noise(CALLS.fetch_add(1, Relaxed)) % 1500;
    std::thread::sleep(Duration::from_micros(wait));
    make(clip, state)
}

/// One kind of run.
#[derive(Clone)]
pub(crate) struct Case {
    pub clips: usize,
    pub target: ShardTarget,
    pub plan: PlanOptions,
    pub threads: usize,
}

impl Case {
    pub(crate) fn new(format: &str, rule: ShardRule) -> Self {
        Self {
            clips: 90,
            target: shards(format, Compression::None),
            plan: PlanOptions {
                rule,
                ..PlanOptions::default()
            },
            threads: 2,
        }
    }
    pub(crate) fn plan(&self) -> Plan {
        Plan::new(
            input(self.clips),
            recipe(),
            Target::Shards(&self.target),
            self.plan.clone(),
        )
        .unwrap()
    }
    pub(crate) fn options(&self) -> Options<'static> {
        Options {
            threads: self.threads,
            libav: "61.1".into(),
            ..Options::default()
        }
    }
    pub(crate) fn run(&self, out: &Path) -> Result<Summary> {
        self.run_with(
            out,
            &self.options(),
            slow_make,
            &NoProgress,
            &AtomicBool::new(false),
        )
    }
    pub(crate) fn run_with(
        &self,
        out: &Path,
        options: &Options<'_>,
        make: impl Fn(&Clip, &mut Vec<u8>) -> Result<Made, SampleError> + Sync,
        progress: &dyn Progress,
        stop: &AtomicBool,
    ) -> Result<Summary> {
        quiet_panics();
        pack(
            &self.plan(),
            out,
            Target::Shards(&self.target),
            options,
            make,
            progress,
            stop,
        )
    }
    /// The bytes of an undisturbed run.
    pub(crate) fn undisturbed(&self) -> Files {
        let out = tempfile::tempdir().unwrap();
        let summary = self.run(&out.path().join("out")).unwrap();
        assert_eq!(summary.counts.settled(), summary.counts.clips);
        files(&out.path().join("out"))
    }
}

pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// All files below `folder`, by path.
pub(crate) fn files(folder: &Path) -> Files {
    let entries = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|entry| entry.unwrap());
    entries
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let name = entry
                .path()
                .strip_prefix(folder)
                .unwrap()
                .to_string_lossy()
                .into_owned();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// Equal, or the names that differ.
#[track_caller]
pub(crate) fn assert_same(got: &Files, want: &Files, what: &str) {
    let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(got), names(want), "{what}");
    let differ: Vec<_> = want
        .iter()
        .filter(|(name, bytes)| got[*name] != **bytes)
        .collect();
    assert!(
        differ.is_empty(),
        "{what}: {:?}",
        differ.iter().map(|(n, _)| n).collect::<Vec<_>>()
    );
}

pub(crate) fn rows(out: &Path) -> Vec<OutcomeRow> {
    let path = out.join("samples.jsonl");
    let file = std::fs::File::open(&path).unwrap();
    OutcomeRow::read_all(file, &path)
        .map(|row| row.unwrap())
        .collect()
}

pub(crate) fn count(rows: &[OutcomeRow], outcome: Outcome) -> u64 {
    rows.iter().filter(|row| row.outcome == outcome).count() as u64
}

/// Keeps the panics that [`make`] means out of the output.
fn quiet_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&"fake crash") {
                usual(info);
            }
        }));
    });
}
