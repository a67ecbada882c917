//! [`Shard`]: where the samples of one shard lie.

use std::fs::File;

use bytes::Bytes;
use kpack_formats::{Error as FormatError, IndexReader, Limits, ReadOptions, Reading, Sample};

use crate::convert::Found;
use crate::mmap::{Walk, map};
use crate::verify::index::path_of;
use crate::{Error, Result};

/// A plain shard and the places of its samples.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) found: Found,
    /// Length of the file.
    pub(crate) bytes: u64,
    pub(crate) places: Vec<Place>,
}

/// Where a sample lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    pub(crate) length: u64,
    /// Checksum of these bytes, where an index tells it.
    pub(crate) crc32c: Option<u32>,
    /// Where in the index the sample's entry stands, if it has frame tables.
    pub(crate) entry: Option<u64>,
}

impl Shard {
    /// Lists the samples: as the index beside the shard has them, if it is of this shard; else by a
    /// walk over its frames or headers.
    pub(crate) fn list(found: Found) -> Result<Self> {
        let path = found.path.display().to_string();
        let usage = |what: &str| Err(Error::usage(format!("{path}: {what}")));
        if found.is_tree() {
            return usage(
                "a frame directory has no samples to pick from; kpack convert makes shards of it",
            );
        }
        let bytes = map(&found.path, Walk::Parts).map_err(Error::io("cannot read", &found.path))?;
        let head = &bytes[..bytes.len().min(1024)];
        let plain = bytes.is_empty() || (found.format.sniff)(head);
        let (Some(read), true) = (found.format.read, plain) else {
            return usage(
                "the samples of a compressed shard cannot be picked; kpack convert writes plain ones",
            );
        };
        let length = bytes.len() as u64;
        let places = match indexed(&found, length) {
            Some(places) => places,
            None => {
                let options = ReadOptions {
                    unchecked: true,
                    ..ReadOptions::default()
                };
                let (mut reader, mut places) = (read(bytes, &found.path, &options), Vec::new());
                while reader.next_sample()?.is_some() {
                    let (offset, length) = reader.position();
                    places.push(Place {
                        offset,
                        length,
                        crc32c: None,
                        entry: None,
                    });
                }
                places
            }
        };
        Ok(Self {
            found,
            bytes: length,
            places,
        })
    }

    /// Where sample `number` lies.
    pub(crate) fn place(&self, number: usize) -> Result<&Place> {
        let place = self.places.get(number);
        place.ok_or_else(|| {
            let path = self.found.path.display();
            Error::usage(format!("{path}: there is no sample {number}"))
        })
    }

    /// The sample that `extent`, the bytes at place `number`, holds. They are compared with the
    /// checksum of their index, or of their record, unless `unchecked`.
    ///
    /// # Errors
    /// [`Error::Format`] for a damaged sample, with its offset in the shard.
    pub(crate) fn sample(&self, number: usize, extent: Bytes, unchecked: bool) -> Result<Sample> {
        self.check(number, &extent, unchecked)?;
        let options = ReadOptions {
            unchecked,
            first_record: number as u64,
            ..ReadOptions::default()
        };
        let sample = self.reader(extent, number, &options)?.next_sample();
        let sample = sample.map_err(|e| self.placed(e, number))?;
        sample.ok_or_else(|| self.damaged(number, "there is no sample here"))
    }

    /// Compares the bytes at place `number` with the checksum of their index, where there is one and
    /// their record has none of its own.
    pub(crate) fn check(&self, number: usize, extent: &[u8], unchecked: bool) -> Result<()> {
        let framed = self.found.format.name == "tfrecord";
        let crc = self.place(number)?.crc32c;
        let crc = crc.filter(|_| !framed && !unchecked);
        match crc.is_none_or(|crc| kpack_formats::crc32c(extent) == crc) {
            true => Ok(()),
            false => Err(self.damaged(
                number,
                "the sample does not match the checksum of its index",
            )),
        }
    }

    /// Reads the samples of `bytes`, of which place `number` is the first.
    pub(crate) fn reader(
        &self,
        bytes: Bytes,
        number: usize,
        options: &ReadOptions,
    ) -> Result<Reading> {
        let read = self.found.format.read;
        let read = read.ok_or_else(|| self.damaged(number, "the format is not read by samples"))?;
        Ok(read(bytes, &self.found.path, options))
    }

    /// What is wrong at place `number`.
    fn damaged(&self, number: usize, what: &str) -> Error {
        self.placed(FormatError::corrupt(what).path(&self.found.path), number)
    }

    /// An error with the place of sample `number`.
    fn placed(&self, e: FormatError, number: usize) -> Error {
        let offset = self.places.get(number).map_or(0, |place| place.offset);
        Error::from(e.offset(offset).record(number as u64))
    }

    /// Refuses a file of another length than the one that was listed.
    pub(crate) fn is_still(&self, length: u64) -> Result<()> {
        if length == self.bytes {
            return Ok(());
        }
        let path = self.found.path.display();
        Err(Error::usage(format!(
            "{path}: has changed since it was opened"
        )))
    }
}

/// The places as the index beside the shard has them, if it is of this shard.
fn indexed(found: &Found, length: u64) -> Option<Vec<Place>> {
    let file = File::open(path_of(&found.path)).ok()?;
    let mut reader = IndexReader::new(file, Limits::default()).ok()?;
    let mut places = Vec::new();
    let mut at = reader.position();
    while let Some(entry) = reader.next_brief().ok()? {
        let extent = entry.extent;
        let end = extent.offset.checked_add(extent.length)?;
        if end > length {
            return None;
        }
        places.push(Place {
            offset: extent.offset,
            length: extent.length,
            crc32c: Some(extent.crc32c),
            entry: reader.has_tables().then_some(at),
        });
        at = reader.position();
    }
    (reader.shard_bytes() == Some(length)).then_some(places)
}
