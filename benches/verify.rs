//! What `verify` costs beside reading and hashing the same bytes in a bare loop, one thread each, in
//! turns, medians of the same run; `cpu_ratio` is that of the CPU time, which other programs disturb less.
//!
//! ```text
//! cargo bench --bench verify -- [MB]        # bytes of each dataset, 1000 without
//! ```
#![allow(clippy::print_stdout, reason = "the report of a bench")]

use std::error::Error;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use kpack::pipeline::{Options, Plan, PlanOptions, ShardRule, ShardTarget, Target, pack};
use kpack::progress::NoProgress;
use kpack::sample::{Made, Pace, Recipe, SampleError, Size, Trim, VideoRecipe, VideoSound};
use kpack::source::{Clip, Input, Row};
use kpack::tree::{FrameNames, Tree, TreeOptions};
use kpack::verify::{Options as VerifyOptions, Unwatched, verify};
use kpack_formats::{Compression, Sample, WriteOptions};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A clip of 10 s at 5 frames a second, 256 pixels on the short side, as JPEG.
const FRAMES: usize = 50;
const FRAME: usize = 14_000;
const ROUNDS: usize = 7;

fn main() -> Outcome<()> {
    let mb = std::env::args().skip(1).find_map(|arg| arg.parse().ok());
    let clips = mb.unwrap_or(1000_usize) * 1_000_000 / (FRAMES * FRAME);
    for format in ["webdataset", "tfrecord", "frames"] {
        let dir = tempfile::tempdir()?;
        write(format, clips.max(1), dir.path())?;
        measure(format, dir.path())?;
    }
    Ok(())
}

fn write(format: &str, clips: usize, out: &Path) -> Outcome<()> {
    let row = |i: usize| Row {
        clip: Clip {
            key: format!("clip_{i:06}"),
            ..Clip::default()
        },
        problem: None,
    };
    let input = Input {
        rows: (0..clips).map(row).collect(),
        ..Input::default()
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
    let options = PlanOptions {
        rule: ShardRule::Bytes(256 << 20),
        ..PlanOptions::default()
    };
    let frames = TreeOptions {
        frames: Some(FrameNames::default()),
        ..TreeOptions::default()
    };
    let tree = Tree::new(out, &input, frames)?;
    let shards = kpack_formats::format(format).map(|format| ShardTarget {
        format,
        write: WriteOptions::default(),
        compression: Compression::None,
        level: None,
    });
    let target = match &shards {
        Some(shards) if format != "frames" => Target::Shards(shards),
        _ => Target::Tree(&tree),
    };
    let plan = Plan::new(input, recipe, target, options)?;
    let (stop, options) = (AtomicBool::new(false), Options::default());
    pack(&plan, out, target, &options, make, &NoProgress, &stop)?;
    Ok(())
}

fn make(clip: &Clip, _: &mut ()) -> Result<Made, SampleError> {
    let mut sample = Sample {
        key: clip.key.clone(),
        ..Sample::default()
    };
    let mut state = u64::from(kpack_formats::crc32c(clip.key.as_bytes())) | 1;
    for i in 1..=FRAMES {
        let mut next = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (state >> 33) as u8
        };
        let bytes: Vec<u8> = (0..FRAME).map(|_| next()).collect();
        sample.blobs.insert(format!("{i:06}.jpg"), bytes.into());
    }
    Ok(Made::Sample(Box::new(sample), Box::default()))
}

fn measure(format: &str, dir: &Path) -> Outcome<()> {
    let mut files = Vec::new();
    find(dir, &mut files)?;
    files.sort();
    let (mut bare, mut ours, mut bytes) = (Times::default(), Times::default(), 0);
    for _ in 0..ROUNDS {
        let begun = now();
        bytes = hash(&files)?;
        bare.add(begun);
        let begun = now();
        let options = VerifyOptions {
            threads: 1,
            decode: false,
        };
        let report = verify(&[dir.to_owned()], &options, &Unwatched)?;
        ours.add(begun);
        if !report.is_whole() || report.bytes != bytes {
            return Err(format!("{} of {bytes} bytes verified", report.bytes).into());
        }
    }
    let cpu = median(&mut ours.cpu) / median(&mut bare.cpu);
    let (bare, ours) = (median(&mut bare.wall), median(&mut ours.wall));
    println!(
        "{{\"format\": \"{format}\", \"files\": {}, \"bytes\": {bytes}, \"bare_s\": {bare:.4}, \
         \"verify_s\": {ours:.4}, \"verify_mb_per_s\": {:.0}, \"ratio\": {:.3}, \
         \"cpu_ratio\": {cpu:.3}}}",
        files.len(),
        bytes as f64 / ours / 1e6,
        ours / bare
    );
    Ok(())
}

/// Seconds of each round: on the wall, and of this process on the processor.
#[derive(Default)]
struct Times {
    wall: Vec<f64>,
    cpu: Vec<f64>,
}

impl Times {
    fn add(&mut self, begun: (Instant, f64)) {
        let now = now();
        self.wall.push((now.0 - begun.0).as_secs_f64());
        self.cpu.push(now.1 - begun.1);
    }
}

fn now() -> (Instant, f64) {
    let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    (Instant::now(), cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// The bare loop.
fn hash(files: &[PathBuf]) -> Outcome<u64> {
    let (mut buffer, mut total) = (vec![0; 256 << 10], 0);
    for path in files {
        let (mut file, mut crc) = (File::open(path)?, 0);
        loop {
            let n = file.read(&mut buffer)?;
            if n == 0 {
                break;
            }
            crc = kpack_formats::crc32c_append(crc, &buffer[..n]);
            total += n as u64;
        }
        std::hint::black_box(crc);
    }
    Ok(total)
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> Outcome<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => find(&path, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}
