//! The index reader.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use crate::crc::crc32c;
use crate::kidx::coding::{take, take_place, take_text};
use crate::kidx::tables::take_tables;
use crate::kidx::{Before, IndexEntry, SHARED_MAX, TABLES, VERSIONS, head};
use crate::{Error, Extent, Limits, Member, Result};

/// Reads an index in order.
#[derive(Debug)]
pub struct IndexReader {
    pub(super) source: BufReader<File>,
    limits: Limits,
    pub(super) version: u8,
    pub(super) before: Before,
    pub(super) samples: u64,
    /// End of the last entry read, its frame tables included.
    pub(super) position: u64,
    /// Bytes of the last entry's frame tables, if they have not been read.
    pending: u32,
    shard_bytes: Option<u64>,
}

impl IndexReader {
    /// Reads the head.
    ///
    /// # Errors
    /// [`crate::Kind::Corrupt`] for a file that is no index, [`crate::Kind::Unsupported`] for one of
    /// a later version, [`crate::Kind::Io`].
    pub fn new(file: File, limits: Limits) -> Result<Self> {
        let mut source = BufReader::with_capacity(1 << 16, file);
        let mut found = [0; 8];
        read_whole(&mut source, &mut found, 0)?;
        let version = found[5];
        if found[..5] != head(version)[..5] {
            return Err(Error::corrupt("not a kpack index").offset(0));
        }
        if found != head(version) || !VERSIONS.contains(&version) {
            let text = "the index is of a later version; read it with a newer kpack";
            return Err(Error::unsupported(text).offset(5));
        }
        let position = found.len() as u64;
        let before = Before::default();
        Ok(Self {
            source,
            limits,
            version,
            before,
            samples: 0,
            position,
            pending: 0,
            shard_bytes: None,
        })
    }

    /// Byte of the file where the last entry read ends.
    pub fn position(&self) -> u64 {
        self.position
    }
    /// Whether the entry that came last from [`next_brief`](Self::next_brief) has frame tables.
    pub fn has_tables(&self) -> bool {
        self.pending > 0
    }
    /// Length of the shard in bytes before compression; known when the last entry has been read.
    pub fn shard_bytes(&self) -> Option<u64> {
        self.shard_bytes
    }

    /// Number of samples, and bytes of the shard before compression, as the end of the index tells them
    /// without the entries before it. Reading goes on where it was.
    ///
    /// # Errors
    /// [`crate::Kind::Corrupt`] where the index does not end in them, [`crate::Kind::Io`].
    pub fn totals(&mut self) -> Result<(u64, u64)> {
        let mut end = [0; 24];
        let io = |e| Error::io("cannot read the index", e);
        let here = self.source.stream_position().map_err(io)?;
        let length = self.source.seek(SeekFrom::End(0)).map_err(io)?;
        let at = length.checked_sub(24).filter(|at| *at >= 8);
        let at = at.ok_or_else(|| torn(length))?;
        self.source.seek(SeekFrom::Start(at)).map_err(io)?;
        read_whole(&mut self.source, &mut end, at)?;
        self.source.seek(SeekFrom::Start(here)).map_err(io)?;
        let (frame, tail) = end.split_at(8);
        if frame[..4] != [0; 4] || frame[4..] != crc32c(tail).to_le_bytes() {
            return Err(torn(at));
        }
        let number = |i: usize| (0..8).fold(0, |n, k| n | u64::from(tail[i + k]) << (8 * k));
        Ok((number(0), number(8)))
    }

    /// The next sample; `None` behind the last one, once the tail has confirmed their number.
    ///
    /// # Errors
    /// [`crate::Kind::Corrupt`] with its offset, also where the tail is missing;
    /// [`crate::Kind::Limit`], [`crate::Kind::Io`].
    pub fn next_entry(&mut self) -> Result<Option<IndexEntry>> {
        let Some(mut entry) = self.next_brief()? else {
            return Ok(None);
        };
        self.read_tables(&mut entry)?;
        Ok(Some(entry))
    }

    /// The next sample without frame tables, which are passed over unless
    /// [`read_tables`](Self::read_tables) follows. For a look at many samples.
    ///
    /// # Errors
    /// As [`next_entry`](Self::next_entry).
    pub fn next_brief(&mut self) -> Result<Option<IndexEntry>> {
        if self.shard_bytes.is_some() {
            return Ok(None);
        }
        let at = self.position;
        if self.pending > 0 {
            let skipped = self.source.seek_relative(i64::from(self.pending) + 4);
            skipped.map_err(|e| Error::io("cannot read the index", e).offset(at))?;
            self.pending = 0;
        }
        let mut frame = [0; 8];
        read_whole(&mut self.source, &mut frame, at)?;
        let [length, crc] = [0, 4].map(|i| u32::from_le_bytes([0, 1, 2, 3].map(|k| frame[i + k])));
        if length == 0 {
            return self.tail(crc).map(|()| None);
        }
        let body = self.checked(length, crc, at)?;
        let (entry, tables) = self.entry(&body).ok_or_else(|| self.hollow(at))?;
        // Before the entry counts: what it announces must be there.
        self.pending = tables;
        self.before.key.clone_from(&entry.key);
        self.before.end = entry.extent.offset.wrapping_add(entry.extent.length);
        self.samples += 1;
        self.position = at + 8 + u64::from(length);
        if tables > 0 {
            self.position += 4 + u64::from(tables);
        }
        Ok(Some(entry))
    }

