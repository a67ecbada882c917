//! Schema `example`: a `tf.train.Example` with one bytes feature per blob.
//!
//! | feature | kind | holds |
//! |---|---|---|
//! | `key` | bytes | the sample's key |
//! | NAME | bytes | the blob NAME |
//! | `cls` | int64 list | the labels' indexes, if any |
//! | `label` | bytes list | the labels' texts, if any |
//! | `json` | bytes | the metadata, compact, if any |
//! | `kpack/blob/NAME` | bytes | a blob whose name means something else here |
//!
//! Features of other kinds, in records made elsewhere, become blobs as [`super::foreign`] says.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::encode::{Data, Record, Value};
use super::proto::Feature;
use super::{BLOB, dmvr, foreign};
use crate::labels::{Place, Shown, canonical_object};
use crate::names::is_blob_name;
use crate::{Blob, Result, Sample};

/// Holds the key, whatever a record made elsewhere had there.
const KEY: &str = "key";

/// Feature name of a blob.
fn feature_name(name: &str, json_is_taken: bool) -> Cow<'_, str> {
    let taken = match name {
        KEY | "cls" | "label" => true,
        "json" => json_is_taken,
        _ => name.starts_with(foreign::FEATURE),
    };
    if taken {
        Cow::Owned(format!("{BLOB}{name}"))
    } else {
        Cow::Borrowed(name)
    }
}

/// Lays `sample` out; `json` is its complete metadata, encoded.
pub(super) fn lay_out<'a>(sample: &'a Sample, json: &'a Option<Blob>) -> Result<Record<'a>> {
    let mut record = Record::default();
    record.text(KEY, &sample.key);
    let indexes: Vec<i64> = sample.labels.iter().filter_map(|l| l.index).collect();
    if !indexes.is_empty() {
        record.ints("cls", indexes);
    }
    let texts: Vec<Data> = sample
        .labels
        .iter()
        .filter_map(|l| l.text.as_deref())
        .map(Data::text)
        .collect();
    if !texts.is_empty() {
        record.put("label", Value::Many(texts));
    }
    if let Some(json) = json {
        record.blob("json", "json", json);
    }
    for (name, blob) in &sample.blobs {
        match foreign::restore(name, blob)? {
            Some(entry) if entry.key != KEY && entry.key != dmvr::KEY => record.context.push(entry),
            _ => record.blob(feature_name(name, json.is_some()), name, blob),
        }
    }
    Ok(record)
}

/// The sample that `features` hold; `fallback` is its key where there is no `key` feature.
pub(super) fn read(
    mut features: BTreeMap<String, Feature>,
    fallback: impl FnOnce() -> String,
) -> Result<Sample> {
    let stored = features
        .get(KEY)
        .and_then(Feature::one_text)
        .map(str::to_owned);
    if stored.is_some() {
        features.remove(KEY);
    }
    let key = stored.unwrap_or_else(fallback);
    let mut sample = Sample {
        key,
        ..Sample::default()
    };
    if let Some(json) = features.get("json").and_then(Feature::one_bytes).cloned() {
        if let Some(meta) = canonical_object(&json) {
            sample.meta = meta;
            features.remove("json");
        } else {
            // For the labels that it tells.
            sample.blobs.insert("json".to_owned(), Blob::Bytes(json));
        }
    }
    take_labels(&mut sample, &mut features, "cls", &["label"]);
    for (feature, value) in &features {
        let name = feature.strip_prefix(BLOB).unwrap_or(feature);
        let json_is_taken = !sample.meta.is_empty();
        match value.one_bytes() {
            Some(bytes) if is_blob_name(name) && feature_name(name, json_is_taken) == *feature => {
                sample
                    .blobs
                    .insert(name.to_owned(), Blob::Bytes(bytes.clone()));
            }
            _ => foreign::keep(&mut sample, feature, value)?,
        }
    }
    Ok(sample)
}

/// Moves the label features into the sample if writing them again gives the same.
pub(super) fn take_labels(
    sample: &mut Sample,
    features: &mut BTreeMap<String, Feature>,
    index: &str,
    texts: &[&str],
) {
    let text = texts.iter().find(|name| features.contains_key(**name));
    let mut shown = Shown::default();
    if let Some(feature) = features.get(index) {
        let Some(indexes) = feature.ints().filter(|list| !list.is_empty()) else {
            return;
        };
        shown.indexes = indexes.to_vec();
    }
    if let Some(feature) = text.and_then(|name| features.get(*name)) {
        let list = feature.bytes().filter(|list| !list.is_empty());
        let texts = list.map(|l| l.iter().map(|t| String::from_utf8(t.to_vec())).collect());
        let Some(Ok(texts)) = texts else { return };
        shown.texts = texts;
    }
    let Some(labels) = Place::Lists.resolve(sample, &shown) else {
        return;
    };
    sample.labels = labels;
    features.remove(index);
    for name in texts {
        let same = |f: &Feature| {
            f.bytes().is_some_and(|l| {
                l.iter()
                    .map(|t| &t[..])
                    .eq(shown.texts.iter().map(|t| t.as_bytes()))
            })
        };
        if features.get(*name).is_some_and(same) {
            features.remove(*name);
        }
    }
}
