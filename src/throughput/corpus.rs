//! [`Corpus`]: shards and the extents of their samples.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;
use rustix::fs::{Advice, fadvise};
use serde::Serialize;

use crate::convert::Found;
use crate::loader::{Dataset, Shard};
use crate::{Error, Result};

/// Shards whose samples can be read in any order.
#[derive(Debug)]
pub struct Corpus {
    pub(super) shards: Vec<Shard>,
    sources: Vec<PathBuf>,
    dataset: OnceLock<Arc<Dataset>>,
    warm: AtomicBool,
}

/// What is read, for the report.
#[derive(Debug, Clone, Serialize)]
pub struct Described {
    /// Paths of the shards' folders, or of the first shard.
    pub path: PathBuf,
    /// Format of the first shard.
    pub format: &'static str,
    /// Number of shards.
    pub shards: usize,
    /// Number of samples.
    pub samples: u64,
    /// Length of all files.
    pub bytes: u64,
    /// Of the samples' places and checksums, 8 hexadecimal digits: equal for equal shards.
    pub hash: String,
}

impl Corpus {
    pub(super) fn list(found: Vec<Found>, threads: usize, sources: &[PathBuf]) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool =
            pool.map_err(|e| Error::usage(format!("cannot start {threads} threads: {e}")))?;
        let shards: Result<Vec<Shard>> =
            pool.install(|| found.into_par_iter().map(Shard::list).collect());
        Ok(Self {
            shards: shards?,
            sources: sources.to_owned(),
            dataset: OnceLock::new(),
            warm: AtomicBool::new(false),
        })
    }

    /// The same samples as a loader has them.
    pub(super) fn dataset(&self) -> Result<Arc<Dataset>> {
        if let Some(dataset) = self.dataset.get() {
            return Ok(dataset.clone());
        }
        let dataset = Dataset::open(&self.sources)?;
        Ok(self.dataset.get_or_init(|| dataset).clone())
    }

    /// Number of samples.
    pub fn samples(&self) -> u64 {
        self.shards
            .iter()
            .map(|shard| shard.places.len() as u64)
            .sum()
    }

    /// Whether every sample has a checksum to compare it with.
    pub fn has_checksums(&self) -> bool {
        let known = |shard: &Shard| {
            shard.found.format.name == "tfrecord"
                || shard.places.iter().all(|place| place.crc32c.is_some())
        };
        self.shards.iter().all(known)
    }

    /// What is read.
    pub fn described(&self) -> Described {
        let mut hash = 0;
        for place in self.shards.iter().flat_map(|shard| &shard.places) {
            hash = kpack_formats::crc32c_append(hash, &place.offset.to_le_bytes());
            hash = kpack_formats::crc32c_append(hash, &place.length.to_le_bytes());
            hash = kpack_formats::crc32c_append(hash, &place.crc32c.unwrap_or(0).to_le_bytes());
        }
        let first = self.shards.first();
        let path = first.map(|shard| match self.shards.len() {
            1 => shard.found.path.clone(),
            _ => shard
                .found
                .path
                .parent()
                .map(PathBuf::from)
                .unwrap_or_default(),
        });
        Described {
            path: path.unwrap_or_default(),
            format: first.map_or("", |shard| shard.found.format.name),
            shards: self.shards.len(),
            samples: self.samples(),
            bytes: self.shards.iter().map(|shard| shard.bytes).sum(),
            hash: format!("{hash:08x}"),
        }
    }

    /// Brings the files into the page cache, in the way they come from a disk. Those that were written
    /// a moment ago are there already, but in pieces as small as they were written in, which read up
    /// to three times slower: what is measured then would be how they were written.
    pub(super) fn warm(&self) -> Result<()> {
        if !self.warm.load(Relaxed) {
            self.drop_cache()?;
        }
        super::modes::read_loop(self, 1)?;
        self.warm.store(true, Relaxed);
        Ok(())
    }

    /// Drops the files from the page cache, when all of them is on the disk.
    pub(super) fn drop_cache(&self) -> Result<()> {
        self.warm.store(false, Relaxed);
        for shard in &self.shards {
            let path = &shard.found.path;
            let file = File::open(path).map_err(Error::io("cannot open", path))?;
            let synced = file.sync_all();
            synced.map_err(Error::io("cannot sync", path))?;
            fadvise(&file, 0, None, Advice::DontNeed)
                .map_err(|e| Error::io("cannot drop from the cache", path)(e.into()))?;
        }
        Ok(())
    }
}
