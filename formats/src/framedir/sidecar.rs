//! The JSON beside a frame directory.

use std::path::{Component, Path};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, Label, Meta, Result, Sample, labels};

/// Field that holds what kpack needs; the others are the metadata.
const OURS: &str = "kpack";
const VERSION: u64 = 1;

/// Longest JSON that is read or written, in bytes: enough for a million frames.
pub(super) const SIZE_MAX: usize = 256 << 20;

/// Most values in a JSON: in memory each takes a hundred bytes and more.
const VALUES_MAX: usize = 8 << 20;

/// One blob's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) name: String,
    /// Relative to the JSON's folder.
    pub(super) file: String,
    pub(super) bytes: u64,
    /// Eight hex digits.
    pub(super) crc32c: String,
}

/// What the JSON says.
#[derive(Debug, Default)]
pub(super) struct Sidecar {
    pub(super) key: String,
    pub(super) labels: Vec<Label>,
    pub(super) meta: Meta,
    pub(super) blobs: Vec<Entry>,
}

/// The JSON of `sample`, with a newline at the end.
pub(super) fn encode(sample: &Sample, blobs: &[Entry]) -> Result<Vec<u8>> {
    if sample.meta.contains_key(OURS) {
        return Err(Error::usage(format!(
            "metadata field {OURS:?} is taken by frame directories; rename or drop it"
        )));
    }
    let wrong = |e| Error::usage(format!("the metadata cannot be written as JSON: {e}"));
    let mut ours = Meta::new();
    ours.insert("version".into(), VERSION.into());
    ours.insert("key".into(), sample.key.as_str().into());
    if !sample.labels.is_empty() {
        let list: Vec<Value> = sample.labels.iter().map(labels::to_json).collect();
        ours.insert("labels".into(), list.into());
    }
    ours.insert("blobs".into(), serde_json::to_value(blobs).map_err(wrong)?);
    let mut all = sample.meta.clone();
    all.insert(OURS.into(), Value::Object(ours));
    let mut bytes = serde_json::to_vec(&all).map_err(wrong)?;
    bytes.push(b'\n');
    if bytes.len() > SIZE_MAX {
        let text = format!(
            "the JSON would be {} bytes, and {SIZE_MAX} are read",
            bytes.len()
        );
        return Err(Error::limit(text));
    }
    Ok(bytes)
}

/// Reads a JSON; `None` if it is not one of kpack's.
///
/// # Errors
/// [`crate::Kind::Corrupt`] if it is one and damaged, or names files outside its folder;
/// [`crate::Kind::Unsupported`] for a later version.
pub(super) fn decode(bytes: &[u8]) -> Result<Option<Sidecar>> {
    let opening = |b: &&u8| matches!(**b, b',' | b'[' | b'{');
    if bytes.len() > VALUES_MAX && bytes.iter().filter(opening).count() > VALUES_MAX {
        let text = format!("the JSON holds more than {VALUES_MAX} values, the limit");
        return Err(Error::limit(text));
    }
    let mut meta = match serde_json::from_slice::<Meta>(bytes) {
        Ok(meta) => meta,
        // Left alone it would pass for a file of others, and key and labels would be lost unsaid.
        Err(e) if is_ours(bytes) => {
            let text = format!("the JSON is damaged: {e}");
            return Err(Error::corrupt(text));
        }
        Err(_) => return Ok(None),
    };
    let Some(Value::Object(ours)) = meta.shift_remove(OURS) else {
        return Ok(None);
    };
    let wrong = |what: &str| Error::corrupt(format!("the JSON's {OURS:?} field has {what}"));
    match ours.get("version").and_then(Value::as_u64) {
        Some(VERSION) => {}
        Some(v) => {
            let text = format!("the JSON has version {v}, and this build reads {VERSION}");
            return Err(Error::unsupported(text));
        }
        None => return Err(wrong("no version")),
    }
    let key = ours
        .get("key")
        .and_then(Value::as_str)
        .ok_or_else(|| wrong("no key"))?;
    let labels = match ours.get("labels") {
        None => Some(Vec::new()),
        Some(Value::Array(list)) => list.iter().map(labels::from_json).collect(),
        Some(_) => None,
    };
    let blobs = ours.get("blobs").cloned().unwrap_or_default();
    let blobs: Vec<Entry> = serde_json::from_value(blobs).map_err(|_| wrong("a bad blob list"))?;
    if let Some(entry) = blobs.iter().find(|e| !is_inside(&e.file)) {
        return Err(wrong(&format!(
            "a file outside its folder: {:?}",
            entry.file
        )));
    }
    let labels = labels.ok_or_else(|| wrong("bad labels"))?;
    Ok(Some(Sidecar {
        key: key.to_owned(),
        labels,
        meta,
        blobs,
    }))
}

/// What a JSON of kpack holds, and hardly another.
const MARK: &[u8] = br#""kpack":{"version":"#;

