//! What of a damaged shard is whole, where no index says it.

use crate::{Blob, Kind, Result};

/// A stretch of a shard: one whole sample, or bytes that make none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The sample's key; of a lost stretch, where it can still be told.
    pub key: Option<String>,
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
    /// Why it is lost; `None` for a whole sample.
    pub lost: Option<String>,
}

/// Whether an error is the file's rather than the disk's.
pub(crate) fn is_damage(kind: Kind) -> bool {
    matches!(kind, Kind::Corrupt | Kind::Unsupported | Kind::Limit)
}

/// Reads a shard here and there, a large piece at a time.
pub(crate) struct Pieces<'a> {
    shard: &'a Blob,
    at: u64,
    piece: Vec<u8>,
}

const PIECE: u64 = 1 << 20;

impl<'a> Pieces<'a> {
    pub(crate) fn of(shard: &'a Blob) -> Self {
        Self {
            shard,
            at: 0,
            piece: Vec::new(),
        }
    }

    /// `length` bytes from `offset` on; fewer at the end.
    pub(crate) fn get(&mut self, offset: u64, length: usize) -> Result<&[u8]> {
        let end = offset.saturating_add(length as u64).min(self.shard.len());
        let have = self.at + self.piece.len() as u64;
        if offset < self.at || end > have {
            let left = self.shard.len().saturating_sub(offset);
            let size = left.min(PIECE.max(length as u64));
            self.piece.resize(size as usize, 0);
            self.shard
                .read_at(offset.min(self.shard.len()), &mut self.piece)?;
            self.at = offset;
        }
        let begin = (offset - self.at) as usize;
        let end = (end.max(offset) - self.at) as usize;
        Ok(self.piece.get(begin..end).unwrap_or_default())
    }
}
