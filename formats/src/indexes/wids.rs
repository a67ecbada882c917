//! wids' list of shards, and the samples that its reader sees in a tar.
//!
//! It reads plain headers only: of a name the first 100 bytes, without a folder in the prefix field
//! and without long names of GNU or PAX. A name that comes again counts once, and from there on its
//! members are taken for others.

use std::collections::HashSet;

use serde::Serialize;

use crate::{Error, Result};

const BLOCK: usize = 512;

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

/// What wids sees in a tar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WidsSamples {
    /// Samples that it reads.
    pub samples: u64,
    /// Members at the end whose names came before: it never reads them.
    pub again: u64,
}

/// The samples of the plain tar `bytes` as wids counts them.
///
/// # Errors
/// [`crate::Kind::Unsupported`] for what wids does not read, or reads as something else;
/// [`crate::Kind::Usage`] if it sees no sample.
pub fn wids_samples(bytes: &[u8]) -> Result<WidsSamples> {
    let (mut seen, mut last) = (HashSet::new(), None);
    let mut found = WidsSamples {
        samples: 0,
        again: 0,
    };
    let mut at = 0;
    while let Some(header) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let place = |e: Error| e.offset(at as u64);
        let head = Head::read(header).map_err(place)?;
        let Some(size) = head.size else {
            break;
        };
        if let Some(name) = head.member {
            if !seen.insert(name) {
                found.again += 1;
            } else if found.again > 0 {
                return Err(place(refused(
                    "an earlier member has the name of one before it",
                    "takes all members behind it for others",
                )));
            } else if let Some(key) = key_of(name).map_err(place)? {
                found.samples += u64::from(last != Some(key));
                last = Some(key);
            }
        }
        let next = size.checked_next_multiple_of(BLOCK);
        at = next
            .and_then(|size| size.checked_add(at + BLOCK))
            .unwrap_or(bytes.len());
    }
    match found.samples {
        0 => Err(Error::usage(
            "wids sees no sample in it: of names longer than 100 bytes it reads the first 100 only, and \
             it takes members with a dot in the name: kpack convert --to webdataset writes names that \
             it reads",
        )),
        _ => Ok(found),
    }
}

fn refused(what: &str, so: &str) -> Error {
    Error::unsupported(format!(
        "{what}, and wids {so}: kpack convert --to webdataset writes the shard anew"
    ))
}

/// What wids takes from a header.
struct Head<'a> {
    /// Name of a regular member.
    member: Option<&'a str>,
    /// Bytes of its data; `None` at the end of the archive.
    size: Option<usize>,
}

impl<'a> Head<'a> {
    fn read(header: &'a [u8]) -> Result<Self> {
        let dies = |what: &str| refused(what, "ends with an error there");
        if header.len() < 500 {
            return Err(dies("the archive ends inside a header"));
        }
        let field = |from: usize, to: usize| {
            let field = header
                .get(from..to)
                .and_then(|field| str::from_utf8(field).ok());
            field.ok_or_else(|| dies("the header holds more than plain text"))
        };
        let (name, size, kind) = (field(0, 100)?, field(124, 136)?, field(156, 157)?);
        let name = name.trim_matches('\0');
        let octal = |digits: &str| usize::from_str_radix(digits.trim(), 8);
        let end = size.trim_matches('\0');
        let length = match end {
            "" => None,
            digits => Some(octal(digits).map_err(|_| dies("the size is not octal"))?),
        };
        let regular = !name.is_empty() && name != "././@PaxHeader" && matches!(kind, "0" | "\0");
        if regular {
            // It leaves out the last byte of the field.
            let read = size.get(..11).map(|s| octal(s.trim_matches('\0')));
            if read.and_then(|read| read.ok()) != length || length.is_none() {
                return Err(dies(
                    "the size takes the whole field, as that of 8 GiB does",
                ));
            }
        }
        Ok(Self {
            member: regular.then_some(name),
            size: length,
        })
    }
}

/// Key of a member: up to the first dot behind the last folder that has a dot behind it; `None` for one
/// without a dot, which is no part of a sample.
fn key_of(name: &str) -> Result<Option<&str>> {
    let Some(last) = name.rfind('.') else {
        return Ok(None);
    };
    if name.strip_suffix('\n').unwrap_or(name).contains('\n') {
        return Err(refused(
            "a name has a line feed",
            "ends with an error there",
        ));
    }
    let before = name.get(..last).unwrap_or_default();
    let from = before.rfind('/').map_or(0, |slash| slash + 1);
    let rest = name.get(from..).unwrap_or_default();
    let dot = rest.find('.').map_or(last, |dot| from + dot);
    Ok(name.get(..dot))
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

    fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, data) in members {
            let mut header = tar::Header::new_ustar();
            header.set_size(data.len() as u64);
            // A name that is too long gets a header of GNU in front.
            let mut gnu = tar::Header::new_gnu();
            gnu.set_size(data.len() as u64);
            let header = if name.len() > 100 {
                &mut gnu
            } else {
                &mut header
            };
            builder.append_data(header, name, *data).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn count(names: &[&str]) -> Result<(u64, u64)> {
        let members: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, &b"x"[..])).collect();
        wids_samples(&tar(&members)).map(|found| (found.samples, found.again))
    }

    #[test]
    fn samples_are_counted_as_wids_counts_them() {
        assert_eq!(
            count(&["a.jpg", "a.cls", "b.jpg", "d.x/README", "none"]).unwrap(),
            (3, 0)
        );
        assert_eq!(count(&["a.jpg", "b.jpg", "a.cls"]).unwrap(), (3, 0));
        assert_eq!(
            count(&["a.jpg", "b.jpg", "a.jpg", "b.jpg"]).unwrap(),
            (2, 2)
        );
        let long = |end: &str| format!("{}{end}", "l".repeat(101));
        assert_eq!(count(&[&long(".jpg"), "a.jpg"]).unwrap(), (1, 0));
    }

    #[test]
    fn what_wids_does_not_read_is_refused() {
        let long = format!("{}.jpg", "l".repeat(101));
        assert_eq!(count(&[&long]).unwrap_err().kind(), crate::Kind::Usage);
        let e = count(&["a.jpg", "a.jpg", "b.jpg"]).unwrap_err();
        assert_eq!(
            (e.kind(), e.at().offset),
            (crate::Kind::Unsupported, Some(2048))
        );
        assert!(count(&["a\nb.jpg"]).is_err());
        let mut latin = tar(&[("a.jpg", b"x")]);
        latin[0] = 0xe9;
        assert!(wids_samples(&latin).is_err());
        assert!(wids_samples(&[]).is_err());
    }

    #[test]
    fn keys_are_cut_as_wids_cuts_them() {
        for (name, key) in [
            ("d.x/a.b.c", Some("d.x/a")),
            ("d.x/README", Some("d")),
            ("d.x/e/f", Some("d")),
            ("c/d.x.y/f", Some("c/d")),
            (".hid", Some("")),
            ("README", None),
        ] {
            assert_eq!(key_of(name).unwrap(), key, "{name}");
        }
        assert_eq!(short_name("sets/train-000000.tar"), "sets-train");
    }
}
