//! What a source holds: the place, key, labels and metadata of every sample, no blob looked at.

use std::collections::HashMap;

use kpack_formats::mds::Holdings;
use kpack_formats::{Kind, Label, Meta, Reading, Sample};
use serde_json::Value;

use super::find::Found;
use super::known::Rows;
use super::source::{Place, Source, read_options};
use super::trees;
use crate::mmap::{Walk, map};
use crate::sample::{Class, Stage};
use crate::source::Problem;
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
    /// Why it cannot be read; its key is then the shard's name and its number, where it says none.
    pub(super) problem: Option<Problem>,
}

/// Lists the samples of `found`.
pub(super) fn scan(found: &Found, rows: &Rows) -> Result<(Source, Vec<Listed>)> {
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
    let (mut listed, holdings) = walk(reader, found).map_err(|e| damaged(found, e))?;
    rows.look_up(found, &mut listed);
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

/// Lists all samples. One that alone cannot be read is a problem; behind damage that ends the shard the
/// reader comes no further, and says so again.
fn walk(mut reader: Reading, found: &Found) -> kpack_formats::Result<(Vec<Listed>, Holdings)> {
    let mut number = 0;
    let (mut listed, mut holdings) = (Vec::new(), Holdings::default());
    let mut failed: Option<(Option<u64>, kpack_formats::Error)> = None;
    let mut halves = HashMap::new();
    loop {
        match reader.next_sample() {
            Ok(None) => {
                listed.extend(failed.map(|(_, e)| odd(found, number, &e)));
                fail_halves(&mut listed, &halves);
                return Ok((listed, holdings));
            }
            Ok(Some(sample)) => {
                listed.extend(failed.take().map(|(_, e)| odd(found, number - 1, &e)));
                holdings.add(&sample);
                let (offset, length) = reader.position();
                let place = Place {
                    offset,
                    length,
                    crc32c: None,
                    entry: None,
                };
                listed.push(list(sample, place));
            }
            Err(e) if e.kind() == Kind::Io => return Err(e),
            Err(e) => {
                halves.extend(e.at().key.clone().map(|key| (key, e.to_string())));
                let at = e.at().offset;
                if let Some((before, first)) = failed.take() {
                    if before >= at || e.message().contains("found before") {
                        return Err(first);
                    }
                    listed.push(odd(found, number - 1, &first));
                }
                failed = Some((at, e));
            }
        }
        number += 1;
    }
}

/// A sample of which a second half stands elsewhere in the shard, and failed, is not whole.
fn fail_halves(listed: &mut [Listed], halves: &HashMap<String, String>) {
    if halves.is_empty() {
        return;
    }
    for one in listed.iter_mut().filter(|one| one.problem.is_none()) {
        one.problem = halves.get(&one.key).map(|reason| Problem {
            stage: Stage::Probe,
            class: Class::Corrupt,
            reason: reason.clone(),
        });
    }
}

/// A sample that cannot be read, though what follows it can.
fn odd(found: &Found, number: u64, e: &kpack_formats::Error) -> Listed {
    let name = found.path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split('.').next().unwrap_or_default();
    let at = e.at();
    let key = at
        .key
        .clone()
        .unwrap_or_else(|| format!("{stem}-{number:06}"));
    let shown = found.path.display();
    let reason = match at.offset {
        Some(offset) => format!("{shown}: byte {offset}: {}", e.message()),
        None => format!("{shown}: {}", e.message()),
    };
    let class = match e.kind() {
        Kind::Limit => Class::TooLarge,
        _ => Class::Corrupt,
    };
    let place = Place {
        offset: at.offset.unwrap_or(0),
        length: 0,
        crc32c: None,
        entry: None,
    };
    Listed {
        key,
        place,
        labels: Vec::new(),
        of_folder: false,
        source: None,
        split: None,
        start: None,
        end: None,
        problem: Some(Problem {
            stage: Stage::Probe,
            class,
            reason,
        }),
    }
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
        problem: None,
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
