//! On-disk formats of video datasets: TFRecord, WebDataset tar, frame directories.
//!
//! Bytes in, samples out, and back. No threads, no pixels, no `unsafe`, no C but zstd (a default
//! feature). A format is a folder here and one line in a table; all of them pass one conformance
//! suite.

#![forbid(unsafe_code)]

pub mod atomic;
mod compress;
mod crc;
mod error;
pub mod framedir;
mod index;
mod input;
mod kidx;
mod labels;
mod limits;
mod log;
mod names;
pub mod npy;
mod registry;
mod sample;
mod shard;
pub mod tfrecord;
pub mod webdataset;

pub use compress::{Compression, compress_file};
pub use crc::crc32c_join;
pub use error::{At, Error, Kind, Result};
pub use index::{Index, index_path};
pub use kidx::{IndexEntry, IndexReader, IndexWriter};
pub use limits::Limits;
pub use names::{check_blob_name, check_key, frame_number};
pub use registry::{FORMATS, format, open, sniff};
pub use sample::{Blob, Label, Meta, Sample};
pub use shard::{
    Extent, Format, Layout, Member, ReadOptions, Reading, Schema, ShardInfo, ShardReader,
    ShardWriter, WriteOptions,
};
