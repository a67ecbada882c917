//! On-disk formats of video datasets: TFRecord, WebDataset tar, frame directories.
//!
//! Bytes in, samples out, and back. No threads, no pixels, no `unsafe`, no C but zstd (a default
//! feature). A format is a folder here and one line in a table; all of them pass one conformance
//! suite.

#![forbid(unsafe_code)]

mod compress;
mod error;
mod kidx;
mod limits;
mod sample;
mod shard;

pub use compress::Compression;
pub use error::{At, Error, Kind, Result};
pub use kidx::{IndexEntry, IndexReader, IndexWriter};
pub use limits::Limits;
pub use sample::{Blob, Label, Meta, Sample};
pub use shard::{
    Extent, Format, Layout, Member, ReadOptions, Schema, ShardInfo, ShardReader, ShardWriter,
    WriteOptions,
};
