//! Features that no schema of kpack has: kept as blobs, so that a conversion loses nothing.
//!
//! | blob | holds |
//! |---|---|
//! | `feature.int64.NAME` | the integers, 8 bytes each, little-endian |
//! | `feature.float.NAME` | the floats, 4 bytes each, little-endian |
//! | `feature.bytes.NAME` | the encoded `BytesList` |
//! | `feature.none.NAME` | nothing: the feature has no kind |
//! | `featurelist.NAME` | the encoded `FeatureList` (records of schema `dmvr` only) |
//!
//! In NAME every byte but `a-z 0-9 _` is written `-hh`, two hex digits. Fields that the
//! published message types do not have are dropped.

use std::borrow::Cow;

use bytes::Bytes;
use prost::Message;

use super::encode::{Data, Entry, List, Steps, Value};
use super::proto::{BytesList, Feature, FeatureList, Kind};
use crate::names::is_blob_name;
use crate::{Blob, Result, Sample};

pub(super) const FEATURE: &str = "feature.";
pub(super) const LIST: &str = "featurelist.";

fn escape(name: &str) -> String {
    let mut out = String::new();
    for b in name.bytes() {
        if b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("-{b:02x}"));
        }
    }
    out
}

fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'-' {
            let hex = std::str::from_utf8(tail.get(..2)?).ok()?;
            out.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &tail[2..];
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(out)
        .ok()
        .filter(|name| escape(name) == text)
}

/// Keeps a feature as a blob.
pub(super) fn keep(sample: &mut Sample, name: &str, feature: &Feature) -> Result<()> {
    let (kind, bytes): (_, Bytes) = match &feature.kind {
        None => ("none", Bytes::new()),
        Some(Kind::Bytes(list)) => ("bytes", list.encode_to_vec().into()),
        Some(Kind::Float(list)) => (
            "float",
            list.value.iter().flat_map(|f| f.to_le_bytes()).collect(),
        ),
        Some(Kind::Int64(list)) => (
            "int64",
            list.value.iter().flat_map(|i| i.to_le_bytes()).collect(),
        ),
    };
    insert(sample, format!("{FEATURE}{kind}.{}", escape(name)), bytes)
}

/// Keeps a feature list as a blob.
pub(super) fn keep_list(sample: &mut Sample, name: &str, list: &FeatureList) -> Result<()> {
    insert(
        sample,
        format!("{LIST}{}", escape(name)),
        list.encode_to_vec().into(),
    )
}

fn insert(sample: &mut Sample, name: String, bytes: Bytes) -> Result<()> {
    if !is_blob_name(&name) {
        let text = format!("feature name too long or empty: its blob would be {name:?}");
        return Err(crate::Error::unsupported(text));
    }
    sample.blobs.insert(name, Blob::Bytes(bytes));
    Ok(())
}

/// The feature that a blob keeps; `None` if it keeps none.
pub(super) fn restore<'a>(name: &'a str, blob: &'a Blob) -> Result<Option<Entry<'a>>> {
    let Some((kind, escaped)) = name.strip_prefix(FEATURE).and_then(|r| r.split_once('.')) else {
        return Ok(None);
    };
    let Some(key) = unescape(escaped) else {
        return Ok(None);
    };
    let value = match kind {
        "none" if blob.is_empty() => Value::Unset,
        "float" if blob.len().is_multiple_of(4) => Value::Floats(Data::blob(blob)),
        "int64" if blob.len().is_multiple_of(8) => {
            let bytes = blob.load()?;
            let (words, _) = bytes.as_chunks::<8>();
            Value::Ints(words.iter().map(|w| i64::from_le_bytes(*w)).collect())
        }
        "bytes" => match same_again::<BytesList>(blob)? {
            Some(bytes) => Value::List(bytes),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    Ok(Some(Entry {
        key: Cow::Owned(key),
        value,
        member: None,
    }))
}

/// The feature list that a blob keeps; `None` if it keeps none.
pub(super) fn restore_list<'a>(name: &str, blob: &Blob) -> Result<Option<List<'a>>> {
    let Some(key) = name.strip_prefix(LIST).and_then(unescape) else {
        return Ok(None);
    };
    let list = same_again::<FeatureList>(blob)?;
    Ok(list.map(|bytes| List {
        key: Cow::Owned(key),
        steps: Steps::Encoded(bytes),
    }))
}

/// The blob's bytes, if they are a message that would be encoded the same again.
fn same_again<M: Message + Default>(blob: &Blob) -> Result<Option<Bytes>> {
    let bytes = blob.load()?;
    let again = M::decode(bytes.clone()).map(|m| m.encode_to_vec());
    Ok(again.is_ok_and(|again| again == bytes).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_feature_name_survives_as_a_blob_name() {
        for name in [
            "a",
            "image/encoded",
            "WAVEFORM/feature/rate",
            "a-b.c",
            "näme",
            "-2f",
        ] {
            let escaped = escape(name);
            assert!(is_blob_name(&escaped), "{escaped}");
            assert_eq!(unescape(&escaped).as_deref(), Some(name));
        }
        for other in ["-", "-2", "-zz", "A", "a-61", "-2F"] {
            assert_eq!(unescape(other), None, "{other}");
        }
    }
}
