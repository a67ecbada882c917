//! MosaicML MDS shards, written as `streaming.MDSWriter` writes them.
//!
//! ```text
//! shard.00000.mds   u32 n · u32 x (n + 1) offsets from the start of the file · columns as JSON · samples
//! sample            u32 length of each column that has no fixed one · all values, in the columns' order
//! index.json        {"shards": [..], "version": 2}
//! ```
//!
//! Little-endian; columns stand in the order of their names. Offsets have 32 bits, so a shard ends
//! before 4 GiB. A sample's key, first label, metadata and blobs become columns:
//!
//! | column | encoding | holds |
//! |---|---|---|
//! | `key` | `str` | the key |
//! | `cls` | `int` | index of the first label, -1 without |
//! | `label` | `str` | text of the first label, empty without |
//! | `json` | `json` | the metadata |
//! | `frames` | `jpeg_array` | the numbered JPEG frames, in order |
//! | a blob's name | `bytes` | the blob, empty where a sample lacks it |

mod shard;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::{Blob, Error, Result, Sample, frame_number};

pub use shard::{Encoded, MdsShard, MdsShardInfo, shard_name};

/// Most bytes of a shard.
const SHARD_MAX: u64 = u32::MAX as u64;

/// How a column's values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Bytes,
    Str,
    Int,
    Json,
    JpegArray,
}

impl Encoding {
    const fn name(self) -> &'static str {
        match self {
            Encoding::Bytes => "bytes",
            Encoding::Str => "str",
            Encoding::Int => "int",
            Encoding::Json => "json",
            Encoding::JpegArray => "jpeg_array",
        }
    }
    const fn size(self) -> Option<u32> {
        match self {
            Encoding::Int => Some(8),
            _ => None,
        }
    }
}

/// What samples hold together, from which the columns are made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Names of blobs, numbered JPEG frames aside.
    pub blobs: BTreeSet<String>,
    /// Whether there are numbered JPEG frames.
    pub frames: bool,
    /// Whether there are labels with an index.
    pub index: bool,
    /// Whether there are labels with a text.
    pub text: bool,
    /// Whether there is metadata.
    pub meta: bool,
}

impl Holdings {
    /// Adds what `sample` holds.
    pub fn add(&mut self, sample: &Sample) {
        for name in sample.blobs.keys() {
            match is_frame(name) {
                true => self.frames = true,
                false if self.blobs.contains(name) => {}
                false => _ = self.blobs.insert(name.clone()),
            }
        }
        self.index |= sample.labels.iter().any(|label| label.index.is_some());
        self.text |= sample.labels.iter().any(|label| label.text.is_some());
        self.meta |= !sample.meta.is_empty();
    }

    /// Adds what others hold.
    pub fn join(&mut self, other: &Holdings) {
        self.blobs.extend(other.blobs.iter().cloned());
        self.frames |= other.frames;
        self.index |= other.index;
        self.text |= other.text;
        self.meta |= other.meta;
    }
}

fn is_frame(name: &str) -> bool {
    frame_number(name).is_some() && (name.ends_with(".jpg") || name.ends_with(".jpeg"))
}

/// The columns that all samples of a dataset have, and how its shards are cut. Any number of threads
/// may [`encode`](Self::encode) with it.
#[derive(Debug)]
pub struct MdsColumns {
    columns: BTreeMap<String, Encoding>,
    limit: Option<u64>,
    /// The columns as each shard's head tells them.
    config: Arc<str>,
}

