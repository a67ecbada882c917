//! Members to samples.
//!
//! As readers of this format do: names without a dot, hidden files and `__NAME__` are passed
//! over, and extensions are lower-cased. Unlike most: a member twice in a sample, and members of
//! one key that do not stand together, are errors, of these samples alone. A leading `./` is dropped from
//! keys. Where the archive is damaged, the sample before the damage is not given: the next member may have
//! been its own; nothing is read behind it.

use std::collections::HashSet;
use std::collections::btree_map::Entry;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::Path;

use bytes::Bytes;

use super::member::{MemberReader, RawMember};
use crate::labels::{Place, Shown, canonical_object};
use crate::names::is_passed_over;
use crate::{Blob, Error, Label, ReadOptions, Reading, Result, Sample, ShardReader};

struct Reader {
    members: MemberReader,
    options: ReadOptions,
    /// The first member of the next sample.
    ahead: Option<Part>,
    position: (u64, u64),
    /// Hashes of the keys so far, by a hash that a file cannot foresee.
    seen: HashSet<u64>,
    hasher: RandomState,
    samples: u64,
    /// Key of the sample that failed, the rest of which is passed over.
    skip: Option<String>,
    /// Name of the member that made the last error, where that is no key and extension.
    odd: Option<Vec<u8>>,
    /// The error of such a member that stands behind the sample that came last.
    next_error: Option<Error>,
}

/// A member that belongs to a sample.
struct Part {
    key: String,
    name: String,
    member: RawMember,
}

pub(super) fn open(path: &Path, options: &ReadOptions) -> Result<Reading> {
    Ok(Reader::over(MemberReader::open(path, options)?, options))
}

pub(super) fn read(bytes: Bytes, path: &Path, options: &ReadOptions) -> Reading {
    Reader::over(MemberReader::of_bytes(bytes, path, options), options)
}

impl ShardReader for Reader {
    fn next_sample(&mut self) -> Result<Option<Sample>> {
        if let Some(e) = self.next_error.take() {
            return Err(e);
        }
        let Some(first) = self.first_part()? else {
            return Ok(None);
        };
        let (start, key) = (first.member.start, first.key.clone());
        let number = self.samples;
        self.samples += 1;
        let sample = self.gather(first).map_err(|e| {
            self.skip = Some(key.clone());
            e.path(self.members.path())
                .key(&key)
                .offset(start)
                .record(number)
        })?;
        let end = self
            .ahead
            .as_ref()
            .map_or(self.position.1, |p| p.member.start);
        self.position = (start, end - start);
        Ok(Some(sample))
    }

    fn position(&self) -> (u64, u64) {
        self.position
    }
}

impl Reader {
    fn over(members: MemberReader, options: &ReadOptions) -> Reading {
        Box::new(Self {
            members,
            options: options.clone(),
            ahead: None,
            position: (0, 0),
            seen: HashSet::new(),
            hasher: RandomState::new(),
            samples: 0,
            skip: None,
            odd: None,
            next_error: None,
        })
    }

    /// The first member of the next sample.
    fn first_part(&mut self) -> Result<Option<Part>> {
        loop {
            let part = match self.ahead.take() {
                Some(part) => Some(part),
                None => self.next_part()?,
            };
            match part {
                Some(part) if self.skip.as_ref() == Some(&part.key) => {}
                part => {
                    self.skip = None;
                    return Ok(part);
                }
            }
        }
    }

    fn next_part(&mut self) -> Result<Option<Part>> {
        self.odd = None;
        while let Some(member) = self.members.next_member()? {
            let (start, name) = (member.start, &member.name);
            match key_and_name(name) {
                Ok(Some((key, name))) => return Ok(Some(Part { key, name, member })),
                Ok(None) => {}
                Err(e) => {
                    self.odd = Some(member.name);
                    return Err(e.path(self.members.path()).offset(start));
                }
            }
        }
        Ok(None)
    }

    /// Whether the last error was that of a member which is none of the sample `key`.
    fn is_of_others(&self, key: &str) -> bool {
        self.odd.as_ref().is_some_and(|name| {
            let name = name.strip_prefix(b"./").unwrap_or(name);
            let rest = name.strip_prefix(key.as_bytes());
            !rest.is_some_and(|rest| rest.starts_with(b"."))
        })
    }

