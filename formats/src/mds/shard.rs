//! [`MdsShard`]: samples that become one shard file.

use std::io::Write;
use std::sync::Arc;

use crate::{Blob, Error, Result};

/// A sample on its way into a shard.
#[derive(Debug)]
pub struct Encoded {
    /// Lengths of columns.
    pub(super) head: Vec<u8>,
    pub(super) parts: Vec<Blob>,
    pub(super) length: u64,
}

impl Encoded {
    /// Bytes that it takes in a shard, at most 2^32.
    pub fn bytes(&self) -> u64 {
        self.length
    }
}

/// A shard as the index tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MdsShardInfo {
    /// Samples in it.
    pub samples: u64,
    /// Length of the file.
    pub bytes: u64,
}

/// Name of the shard file `number` of a dataset, from 0.
pub fn shard_name(number: u64) -> String {
    format!("shard.{number:05}.mds")
}

/// The samples of one shard, gathered in order. Blobs are not copied.
#[derive(Debug)]
pub struct MdsShard {
    config: Arc<str>,
    limit: u64,
    samples: Vec<Encoded>,
    bytes: u64,
}

impl MdsShard {
    pub(super) fn new(config: Arc<str>, limit: u64) -> Self {
        Self {
            bytes: 4 + 4 + config.len() as u64,
            config,
            limit,
            samples: Vec::new(),
        }
    }

    /// Number of samples and length of the file that [`write`](Self::write) makes.
    pub fn info(&self) -> MdsShardInfo {
        MdsShardInfo {
            samples: self.samples.len() as u64,
            bytes: self.bytes,
        }
    }

    /// Whether this sample belongs into the next shard.
    pub fn is_full_for(&self, sample: &Encoded) -> bool {
        !self.samples.is_empty() && self.bytes + sample.length + 4 > self.limit
    }

    /// Adds a sample.
    pub fn push(&mut self, sample: Encoded) {
        self.bytes += sample.length + 4;
        self.samples.push(sample);
    }

    /// Writes the shard.
    ///
    /// # Errors
    /// [`crate::Kind::Io`] where `to` takes no more, or names the file of a blob that cannot be read.
    pub fn write(&self, to: &mut impl Write) -> Result<()> {
        let wrong = |e| Error::io("cannot write the shard", e);
        let count = self.samples.len();
        let mut head = Vec::with_capacity(8 + 4 * count + self.config.len());
        head.extend_from_slice(&(count as u32).to_le_bytes());
        let mut at = 4 + 4 * (count as u64 + 1) + self.config.len() as u64;
        for length in self.samples.iter().map(|s| s.length).chain([0]) {
            head.extend_from_slice(&(at as u32).to_le_bytes());
            at += length;
        }
        head.extend_from_slice(self.config.as_bytes());
        to.write_all(&head).map_err(wrong)?;
        let mut buffer = Vec::new();
        for sample in &self.samples {
            to.write_all(&sample.head).map_err(wrong)?;
            for part in &sample.parts {
                copy(part, to, &mut buffer)?;
            }
        }
        Ok(())
    }
}

fn copy(part: &Blob, to: &mut impl Write, buffer: &mut Vec<u8>) -> Result<()> {
    let wrong = |e| Error::io("cannot write the shard", e);
    if let Blob::Bytes(bytes) = part {
        return to.write_all(bytes).map_err(wrong);
    }
    let mut at = 0;
    while at < part.len() {
        buffer.resize((part.len() - at).min(1 << 20) as usize, 0);
        part.read_at(at, buffer)?;
        to.write_all(buffer).map_err(wrong)?;
        at += buffer.len() as u64;
    }
    Ok(())
}
