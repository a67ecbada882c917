//! [`Source`]: one shard or tree that is converted, opened when its first sample is wanted.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use kpack_formats::framedir::Site;
use kpack_formats::mds::Holdings;
use kpack_formats::{ReadOptions, Sample, inflate_file, tables_at};

use super::find::Found;
use crate::mmap::{Walk, map, map_file};
use crate::sample::{Class, SampleError, Stage};
use crate::verify::index::path_of;

/// Where a sample lies in its source: the offset and length of a shard's record or members before
/// compression, or the number of a tree's sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) length: u64,
    /// CRC-32C of those bytes, where an index or a row tells it.
    pub(super) crc32c: Option<u32>,
    /// Where its entry stands in the index.
    pub(super) entry: Option<u64>,
}

/// A source and what is open of it.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) found: Found,
    pub(super) compressed: bool,
    /// What its samples hold together.
    pub(super) holdings: Holdings,
    /// The samples of a tree.
    pub(super) sites: Vec<Site>,
    /// What the user should know of it.
    pub(super) notes: Vec<String>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    bytes: Option<Bytes>,
    /// The index beside it, if there is one.
    index: Option<Bytes>,
    /// Samples that are still to be read.
    left: u64,
}

/// How shards of others are read: what their own readers take is taken.
pub(super) fn read_options() -> ReadOptions {
    ReadOptions {
        concatenated: true,
        ..ReadOptions::default()
    }
}

impl Source {
    pub(super) fn new(
        found: Found,
        compressed: bool,
        sites: Vec<Site>,
        holdings: Holdings,
    ) -> Self {
        Self {
            found,
            compressed,
            holdings,
            sites,
            notes: Vec::new(),
            open: Mutex::default(),
        }
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more sample will be wanted.
    pub(super) fn want(&self) {
        self.open().left += 1;
    }

    /// Reads the sample `key` at `place`. What the shard holds open goes with its last sample.
    pub(super) fn read(&self, key: &str, place: Place, work: &Path) -> Result<Sample, SampleError> {
        let sample = self.read_at(key, place, work);
        let mut open = self.open();
        open.left = open.left.saturating_sub(1);
        if open.left == 0 {
            (open.bytes, open.index) = (None, None);
        }
        sample
    }

    fn read_at(&self, key: &str, place: Place, work: &Path) -> Result<Sample, SampleError> {
        let options = read_options();
        let failed = |class, e: kpack_formats::Error| {
            let reason = format!("{}: {}", self.found.path.display(), e.message());
            let failure = SampleError::new(key, Stage::Probe, class, reason);
            match std::error::Error::source(&e) {
                Some(source) => failure.because(source.to_string()),
                None => failure,
            }
        };
        if let Some(site) = self.sites.get(place.offset as usize) {
            return site.read(&options).map_err(|e| failed(class_of(&e), e));
        }
        let bytes = self.bytes(work).map_err(|e| {
            let reason = format!("{}: cannot be read", self.found.path.display());
            SampleError::new(key, Stage::Probe, Class::Missing, reason).because(e)
        })?;
        let damaged = |what: &str| {
            let reason = format!(
                "{}: {what} at byte {}; kpack repair keeps what is whole",
                self.found.path.display(),
                place.offset
            );
            SampleError::new(key, Stage::Probe, Class::Corrupt, reason)
        };
        let end = place.offset.saturating_add(place.length) as usize;
        let range = place.offset as usize..end;
        let Some(extent) = (bytes.len() >= end).then(|| bytes.slice(range)) else {
            return Err(damaged("the file became shorter: no sample"));
        };
        let differs = |crc| kpack_formats::crc32c(&extent) != crc;
        if place.crc32c.is_some_and(differs) {
            return Err(damaged("the sample does not match its checksum"));
        }
        let Some(read) = self.found.format.read else {
            return Err(damaged("no sample"));
        };
        match read(extent, &self.found.path, &options).next_sample() {
            Ok(Some(mut sample)) => {
                // An index that cannot be read is no reason to lose the sample.
                let index = place.entry.zip(self.open().index.clone());
                let tables = index.and_then(|(at, index)| tables_at(&index, at).ok());
                sample.frame_tables = tables.unwrap_or_default();
                Ok(sample)
            }
            Ok(None) => Err(damaged("no sample")),
            Err(e) => Err(damaged(e.message())),
        }
    }

    /// The uncompressed shard: mapped, or inflated into a file without a name and mapped.
    fn bytes(&self, work: &Path) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
        let mut open = self.open();
        if let Some(bytes) = &open.bytes {
            return Ok(bytes.clone());
        }
        let bytes = if self.compressed {
            fs::create_dir_all(work)?;
            let file = tempfile::tempfile_in(work)?;
            inflate_file(&self.found.path, file.try_clone()?)?;
            map_file(&file, Walk::Whole)?
        } else {
            map(&self.found.path, Walk::Whole)?
        };
        open.bytes = Some(bytes.clone());
        open.index = map(&path_of(&self.found.path), Walk::Parts).ok();
        Ok(bytes)
    }

    /// Its path, for messages and rows.
    pub(super) fn path(&self) -> &PathBuf {
        &self.found.path
    }
}

fn class_of(e: &kpack_formats::Error) -> Class {
    match e.io_kind() {
        Some(std::io::ErrorKind::NotFound) => Class::Missing,
        _ => Class::Corrupt,
    }
}
