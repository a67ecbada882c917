//! TFRecord: framed protobuf messages, one per sample. `frame.rs` draws the framing,
//! `encode.rs` the messages, and each schema its features.

mod dmvr;
mod encode;
mod example;
mod foreign;
mod frame;
mod guard;
pub mod proto;
mod reader;
mod salvage;
mod sound;
mod writer;

pub use frame::{HEADER, OVERHEAD, RecordReader, record_footer, record_header};
pub use reader::sample_of;
pub use salvage::salvage;

use crate::{Blob, Format, Layout, Result, npy};

/// Prefix of features that hold a blob under its own name.
const BLOB: &str = "kpack/blob/";

/// The format's line in the table.
pub(crate) const FORMAT: Format = Format {
    name: "tfrecord",
    about: "TFRecord shards of tf.train.Example or SequenceExample",
    extensions: &["tfrecord", "tfrecords", "tfrec"],
    sniff: frame::sniff,
    layout: Layout::Log {
        create: writer::create,
    },
    read: Some(reader::read),
    open: reader::open,
};

/// The header of an `npy` blob; `None` if it is no array of sound.
fn read_npy_header(blob: &Blob) -> Result<Option<npy::Array>> {
    let mut head = vec![0; blob.len().min(npy::HEADER_MAX as u64) as usize];
    if let Blob::Bytes(bytes) = blob {
        return Ok(npy::parse_header(bytes, blob.len()).ok());
    }
    blob.read_at(0, &mut head)?;
    Ok(npy::parse_header(&head, blob.len()).ok())
}
