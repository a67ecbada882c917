//! [`Dataset`]: shards whose samples can be read in any order.

use std::path::PathBuf;
use std::sync::{Arc, Once, OnceLock};

use bytes::Bytes;
use kpack_formats::{Sample, tables_at};
use rayon::prelude::*;

use super::shard::Shard;
use crate::mmap::{Ahead, Walk, map, map_ahead};
use crate::verify::index::path_of;
use crate::{Error, Result};

/// The samples of some shards, numbered from 0 through all of them in their order.
///
/// A shard is mapped when its first sample is read and stays so; a sample's blobs are slices of it.
#[derive(Debug)]
pub struct Dataset {
    shards: Vec<Open>,
    /// Number of the first sample of each shard, and behind them the number of all.
    first: Vec<u64>,
    hash: u32,
}

#[derive(Debug)]
struct Open {
    shard: Shard,
    mapped: OnceLock<Mapped>,
    index: OnceLock<Bytes>,
}

#[derive(Debug)]
struct Mapped {
    bytes: Bytes,
    ahead: Ahead,
    /// Whether the system was told that all of it is read in order.
    in_order: Once,
}

impl Dataset {
    /// Finds the shards of `sources` (files, datasets, folders) and lists their samples, on all
    /// cores. Reads the indexes, and of a shard without one its frames or headers.
    ///
    /// # Errors
    /// Those of [`crate::convert::find`]; [`Error::Usage`] for frame directories and compressed
    /// shards, whose samples cannot be reached one by one, and where there is no sample at all.
    pub fn open(sources: &[PathBuf]) -> Result<Arc<Self>> {
        let found = crate::convert::find(sources)?;
        let shards: Result<Vec<Shard>> = found.into_par_iter().map(Shard::list).collect();
        let (mut first, mut hash, mut count) = (vec![0], 0, 0);
        let shards = shards?;
        for place in shards.iter().flat_map(|shard| &shard.places) {
            let crc = place.crc32c.unwrap_or(0);
            hash = kpack_formats::crc32c_append(hash, &place.length.to_le_bytes());
            hash = kpack_formats::crc32c_append(hash, &crc.to_le_bytes());
        }
        for shard in &shards {
            count += shard.places.len() as u64;
            first.push(count);
        }
        if count == 0 {
            return Err(Error::usage("the sources hold no samples"));
        }
        let open = |shard| Open {
            shard,
            mapped: OnceLock::new(),
            index: OnceLock::new(),
        };
        Ok(Arc::new(Self {
            shards: shards.into_iter().map(open).collect(),
            first,
            hash,
        }))
    }

    /// Number of samples, at least 1.
    #[allow(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> u64 {
        self.first.last().copied().unwrap_or(0)
    }

    /// Number of shards.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Number of the first sample of shard `shard`, and of the first behind it.
    pub(super) fn range(&self, shard: usize) -> (u64, u64) {
        let at = |i: usize| self.first.get(i).copied().unwrap_or(0);
        (at(shard), at(shard + 1))
    }

    /// Of the lengths and checksums of all samples, in their order.
    pub(super) fn hash(&self) -> u32 {
        self.hash
    }

    fn place(&self, number: u64) -> Result<(&Open, usize)> {
        let after = self.first.partition_point(|first| *first <= number);
        let shard = after
            .checked_sub(1)
            .and_then(|i| self.shards.get(i).zip(self.first.get(i)));
        let (open, first) = shard.ok_or_else(|| {
            let count = self.len();
            Error::usage(format!(
                "there is no sample {number}: there are {count}, from 0"
            ))
        })?;
        Ok((open, (number - first) as usize))
    }

    /// Reads sample `number`. Its bytes are compared with the checksum of their index, or of their
    /// record, unless `unchecked`. Blobs share the mapped shard; frame tables come along where the
    /// index has them.
    ///
    /// # Errors
    /// [`Error::Format`] for a damaged sample, [`Error::Io`], and [`Error::Usage`] for a number that
    /// no sample has.
    pub fn get(&self, number: u64, unchecked: bool) -> Result<Sample> {
        let (open, at) = self.place(number)?;
        let place = open.shard.place(at)?;
        let mapped = open.mapped()?;
        let range = place.offset as usize..(place.offset + place.length) as usize;
        let extent = mapped.bytes.slice(range);
        let mut sample = open.shard.sample(at, extent, unchecked)?;
        if let Some(entry) = place.entry {
            sample.frame_tables = open.tables(entry);
        }
        Ok(sample)
    }

    /// The shard of sample `number` is read front to back from here on.
    pub(super) fn in_order(&self, number: u64) {
        if let Ok((open, _)) = self.place(number)
            && let Ok(mapped) = open.mapped()
        {
            mapped.in_order.call_once(|| mapped.ahead.whole());
        }
    }

    /// Asks the system to read sample `number` from the disk meanwhile.
    pub fn prefetch(&self, number: u64) {
        if let Ok((open, at)) = self.place(number)
            && let (Some(place), Ok(mapped)) = (open.shard.places.get(at), open.mapped())
        {
            mapped.ahead.will_need(place.offset, place.length);
        }
    }
}

impl Open {
    fn mapped(&self) -> Result<&Mapped> {
        if let Some(mapped) = self.mapped.get() {
            return Ok(mapped);
        }
        let path = &self.shard.found.path;
        let (bytes, ahead) = map_ahead(path, Walk::Parts).map_err(Error::io("cannot map", path))?;
        self.shard.is_still(bytes.len() as u64)?;
        Ok(self.mapped.get_or_init(|| Mapped {
            bytes,
            ahead,
            in_order: Once::new(),
        }))
    }

    /// An index that cannot be read any more is no reason to lose the sample.
    fn tables(
        &self,
        entry: u64,
    ) -> std::collections::BTreeMap<String, Arc<kpack_formats::FrameTable>> {
        let index = self
            .index
            .get_or_init(|| map(&path_of(&self.shard.found.path), Walk::Parts).unwrap_or_default());
        tables_at(index, entry).unwrap_or_default()
    }
}
