//! Schema `sound`: a `tf.train.Example` with the four features of Showmax's sound records.
//!
//! | feature | kind | holds |
//! |---|---|---|
//! | `path` | bytes | `source` of the metadata, or the key |
//! | `length` | int64 | number of samples |
//! | `sound_raw` | bytes | little-endian 32-bit floats, one channel |
//! | `cls_id` | int64 | the label's index, -1 where there is none |
//!
//! The layout has no place for anything else: further blobs are refused, the rest of the metadata
//! is not written, and a reader makes the key from `path`.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::encode::{Data, Record, Value};
use super::proto::Feature;
use super::read_npy_header;
use crate::names::safe_key;
use crate::{Blob, Error, Label, Result, Sample, npy};

pub(super) fn lay_out(sample: &Sample) -> Result<Record<'_>> {
    if let Some(other) = sample.blobs.keys().find(|name| *name != "npy") {
        return Err(Error::usage(format!(
            "schema sound holds decoded sound only, not blob {other}; use schema example"
        )));
    }
    let missing = || Error::usage("schema sound needs decoded sound; ask for --audio f32");
    let blob = sample.blobs.get("npy").ok_or_else(missing)?;
    let array = read_npy_header(blob)?.ok_or_else(missing)?;
    if array.channels != 1 {
        return Err(Error::usage(format!(
            "schema sound holds one channel, not {}; ask for --channels 1",
            array.channels
        )));
    }
    let index = match sample.labels.as_slice() {
        [] => -1,
        [one] => one.index.unwrap_or(-1),
        _ => {
            return Err(Error::usage(
                "schema sound holds one label; use schema example",
            ));
        }
    };
    let mut record = Record::default();
    let source = sample.meta.get("source").and_then(Json::as_str);
    record.text("path", source.unwrap_or(&sample.key));
    record.ints("length", [array.frames as i64]);
    record.ints("cls_id", [index]);
    let offset = array.data_offset;
    record.put("sound_raw", Value::Bytes(Data::Range { blob, offset }));
    Ok(record)
}

/// The sample, if `features` are exactly those of this schema.
pub(super) fn read(features: &BTreeMap<String, Feature>) -> Option<Sample> {
    if features.len() != 4 {
        return None;
    }
    let path = features.get("path")?.one_text()?;
    let raw = features.get("sound_raw")?.one_bytes()?;
    let length = u64::try_from(features.get("length")?.one_int()?).ok()?;
    let index = features.get("cls_id")?.one_int()?;
    if length.checked_mul(4) != Some(raw.len() as u64) {
        return None;
    }
    let mut bytes = npy::header(length, 1);
    bytes.extend_from_slice(raw);
    let stem = path
        .rsplit_once('.')
        .filter(|(_, e)| !e.contains('/'))
        .map_or(path, |(s, _)| s);
    let mut sample = Sample {
        key: safe_key(stem),
        ..Sample::default()
    };
    sample.blobs.insert("npy".to_owned(), Blob::from(bytes));
    sample.meta.insert("source".to_owned(), Json::from(path));
    if index >= 0 {
        sample.labels.push(Label {
            index: Some(index),
            text: None,
        });
    }
    Some(sample)
}
