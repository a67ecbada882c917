//! [`Corpus`]: shards and the extents of their samples.

use std::fs::File;
use std::path::PathBuf;

use kpack_formats::{IndexReader, Limits, ReadOptions};
use rayon::prelude::*;
use rustix::fs::{Advice, fadvise};
use serde::Serialize;

use crate::convert::Found;
use crate::mmap::{Walk, map};
use crate::{Error, Result};

/// Shards whose samples can be read in any order.
#[derive(Debug)]
pub struct Corpus {
    pub(super) shards: Vec<Shard>,
}

#[derive(Debug)]
pub(super) struct Shard {
    pub(super) found: Found,
    pub(super) bytes: u64,
    /// Offset, length and, where an index tells it, checksum of each sample.
    pub(super) extents: Vec<(u64, u64, Option<u32>)>,
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
    pub(super) fn list(found: Vec<Found>, threads: usize) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool =
            pool.map_err(|e| Error::usage(format!("cannot start {threads} threads: {e}")))?;
        let shards: Result<Vec<Shard>> =
            pool.install(|| found.into_par_iter().map(Shard::list).collect());
        Ok(Self { shards: shards? })
    }

    /// Number of samples.
    pub fn samples(&self) -> u64 {
        self.shards
            .iter()
            .map(|shard| shard.extents.len() as u64)
            .sum()
    }

    /// Whether every sample has a checksum to compare it with.
    pub fn has_checksums(&self) -> bool {
        let known = |shard: &Shard| {
            shard.found.format.name == "tfrecord"
                || shard.extents.iter().all(|(_, _, crc)| crc.is_some())
        };
        self.shards.iter().all(known)
    }

    /// What is read.
    pub fn described(&self) -> Described {
        let mut hash = 0;
        for (offset, length, crc) in self.shards.iter().flat_map(|shard| &shard.extents) {
            hash = crc32c::crc32c_append(hash, &offset.to_le_bytes());
            hash = crc32c::crc32c_append(hash, &length.to_le_bytes());
            hash = crc32c::crc32c_append(hash, &crc.unwrap_or(0).to_le_bytes());
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

    /// Drops the files from the page cache; what is not on the disk yet stays.
    pub(super) fn drop_cache(&self) -> Result<()> {
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

impl Shard {
    fn list(found: Found) -> Result<Self> {
        let usage = |what: &str| {
            let path = found.path.display();
            Err(Error::usage(format!("{path}: {what}")))
        };
        if found.is_tree() {
            return usage("frame directories are not measured; kpack convert makes shards of them");
        }
        let bytes = map(&found.path, Walk::Parts).map_err(Error::io("cannot read", &found.path))?;
        let head = &bytes[..bytes.len().min(1024)];
        let (Some(read), true) = (
            found.format.read,
            bytes.is_empty() || (found.format.sniff)(head),
        ) else {
            return usage("compressed shards are not measured; kpack convert writes plain ones");
        };
        let length = bytes.len() as u64;
        if let Some(extents) = indexed(&found, length) {
            return Ok(Self {
                found,
                bytes: length,
                extents,
            });
        }
        let options = ReadOptions {
            unchecked: true,
            ..ReadOptions::default()
        };
        let (mut reader, mut extents) = (read(bytes, &found.path, &options), Vec::new());
        while reader.next_sample()?.is_some() {
            let (offset, length) = reader.position();
            extents.push((offset, length, None));
        }
        Ok(Self {
            found,
            bytes: length,
            extents,
        })
    }
}

/// The extents as the index beside the shard has them, if it is of this shard.
fn indexed(found: &Found, length: u64) -> Option<Vec<(u64, u64, Option<u32>)>> {
    let mut name = found.path.clone().into_os_string();
    name.push(".kidx");
    let mut reader = IndexReader::new(File::open(name).ok()?, Limits::default()).ok()?;
    let mut extents = Vec::new();
    while let Some(entry) = reader.next_entry().ok()? {
        let extent = entry.extent;
        extents.push((extent.offset, extent.length, Some(extent.crc32c)));
    }
    (reader.shard_bytes() == Some(length)).then_some(extents)
}
