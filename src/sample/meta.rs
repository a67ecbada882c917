//! The metadata JSON of a sample: what the input said of the clip, then what was found out.

use std::collections::BTreeMap;

use kpack_formats::{Blob, Meta, Sample};
use serde_json::Value;

use crate::sample::Facts;
use crate::source::Clip;

/// The sample of `clip` that holds `blobs`.
pub(crate) fn sample_of(clip: &Clip, blobs: BTreeMap<String, Blob>, facts: &Facts) -> Sample {
    Sample {
        key: clip.key.clone(),
        blobs,
        labels: clip.labels.clone(),
        meta: of(clip, facts),
        ..Sample::default()
    }
}

/// Fields in a fixed order: clip, labels, facts, then the row's other columns.
fn of(clip: &Clip, facts: &Facts) -> Meta {
    let mut meta = Meta::new();
    meta.insert("key".into(), clip.key.clone().into());
    meta.insert("source".into(), clip.source.clone().into());
    if let Some(split) = &clip.split {
        meta.insert("split".into(), split.clone().into());
    }
    if let [label] = clip.labels.as_slice() {
        if let Some(text) = &label.text {
            meta.insert("label".into(), text.clone().into());
        }
        if let Some(index) = label.index {
            meta.insert("label_index".into(), index.into());
        }
    }
    if let Some(span) = clip.asked() {
        meta.insert("start".into(), span.start.secs().into());
        if let Some(end) = span.end {
            meta.insert("end".into(), end.secs().into());
        }
    }
    if let Ok(Value::Object(found)) = serde_json::to_value(facts) {
        meta.extend(found);
    }
    for (name, value) in &clip.columns {
        if !meta.contains_key(name) {
            meta.insert(name.clone(), value.clone());
        }
    }
    meta
}
