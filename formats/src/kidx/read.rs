//! The index reader.

use std::fs::File;
use std::io::{BufReader, Read};

use crc32c::crc32c;

use crate::kidx::coding::{take, take_place, take_text};
use crate::kidx::{Before, HEAD, IndexEntry, SHARED_MAX};
use crate::{Error, Extent, Limits, Member, Result};

/// Reads an index in order.
#[derive(Debug)]
pub struct IndexReader {
    pub(super) source: BufReader<File>,
    limits: Limits,
    pub(super) before: Before,
    pub(super) samples: u64,
    /// End of the last entry read.
    pub(super) position: u64,
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
        let mut head = [0; 8];
        read_whole(&mut source, &mut head, 0)?;
        if head[..5] != HEAD[..5] {
            return Err(Error::corrupt("not a kpack index").offset(0));
        }
        if head != HEAD {
            let text = "the index is of a later version; read it with a newer kpack";
            return Err(Error::unsupported(text).offset(5));
        }
        let position = HEAD.len() as u64;
        let before = Before::default();
        Ok(Self {
            source,
            limits,
            before,
            samples: 0,
            position,
            shard_bytes: None,
        })
    }

    /// Byte of the file where the last entry read ends.
    pub fn position(&self) -> u64 {
        self.position
    }
    /// Length of the shard in bytes before compression; known when the last entry has been read.
    pub fn shard_bytes(&self) -> Option<u64> {
        self.shard_bytes
    }

    /// The next sample; `None` behind the last one, once the tail has confirmed their number.
    ///
    /// # Errors
    /// [`crate::Kind::Corrupt`] with its offset, also where the tail is missing;
    /// [`crate::Kind::Limit`], [`crate::Kind::Io`].
    pub fn next_entry(&mut self) -> Result<Option<IndexEntry>> {
        if self.shard_bytes.is_some() {
            return Ok(None);
        }
        let at = self.position;
        let mut frame = [0; 8];
        read_whole(&mut self.source, &mut frame, at)?;
        let [length, crc] = [0, 4].map(|i| u32::from_le_bytes([0, 1, 2, 3].map(|k| frame[i + k])));
        if length == 0 {
            return self.tail(crc).map(|()| None);
        }
        // An entry of n members takes at most a few hundred bytes for each.
        if u64::from(length)
            > self
                .limits
                .members
                .saturating_mul(300)
                .saturating_add(1 << 16)
        {
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
        let entry = self.entry(&body).ok_or_else(|| {
            Error::corrupt("an index entry does not hold what it announces")
                .offset(at)
                .record(self.samples)
        })?;
        self.before.key.clone_from(&entry.key);
        self.before.end = entry.extent.offset.wrapping_add(entry.extent.length);
        self.samples += 1;
        self.position = at + 8 + u64::from(length);
        Ok(Some(entry))
    }

    fn entry(&self, body: &[u8]) -> Option<IndexEntry> {
        let mut body = body;
        let key = take_text(&mut body, &self.before.key)?;
        let (offset, length, crc32c) = take_place(&mut body, self.before.end)?;
        let count = usize::try_from(take(&mut body)?).ok()?;
        // Each member takes at least 8 bytes, so a lie costs nothing.
        let mut members: Vec<Member> = Vec::with_capacity(count.min(body.len() / 8));
        let mut end = offset;
        let mut room = body.len() * SHARED_MAX;
        for _ in 0..count {
            let name = take_text(&mut body, members.last().map_or("", |member| &member.name))?;
            room = room.checked_sub(name.len())?;
            let (offset, length, crc32c) = take_place(&mut body, end)?;
            end = offset.wrapping_add(length);
            members.push(Member {
                name,
                offset,
                length,
                crc32c,
            });
        }
        let extent = Extent {
            offset,
            length,
            crc32c,
            members,
        };
        body.is_empty().then_some(IndexEntry { key, extent })
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

fn torn(at: u64) -> Error {
    Error::corrupt("the index ends early").offset(at)
}

fn read_whole(source: &mut impl Read, into: &mut [u8], at: u64) -> Result<()> {
    source.read_exact(into).map_err(|e| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => torn(at),
        _ => Error::io("cannot read the index", e).offset(at),
    })
}