    /// Reads the frame tables of `entry`, which [`next_brief`](Self::next_brief) gave last.
    ///
    /// # Errors
    /// As [`next_entry`](Self::next_entry).
    pub fn read_tables(&mut self, entry: &mut IndexEntry) -> Result<()> {
        if self.pending == 0 {
            return Ok(());
        }
        let length = std::mem::take(&mut self.pending);
        let at = self.position - u64::from(length) - 4;
        let mut crc = [0; 4];
        read_whole(&mut self.source, &mut crc, at)?;
        let block = self.checked(length, u32::from_le_bytes(crc), at)?;
        let taken = take_tables(&block, &mut entry.extent.members);
        taken.ok_or_else(|| self.hollow(at))
    }

    fn hollow(&self, at: u64) -> Error {
        Error::corrupt("an index entry does not hold what it announces")
            .offset(at)
            .record(self.samples)
    }

    /// The next `length` bytes, which are part of what stands `at` this byte.
    fn checked(&mut self, length: u32, crc: u32, at: u64) -> Result<Vec<u8>> {
        // An entry of n members, or frames, takes at most a few hundred bytes for each.
        let most = self.limits.members.saturating_mul(300);
        if u64::from(length) > most.saturating_add(1 << 16) {
            let text = format!("an index entry of {length} bytes is above the limit of members");
            return Err(Error::limit(text).offset(at));
        }
        let mut body = Vec::new();
        let read = (&mut self.source)
            .take(u64::from(length))
            .read_to_end(&mut body);
        read.map_err(|e| Error::io("cannot read the index", e).offset(at))?;
        if body.len() < length as usize {
            return Err(torn(at));
        }
        if crc32c(&body) != crc {
            return Err(Error::corrupt("an index entry does not match its checksum").offset(at));
        }
        Ok(body)
    }

    /// An entry, and the bytes of its frame tables.
    fn entry(&self, body: &[u8]) -> Option<(IndexEntry, u32)> {
        let mut body = body;
        let key = take_text(&mut body, &self.before.key)?;
        let (offset, length, crc32c) = take_place(&mut body, self.before.end)?;
        let members = take_members(&mut body, offset)?;
        let tables = match self.version >= TABLES {
            true => u32::try_from(take(&mut body)?).ok()?,
            false => 0,
        };
        let extent = Extent {
            offset,
            length,
            crc32c,
            members,
        };
        body.is_empty()
            .then_some((IndexEntry { key, extent }, tables))
    }

    fn tail(&mut self, crc: u32) -> Result<()> {
        let mut tail = [0; 16];
        read_whole(&mut self.source, &mut tail, self.position)?;
        let [samples, bytes] =
            [0, 8].map(|i| u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|k| tail[i + k])));
        if crc32c(&tail) != crc || samples != self.samples {
            let text = "the index does not end in the number of its samples";
            return Err(Error::corrupt(text).offset(self.position));
        }
        let mut more = [0];
        let read = self.source.read(&mut more);
        if read.map_err(|e| Error::io("cannot read the index", e))? > 0 {
            let text = "bytes follow the end of the index";
            return Err(Error::corrupt(text).offset(self.position + 24));
        }
        self.shard_bytes = Some(bytes);
        Ok(())
    }
}

/// The members of a sample at `offset`.
pub(super) fn take_members(body: &mut &[u8], offset: u64) -> Option<Vec<Member>> {
    let count = usize::try_from(take(body)?).ok()?;
    // Each member takes at least 8 bytes, so a lie costs nothing.
    let mut members: Vec<Member> = Vec::with_capacity(count.min(body.len() / 8));
    let mut end = offset;
    let mut room = body.len() * SHARED_MAX;
    for _ in 0..count {
        let name = take_text(body, members.last().map_or("", |member| &member.name))?;
        room = room.checked_sub(name.len())?;
        let (offset, length, crc32c) = take_place(body, end)?;
        end = offset.wrapping_add(length);
        members.push(Member {
            name,
            offset,
            length,
            crc32c,
            frames: None,
        });
    }
    Some(members)
}

fn torn(at: u64) -> Error {
    Error::corrupt("the index ends early").offset(at)
}

fn read_whole(source: &mut impl Read, into: &mut [u8], at: u64) -> Result<()> {
    source.read_exact(into).map_err(|e| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => torn(at),
        _ => Error::io("cannot read the index", e).offset(at),
    })
}