/// Whether bytes that are no JSON were one of kpack's.
fn is_ours(bytes: &[u8]) -> bool {
    let marked = bytes.windows(MARK.len()).any(|part| part == MARK);
    marked || serde_json::from_slice::<Whole>(bytes).is_ok()
}

/// What matters of a JSON where only the files do; the rest is passed over unread.
#[derive(Deserialize)]
struct Whole {
    kpack: Ours,
}

#[derive(Deserialize)]
struct Ours {
    version: u64,
    key: String,
    blobs: Vec<Entry>,
}

fn is_inside(file: &str) -> bool {
    let normal = |c| matches!(c, Component::Normal(_));
    !file.is_empty() && !file.contains(['\\', '\0']) && Path::new(file).components().all(normal)
}

/// Whether `bytes` are the JSON of a frame directory that kpack wrote.
///
/// # Errors
/// [`crate::Kind::Corrupt`] if they are and are damaged, or name files outside their folder;
/// [`crate::Kind::Unsupported`] for a later version.
pub fn is_sample_json(bytes: &[u8]) -> Result<bool> {
    decode(bytes).map(|sidecar| sidecar.is_some())
}

/// What a sample's JSON says of its files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// The sample's key.
    pub key: String,
    /// Its files but for the JSON, in the order in which their joined checksum counts them.
    pub files: Vec<ListedFile>,
}

/// One file of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedFile {
    /// The blob's name.
    pub name: String,
    /// Path relative to the JSON's folder, which it does not leave.
    pub file: String,
    /// Length in bytes.
    pub bytes: u64,
    /// CRC-32C of the file.
    pub crc32c: u32,
}

/// The files that a sample's JSON lists; `None` if the JSON is not one of kpack's.
///
/// # Errors
/// As [`is_sample_json`]; [`crate::Kind::Limit`] for a JSON that is too long.
pub fn listed(bytes: &[u8]) -> Result<Option<Listed>> {
    if bytes.len() > SIZE_MAX {
        let text = format!("the JSON is {} bytes, the limit is {SIZE_MAX}", bytes.len());
        return Err(Error::limit(text));
    }
    let Some((key, blobs)) = files_of(bytes)? else {
        return Ok(None);
    };
    let file = |entry: Entry| {
        let crc32c = u32::from_str_radix(&entry.crc32c, 16).ok()?;
        let Entry {
            name, file, bytes, ..
        } = entry;
        Some(ListedFile {
            name,
            file,
            bytes,
            crc32c,
        })
    };
    let files: Option<Vec<ListedFile>> = blobs.into_iter().map(file).collect();
    let files = files.ok_or_else(|| Error::corrupt("the JSON has a checksum that is none"))?;
    Ok(Some(Listed { key, files }))
}

/// Key and files: read straight where all is well, which is many times as fast, else as [`decode`]
/// does, which says what is wrong.
fn files_of(bytes: &[u8]) -> Result<Option<(String, Vec<Entry>)>> {
    if let Ok(Whole { kpack }) = serde_json::from_slice(bytes) {
        let Ours {
            version,
            key,
            blobs,
        } = kpack;
        if version == VERSION && blobs.iter().all(|entry| is_inside(&entry.file)) {
            return Ok(Some((key, blobs)));
        }
    }
    let sidecar = decode(bytes)?;
    Ok(sidecar.map(|sidecar| (sidecar.key, sidecar.blobs)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::Kind;

    #[test]
    fn files_outside_the_folder_are_refused() {
        for file in ["/etc/passwd", "../x.jpg", "a/../../x", "", "a\\..\\b"] {
            let json = serde_json::json!({"kpack": {"version": 1, "key": "k", "blobs":
                [{"name": "jpg", "file": file, "bytes": 1, "crc32c": "00000000"}]}});
            let e = decode(json.to_string().as_bytes()).unwrap_err();
            assert_eq!(e.kind(), Kind::Corrupt, "{file}");
        }
    }

    #[test]
    fn other_json_is_left_alone_and_damaged_json_is_named() {
        for other in ["", "[]", "{}", "{\"label\": 3}", "{\"kpack\"", "\u{feff}{}"] {
            assert!(decode(other.as_bytes()).unwrap().is_none(), "{other}");
        }
        for (json, kind) in [
            (r#"{"kpack":{}}"#, Kind::Corrupt),
            (r#"{"kpack":{"version":2}}"#, Kind::Unsupported),
            (r#"{"kpack":{"version":1}}"#, Kind::Corrupt),
            (
                r#"{"kpack":{"version":1,"key":"k","blobs":3}}"#,
                Kind::Corrupt,
            ),
            (
                r#"{"kpack":{"version":1,"key":"k","blobs":[],"labels":[3]}}"#,
                Kind::Corrupt,
            ),
            (r#"{"label""run","kpack":{"version":1,"#, Kind::Corrupt),
            (
                r#"{"x":1e999,"kpack": {"version":1,"key":"k","blobs":[]}}"#,
                Kind::Corrupt,
            ),
        ] {
            assert_eq!(decode(json.as_bytes()).unwrap_err().kind(), kind, "{json}");
        }
    }
}
