//! What a source holds: the place, key, labels and metadata of every sample, no blob looked at.

use std::collections::HashMap;
use std::fs::File;

use kpack_formats::mds::Holdings;
use kpack_formats::{IndexReader, Label, Limits, Meta, Reading, Sample};
use serde_json::Value;

use super::find::Found;
use super::source::{Place, Source, read_options};
use super::trees;
use crate::mmap::{Walk, map};
use crate::verify::index::path_of;
use crate::{Error, Result};

/// One sample of a source.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) labels: Vec<Label>,
    /// Whether only a folder's name tells the label.
    pub(super) of_folder: bool,
    /// Of the metadata, what rows show.
    pub(super) source: Option<String>,
    pub(super) split: Option<String>,
    pub(super) start: Option<f64>,
    pub(super) end: Option<f64>,
}

/// Lists the samples of `found`.
pub(super) fn scan(found: &Found) -> Result<(Source, Vec<Listed>)> {
    let options = read_options();
    if found.is_tree() {
        return trees::scan(found, &options);
    }
    let bytes = map(&found.path, Walk::Parts).map_err(Error::io("cannot read", &found.path))?;
    let head = &bytes[..bytes.len().min(1024)];
    let plain = head.is_empty() || (found.format.sniff)(head);
    let mut unchecked = options.clone();
    unchecked.unchecked = true;
    let reader = match found.format.read {
        Some(read) if plain => read(bytes, &found.path, &unchecked),
        _ => (found.format.open)(&found.path, &options)?,
    };
    let (listed, holdings) = walk(reader, &indexed(found)).map_err(|e| damaged(found, e))?;
    Ok((
        Source::new(found.clone(), !plain, Vec::new(), holdings),
        listed,
    ))
}

fn damaged(found: &Found, e: kpack_formats::Error) -> Error {
    match e.kind() {
        kpack_formats::Kind::Corrupt => Error::Input {
            path: found.path.clone(),
            message: format!("the shard is damaged, and kpack repair keeps what is whole: {e}"),
        },
        _ => Error::Format(e),
    }
}

fn walk(mut reader: Reading, indexed: &Indexed) -> kpack_formats::Result<(Vec<Listed>, Holdings)> {
    let (mut listed, mut holdings) = (Vec::new(), Holdings::default());
    while let Some(sample) = reader.next_sample()? {
        holdings.add(&sample);
        let (offset, length) = reader.position();
        let known = indexed.get(&offset).filter(|(len, ..)| *len == length);
        let place = Place {
            offset,
            length,
            indexed: known.map(|(_, crc, at)| (*crc, *at)),
        };
        listed.push(list(sample, place));
    }
    Ok((listed, holdings))
}

pub(super) fn list(sample: Sample, place: Place) -> Listed {
    let meta = match sample.blobs.get("json") {
        Some(json) if sample.meta.is_empty() => foreign(json),
        _ => sample.meta,
    };
    let text = |name: &str| meta.get(name).and_then(Value::as_str).map(str::to_owned);
    let number = |name: &str| meta.get(name).and_then(Value::as_f64);
    Listed {
        source: text("source"),
        split: text("split"),
        start: number("start"),
        end: number("end"),
        key: sample.key,
        labels: sample.labels,
        of_folder: false,
        place,
    }
}

/// A JSON blob that is not written as kpack writes it, for what rows show.
fn foreign(json: &kpack_formats::Blob) -> Meta {
    if json.len() > 1 << 20 {
        return Meta::new();
    }
    let bytes = json.load().unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// Length and checksum of each sample by its offset, and where its entry stands in the index.
type Indexed = HashMap<u64, (u64, u32, u64)>;

/// What the index beside a shard says; nothing where there is no whole index.
fn indexed(found: &Found) -> Indexed {
    let read = || -> Option<Indexed> {
        let file = File::open(path_of(&found.path)).ok()?;
        let mut reader = IndexReader::new(file, Limits::default()).ok()?;
        let mut known = HashMap::new();
        let mut at = reader.position();
        while let Some(entry) = reader.next_brief().ok()? {
            let extent = entry.extent;
            known.insert(extent.offset, (extent.length, extent.crc32c, at));
            at = reader.position();
        }
        Some(known)
    };
    read().unwrap_or_default()
}
