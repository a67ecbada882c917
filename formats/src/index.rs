//! `SHARD.kidx`: where every sample and member of a shard lies.
//!
//! ```text
//! 0    8   magic "KPACKIDX"
//! 8    4   version: 1                              integers of fixed size are little-endian
//! 12   4   number of sections, n
//! 16   8   bytes of the (uncompressed) shard, trailer included
//! 24   20n sections: id u32, offset u64, length u64     others than those below are passed over
//!          NAMES (1)    varint count, then each: varint length, UTF-8
//!          SAMPLES (2)  varint count, then each sample:
//!              varint length of the key, the key
//!              varint gap between the end of the sample before (0 at first) and this one
//!              varint length, u32 crc32c
//!              varint number of members, then each:
//!                  varint number of its name in NAMES
//!                  varint gap from the sample's start or the end of the member before
//!                  varint length, u32 crc32c
//! end  4   crc32c of everything before
//! ```
//!
//! A varint holds seven bits a byte, the low ones first; the top bit says that more follow.
//! Sections leave room for more, such as a table of a video's frames.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use prost::encoding::encode_varint;

use crate::atomic::write_atomic;
use crate::{Error, Extent, Limits, Member, Result};

const MAGIC: &[u8; 8] = b"KPACKIDX";
const VERSION: u32 = 1;
const NAMES: u32 = 1;
const SAMPLES: u32 = 2;
/// Header without the sections' table.
const FIXED: usize = 24;
const SECTION: usize = 20;
/// Largest index that is read, in bytes.
const SIZE_MAX: u64 = 1 << 30;

/// Longest member name that is read: each member gets a copy of its own.
const NAME_MAX: usize = 255;

/// The extents of a shard, in the shard's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    /// Bytes of the uncompressed shard.
    pub shard_bytes: u64,
    /// Key and extent of every sample. Extents follow each other; so do the members of one.
    pub samples: Vec<(String, Extent)>,
}

/// Where the index of `shard` lies: beside it, with `.kidx` appended.
pub fn index_path(shard: &Path) -> PathBuf {
    let mut name = shard.as_os_str().to_owned();
    name.push(".kidx");
    name.into()
}

impl Index {
    /// The index as bytes.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] if extents or members overlap or are out of order.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut names = Names::default();
        let mut samples = Vec::new();
        encode_varint(self.samples.len() as u64, &mut samples);
        let mut end = 0;
        for (key, extent) in &self.samples {
            end = put_sample(&mut samples, &mut names, key, extent, end)
                .ok_or_else(|| Error::usage("extents overlap or are out of order").key(key))?;
        }
        let names = names.encode();
        let mut bytes = Vec::with_capacity(FIXED + 2 * SECTION + names.len() + samples.len() + 4);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&2u32.to_le_bytes());
        bytes.extend_from_slice(&self.shard_bytes.to_le_bytes());
        let mut offset = (FIXED + 2 * SECTION) as u64;
        for (id, section) in [(NAMES, &names), (SAMPLES, &samples)] {
            bytes.extend_from_slice(&id.to_le_bytes());
            bytes.extend_from_slice(&offset.to_le_bytes());
            bytes.extend_from_slice(&(section.len() as u64).to_le_bytes());
            offset += section.len() as u64;
        }
        bytes.extend_from_slice(&names);
        bytes.extend_from_slice(&samples);
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        Ok(bytes)
    }

    /// Writes the index, whole or not at all.
    ///
    /// # Errors
    /// As [`Index::encode`], and [`crate::Kind::Io`].
    pub fn write(&self, path: &Path) -> Result<()> {
        write_atomic(path, &self.encode().map_err(|e| e.path(path))?)
    }

    /// Reads an index file.
    ///
    /// # Errors
    /// As [`Index::decode`], [`crate::Kind::Io`], and [`crate::Kind::Limit`] above 1 GiB.
    pub fn read(path: &Path, limits: &Limits) -> Result<Self> {
        let wrong = |e| Error::io("cannot read", e).path(path);
        let file = std::fs::File::open(path).map_err(wrong)?;
        let mut bytes = Vec::new();
        file.take(SIZE_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(wrong)?;
        if bytes.len() as u64 > SIZE_MAX {
            return Err(Error::limit(format!("the index is over {SIZE_MAX} bytes")).path(path));
        }
        Self::decode(&bytes, limits).map_err(|e| e.path(path))
    }

    /// Reads an index from bytes.
    ///
    /// # Errors
    /// [`crate::Kind::Corrupt`] if the checksum or anything inside is wrong,
    /// [`crate::Kind::Unsupported`] for a later version, [`crate::Kind::Limit`] for a sample with
    /// more members than `limits` allow.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self> {
        let (body, version) = check(bytes)?;
        if version != VERSION {
            let text = format!("the index has version {version}, and this build reads {VERSION}");
            return Err(Error::unsupported(text));
        }
        let broken = || Error::corrupt("the index is damaged; make it again from its shard");
        let head = body.get(..FIXED).ok_or_else(broken)?;
        let shard_bytes = u64_at(head, 16).ok_or_else(broken)?;
        let names = section(body, NAMES)
            .and_then(read_names)
            .ok_or_else(broken)?;
        let mut cursor = Cursor(section(body, SAMPLES).ok_or_else(broken)?);
        let count = cursor.count(8).ok_or_else(broken)?;
        let mut samples = Vec::with_capacity(count);
        let mut end = 0;
        for _ in 0..count {
            let (key, extent) = cursor.sample(&names, end, limits)?;
            end = extent.offset + extent.length;
            samples.push((key, extent));
        }
        if !cursor.0.is_empty() || end > shard_bytes {
            return Err(broken());
        }
        Ok(Self {
            shard_bytes,
            samples,
        })
    }
}

