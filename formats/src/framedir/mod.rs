//! Frame directories: a sample is a folder of pictures, with its other blobs and a JSON beside it.
//!
//! ```text
//! DIR/KEY/img_00001.jpg    the frames, in order of their numbers
//! DIR/KEY/img_00002.jpg
//! DIR/KEY.wav              every other blob, as KEY.NAME
//! DIR/KEY.json             {...metadata..., "kpack": {"version": 1, "key": KEY,
//!                           "labels": [{"index": I, "text": T}],
//!                           "blobs": [{"name": "000001.jpg", "file": "KEY/img_00001.jpg",
//!                                      "bytes": N, "crc32c": "xxxxxxxx"}, ...]}}
//! ```
//!
//! The JSON is written last, so a sample that has one is whole. A tree made by others needs none:
//! each folder of pictures is a sample, and so is each sound or video file, with all files of its
//! stem: `KEY.txt` is blob `txt`, as a tar's member would be. Frames are the pictures of one numbered
//! series (`img_00001.jpg`); all else in their folder is blobs under the files' own names.

mod naming;
mod passed;
mod plain;
mod read;
mod scan;
mod series;
mod sidecar;
mod site;
mod write;

use std::path::Path;

pub use naming::Naming;
pub use passed::PassedOver;
pub use sidecar::{Listed, ListedFile, is_sample_json, listed};
pub use site::{Site, sites};
pub use write::{write, write_at};

use crate::{Format, Layout, ReadOptions, Reading, Result};

/// The format's line in the table.
pub(crate) const FORMAT: Format = Format {
    name: "frames",
    about: "folders of pictures, one per sample",
    extensions: &[],
    sniff: |_| false,
    layout: Layout::Tree,
    read: None,
    open,
};

fn open(path: &Path, options: &ReadOptions) -> Result<Reading> {
    Ok(Box::new(read::Reader::open(path, options)?))
}

/// Lower-cased extension of a picture that counts as a frame.
fn picture(name: &str) -> Option<String> {
    let (_, extension) = name.rsplit_once('.')?;
    let extension = extension.to_ascii_lowercase();
    matches!(extension.as_str(), "jpg" | "jpeg" | "png" | "webp").then_some(extension)
}
