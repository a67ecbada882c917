//! Index files of other readers, byte for byte as their own tools make them.
//!
//! ```text
//! DALI wds2idx        v1.2 SAMPLES \n, then a line a sample: EXT OFFSET SIZE NAME for each member
//! DALI, tfrecord      OFFSET SIZE \n for each record, framing included
//! Energon .tar.idx    u64 little-endian: first header of each sample, then the end of the last member
//! wids JSON           the shards with their MD5, number of samples and length
//! ```
//!
//! Offsets of DALI are those of a member's data. Nothing here is of use for a compressed shard: all
//! of these readers seek in the file itself.

mod energon;

use std::fmt::Write as _;

use bytes::Bytes;
use serde::Serialize;

use crate::tfrecord::RecordReader;
use crate::webdataset::MemberReader;
use crate::{Error, Result};

pub use energon::{EnergonPart, EnergonReader, EnergonSample};

/// Where one regular member of a tar lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its path as the archive has it.
    pub name: Bytes,
    /// Offset of its first header block.
    pub start: u64,
    /// Offset of its data.
    pub data: u64,
    /// Bytes of its data.
    pub length: u64,
}

/// The regular members that `reader` gives.
///
/// # Errors
/// Those of the reader.
pub fn members(mut reader: MemberReader) -> Result<Vec<Listed>> {
    let mut all = Vec::new();
    while let Some(member) = reader.next_member()? {
        all.push(Listed {
            name: member.name.into(),
            start: member.start,
            data: member.data_offset,
            length: member.data.len() as u64,
        });
    }
    Ok(all)
}

/// What DALI's `wds2idx` writes for a tar with these members.
///
/// # Errors
/// [`crate::Kind::Unsupported`] for a name with white space, which DALI would misread;
/// [`crate::Kind::Usage`] if there is no sample.
pub fn wds2idx(members: &[Listed]) -> Result<String> {
    let (mut lines, mut last, mut samples) = (String::new(), None, 0_u64);
    for member in members {
        let name = listed_name(&member.name)?;
        let (key, extension) = split_as_dali(&name);
        if key.is_empty() || key.ends_with('/') {
            continue;
        }
        if last.as_deref() == Some(key) {
            lines.push(' ');
        } else {
            if samples > 0 {
                lines.push('\n');
            }
            samples += 1;
            last = Some(key.to_owned());
        }
        let (offset, length) = (member.data, member.length);
        write!(lines, "{extension} {offset} {length} {name}").map_err(|_| no_samples())?;
    }
    if samples == 0 {
        return Err(no_samples());
    }
    Ok(format!("v1.2 {samples}\n{lines}\n"))
}

fn no_samples() -> Error {
    Error::usage("the archive holds no samples, and DALI takes no empty index")
}

/// Key and extension as `wds2idx` cuts them. Without a dot it cuts off the last character.
fn split_as_dali(name: &str) -> (&str, &str) {
    let base = name.rfind('/').map_or(0, |slash| slash + 1);
    match name.get(base..).and_then(|rest| rest.find('.')) {
        Some(dot) => {
            let (key, rest) = name.split_at(base + dot);
            (key, rest.strip_prefix('.').unwrap_or(rest))
        }
        None => {
            let last = name.char_indices().next_back().map_or(0, |(at, _)| at);
            (name.get(..last).unwrap_or_default(), name)
        }
    }
}

/// A name as GNU tar lists it where no locale is set, which is what `wds2idx` reads.
fn listed_name(name: &[u8]) -> Result<String> {
    let mut text = String::with_capacity(name.len());
    for b in name {
        match b {
            b' ' | b'\n' | b'\r' | b'\t' => {
                let shown = String::from_utf8_lossy(name);
                return Err(Error::unsupported(format!(
                    "member {shown:?} has white space in its name, and DALI's index cannot hold it: \
                     kpack convert writes names without"
                )));
            }
            b'\\' => text.push_str("\\\\"),
            0x21..=0x7e => text.push(char::from(*b)),
            _ => text.push_str(&format!("\\{b:03o}")),
        }
    }
    Ok(text)
}

/// Key of a member for wids; `None` for one that is no part of a sample.
fn key_of(name: &[u8]) -> Option<&[u8]> {
    let base = name.iter().rposition(|b| *b == b'/').map_or(0, |s| s + 1);
    let dot = name.get(base..)?.iter().position(|b| *b == b'.')?;
    name.get(..base + dot)
}