/// The bytes without their checksum, and the version.
fn check(bytes: &[u8]) -> Result<(&[u8], u32)> {
    if !bytes.starts_with(MAGIC) {
        return Err(Error::corrupt("this is no index of kpack"));
    }
    let (body, crc) = bytes.split_last_chunk::<4>().unwrap_or((bytes, &[0; 4]));
    if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
        return Err(Error::corrupt(
            "the index does not match its checksum; make it again",
        ));
    }
    let version = u32_at(body, 8).ok_or_else(|| Error::corrupt("the index is cut short"))?;
    Ok((body, version))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|b| u32::from_le_bytes(*b))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|b| u64::from_le_bytes(*b))
}

fn section(body: &[u8], id: u32) -> Option<&[u8]> {
    let count = u32_at(body, 12)? as usize;
    let table = body.get(FIXED..FIXED.checked_add(count.checked_mul(SECTION)?)?)?;
    let entry = table
        .chunks_exact(SECTION)
        .find(|entry| u32_at(entry, 0) == Some(id))?;
    let offset = usize::try_from(u64_at(entry, 4)?).ok()?;
    let length = usize::try_from(u64_at(entry, 12)?).ok()?;
    body.get(offset..offset.checked_add(length)?)
}

fn read_names(section: &[u8]) -> Option<Vec<String>> {
    let mut cursor = Cursor(section);
    let count = cursor.count(1)?;
    let names = (0..count)
        .map(|_| cursor.text())
        .collect::<Option<Vec<_>>>()?;
    let short = names.iter().all(|name| name.len() <= NAME_MAX);
    (cursor.0.is_empty() && short).then_some(names)
}

#[derive(Default)]
struct Names<'a> {
    numbers: HashMap<&'a str, u64>,
    bytes: Vec<u8>,
}

impl<'a> Names<'a> {
    fn number(&mut self, name: &'a str) -> u64 {
        let next = self.numbers.len() as u64;
        *self.numbers.entry(name).or_insert_with(|| {
            encode_varint(name.len() as u64, &mut self.bytes);
            self.bytes.extend_from_slice(name.as_bytes());
            next
        })
    }
    fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_varint(self.numbers.len() as u64, &mut bytes);
        bytes.extend_from_slice(&self.bytes);
        bytes
    }
}

/// Appends a sample and gives its end; `None` if something is out of order.
fn put_sample<'a>(
    out: &mut Vec<u8>,
    names: &mut Names<'a>,
    key: &str,
    extent: &'a Extent,
    before: u64,
) -> Option<u64> {
    encode_varint(key.len() as u64, out);
    out.extend_from_slice(key.as_bytes());
    encode_varint(extent.offset.checked_sub(before)?, out);
    encode_varint(extent.length, out);
    out.extend_from_slice(&extent.crc32c.to_le_bytes());
    encode_varint(extent.members.len() as u64, out);
    let end = extent.offset.checked_add(extent.length)?;
    let mut at = extent.offset;
    for member in &extent.members {
        encode_varint(names.number(&member.name), out);
        encode_varint(member.offset.checked_sub(at)?, out);
        encode_varint(member.length, out);
        out.extend_from_slice(&member.crc32c.to_le_bytes());
        at = member
            .offset
            .checked_add(member.length)
            .filter(|at| *at <= end)?;
    }
    Some(end)
}

/// What is left of a section.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A number of items that take at least `least` bytes each.
    fn count(&mut self, least: usize) -> Option<usize> {
        let count = usize::try_from(self.varint()?).ok()?;
        (count <= self.0.len() / least).then_some(count)
    }

    fn text(&mut self) -> Option<String> {
        let length = self.count(1)?;
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    fn crc(&mut self) -> Option<u32> {
        let (crc, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*crc))
    }

    fn sample(
        &mut self,
        names: &[String],
        before: u64,
        limits: &Limits,
    ) -> Result<(String, Extent)> {
        let broken = || Error::corrupt("the index is damaged; make it again from its shard");
        let key = self.text().ok_or_else(broken)?;
        let mut extent = self.extent(before).ok_or_else(broken)?;
        let count = self.count(7).ok_or_else(broken)?;
        if count as u64 > limits.members {
            let text = format!(
                "the sample has {count} members, the limit is {}",
                limits.members
            );
            return Err(Error::limit(text).key(&key));
        }
        extent.members.reserve_exact(count);
        let (mut at, end) = (extent.offset, extent.offset + extent.length);
        for _ in 0..count {
            let member = self.member(names, at).ok_or_else(broken)?;
            at = member.offset + member.length;
            if at > end {
                return Err(broken());
            }
            extent.members.push(member);
        }
        Ok((key, extent))
    }

    fn extent(&mut self, before: u64) -> Option<Extent> {
        let offset = before.checked_add(self.varint()?)?;
        let length = self.varint()?;
        offset.checked_add(length)?;
        Some(Extent {
            offset,
            length,
            crc32c: self.crc()?,
            members: Vec::new(),
        })
    }

    fn member(&mut self, names: &[String], at: u64) -> Option<Member> {
        let name = names.get(usize::try_from(self.varint()?).ok()?)?.clone();
        let offset = at.checked_add(self.varint()?)?;
        let length = self.varint()?;
        offset.checked_add(length)?;
        Some(Member {
            name,
            offset,
            length,
            crc32c: self.crc()?,
        })
    }
}
