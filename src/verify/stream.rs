//! Finds the damage in one shard: piece by piece against the checksums of its index.
//!
//! ```text
//! sample   [header][member][padding] [header][member][padding] ..     a tar
//! sample   [length, crc][tag][member][tag][member].. [crc]            a record
//! ```
//!
//! Members have checksums of their own. What stands between them is compared with what kpack writes
//! there, so that the very byte can be named.

use std::io::{ErrorKind, Read};
use std::path::Path;

use kpack_formats::tfrecord::{HEADER, record_footer, record_header};
use kpack_formats::webdataset::member_header;
use kpack_formats::{Compression, Extent, IndexEntry, Member, crc32c_join, plain_bytes};

use super::Damage;
use super::decode::Expected;
use crate::{Error, Result};

/// Ends a tar.
pub(crate) const TAR_END: [u8; 1024] = [0; 1024];
const BLOCK: u64 = 512;
const CHUNK: usize = 256 << 10;
/// What stands between two members is kept up to this length, to be compared.
const GAP_MAX: usize = 64 << 10;

/// Rows as the entries of an index that knows no members.
pub(crate) fn entries(rows: &[Expected]) -> Vec<IndexEntry> {
    let entry = |row: &Expected| {
        let (offset, length, crc32c) = row.extent?;
        // Hostile rows: no shard reaches so far.
        offset.checked_add(length)?;
        Some(IndexEntry {
            key: row.key.clone(),
            extent: Extent {
                offset,
                length,
                crc32c,
                members: Vec::new(),
            },
        })
    };
    rows.iter().filter_map(entry).collect()
}

/// Everything in the shard at `path` that differs from `entries`, which lie one behind the other.
pub(crate) fn localise(
    path: &Path,
    compression: Option<Compression>,
    is_tar: bool,
    entries: &[IndexEntry],
    total: Option<u64>,
) -> Result<Vec<Damage>> {
    let source = match plain_bytes(path, compression) {
        Ok(source) => source,
        Err(e) => return Ok(vec![Damage::from_error(path, &e)]),
    };
    let mut walk = Walk {
        source,
        path,
        at: 0,
        is_tar,
        buffer: vec![0; CHUNK],
        gap: Vec::new(),
        found: Vec::new(),
        suspects: Vec::new(),
    };
    for (number, entry) in entries.iter().enumerate() {
        if let Err(stop) = walk.sample(entry) {
            let left = entries.len() - number;
            walk.end_early(stop, entry, left)?;
            return Ok(walk.found);
        }
    }
    if let Err(stop) = walk.trailer(total) {
        walk.stopped(stop, "end of the shard")?;
    }
    Ok(walk.found)
}

/// Why no more can be read.
enum Stop {
    /// The shard ends here.
    Short,
    /// The compressed stream makes no sense from here on.
    Stream(std::io::Error),
    Disk(std::io::Error),
}

struct Walk<'a> {
    source: Box<dyn Read + Send>,
    path: &'a Path,
    at: u64,
    is_tar: bool,
    buffer: Vec<u8>,
    gap: Vec<u8>,
    found: Vec<Damage>,
    /// Differences outside members: damage if the sample's checksum is wrong, else another writer's way.
    suspects: Vec<Damage>,
}

