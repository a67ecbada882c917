//! `kpack bench read`: how fast shards read, beside a plain `read` loop.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use kpack::Error;
use kpack::throughput::{Cache, Corpus, Machine, Measured, Mode, Take, Task, open};
use serde_json::json;

use crate::cli::out::{bytes, count, grouped};
use crate::cli::{Common, Exit, exit, out};

const HELP: &str = "\
Examples:
  kpack bench read out                                  all orders, warm, 1 thread and all cores
  kpack bench read out --cache cold --mode sequential   the files are dropped from the page cache first
  kpack bench read out/*.tar -j 1 --repeats 9 --json
  kpack bench read out --mode clips --clip-frames 16 --stride 4

crc hashes every byte: TFRecord payloads against their framing, tar samples against SHARD.kidx. raw
looks at one byte of each page. clips takes frames from a random place of random samples and decodes
them to RGB at their own size: of the video blob, else of JPEG frames; samples/s are clips/s. read-loop is a plain read() of 1 MiB at a time over the same files; the
last column is the rate in parts of it. Rates are of the median repetition, which
of warm files is as many passes as take a quarter of a second. warm files are dropped from the page cache and read into it from
the disk before: those that were written a moment ago read up to three times slower.";

/// Measure samples/s and MB/s of shards: sequential, shuffled, random; raw, with checksums, decoded
#[derive(Debug, Args)]
#[command(after_help = format!("{HELP}\n\n{}", exit::LOOK_CODES))]
pub(crate) struct Read {
    /// Shards, or folders of shards
    #[arg(required = true, value_name = "SHARD|DIR")]
    sources: Vec<PathBuf>,
    /// Orders to measure [default: all]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "MODE")]
    mode: Vec<ModeKind>,
    /// Whether the files are in the page cache
    #[arg(long, value_enum, default_value_t = CacheKind::Warm, value_name = "CACHE")]
    cache: CacheKind,
    /// Whether checksums are compared
    #[arg(long, value_enum, default_value_t = CrcKind::Both, value_name = "CRC")]
    crc: CrcKind,
    /// Repetitions of each measurement
    #[arg(long, default_value_t = 5, value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..))]
    repeats: u16,
    /// Clips of one repetition of `clips`
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    clips: u64,
    /// Frames of each clip
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    clip_frames: u64,
    /// From one frame of a clip to the next
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    stride: u64,
    /// Seed of the random orders
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ModeKind {
    /// Shard by shard, front to back
    Sequential,
    /// Shards in random order, the samples of each in random order
    Shuffled,
    /// Samples anywhere
    Random,
    /// Some frames of random clips, decoded
    Clips,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CacheKind {
    Warm,
    Cold,
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CrcKind {
    Yes,
    No,
    Both,
}

impl Read {
    pub(crate) fn run(&self, common: &Common) -> anyhow::Result<Exit> {
        let corpus = open(&self.sources, common.threads())?;
        if self.crc == CrcKind::Yes && !corpus.has_checksums() {
            let text = "a tar without its .kidx has no checksums to compare: measure with --crc no, or convert it first";
            return Err(Error::usage(text).into());
        }
        let (machine, dataset) = (Machine::here(), corpus.described());
        if !common.json {
            out::print(|out| {
                let memory = bytes(machine.memory);
                let cores = count(machine.cores as u64, "core");
                writeln!(
                    out,
                    "{}, {cores}, {memory}, {}",
                    machine.cpu, machine.system
                )?;
                let (samples, shards) = (dataset.samples, dataset.shards as u64);
                let what = format!("{} in {}", count(samples, "sample"), count(shards, "shard"));
                let (path, hash) = (dataset.path.display(), &dataset.hash);
                let size = bytes(dataset.bytes);
                writeln!(
                    out,
                    "{path}: {}, {what}, {size}, hash {hash}\n",
                    dataset.format
                )?;
                writeln!(out, "{TITLES}")
            })?;
        }
        let mut results = Vec::new();
        for cache in self.caches() {
            for threads in threads(common) {
                self.measure(&corpus, cache, threads, common, &mut results)?;
            }
        }
        if common.json {
            let report = json!({ "machine": machine, "dataset": dataset, "results": results });
            out::print_json(&report)?;
        } else if !corpus.has_checksums() {
            out::say(
                "note: a tar without its .kidx has no checksums to compare; kpack convert writes shards that have them",
            );
        }
        Ok(Exit::Done)
    }

    fn caches(&self) -> Vec<Cache> {
        match self.cache {
            CacheKind::Warm => vec![Cache::Warm],
            CacheKind::Cold => vec![Cache::Cold],
            CacheKind::Both => vec![Cache::Warm, Cache::Cold],
        }
    }

    /// One block of the table: a plain loop, then every order.
    fn measure(
        &self,
        corpus: &Corpus,
        cache: Cache,
        threads: usize,
        common: &Common,
        results: &mut Vec<Measured>,
    ) -> anyhow::Result<()> {
        let wanted = |kind: ModeKind| self.mode.is_empty() || self.mode.contains(&kind);
        let modes = [
            (ModeKind::Sequential, Mode::Sequential),
            (ModeKind::Shuffled, Mode::Shuffled),
            (ModeKind::Random, Mode::Random),
            (ModeKind::Clips, Mode::Clips),
        ];
        let mut tasks = vec![(Mode::ReadLoop, false)];
        for (_, mode) in modes.into_iter().filter(|(kind, _)| wanted(*kind)) {
            if self.crc != CrcKind::Yes {
                tasks.push((mode, false));
            }
            if self.crc != CrcKind::No && corpus.has_checksums() {
                tasks.push((mode, true));
            }
        }
        let mut floor = 0.0;
        for (mode, crc) in tasks {
            let task = Task {
                mode,
                cache,
                crc,
                threads,
                seed: self.seed,
                take: Take {
                    clips: self.clips,
                    frames: self.clip_frames,
                    stride: self.stride,
                },
            };
            let measured = match corpus.measure(&task, usize::from(self.repeats)) {
                // Not every dataset has something to decode.
                Err(Error::Usage(_)) if mode == Mode::Clips && self.mode.is_empty() => continue,
                measured => measured?,
            };
            if mode == Mode::ReadLoop {
                floor = measured.mb_per_s;
            }
            if !common.json {
                out::print(|out| writeln!(out, "{}", line(&measured, floor)))?;
            }
            results.push(measured);
        }
        Ok(())
    }
}

/// One thread and all, or as many as asked for.
fn threads(common: &Common) -> Vec<usize> {
    match (common.threads, common.threads()) {
        (None, all) if all > 1 => vec![1, all],
        (_, threads) => vec![threads],
    }
}

const TITLES: &str =
    "order       cache  threads  check  samples/s      MB/s    p50 us    p99 us   CPU s  x read()";

fn line(one: &Measured, floor: f64) -> String {
    let mode = match one.mode {
        Mode::ReadLoop => "read-loop",
        Mode::Sequential => "sequential",
        Mode::Shuffled => "shuffled",
        Mode::Random => "random",
        Mode::Clips => "clips",
    };
    let cache = match one.cache {
        Cache::Warm => "warm",
        Cache::Cold => "cold",
    };
    let check = match (one.mode, one.crc) {
        (Mode::ReadLoop, _) => "-",
        (_, true) => "crc",
        (_, false) => "raw",
    };
    format!(
        "{mode:<10}  {cache:<5}  {:>7}  {check:<5}  {:>9}  {:>8.0}  {:>8.1}  {:>8.1}  {:>6.2}  {:>8.2}",
        one.threads,
        grouped(one.samples_per_s as u64),
        one.mb_per_s,
        one.p50_us,
        one.p99_us,
        one.cpu_seconds,
        one.mb_per_s / floor.max(1e-9),
    )
}
