//! How fast a dataset reads: whole shards in order, shards in random order with their samples in
//! random order, and samples anywhere; beside a plain `read` loop over the same files.
//!
//! Shards are mapped, samples are slices of the mapping, and the system reads ahead in large aligned
//! steps ([`crate::mmap::Walk`]). With checksums every byte is hashed: TFRecord
//! payloads against their framing, tar samples against `SHARD.kidx`. Without, one byte of each page
//! is looked at, so that all of a sample is in memory. Clips are decoded besides: some frames from a
//! random place of a random sample, to RGB.

mod clips;
mod corpus;
mod machine;
mod modes;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

pub use clips::Take;
pub use corpus::{Corpus, Described};
pub use machine::Machine;

use crate::{Error, Result};

/// Least time of a repetition of warm files.
const SHORTEST: Duration = Duration::from_millis(250);

/// The order in which samples are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The files through `read` into one buffer, nothing understood: what the others are measured by.
    ReadLoop,
    /// Shard by shard, front to back.
    Sequential,
    /// Shards in random order, the samples of each in random order.
    Shuffled,
    /// Every sample of the dataset once, anywhere.
    Random,
    /// Frames of random clips, decoded.
    Clips,
}

/// Whether the files are in the page cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cache {
    /// Dropped from the cache and read once before the clock runs: as on a machine that reads a dataset
    /// again and again, and did not write it a moment ago.
    Warm,
    /// Dropped from the cache before each repetition.
    Cold,
}

/// One thing to measure.
#[derive(Debug, Clone, Copy)]
pub struct Task {
    /// Order.
    pub mode: Mode,
    /// State of the cache.
    pub cache: Cache,
    /// Whether checksums are compared.
    pub crc: bool,
    /// Threads that read, at least 1.
    pub threads: usize,
    /// Seed of random orders.
    pub seed: u64,
    /// What is taken of random clips.
    pub take: Take,
}

/// What came of a task; rates are of the median repetition, MB are 10^6 bytes.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// Order.
    pub mode: Mode,
    /// State of the cache.
    pub cache: Cache,
    /// Threads that read.
    pub threads: usize,
    /// Whether checksums were compared.
    pub crc: bool,
    /// Samples of one repetition; of random clips, those that were decoded.
    pub samples: u64,
    /// Frames that were decoded.
    pub frames: u64,
    /// Bytes of one repetition: of the samples' extents; of the files in a plain loop.
    pub bytes: u64,
    /// Wall time of a pass in each repetition.
    pub seconds: Vec<f64>,
    /// User and system time of the process, median.
    pub cpu_seconds: f64,
    /// Samples per second.
    pub samples_per_s: f64,
    /// Megabytes per second.
    pub mb_per_s: f64,
    /// Microseconds in which half of the samples came.
    pub p50_us: f64,
    /// Microseconds in which 99 of 100 samples came.
    pub p99_us: f64,
}

/// What one repetition did.
#[derive(Debug, Default)]
struct Pass {
    samples: u64,
    bytes: u64,
    frames: u64,
    /// Nanoseconds of each sample.
    latencies: Vec<u32>,
}

impl Corpus {
    /// Measures `task` as often as `repeats` says; a repetition of warm files is as many passes as take
    /// a quarter of a second, as a short one says little.
    ///
    /// # Errors
    /// [`Error::Format`] for damage that checksums find; [`Error::Io`].
    pub fn measure(&self, task: &Task, repeats: usize) -> Result<Measured> {
        if task.cache == Cache::Warm {
            self.warm()?;
        }
        let (mut seconds, mut cpu, mut last) = (Vec::new(), Vec::new(), Pass::default());
        for _ in 0..repeats.max(1) {
            if task.cache == Cache::Cold {
                self.drop_cache()?;
            }
            let (begun, before) = (Instant::now(), cpu_seconds());
            let mut passes = 0.0;
            loop {
                last = self.pass(task)?;
                passes += 1.0;
                if task.cache == Cache::Cold || begun.elapsed() >= SHORTEST {
                    break;
                }
            }
            seconds.push(begun.elapsed().as_secs_f64() / passes);
            cpu.push((cpu_seconds() - before) / passes);
        }
        let wall = median(&seconds).max(1e-9);
        last.latencies.sort_unstable();
        let share = |of: usize| {
            let at = (last.latencies.len() * of / 100).min(last.latencies.len().saturating_sub(1));
            last.latencies
                .get(at)
                .map_or(0.0, |ns| f64::from(*ns) / 1e3)
        };
        Ok(Measured {
            mode: task.mode,
            cache: task.cache,
            threads: task.threads,
            crc: task.crc,
            samples: last.samples,
            frames: last.frames,
            bytes: last.bytes,
            cpu_seconds: median(&cpu),
            samples_per_s: last.samples as f64 / wall,
            mb_per_s: last.bytes as f64 / 1e6 / wall,
            p50_us: share(50),
            p99_us: share(99),
            seconds,
        })
    }

    fn pass(&self, task: &Task) -> Result<Pass> {
        match task.mode {
            Mode::ReadLoop => modes::read_loop(self, task.threads),
            Mode::Sequential => modes::sequential(self, task),
            Mode::Shuffled => modes::shuffled(self, task),
            Mode::Random => modes::random(self, task),
            Mode::Clips => {
                let dataset = self.dataset()?;
                clips::random(&dataset, task.take, task.threads, task.crc, task.seed)
            }
        }
    }
}

/// User and system time of this process so far.
pub fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle.wrapping_sub(1)), sorted.get(middle)) {
        (Some(a), Some(b)) if sorted.len().is_multiple_of(2) => f64::midpoint(*a, *b),
        (_, Some(b)) => *b,
        _ => 0.0,
    }
}

/// Finds the shards of `sources` and lists their samples.
///
/// # Errors
/// Those of [`crate::convert::find`]; [`Error::Usage`] for frame directories and compressed shards,
/// whose samples cannot be reached one by one.
pub fn open(sources: &[PathBuf], threads: usize) -> Result<Corpus> {
    let found = crate::convert::find(sources)?;
    let corpus = Corpus::list(found, threads, sources)?;
    if corpus.samples() == 0 {
        return Err(Error::usage("the sources hold no samples"));
    }
    Ok(corpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_even_and_odd_numbers() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
    }
}
