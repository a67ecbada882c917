//! Samples of a conversion as MosaicML MDS, a folder of shards for each split.
//!
//! ```text
//! rows ──> window: make, encode (workers) ──> gathered, in order ──> writers ──> shard.NNNNN.mds
//!            ▲                                                          │
//!            └── no more than fits in memory ───────────────────────────┴──> log ──> index.json
//! ```
//!
//! Where a shard ends depends on the samples before it in it alone, so a later run goes on behind any
//! shard. A shard that stands is in the log only when those before it do, too: what a killed run left
//! beyond its log is compared with what would be written, and kept where it is the same. A folder that
//! is finished has nothing but shards and index, as its readers want it, so a repeated run compares
//! all of it.

mod encode;
mod journal;
mod same;
mod split;
#[cfg(test)]
mod tests;
mod writers;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use kpack_formats::mds::{MdsColumns, MdsShardInfo};

use super::Conversion;
use crate::pipeline::{Bounds, Options};
use crate::progress::Progress;
use crate::sample::SampleError;
use crate::source::Input;
use crate::{Error, Result};
use journal::{Entered, Header, Journal, Settled, enter};
use split::{Split, Writing};
use writers::Writers;

/// How MDS shards are cut, and by how many threads. Their bytes do not depend on the threads.
#[derive(Debug, Clone, Copy)]
pub struct MdsOptions {
    /// Most bytes of a shard; 64 MiB is what MosaicML's own writer takes.
    pub shard_size: u64,
    /// Most samples of a shard.
    pub shard_samples: Option<u64>,
    /// Seed of the order of samples; their own order without.
    pub shuffle: Option<u64>,
    /// Threads that read and encode samples; 0 takes one per core. Four more write shards, and
    /// mostly wait for the disk.
    pub threads: usize,
}

/// What stands in the folder.
#[derive(Debug, Default)]
pub struct MdsWritten {
    /// Samples in shards.
    pub samples: u64,
    /// Shards.
    pub shards: u64,
    /// Of these, shards that stood there before.
    pub kept: u64,
    /// Bytes of all shards.
    pub bytes: u64,
    /// Folders with an `index.json`.
    pub folders: Vec<PathBuf>,
    /// Samples that could not be written, of this run and of those that it continued.
    pub failed: Vec<SampleError>,
    /// Whether it was told to stop before the end: no `index.json` was written where shards miss.
    pub stopped: bool,
    /// Whether all of it was there before: it was compared, and nothing was written.
    pub finished_before: bool,
}

impl Conversion {
    /// Writes the samples of `input` as MDS shards into `out`, or what an earlier run left of them;
    /// each split into a folder of its own name, as `StreamingDataset(split=..)` wants it. Each
    /// `index.json` is written last. `stop` may be set at any time by anyone: shards that are being
    /// written are finished, and a later run goes on behind them.
    ///
    /// At a time at most 256 MiB of samples wait to be gathered (32 MiB for each thread if that is
    /// more). As much are gathered or being written: two shards where these are larger, up to 1 GiB, or
    /// one that is larger.
    ///
    /// # Errors
    /// [`Error::Usage`] where `out` holds something else or is in use, or blobs cannot become columns;
    /// [`Error::Io`] and [`Error::Format`] where the disk refuses. What was written stays valid: after
    /// the cause is gone, the same call continues.
    pub fn write_mds(
        &self,
        input: &Input,
        out: &Path,
        options: MdsOptions,
        progress: &dyn Progress,
        stop: &AtomicBool,
    ) -> Result<MdsWritten> {
        let columns = MdsColumns::new(&self.holdings(), Some(options.shard_size))?;
        let splits = Split::all(input, out, options.shuffle)?;
        let header = Header::new(input, &columns, options);
        let entered = enter(out, &self.work, &header, &splits)?;
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(options.threads)
            .thread_name(|i| format!("kpack-{i}"))
            .build()
            .map_err(|e| Error::usage(format!("cannot start {} threads: {e}", options.threads)))?;
        let setup = Setup {
            conversion: self,
            columns,
            enough: options.shard_samples.unwrap_or(u64::MAX),
            bounds: Options::default().bounds(pool.current_num_threads()),
            pool,
            progress,
            stop,
        };
        let mut run = Run {
            writers: Writers::new(options.shard_size)?,
            journal: None,
            settled: vec![Settled::default(); splits.len()],
            written: MdsWritten::default(),
        };
        run.enter(entered);
        let settled = std::mem::take(&mut run.settled);
        setup.tell(&splits, &settled);
        for (split, settled) in splits.iter().zip(settled) {
            Writing::new(&setup, &mut run, split, settled).run()?;
            if run.written.stopped {
                return Ok(run.written);
            }
        }
        run.end(&self.work)
    }
}

/// What a run goes by.
struct Setup<'a> {
    conversion: &'a Conversion,
    columns: MdsColumns,
    /// Most samples of a shard.
    enough: u64,
    bounds: Bounds,
    pool: rayon::ThreadPool,
    progress: &'a dyn Progress,
    stop: &'a AtomicBool,
}

impl Setup<'_> {
    fn tell(&self, splits: &[Split<'_>], settled: &[Settled]) {
        let rows = splits.iter().map(|split| split.rows.len() as u64).sum();
        let before = settled.iter().map(|settled| u64::from(settled.rows)).sum();
        self.progress.planned(rows, before);
    }
}

/// What splits pass on to the next.
struct Run {
    writers: Writers,
    /// `None` where `out` was finished before: then nothing is written.
    journal: Option<Journal>,
    /// How far each split was when the run began.
    settled: Vec<Settled>,
    written: MdsWritten,
}

impl Run {
    fn enter(&mut self, entered: Entered) {
        match entered {
            Entered::Finished => self.written.finished_before = true,
            Entered::Unfinished(journal, settled, failed) => {
                self.journal = Some(journal);
                self.settled = settled;
                self.written.failed = failed;
            }
        }
    }

    fn count(&mut self, shard: MdsShardInfo, kept: bool) {
        self.written.shards += 1;
        self.written.kept += u64::from(kept);
        self.written.samples += shard.samples;
        self.written.bytes += shard.bytes;
    }

    fn end(self, work: &Path) -> Result<MdsWritten> {
        if let Some(journal) = self.journal {
            journal.remove()?;
        }
        // Left where a shard was inflated; of use to nobody, and in nobody's way.
        let _ = std::fs::remove_dir(work);
        Ok(self.written)
    }
}
