//! `SHARD.kidx`: where every sample and member of a shard lies, so that nobody has to read the shard
//! to find out, and so that damage can be named and stepped over. Of a video blob it also says where
//! each frame lies, so that a few frames can be read without the rest.
//!
//! ```text
//! head    4b 49 44 58 0a 02 00 00                    "KIDX", line feed, version 2
//! sample  u32 length of body · u32 CRC-32C of body · body · block
//! ...
//! tail    u32 0 · u32 CRC-32C of the 16 bytes · u64 samples · u64 bytes of the shard
//!
//! body    key    · offset - end of the sample before · length · u32 CRC-32C
//!                · number of members · members · bytes of tables
//! member  name   · offset - end of the member before · length · u32 CRC-32C
//! name, key      bytes shared with the one before · bytes that follow · those bytes
//!
//! block   u32 CRC-32C of tables · tables             nothing at all where bytes of tables is 0
//! table   number of the member (from 0) · layout (1) · bytes that follow
//!         · time base: numerator, denominator · origin · number of frames · frames
//! frame   pts - pts of the frame before · offset - end of the frame before
//!         · 4 x length + 2 if hidden + 1 if a key frame
//! ```
//!
//! A frame's offset counts from the start of its blob; the frames stand in storage order, as
//! [`FrameTable`](crate::FrameTable) has them. Tables of another layout are passed over. Version 1
//! has neither bytes of tables nor blocks; it is read, and continued as it was begun.
//!
//! Numbers without a width are LEB128 varints; differences are zigzag-coded; fixed ones are
//! little-endian. The first member is counted from the sample's offset, and shares nothing.
//! Offsets are into the shard before compression. The file is a log like the shard it belongs to:
//! without its tail it can be continued at the end of any sample.

mod at;
mod coding;
mod read;
mod tables;
#[cfg(test)]
mod tests;
mod write;

pub use at::tables_at;
pub use read::IndexReader;
pub use write::IndexWriter;

use crate::Extent;

/// Longest key or name in bytes.
const TEXT_MAX: usize = 1024;
/// Names may be at most this many times as long as what they are stored in: sharing must not turn a
/// small file into gigabytes.
const SHARED_MAX: usize = 32;

/// Versions of the file that are read; the last is written.
const VERSIONS: std::ops::RangeInclusive<u8> = 1..=2;
/// The first version with frame tables.
const TABLES: u8 = 2;

const fn head(version: u8) -> [u8; 8] {
    [b'K', b'I', b'D', b'X', b'\n', version, 0, 0]
}

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