impl Walk<'_> {
    fn sample(&mut self, entry: &IndexEntry) -> Result<(), Stop> {
        let extent = &entry.extent;
        let (end, before) = (extent.offset + extent.length, self.found.len());
        self.suspects.clear();
        self.skip(extent.offset.saturating_sub(self.at))?;
        let mut crc = 0;
        if !self.is_tar {
            crc = self.gap(HEADER as u64)?;
            self.check_record_header(entry);
        }
        let mut previous: Option<&Member> = None;
        for member in &extent.members {
            let (begin, length) = (self.at, member.offset.saturating_sub(self.at));
            crc = crc32c_join(crc, self.gap(length)?, length);
            if self.is_tar {
                self.check_tar_gap(entry, begin, previous, Some(member));
            }
            let found = self.hash(member.length)?;
            crc = crc32c_join(crc, found, member.length);
            if found != member.crc32c {
                let n = member.length;
                let what = format!("the member's {n} bytes do not match their checksum");
                let damage = self.damage(entry, what).member(&member.name);
                self.found.push(damage.at(member.offset));
            }
            previous = Some(member);
        }
        let begin = self.at;
        let length = end.saturating_sub(begin);
        if self.is_tar {
            crc = crc32c_join(crc, self.gap(length)?, length);
            self.check_tar_gap(entry, begin, previous, None);
        } else {
            let length = length.saturating_sub(4);
            let body = crc32c_join(crc, self.gap(length)?, length);
            crc = crc32c_join(body, self.gap(4)?, 4);
            self.check_footer(entry, body);
        }
        if crc == extent.crc32c || self.found.len() > before {
            return Ok(());
        }
        if self.suspects.is_empty() {
            let what = match (self.is_tar, extent.members.is_empty()) {
                (false, false) => "the record does not match its checksum, outside its members",
                (false, true) => "the record does not match its checksum",
                (true, _) => "the sample does not match its checksum",
            };
            let damage = self.damage(entry, what);
            self.found.push(damage.at(extent.offset));
        }
        self.found.append(&mut self.suspects);
        Ok(())
    }

    fn damage(&self, entry: &IndexEntry, what: impl Into<String>) -> Damage {
        Damage::of(self.path, what).key(&entry.key)
    }

    fn check_record_header(&mut self, entry: &IndexEntry) {
        let Extent { offset, length, .. } = entry.extent;
        let expected = record_header(length.saturating_sub(HEADER as u64 + 4));
        if let Some(at) = differs(&self.gap, &expected) {
            let what = match at {
                0..8 => "the record's length was changed",
                _ => "the checksum of the record's length was changed",
            };
            let damage = self.damage(entry, what).at(offset + at as u64);
            self.suspects.push(damage);
        }
    }

    /// Compares what stands in front of `next`, or at the end of the sample, with what kpack writes.
    fn check_tar_gap(
        &mut self,
        entry: &IndexEntry,
        begin: u64,
        previous: Option<&Member>,
        next: Option<&Member>,
    ) {
        let padding = previous.map_or(0, |m| (BLOCK - m.length % BLOCK) % BLOCK) as usize;
        let (zeros, header) = self.gap.split_at(padding.min(self.gap.len()));
        let dirty = zeros.iter().position(|b| *b != 0);
        let name = next.map(|next| format!("{}.{}", entry.key, next.name));
        let expected = name
            .zip(next)
            .and_then(|(n, m)| member_header(&n, m.length));
        let changed = differs(header, &expected.unwrap_or_default());
        if let (Some(at), Some(previous)) = (dirty, previous) {
            let damage = self.damage(entry, "the padding behind the member is not zero");
            let damage = damage.member(&previous.name).at(begin + at as u64);
            self.suspects.push(damage);
        }
        if let (Some(at), Some(next)) = (changed, next) {
            let damage = self.damage(entry, "the member's header was changed");
            let at = begin + (padding + at) as u64;
            self.suspects.push(damage.member(&next.name).at(at));
        }
    }

    /// Whether only the checksum at the end of a record was changed; `body` is the checksum of all in
    /// front of it.
    fn check_footer(&mut self, entry: &IndexEntry, body: u32) {
        let extent = &entry.extent;
        let Some(payload) = extent.length.checked_sub(HEADER as u64 + 4) else {
            return;
        };
        // The body is the head and the payload joined, so the payload's checksum is what remains.
        let head = kpack_formats::crc32c(&record_header(payload));
        let footer = record_footer(body ^ crc32c_join(head, 0, payload));
        let whole = crc32c_join(body, kpack_formats::crc32c(&footer), 4);
        if whole == extent.crc32c
            && let Some(at) = differs(&self.gap, &footer)
        {
            let at = extent.offset + extent.length - 4 + at as u64;
            let damage = self.damage(
                entry,
                "the record's checksum was changed, its data are whole",
            );
            self.suspects.push(damage.at(at));
        }
    }

    /// What follows the samples.
    fn trailer(&mut self, total: Option<u64>) -> Result<(), Stop> {
        let end: &[u8] = if self.is_tar { &TAR_END } else { &[] };
        let begin = self.at;
        self.gap(end.len() as u64)?;
        if let Some(at) = differs(&self.gap, end) {
            let what = "the end of the archive is not zero";
            let at = begin + at as u64;
            self.found.push(Damage::of(self.path, what).at(at));
        }
        let more = self.at;
        let mut extra = 0_u64;
        while let Some(n) = self.read_some(CHUNK)? {
            extra += n as u64;
        }
        if extra > 0 {
            let what = format!("{extra} bytes follow the end of the shard");
            self.found.push(Damage::of(self.path, what).at(more));
        } else if total.is_some_and(|total| total != more) {
            let what = "the shard is whole, but its index gives it another length";
            self.found.push(Damage::of(self.path, what).at(more));
        }
        Ok(())
    }

    fn end_early(&mut self, stop: Stop, entry: &IndexEntry, left: usize) -> Result<()> {
        let lost = match left {
            1 => "this sample is cut".to_owned(),
            n => format!("this sample and the {} behind it are lost", n - 1),
        };
        let member = entry.extent.members.iter();
        let member = member.rev().find(|member| member.offset <= self.at);
        self.stopped(stop, &lost)?;
        if let Some(damage) = self.found.last_mut() {
            damage.key = Some(entry.key.clone());
            damage.member = member.map(|member| member.name.clone());
        }
        Ok(())
    }

    fn stopped(&mut self, stop: Stop, lost: &str) -> Result<()> {
        let what = match stop {
            Stop::Short => format!("the shard ends here: {lost}"),
            Stop::Stream(e) => {
                format!("the compressed stream is damaged near here ({e}): {lost}")
            }
            Stop::Disk(e) => return Err(Error::io("cannot read", self.path)(e)),
        };
        self.found.push(Damage::of(self.path, what).at(self.at));
        Ok(())
    }

    /// Reads `length` bytes, keeps the first of them in `gap`, and gives their CRC-32C.
    fn gap(&mut self, length: u64) -> Result<u32, Stop> {
        self.gap.clear();
        let (mut left, mut crc) = (length, 0);
        while left > 0 {
            let want = left.min(CHUNK as u64) as usize;
            let n = self.read_some(want)?.ok_or(Stop::Short)?;
            crc = kpack_formats::crc32c_append(crc, &self.buffer[..n]);
            let room = GAP_MAX.saturating_sub(self.gap.len());
            self.gap.extend_from_slice(&self.buffer[..n.min(room)]);
            left -= n as u64;
        }
        Ok(crc)
    }

    fn hash(&mut self, length: u64) -> Result<u32, Stop> {
        let (mut left, mut crc) = (length, 0);
        while left > 0 {
            let want = left.min(CHUNK as u64) as usize;
            let n = self.read_some(want)?.ok_or(Stop::Short)?;
            crc = kpack_formats::crc32c_append(crc, &self.buffer[..n]);
            left -= n as u64;
        }
        Ok(crc)
    }

    fn skip(&mut self, length: u64) -> Result<(), Stop> {
        self.hash(length).map(drop)
    }

    /// Reads up to `want` bytes into the buffer; `None` at the end.
    fn read_some(&mut self, want: usize) -> Result<Option<usize>, Stop> {
        loop {
            match self.source.read(&mut self.buffer[..want]) {
                Ok(0) => return Ok(None),
                Ok(n) => {
                    self.at += n as u64;
                    return Ok(Some(n));
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.raw_os_error().is_some() => return Err(Stop::Disk(e)),
                Err(e) => return Err(Stop::Stream(e)),
            }
        }
    }
}

/// First position at which `found` is not `expected`.
fn differs(found: &[u8], expected: &[u8]) -> Option<usize> {
    let same = found.iter().zip(expected).take_while(|(a, b)| a == b);
    let same = same.count();
    (same < expected.len()).then_some(same)
}