impl MdsColumns {
    /// Columns for samples that hold this, in shards of at most `limit` bytes (`None`: 4 GiB).
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] for a blob that has the name of another column.
    pub fn new(holdings: &Holdings, limit: Option<u64>) -> Result<Self> {
        let mut columns = BTreeMap::new();
        columns.insert("key".to_owned(), Encoding::Str);
        let own = [
            ("label", holdings.text, Encoding::Str),
            ("frames", holdings.frames, Encoding::JpegArray),
        ];
        for (name, _, encoding) in own.into_iter().filter(|(_, wanted, _)| *wanted) {
            columns.insert(name.to_owned(), encoding);
        }
        for name in &holdings.blobs {
            let encoding = match name.as_str() {
                "json" => Encoding::Json,
                _ => Encoding::Bytes,
            };
            if columns.insert(name.clone(), encoding).is_some() {
                return Err(Error::usage(format!(
                    "a blob is called {name}, as a column of its own is: rename it"
                )));
            }
        }
        if holdings.meta {
            columns.insert("json".to_owned(), Encoding::Json);
        }
        if holdings.index {
            columns.entry("cls".to_owned()).or_insert(Encoding::Int);
        }
        let mut all = Self {
            columns,
            limit,
            config: Arc::from(""),
        };
        all.config = format!("{{{}, {}}}", all.fields(), all.last_fields()).into();
        Ok(all)
    }

    /// Names of the columns, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.keys().map(String::as_str)
    }

    /// Fields up to `hashes`, as Python writes them.
    fn fields(&self) -> String {
        let list = |values: Vec<String>| format!("[{}]", values.join(", "));
        let encodings = self.columns.values().map(|e| quoted(e.name())).collect();
        let names = self.columns.keys().map(|name| quoted(name)).collect();
        let size = |e: &Encoding| e.size().map_or("null".to_owned(), |size| size.to_string());
        let sizes = self.columns.values().map(size).collect();
        format!(
            "\"column_encodings\": {}, \"column_names\": {}, \"column_sizes\": {}, \
             \"compression\": null, \"format\": \"mds\", \"hashes\": []",
            list(encodings),
            list(names),
            list(sizes)
        )
    }

    fn last_fields(&self) -> String {
        let limit = self
            .limit
            .map_or("null".to_owned(), |limit| limit.to_string());
        format!("\"size_limit\": {limit}, \"version\": 2")
    }

    /// A sample's columns; blobs are not copied.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] for a sample that cannot have a column of all others,
    /// [`crate::Kind::Limit`] for one that is too large for any shard.
    pub fn encode(&self, sample: &Sample) -> Result<Encoded> {
        let mut encoded = Encoded {
            head: Vec::new(),
            parts: Vec::new(),
            length: 0,
        };
        let foreign = |name: &&String| !is_frame(name) && !self.columns.contains_key(*name);
        if let Some(name) = sample.blobs.keys().find(foreign) {
            let text = format!("the blob {name} has no column");
            return Err(Error::usage(text).key(&sample.key));
        }
        for (name, encoding) in &self.columns {
            let parts = value(sample, name, *encoding).map_err(|e| e.key(&sample.key))?;
            let length: u64 = parts.iter().map(Blob::len).sum();
            if encoding.size().is_none() {
                encoded
                    .head
                    .extend_from_slice(&(length as u32).to_le_bytes());
            }
            encoded.length += length;
            encoded.parts.extend(parts);
        }
        encoded.length += encoded.head.len() as u64;
        if encoded.length + 16 + self.config.len() as u64 > SHARD_MAX {
            let text = format!(
                "the sample has {} bytes, and an MDS shard ends before 4 GiB",
                encoded.length
            );
            return Err(Error::limit(text).key(&sample.key));
        }
        Ok(encoded)
    }

    /// A shard without samples.
    pub fn shard(&self) -> MdsShard {
        let limit = self.limit.unwrap_or(SHARD_MAX).min(SHARD_MAX);
        MdsShard::new(Arc::clone(&self.config), limit)
    }

    /// The text of `index.json` for these shards, whose files are called by [`shard_name`].
    pub fn index(&self, shards: &[MdsShardInfo]) -> String {
        let (first, last) = (self.fields(), self.last_fields());
        let entry = |(number, shard): (u64, &MdsShardInfo)| {
            let MdsShardInfo { samples, bytes } = shard;
            let name = quoted(&shard_name(number));
            format!(
                "{{{first}, \"raw_data\": {{\"basename\": {name}, \"bytes\": {bytes}, \"hashes\": {{}}}}, \
                 \"samples\": {samples}, {last}, \"zip_data\": null}}"
            )
        };
        let entries: Vec<_> = (0..).zip(shards).map(entry).collect();
        format!("{{\"shards\": [{}], \"version\": 2}}", entries.join(", "))
    }
}

/// A name as Python writes it in JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The bytes of a column's value.
fn value(sample: &Sample, name: &str, encoding: Encoding) -> Result<Vec<Blob>> {
    let label = sample.labels.first();
    let bytes = |bytes: &[u8]| vec![Blob::from(bytes.to_vec())];
    Ok(match (name, encoding) {
        ("key", _) => bytes(sample.key.as_bytes()),
        (_, Encoding::Int) => {
            let index = label.and_then(|label| label.index).unwrap_or(-1);
            bytes(&index.to_le_bytes())
        }
        (_, Encoding::Str) => {
            let text = label.and_then(|label| label.text.as_deref());
            bytes(text.unwrap_or_default().as_bytes())
        }
        (_, Encoding::Json) => vec![json(sample)?],
        (_, Encoding::JpegArray) => {
            let frames = sample.blobs.iter().filter(|(name, _)| is_frame(name));
            let frames: Vec<&Blob> = frames.map(|(_, blob)| blob).collect();
            if frames.is_empty() {
                let text = "the sample has no frames, and jpeg_array cannot hold none: convert samples \
                            with and without frames apart";
                return Err(Error::usage(text));
            }
            let mut head = (frames.len() as u32).to_le_bytes().to_vec();
            for frame in &frames {
                head.extend_from_slice(&(frame.len() as u32).to_le_bytes());
            }
            let head = [Blob::from(head)];
            head.into_iter()
                .chain(frames.into_iter().cloned())
                .collect()
        }
        (_, Encoding::Bytes) => {
            // A label that is written as the column's other values are.
            let index = label
                .and_then(|label| label.index)
                .filter(|_| name == "cls");
            let index = || index.map(|index| Blob::from(index.to_string().into_bytes()));
            let blob = sample.blobs.get(name).cloned().or_else(index);
            blob.into_iter().collect()
        }
    })
}

fn json(sample: &Sample) -> Result<Blob> {
    if let Some(blob) = sample.blobs.get("json") {
        let bytes = blob.load()?;
        let read: serde_json::Result<serde::de::IgnoredAny> = serde_json::from_slice(&bytes);
        return match read {
            Ok(_) => Ok(blob.clone()),
            Err(e) => Err(Error::usage(format!("the blob json is no JSON: {e}"))),
        };
    }
    let json = serde_json::to_vec(&sample.meta)
        .map_err(|e| Error::usage(format!("the metadata cannot be written as JSON: {e}")))?;
    Ok(Blob::from(json))
}

#[cfg(test)]
mod tests;
