//! On-disk formats of video datasets: TFRecord, WebDataset tar, frame directories.
//!
//! Bytes in, samples out, and back. No threads, no pixels, no `unsafe`, no C but zstd (a default
//! feature). A format is a folder here and one line in a table; all of them pass one conformance
//! suite.
//!
//! ```text
//!                    Format, a line in FORMATS
//!            create /                        \ open, read
//!   Sample ──> ShardWriter ──> shard ──> ShardReader ──> Sample
//!                  └─> Extent ──> IndexWriter ──> shard.kidx
//! ```
//!
//! Writing a shard and reading it again:
//!
//! ```
//! use kpack_formats::{Blob, Layout, ReadOptions, Sample, WriteOptions, format, open};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let path = dir.path().join("data-000000.tar");
//! let mut sample = Sample { key: "run/clip-1".into(), ..Sample::default() };
//! sample.blobs.insert("mp4".into(), Blob::from(b"...".to_vec()));
//!
//! let Some(Layout::Log { create }) = format("webdataset").map(|f| f.layout) else {
//!     unreachable!("webdataset is a log")
//! };
//! let mut writer = create(std::fs::File::create(&path)?, 0, &WriteOptions::default())?;
//! let extent = writer.append(&sample)?;
//! writer.finish()?;
//! assert_eq!((extent.offset, extent.length), (0, 1024));
//!
//! let mut reader = open(&path, &ReadOptions::default())?;
//! while let Some(sample) = reader.next_sample()? {
//!     assert_eq!(sample.key, "run/clip-1");
//! }
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

pub mod atomic;
mod compress;
mod crc;
mod error;
mod frame_table;
pub mod framedir;
pub mod indexes;
mod input;
mod kidx;
mod labels;
mod limits;
pub mod lists;
mod log;
pub mod mds;
mod names;
pub mod npy;
mod registry;
mod salvage;
mod sample;
mod shard;
pub mod tfrecord;
pub mod webdataset;

pub use compress::{Compression, compress_file, inflate_file};
pub use crc::{crc32c, crc32c_append, crc32c_join};
pub use error::{At, Error, Kind, Result};
pub use frame_table::{FrameEntry, FrameTable};
pub use input::plain_bytes;
pub use kidx::{IndexEntry, IndexReader, IndexWriter, tables_at};
pub use limits::Limits;
pub use names::{check_blob_name, check_key, frame_number, safe_folder, safe_key, safe_part};
pub use registry::{FORMATS, format, open, sniff};
pub use salvage::Stretch;
pub use sample::{Blob, Label, Meta, Sample};
pub use shard::{
    Extent, Format, Layout, Member, ReadOptions, Reading, Schema, ShardInfo, ShardReader,
    ShardWriter, WriteOptions,
};
