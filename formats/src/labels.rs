//! Where a sample's labels stand: partly in a place of the format's own (a `cls` member, label
//! features), partly in the metadata.
//!
//! In the metadata a single label is `label` (text) and `label_index`; several are `labels`, a list
//! of `{"index": I, "text": T}`. `labels` wins where both are there. A writer adds these fields only
//! where the format's own place and the metadata together would not give the labels back, so what
//! was read is written again unchanged.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::{Label, Meta, Sample};

/// What a format's own place shows of the labels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Shown {
    pub(crate) indexes: Vec<i64>,
    pub(crate) texts: Vec<String>,
}

/// How a format shows labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A tar: the index of a single label.
    Cls,
    /// A record: all indexes and all texts, as two lists.
    Lists,
}

impl Place {
    pub(crate) fn show(self, labels: &[Label]) -> Shown {
        match (self, labels) {
            (Place::Cls, [one]) => Shown {
                indexes: one.index.into_iter().collect(),
                texts: Vec::new(),
            },
            (Place::Lists, _) => Shown {
                indexes: labels.iter().filter_map(|l| l.index).collect(),
                texts: labels.iter().filter_map(|l| l.text.clone()).collect(),
            },
            _ => Shown::default(),
        }
    }

    /// The labels, from the metadata, a `json` blob and what the format shows; `None` where these
    /// contradict each other. Where the format shows nothing, as others' files often do, what the
    /// others say holds.
    pub(crate) fn resolve(self, sample: &Sample, shown: &Shown) -> Option<Vec<Label>> {
        let fits = |labels: &Vec<Label>| *shown == Shown::default() || self.show(labels) == *shown;
        let said = from_meta(&sample.meta).or_else(|| from_blob(sample));
        said.filter(fits).or_else(|| zip(shown).filter(fits))
    }

    /// The metadata with all of the labels that `resolve` would not find otherwise.
    pub(crate) fn complete(self, sample: &Sample) -> Cow<'_, Meta> {
        let found = self.resolve(sample, &self.show(&sample.labels));
        // What only a blob says is left to it, and a `cls` blob leaves no label beside itself.
        let blob = from_meta(&sample.meta).is_none() || sample.blobs.contains_key("cls");
        let silent = sample.labels.is_empty() && blob;
        if silent || found.as_ref() == Some(&sample.labels) {
            return Cow::Borrowed(&sample.meta);
        }
        let mut meta = sample.meta.clone();
        let taken = ["label", "label_index", "labels"]
            .iter()
            .any(|k| meta.contains_key(*k));
        match sample.labels.as_slice() {
            [one] if !taken && *one != Label::default() => {
                one.text
                    .iter()
                    .for_each(|t| drop(meta.insert("label".into(), json!(t))));
                one.index
                    .iter()
                    .for_each(|i| drop(meta.insert("label_index".into(), json!(i))));
            }
            several => {
                let list: Vec<Value> = several.iter().map(to_json).collect();
                meta.insert("labels".into(), Value::Array(list));
            }
        }
        Cow::Owned(meta)
    }
}

/// Labels as the metadata gives them, where it does.
fn from_meta(meta: &Meta) -> Option<Vec<Label>> {
    if let Some(Value::Array(list)) = meta.get("labels") {
        return list.iter().map(from_json).collect();
    }
    let text = meta.get("label").and_then(Value::as_str).map(str::to_owned);
    let index = meta.get("label_index").and_then(Value::as_i64);
    let any = text.is_some() || index.is_some();
    any.then(|| vec![Label { index, text }])
}

/// Labels that a `json` blob gives: JSON that is no metadata, as writing it again would change it.
/// Only those that both places of formats can show.
fn from_blob(sample: &Sample) -> Option<Vec<Label>> {
    let json = sample
        .blobs
        .get("json")
        .filter(|json| json.len() <= LABELS_MAX)?;
    let meta: Meta = serde_json::from_slice(&json.load().ok()?).ok()?;
    let labels = from_meta(&meta)?;
    (zip(&Place::Lists.show(&labels)).as_ref() == Some(&labels)).then_some(labels)
}

fn zip(shown: &Shown) -> Option<Vec<Label>> {
    let (indexes, texts) = (&shown.indexes, &shown.texts);
    if !indexes.is_empty() && !texts.is_empty() && indexes.len() != texts.len() {
        return None;
    }
    let count = indexes.len().max(texts.len());
    let label = |i: usize| Label {
        index: indexes.get(i).copied(),
        text: texts.get(i).cloned(),
    };
    Some((0..count).map(label).collect())
}

/// A label as `{"index": I, "text": T}`, unknown parts left out.
pub(crate) fn to_json(label: &Label) -> Value {
    let mut object = Meta::new();
    label
        .index
        .iter()
        .for_each(|i| drop(object.insert("index".into(), json!(i))));
    label
        .text
        .iter()
        .for_each(|t| drop(object.insert("text".into(), json!(t))));
    Value::Object(object)
}