    /// All members of the sample that begins with `first`. Leaves the end of the last in
    /// `position.1`.
    fn gather(&mut self, first: Part) -> Result<Sample> {
        let mut sample = Sample {
            key: first.key.clone(),
            ..Sample::default()
        };
        if !self.seen.insert(self.hasher.hash_one(&sample.key)) && !self.options.repeated_keys {
            return Err(Error::corrupt(
                "the key occurs twice, or its members do not stand together; sort the archive by name",
            ));
        }
        let (mut next, mut bytes) = (Some(first), 0);
        while let Some(part) = next.take() {
            if part.key != sample.key {
                self.ahead = Some(part);
                break;
            }
            let data = part.member.data;
            bytes += data.len() as u64;
            self.position.1 = end_of(part.member.data_offset, data.len() as u64);
            match sample.blobs.entry(part.name) {
                Entry::Vacant(free) => _ = free.insert(Blob::Bytes(data)),
                Entry::Occupied(taken) => {
                    let text = format!("member {} is there twice", taken.key());
                    return Err(Error::corrupt(text).offset(part.member.start));
                }
            }
            self.check_limits(&sample, bytes)?;
            next = match self.next_part() {
                Err(e) if self.is_of_others(&sample.key) => {
                    self.next_error = Some(e);
                    None
                }
                next => next?,
            };
        }
        interpret(&mut sample);
        Ok(sample)
    }

    fn check_limits(&self, sample: &Sample, bytes: u64) -> Result<()> {
        let limits = &self.options.limits;
        if bytes > limits.sample_bytes {
            let text = format!(
                "the sample has over {} bytes, the limit",
                limits.sample_bytes
            );
            return Err(Error::limit(text));
        }
        if sample.blobs.len() as u64 > limits.members {
            let text = format!("the sample has over {} members, the limit", limits.members);
            return Err(Error::limit(text));
        }
        Ok(())
    }
}

fn end_of(data_offset: u64, length: u64) -> u64 {
    data_offset + length.next_multiple_of(super::header::BLOCK as u64)
}

/// Key and extension of a member's path; `None` if it is none of a sample.
fn key_and_name(path: &[u8]) -> Result<Option<(String, String)>> {
    let Ok(path) = std::str::from_utf8(path) else {
        let shown = String::from_utf8_lossy(path);
        return Err(Error::unsupported(format!(
            "the member's name {shown:?} is not UTF-8"
        )));
    };
    let path = path.strip_prefix("./").unwrap_or(path);
    let base_at = path.rfind('/').map_or(0, |slash| slash + 1);
    let Some(dot) = path[base_at..].find('.').map(|dot| base_at + dot) else {
        return Ok(None);
    };
    let top = path.split('/').next().unwrap_or_default();
    if dot == base_at || is_passed_over(top) {
        return Ok(None);
    }
    let (key, name) = (path[..dot].to_owned(), path[dot + 1..].to_ascii_lowercase());
    if name.is_empty() {
        return Err(Error::unsupported(format!(
            "the member's name {path:?} ends in a dot"
        )));
    }
    Ok(Some((key, name)))
}

/// Key and extension of a member's path; `None` if it is none of a sample, or cannot be read.
pub(super) fn key_of(name: &[u8]) -> Option<(String, String)> {
    key_and_name(name).ok()?
}

/// Makes `json` and `cls` members metadata and a label, if these would be written the same again.
pub(crate) fn interpret(sample: &mut Sample) {
    let bytes = |sample: &Sample, name: &str| match sample.blobs.get(name) {
        Some(Blob::Bytes(bytes)) => Some(bytes.clone()),
        _ => None,
    };
    if let Some(meta) = bytes(sample, "json").and_then(|json| canonical_object(&json)) {
        sample.meta = meta;
        sample.blobs.remove("json");
    }
    let mut shown = Shown::default();
    if let Some(index) = bytes(sample, "cls").and_then(|cls| canonical_index(&cls)) {
        shown.indexes.push(index);
    }
    let labels = Place::Cls.resolve(sample, &shown);
    // A `cls` that stays a blob leaves no place for the index that the JSON tells.
    let blob = shown.indexes.is_empty() && sample.blobs.contains_key("cls");
    let fits = |labels: &Vec<Label>| !blob || Place::Cls.show(labels) == shown;
    if let Some(labels) = labels.filter(fits) {
        sample.labels = labels;
        if !shown.indexes.is_empty() {
            sample.blobs.remove("cls");
        }
    }
}

fn canonical_index(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    text.parse()
        .ok()
        .filter(|index: &i64| index.to_string() == text)
}
