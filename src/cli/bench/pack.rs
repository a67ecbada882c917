//! `kpack bench pack`: where the time of packing goes.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use kpack::pipeline::{Options, Plan, PlanOptions, ShardRule, ShardTarget, Summary, Target, pack};
use kpack::progress::NoProgress;
use kpack::source::{self, Clip, ReadOptions};
use kpack::stopwatch::{self, Step};
use kpack::throughput::{self, Machine};
use kpack::worker::Worker;
use kpack_formats::{Compression, WriteOptions};
use serde::Serialize;
use serde_json::json;

use crate::cli::out::{bytes, count};
use crate::cli::pack::args::{Pictures, Sound, Video};
use crate::cli::pack::{SHARDS, Shape, resolve};
use crate::cli::{Common, Exit, exit, inputs, libav, out, pack as packing};

const HELP: &str = "\
Examples:
  kpack bench pack videos --frames all --short-side 256
  kpack bench pack videos --frames 5 --audio wav -j 1 --json
  kpack bench pack videos --work /mnt/scratch          where the tars go meanwhile

The clips are packed into tars as kpack webdataset packs them, but decoded in this process, so that
every step can be timed; the tars are deleted afterwards. Share is of the time that the threads of a
step had: all workers together, or the one thread that writes. The largest share is the bottleneck.";

/// Time each step of packing clips, and name the bottleneck
#[derive(Debug, Args)]
#[command(after_help = format!("{HELP}\n\n{}", exit::PACK_CODES))]
pub(crate) struct Pack {
    /// Media files, directory trees, or annotation files
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// Where the videos of annotation rows lie
    #[arg(long, value_name = "DIR")]
    media_dir: Option<PathBuf>,
    /// Folder in which the tars are made [default: the system's for temporary files]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    #[command(flatten)]
    video: Video,
    #[command(flatten)]
    pictures: Pictures,
    #[command(flatten)]
    sound: Sound,
}

/// One line of the report.
#[derive(Debug, Serialize)]
struct Timed {
    step: Step,
    seconds: f64,
    /// Of the time that its threads had, 0 to 1.
    share: f64,
}

impl Pack {
    pub(crate) fn run(&self, common: &Common) -> anyhow::Result<Exit> {
        let begun = Instant::now();
        let plan = self.plan()?;
        let planned = begun.elapsed().as_secs_f64();
        let (threads, cpu) = (common.threads(), throughput::cpu_seconds());
        stopwatch::start();
        let begun = Instant::now();
        let packed = self.pack(&plan, threads);
        let wall = begun.elapsed().as_secs_f64();
        let times = stopwatch::stop();
        let (summary, cpu) = (packed?, throughput::cpu_seconds() - cpu);
        let timed: Vec<Timed> = (times.into_iter())
            .map(|(step, seconds)| {
                let threads = if step.is_of_workers() { threads } else { 1 };
                let share = seconds / (wall * threads as f64).max(1e-9);
                Timed {
                    step,
                    seconds,
                    share,
                }
            })
            .collect();
        let bottleneck = timed.iter().max_by(|a, b| a.share.total_cmp(&b.share));
        let bottleneck = bottleneck.map(|timed| timed.step);
        let report = json!({
            "machine": Machine::here(), "threads": threads, "plan_seconds": planned, "seconds": wall,
            "cpu_seconds": cpu, "clips": summary.counts.done, "failed": summary.counts.failed,
            "frames": summary.counts.frames, "bytes": summary.counts.bytes,
            "clips_per_s": summary.counts.done as f64 / wall.max(1e-9),
            "steps": timed, "bottleneck": bottleneck,
        });
        if common.json {
            out::print_json(&report)?;
        } else {
            show(&summary, (planned, wall, cpu), threads, &timed, bottleneck)?;
        }
        Ok(match summary.counts.failed {
            0 => Exit::Done,
            _ => Exit::SomeFailed,
        })
    }

    fn plan(&self) -> anyhow::Result<Plan> {
        let shape = Shape {
            video: Some(&self.video),
            pictures: Some(&self.pictures),
            sound: Some(&self.sound),
            schema: None,
        };
        let (mut recipe, _) = resolve(&shape, SHARDS)?;
        recipe.waveform = false;
        let options = ReadOptions {
            media_dir: self.media_dir.clone(),
            ..ReadOptions::default()
        };
        let input = source::read(&self.inputs, &options).map_err(inputs::fault)?;
        let target = target()?;
        let options = PlanOptions {
            rule: ShardRule::Samples(1000),
            ..PlanOptions::default()
        };
        Ok(Plan::new(input, recipe, Target::Shards(&target), options)?)
    }

    fn pack(&self, plan: &Plan, threads: usize) -> anyhow::Result<Summary> {
        let made = match &self.work {
            Some(dir) => tempfile::tempdir_in(dir),
            None => tempfile::tempdir(),
        };
        let work = made.context("cannot make a folder for the tars: name another with --work")?;
        let (target, recipe) = (target()?, plan.recipe());
        let options = Options {
            threads,
            libav: libav::release(),
            estimate: Some(&packing::weight),
            ..Options::default()
        };
        let maker = packing::maker_here();
        let make = |clip: &Clip, worker: &mut Worker| maker(clip, recipe, worker);
        let stop = AtomicBool::new(false);
        let target = Target::Shards(&target);
        Ok(pack(
            plan,
            work.path(),
            target,
            &options,
            make,
            &NoProgress,
            &stop,
        )?)
    }
}

fn target() -> anyhow::Result<ShardTarget> {
    let format = kpack_formats::format("webdataset").context("this build does not write tars")?;
    Ok(ShardTarget {
        format,
        write: WriteOptions::default(),
        level: None,
        compression: Compression::None,
    })
}

fn show(
    summary: &Summary,
    (planned, wall, cpu): (f64, f64, f64),
    threads: usize,
    timed: &[Timed],
    bottleneck: Option<Step>,
) -> anyhow::Result<()> {
    let counts = &summary.counts;
    let rate = counts.done as f64 / wall.max(1e-9);
    out::print(|out| {
        writeln!(
            out,
            "{} packed, {} failed, {}, {} in {wall:.2} s with {}, {cpu:.2} s of CPU: {rate:.1} clips/s",
            count(counts.done, "clip"),
            counts.failed,
            count(counts.frames, "frame"),
            bytes(counts.bytes),
            count(threads as u64, "worker"),
        )?;
        writeln!(out, "planned in {planned:.2} s\n")?;
        writeln!(out, "step        seconds   share")?;
        for one in timed.iter().filter(|one| one.seconds > 0.0) {
            let mark = if Some(one.step) == bottleneck {
                "  <- bottleneck"
            } else {
                ""
            };
            let (name, share) = (one.step.name(), 100.0 * one.share);
            writeln!(out, "{name:<10} {:>8.3}  {share:>5.1}%{mark}", one.seconds)?;
        }
        let busy: f64 = (timed.iter())
            .filter(|one| one.step.is_of_workers())
            .map(|one| one.share)
            .sum();
        let idle = 100.0 * (1.0 - busy).max(0.0);
        writeln!(out, "workers were idle {idle:.1}% of the time")
    })?;
    Ok(())
}
