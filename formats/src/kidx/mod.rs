//! `SHARD.kidx`: where every sample and member of a shard lies, so that nobody has to read the shard
//! to find out, and so that damage can be named and stepped over.
//!
//! ```text
//! head    4b 49 44 58 0a 01 00 00                    "KIDX", line feed, version 1
//! sample  u32 length of body · u32 CRC-32C of body · body
//! ...
//! tail    u32 0 · u32 CRC-32C of the 16 bytes · u64 samples · u64 bytes of the shard
//!
//! body    key    · offset - end of the sample before · length · u32 CRC-32C · members
//! member  name   · offset - end of the member before · length · u32 CRC-32C
//! name, key      bytes shared with the one before · bytes that follow · those bytes
//! ```
//!
//! Numbers without a width are LEB128 varints; differences are zigzag-coded; fixed ones are
//! little-endian. The first member is counted from the sample's offset, and shares nothing.
//! Offsets are into the shard before compression. The file is a log like the shard it belongs to:
//! without its tail it can be continued at the end of any sample.

mod coding;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use read::IndexReader;
pub use write::IndexWriter;

use crate::Extent;

/// Longest key or name in bytes.
const TEXT_MAX: usize = 1024;
/// Names may be at most this many times as long as what they are stored in: sharing must not turn a
/// small file into gigabytes.
const SHARED_MAX: usize = 32;

const HEAD: [u8; 8] = *b"KIDX\n\x01\0\0";

/// One sample of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    /// The sample's key.
    pub key: String,
    /// Where it lies.
    pub extent: Extent,
}

/// What the next entry's differences refer to.
#[derive(Debug, Default)]
struct Before {
    key: String,
    end: u64,
}
