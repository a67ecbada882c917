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

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use crate::{Blob, Error, Result, Sample, frame_number};

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

/// Gathers samples and writes them as shards.
#[derive(Debug)]
pub struct MdsWriter {
    columns: BTreeMap<String, Encoding>,
    limit: Option<u64>,
    config: String,
    samples: Vec<Encoded>,
    bytes: u64,
    /// Entries of the shards written, for the index.
    entries: Vec<String>,
}

/// A sample on its way into a shard.
#[derive(Debug)]
pub struct Encoded {
    /// Lengths of columns.
    head: Vec<u8>,
    parts: Vec<Blob>,
    length: u64,
}

impl MdsWriter {
    /// A writer of shards of at most `limit` bytes (`None`: 4 GiB) for samples that hold this.
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
        let mut writer = Self {
            columns,
            limit,
            config: String::new(),
            samples: Vec::new(),
            bytes: 0,
            entries: Vec::new(),
        };
        let (first, last) = (writer.fields(), writer.last_fields());
        writer.config = format!("{{{first}, {last}}}");
        writer.restart();
        Ok(writer)
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

    fn restart(&mut self) {
        self.samples.clear();
        self.bytes = 4 + 4 + self.config.len() as u64;
    }

    /// Samples gathered since the last shard.
    pub fn gathered(&self) -> usize {
        self.samples.len()
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

    /// Whether the shard must be written before this sample can be added.
    pub fn is_full_for(&self, sample: &Encoded) -> bool {
        let limit = self.limit.unwrap_or(SHARD_MAX).min(SHARD_MAX);
        !self.samples.is_empty() && self.bytes + sample.length + 4 > limit
    }

    /// Adds a sample to the shard.
    pub fn push(&mut self, sample: Encoded) {
        self.bytes += sample.length + 4;
        self.samples.push(sample);
    }

    /// Name of the shard that is written next.
    pub fn next_name(&self) -> String {
        format!("shard.{:05}.mds", self.entries.len())
    }

    /// Writes what was gathered as a shard, whose file is called [`next_name`](Self::next_name);
    /// gives its length.
    ///
    /// # Errors
    /// [`crate::Kind::Io`].
    pub fn write(&mut self, to: &mut impl Write) -> Result<u64> {
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
        let name = quoted(&self.next_name());
        let (first, last) = (self.fields(), self.last_fields());
        self.entries.push(format!(
            "{{{first}, \"raw_data\": {{\"basename\": {name}, \"bytes\": {at}, \"hashes\": {{}}}}, \
             \"samples\": {count}, {last}, \"zip_data\": null}}"
        ));
        self.restart();
        Ok(at)
    }

    /// The text of `index.json` for the shards written.
    pub fn index(&self) -> String {
        let shards = self.entries.join(", ");
        format!("{{\"shards\": [{shards}], \"version\": 2}}")
    }
}

/// A name as Python writes it in JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
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
        (_, Encoding::Bytes) => sample.blobs.get(name).cloned().into_iter().collect(),
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
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::Label;

    fn sample(key: &str, index: Option<i64>) -> Sample {
        let mut sample = Sample {
            key: key.to_owned(),
            labels: index
                .map(|index| Label {
                    index: Some(index),
                    text: None,
                })
                .into_iter()
                .collect(),
            ..Sample::default()
        };
        sample.meta.insert("a".to_owned(), 0.into());
        sample
    }

    #[test]
    fn a_shard_has_the_bytes_that_the_reference_writes() {
        let samples = [sample("k0", Some(0)), sample("k1", None)];
        let mut holdings = Holdings::default();
        samples.iter().for_each(|sample| holdings.add(sample));
        let mut writer = MdsWriter::new(&holdings, Some(1 << 26)).unwrap();
        for sample in &samples {
            let encoded = writer.encode(sample).unwrap();
            writer.push(encoded);
        }
        let mut bytes = Vec::new();
        let length = writer.write(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, length);
        let config = r#"{"column_encodings": ["int", "json", "str"], "column_names": ["cls", "json", "key"], "column_sizes": [8, null, null], "compression": null, "format": "mds", "hashes": [], "size_limit": 67108864, "version": 2}"#;
        let first = 16 + config.len() as u32;
        let mut expected = Vec::new();
        for number in [2, first, first + 25, first + 50] {
            expected.extend_from_slice(&u32::to_le_bytes(number));
        }
        expected.extend_from_slice(config.as_bytes());
        for (index, key) in [(0_i64, "k0"), (-1, "k1")] {
            expected.extend_from_slice(&[7, 0, 0, 0, 2, 0, 0, 0]);
            expected.extend_from_slice(&index.to_le_bytes());
            expected.extend_from_slice(br#"{"a":0}"#);
            expected.extend_from_slice(key.as_bytes());
        }
        assert_eq!(bytes, expected);
        let index = writer.index();
        let read: serde_json::Value = serde_json::from_str(&index).unwrap();
        assert_eq!(read["shards"][0]["raw_data"]["bytes"], length);
        assert_eq!(read["shards"][0]["samples"], 2);
    }

    #[test]
    fn what_no_column_can_hold_is_refused() {
        let mut one = sample("k", None);
        one.blobs.insert("key".into(), Blob::from(vec![1]));
        let mut holdings = Holdings::default();
        holdings.add(&one);
        assert!(MdsWriter::new(&holdings, None).is_err());
        let mut framed = Holdings {
            frames: true,
            ..Holdings::default()
        };
        framed.add(&sample("k", None));
        let writer = MdsWriter::new(&framed, None).unwrap();
        assert!(writer.encode(&sample("k", None)).is_err(), "no frames");
        assert!(writer.encode(&one).is_err(), "no column");
    }
}