/// The reverse of [`to_json`]; `None` for any other shape.
pub(crate) fn from_json(value: &Value) -> Option<Label> {
    let object = value.as_object()?;
    let mut label = Label::default();
    for (name, value) in object {
        match name.as_str() {
            "index" => label.index = Some(value.as_i64()?),
            "text" => label.text = Some(value.as_str()?.to_owned()),
            _ => return None,
        }
    }
    Some(label)
}

/// Longest `json` blob in which labels are looked for, in bytes.
const LABELS_MAX: u64 = 1 << 20;

/// Longest JSON that is looked into, in bytes: parsed, it takes many times its size.
pub(crate) const JSON_MAX: usize = 64 << 20;

/// The JSON object that `bytes` are, if writing it again gives the same bytes.
pub(crate) fn canonical_object(bytes: &[u8]) -> Option<Meta> {
    if bytes.len() > JSON_MAX {
        return None;
    }
    let meta: Meta = serde_json::from_slice(bytes).ok()?;
    let mut left = Same(bytes);
    serde_json::to_writer(&mut left, &meta).ok()?;
    (!meta.is_empty() && left.0.is_empty()).then_some(meta)
}

/// Takes only what its bytes begin with, so that two texts are compared without making the second.
struct Same<'a>(&'a [u8]);

impl std::io::Write for Same<'_> {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        let rest = self.0.strip_prefix(text);
        self.0 = rest.ok_or(std::io::ErrorKind::InvalidData)?;
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn label(index: Option<i64>, text: Option<&str>) -> Label {
        Label {
            index,
            text: text.map(str::to_owned),
        }
    }

    fn sample(labels: Vec<Label>, meta: Value) -> Sample {
        let meta = meta.as_object().cloned().unwrap();
        Sample {
            labels,
            meta,
            ..Sample::default()
        }
    }

    /// Labels survive each format's place, whatever is in the metadata already.
    #[test]
    fn labels_come_back_from_every_place() {
        let lists = [
            vec![],
            vec![label(Some(3), None)],
            vec![label(None, Some("run"))],
            vec![label(Some(3), Some("run"))],
            vec![label(None, None)],
            vec![label(Some(1), Some("a")), label(Some(2), Some("b"))],
            vec![
                label(None, Some("a")),
                label(Some(2), None),
                label(Some(4), Some("c")),
            ],
        ];
        let metas = [
            json!({}),
            json!({"label": "run"}),
            json!({"label": 5, "label_index": 3}),
        ];
        for labels in &lists {
            for meta in &metas {
                for place in [Place::Cls, Place::Lists] {
                    let sample = sample(labels.clone(), meta.clone());
                    let written = place.complete(&sample);
                    let mut again = sample.clone();
                    again.meta = written.into_owned();
                    let read = place.resolve(&again, &place.show(labels));
                    assert_eq!(read.as_ref(), Some(labels), "{place:?} {meta}");
                }
            }
        }
    }

    #[test]
    fn metadata_that_already_says_it_stays_as_it_is() {
        let meta = json!({"source": "x", "label": "run", "label_index": 3});
        let sample = sample(vec![label(Some(3), Some("run"))], meta);
        for place in [Place::Cls, Place::Lists] {
            assert!(
                matches!(place.complete(&sample), Cow::Borrowed(_)),
                "{place:?}"
            );
        }
    }

    /// JSON as Python writes it is a blob, and tells labels all the same.
    #[test]
    fn labels_of_other_peoples_json_are_seen_and_written_beside_it() {
        let mut sample = sample(vec![], json!({}));
        let text = br#"{"label": "cat", "label_index": 0}"#;
        sample
            .blobs
            .insert("json".into(), crate::Blob::from(text.to_vec()));
        let labels = vec![label(Some(0), Some("cat"))];
        for place in [Place::Cls, Place::Lists] {
            let found = place.resolve(&sample, &Shown::default());
            assert_eq!(found.as_ref(), Some(&labels), "{place:?}");
            sample.labels.clone_from(&labels);
            assert!(place.complete(&sample).is_empty(), "the blob says it");
            assert_eq!(
                place.resolve(&sample, &place.show(&labels)).as_ref(),
                Some(&labels)
            );
        }
        let other = Shown {
            indexes: vec![7],
            ..Shown::default()
        };
        let found = Place::Cls.resolve(&sample, &other);
        assert_eq!(
            found,
            Some(vec![label(Some(7), None)]),
            "a cls member goes first"
        );
    }

    #[test]
    fn json_that_would_change_is_not_taken_for_metadata() {
        assert!(canonical_object(br#"{"a":1,"b":[0.1,"x"]}"#).is_some());
        for other in [
            &br#"{ "a":1}"#[..],
            b"{}",
            b"[1]",
            b"{\"a\":1}\n",
            b"{\"a\":1.0e0}",
            b"",
        ] {
            assert!(canonical_object(other).is_none());
        }
    }
}