/// The samples of a tar as wids counts them.
pub fn wids_samples(members: &[Listed]) -> u64 {
    let keys: Vec<&[u8]> = members.iter().filter_map(|m| key_of(&m.name)).collect();
    let changes = keys.windows(2).filter(|pair| pair.first() != pair.last());
    changes.count() as u64 + u64::from(!keys.is_empty())
}

/// What `tfrecord2idx` writes, DALI's and that of the tfrecord package alike, and the records.
///
/// # Errors
/// Those of the reader.
pub fn tfrecord2idx(mut reader: RecordReader) -> Result<(String, u64)> {
    let (mut text, mut records) = (String::new(), 0);
    while reader.next_record()?.is_some() {
        let (offset, length) = reader.position();
        text.push_str(&format!("{offset} {length}\n"));
        records += 1;
    }
    Ok((text, records))
}

/// A shard in wids' list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WidsShard {
    /// Address, or path from the folder of the JSON.
    pub url: String,
    /// MD5 of the file, in hexadecimal digits.
    pub md5sum: String,
    /// Samples in it.
    pub nsamples: u64,
    /// Bytes of the file.
    pub filesize: u64,
}

/// What `wids-index create` writes for these shards, named after the first of them.
///
/// # Errors
/// [`crate::Kind::Usage`] without a shard.
pub fn wids(shards: &[WidsShard]) -> Result<String> {
    let first = shards
        .first()
        .ok_or_else(|| Error::usage("wids lists at least one shard"))?;
    let mut sorted = shards.to_vec();
    sorted.sort_by(|a, b| a.url.cmp(&b.url));
    let mut list = serde_json::Map::new();
    list.insert("__kind__".into(), "wids-shard-index-v1".into());
    list.insert("wids_version".into(), 1.into());
    let wrong = |e| Error::usage(format!("the list cannot be written as JSON: {e}"));
    let shards = serde_json::to_value(&sorted).map_err(wrong)?;
    list.insert("shardlist".into(), shards);
    let name = short_name(&first.url);
    if !name.is_empty() {
        list.insert("name".into(), name.into());
    }
    let text = serde_json::to_string_pretty(&list).map_err(wrong)?;
    // Python's json writes ASCII.
    let mut ascii = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            ascii.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    Ok(ascii)
}

/// The different words of a path without its extension that are no numbers, joined by dashes.
fn short_name(url: &str) -> String {
    let stem = match url.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && !extension.contains('/') => stem,
        _ => url,
    };
    let mut words: Vec<&str> = Vec::new();
    for word in stem.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        if !word.bytes().all(|b| b.is_ascii_digit()) && !words.contains(&word) {
            words.push(word);
        }
    }
    words.join("-")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn listed(list: &[(&'static str, u64, u64)]) -> Vec<Listed> {
        let one = |&(name, start, length): &(&'static str, u64, u64)| Listed {
            name: Bytes::from_static(name.as_bytes()),
            start,
            data: start + 512,
            length,
        };
        list.iter().map(one).collect()
    }

    #[test]
    fn the_published_examples_come_out() {
        let two = listed(&[
            ("a.jpg", 0, 64),
            ("a.cls", 1024, 2),
            ("b.jpg", 2048, 64),
            ("b.cls", 3072, 2),
        ]);
        let text =
            "v1.2 2\njpg 512 64 a.jpg cls 1536 2 a.cls\njpg 2560 64 b.jpg cls 3584 2 b.cls\n";
        assert_eq!(wds2idx(&two).unwrap(), text);
        assert_eq!(wids_samples(&two), 2);
    }

    #[test]
    fn what_readers_pass_over_is_passed_over() {
        let odd = listed(&[
            ("d/.hid", 0, 1),
            ("__meta__/x.json", 1024, 1),
            ("d.x/a.b.c", 2048, 1),
            ("README", 3072, 1),
        ]);
        let text = wds2idx(&odd).unwrap();
        assert!(text.contains("b.c 2560 1 d.x/a.b.c\n"), "{text}");
        assert!(text.starts_with("v1.2 3\njson 1536"), "{text}");
        assert!(wds2idx(&listed(&[("a b.jpg", 0, 1)])).is_err());
        assert!(wds2idx(&[]).is_err());
    }

    #[test]
    fn names_are_listed_as_tar_lists_them() {
        assert_eq!(listed_name("é\\".as_bytes()).unwrap(), "\\303\\251\\\\");
        assert_eq!(short_name("sets/train-000000.tar"), "sets-train");
    }
}
