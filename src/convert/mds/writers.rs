//! [`Writers`]: threads that bring shards to the disk.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};

use kpack_formats::atomic::temporary;
use kpack_formats::mds::MdsShard;

use super::same::is_same;
use crate::pipeline::rename;
use crate::{Error, Result};

/// Bytes of shards that are gathered or being written, unless one alone has more: two shards, so that
/// one is gathered while the other is written, but at least and at most this.
const BYTES: std::ops::RangeInclusive<u64> = 256 << 20..=1 << 30;
/// They wait for the disk most of the time; more do not make it faster.
const THREADS: usize = 4;

/// What became of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stands {
    /// It was written.
    Now,
    /// It stood there byte for byte.
    Before,
    /// It does not, and was not to be written.
    Not,
}

/// A shard on its way to the disk.
pub(super) struct Job {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) shard: MdsShard,
    /// Whether it is only compared.
    pub(super) compare: bool,
}

/// A shard that is dealt with.
pub(super) struct Done {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    bytes: u64,
    pub(super) result: Result<Stands>,
}

/// Writes shards side by side.
pub(super) struct Writers {
    pool: rayon::ThreadPool,
    sender: Sender<Done>,
    done: Receiver<Done>,
    /// Bytes of shards that may be gathered or being written.
    most: u64,
    /// Shards that are being written, and their bytes.
    count: usize,
    bytes: u64,
}

impl Writers {
    /// For shards of about `shard` bytes.
    pub(super) fn new(shard: u64) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(THREADS)
            .thread_name(|i| format!("kpack-shard-{i}"))
            .build()
            .map_err(|e| Error::usage(format!("cannot start threads: {e}")))?;
        let (sender, done) = channel();
        Ok(Self {
            pool,
            sender,
            done,
            most: shard.saturating_mul(2).clamp(*BYTES.start(), *BYTES.end()),
            count: 0,
            bytes: 0,
        })
    }

    /// Whether `gathered` bytes may be in memory beside what is being written.
    pub(super) fn has_room(&self, gathered: u64) -> bool {
        let few = self.count < 2 * THREADS;
        self.count == 0 || few && self.bytes.saturating_add(gathered) <= self.most
    }

    /// Begins to write a shard. Never waits.
    pub(super) fn begin(&mut self, job: Job) {
        let bytes = job.shard.info().bytes;
        self.count += 1;
        self.bytes += bytes;
        let sender = self.sender.clone();
        self.pool.spawn_fifo(move || {
            let result = stand(&job);
            let Job { number, path, .. } = job;
            // The receiver is gone only when the run is.
            let _ = sender.send(Done {
                number,
                path,
                bytes,
                result,
            });
        });
    }

    /// A shard that is dealt with, if there is one.
    pub(super) fn ready(&mut self) -> Option<Done> {
        let done = self.done.try_recv().ok();
        self.take(done)
    }

    /// Waits for a shard; `None` where none is being written.
    pub(super) fn wait(&mut self) -> Option<Done> {
        let done = (self.count > 0).then(|| self.done.recv().ok()).flatten();
        self.take(done)
    }

    fn take(&mut self, done: Option<Done>) -> Option<Done> {
        if let Some(done) = &done {
            self.count -= 1;
            self.bytes -= done.bytes;
        }
        done
    }
}

fn stand(job: &Job) -> Result<Stands> {
    let same = is_same(&job.shard, &job.path)?;
    if job.compare {
        return Ok(if same { Stands::Before } else { Stands::Not });
    }
    let temporary = temporary(&job.path);
    if same {
        // Best effort: what is left of an attempt before it was written is in nobody's way.
        let _ = std::fs::remove_file(&temporary);
        return Ok(Stands::Before);
    }
    let written = write(&job.shard, &temporary, &job.path);
    if written.is_err() {
        // Best effort: it makes room, and the next attempt overwrites it anyway.
        let _ = std::fs::remove_file(&temporary);
    }
    written.map(|()| Stands::Now)
}

/// Writes a shard, which appears whole or not at all: its bytes last through a power cut before its
/// name does.
fn write(shard: &MdsShard, temporary: &Path, path: &Path) -> Result<()> {
    let file = File::create(temporary).map_err(Error::io("cannot create", temporary))?;
    let mut to = BufWriter::with_capacity(1 << 20, &file);
    shard.write(&mut to).map_err(|e| e.path(path))?;
    let flushed = to.flush().and_then(|()| file.sync_all());
    flushed.map_err(Error::io("cannot write", path))?;
    rename(temporary, path)
}
