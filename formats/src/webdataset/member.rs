//! Walks the members of a tar, block by block, and takes nothing on trust.
//!
//! Read: ustar, v7 and GNU headers, GNU long names (`L`, `K`), PAX `path` and `size`, base-256
//! sizes. Passed over: folders, links, devices, and all other PAX records. Refused: sparse members, parts
//! of multi-volume archives. An error: a bad checksum, a torn header, data or padding, and data
//! after a lone zero block. A missing trailer is none, nor is garbage after it.

mod streamed;

use std::path::Path;

use bytes::Bytes;

use super::header::{self, BLOCK, Block};
use crate::input::Input;
use crate::{Error, ReadOptions, Result};

/// A regular member.
#[derive(Debug, Clone)]
pub struct RawMember {
    /// Its path, as the archive has it.
    pub name: Vec<u8>,
    /// Offset of its first header block: of the long name's or PAX header, if it has one. A global
    /// PAX header in front of it is not its own.
    pub start: u64,
    /// Offset of its data.
    pub data_offset: u64,
    /// Its data.
    pub data: Bytes,
}

/// A regular member whose data are not read yet.
#[derive(Debug, Clone)]
pub struct MemberHead {
    /// Its path, as the archive has it.
    pub name: Vec<u8>,
    /// Offset of its first header block: of the long name's or PAX header, if it has one. A global
    /// PAX header in front of it is not its own.
    pub start: u64,
    /// Bytes of its data.
    pub size: u64,
}

/// Reads the regular members of a tar in order.
pub struct MemberReader {
    input: Input,
    options: ReadOptions,
    members: u64,
    /// Bytes of the last member, and of its padding, that are not read yet.
    unread: (u64, u64),
    /// Where the members end, once that is known.
    end: Option<u64>,
    /// Whether an error was given, behind which nothing is read.
    failed: bool,
}

/// What extended headers say of the member that follows them.
#[derive(Default)]
struct Extended {
    long_name: Option<Vec<u8>>,
    path: Option<Vec<u8>>,
    size: Option<u64>,
    any: bool,
}

enum Step {
    Member(MemberHead),
    Passed,
    End,
}

impl MemberReader {
    /// Opens `path`; gzip and zstd files are inflated.
    ///
    /// # Errors
    /// [`crate::Kind::Io`].
    pub fn open(path: &Path, options: &ReadOptions) -> Result<Self> {
        Ok(Self::new(Input::open(path, header::sniff)?, options))
    }

    /// Reads an archive in memory, uncompressed; the members share its bytes. The path serves
    /// messages.
    pub fn of_bytes(bytes: Bytes, path: &Path, options: &ReadOptions) -> Self {
        Self::new(Input::of_bytes(bytes, path), options)
    }

    pub(super) fn new(input: Input, options: &ReadOptions) -> Self {
        Self {
            input,
            options: options.clone(),
            members: 0,
            unread: (0, 0),
            end: None,
            failed: false,
        }
    }

    /// The next regular member; `None` at the end of the archive.
    ///
    /// # Errors
    /// [`crate::Kind::Corrupt`] with the offset of the member's first header,
    /// [`crate::Kind::Unsupported`] for a sparse member or an unknown type,
    /// [`crate::Kind::Limit`] for a member or an extended header above its limit. Nothing is read
    /// behind an error.
    pub fn next_member(&mut self) -> Result<Option<RawMember>> {
        if self.failed {
            let e = Error::corrupt("nothing is read behind the damage that was found before");
            return Err(self.place(e, self.input.offset()));
        }
        let member = self.advance().and_then(|head| match head {
            Some(head) => self.load(head).map(Some),
            None => Ok(None),
        });
        self.failed = member.is_err();
        self.members += u64::from(matches!(member, Ok(Some(_))));
        member
    }

    fn advance(&mut self) -> Result<Option<MemberHead>> {
        if self.members == 0 && self.input.offset() == 0 && self.input.fill(1)? == 0 {
            let e = Error::corrupt("the file is empty; an archive ends in 1024 zero bytes");
            return Err(e.path(self.input.path()).offset(0));
        }
        while self.end.is_none() {
            let start = self.input.offset();
            let step = self.step(start);
            match step.map_err(|e| self.place(e, start))? {
                Step::Member(head) => return Ok(Some(head)),
                Step::Passed => {}
                Step::End => self.end = Some(start),
            }
        }
        Ok(None)
    }

    fn place(&self, e: Error, start: u64) -> Error {
        e.path(self.input.path()).offset(start).record(self.members)
    }

    /// One member with the extended headers in front of it.
    fn step(&mut self, mut start: u64) -> Result<Step> {
        let mut extended = Extended::default();
        loop {
            let Some(block) = self.block()? else {
                return if extended.any {
                    Err(dangling())
                } else {
                    Ok(Step::End)
                };
            };
            if block == [0; BLOCK] {
                return if extended.any {
                    Err(dangling())
                } else {
                    self.trailer()
                };
            }
            check(&block)?;
            match block[156] {
                b'x' | b'g' | b'L' | b'K' => {
                    let data = self.extended_data(&block)?;
                    extended.read(block[156], data)?;
                    if !extended.any {
                        start = self.input.offset();
                    }
                }
                b'0' | b'7' | 0 => return self.regular(&block, extended, start),
                b'1'..=b'6' | b'V' => return Ok(Step::Passed),
                b'S' => return Err(sparse()),
                other => {
                    let shown = char::from(other).escape_default();
                    let text = format!("the member has type '{shown}', which is not read");
                    return Err(Error::unsupported(text));
                }
            }
        }
    }

    /// The next block; `None` at the end of the file.
    fn block(&mut self) -> Result<Option<Block>> {
        let got = self.input.fill(BLOCK)?;
        match self.input.peek().first_chunk::<BLOCK>() {
            Some(block) => {
                let block = *block;
                self.input.take(BLOCK);
                Ok(Some(block))
            }
            None if got == 0 => Ok(None),
            None => Err(Error::corrupt(format!(
                "truncated header: {got} of its {BLOCK} bytes are there"
            ))),
        }
    }

    fn extended_data(&mut self, block: &Block) -> Result<Bytes> {
        let size = size(block)?;
        if size > self.options.limits.header_bytes {
            return Err(Error::limit(format!(
                "an extended header of {size} bytes is above the limit of {}",
                self.options.limits.header_bytes
            )));
        }
        self.data(size)
    }

    /// `size` bytes and their padding.
    fn data(&mut self, size: u64) -> Result<Bytes> {
        let padded = size.checked_next_multiple_of(BLOCK as u64);
        let whole = padded
            .and_then(|n| usize::try_from(n).ok())
            .ok_or_else(|| torn(size, 0))?;
        if let Some(left) = self.input.left().filter(|left| *left < whole as u64) {
            return Err(torn(size, left));
        }
        let got = self.input.fill(whole)?;
        if got < whole {
            return Err(torn(size, got as u64));
        }
        let data = self.input.take(size as usize);
        self.input.take(whole - size as usize);
        Ok(data)
    }

    fn regular(&mut self, block: &Block, extended: Extended, start: u64) -> Result<Step> {
        let size = match extended.size {
            Some(size) => size,
            None => size(block)?,
        };
        let left = self.input.left();
        if let Some(left) = left.filter(|left| size > *left) {
            return Err(torn(size, left));
        }
        let in_header = || header::path(block);
        let name = extended
            .path
            .or(extended.long_name)
            .unwrap_or_else(in_header);
        let folder = name.ends_with(b"/");
        let head = MemberHead { name, start, size };
        if folder {
            self.load(head)?;
            return Ok(Step::Passed);
        }
        Ok(Step::Member(head))
    }

    /// Reads a member's data into memory.
    fn load(&mut self, head: MemberHead) -> Result<RawMember> {
        let MemberHead { name, start, size } = head;
        let limit = self.options.limits.record_bytes;
        if size > limit {
            let text = format!("the member is {size} bytes long, the limit is {limit}");
            return Err(self.place(Error::limit(text), start));
        }
        let data_offset = self.input.offset();
        let data = self.data(size).map_err(|e| self.place(e, start))?;
        Ok(RawMember {
            name,
            start,
            data_offset,
            data,
        })
    }

    /// After a zero block: a second one, or the end of the file, ends the archive.
    fn trailer(&mut self) -> Result<Step> {
        match self.block()? {
            None => return Ok(Step::End),
            Some(block) if block == [0; BLOCK] => {}
            Some(_) => {
                return Err(Error::corrupt(
                    "data follow a lone zero block; the archive's end is damaged, or its middle \
                     was overwritten",
                ));
            }
        }
        // What follows is padding, garbage, or another archive.
        loop {
            let at = self.input.offset();
            self.input.fill(BLOCK)?;
            let Some(block) = self.input.peek().first_chunk::<BLOCK>() else {
                return Ok(Step::End);
            };
            if *block == [0; BLOCK] {
                self.input.take(BLOCK);
            } else if !header::is_valid(block) {
                return Ok(Step::End);
            } else if self.options.concatenated {
                return Ok(Step::Passed);
            } else {
                return Err(Error::corrupt(format!(
                    "another archive follows the end of this one at byte {at}; most readers stop \
                     there without a word, so read both as one or write the shard anew"
                )));
            }
        }
    }

    /// Offset of the next header.
    pub fn offset(&self) -> u64 {
        self.input.offset()
    }
    /// Where the last member of any kind ends, padding included, when no member is left.
    pub fn end(&self) -> Option<u64> {
        self.end
    }
    /// The file's path.
    pub fn path(&self) -> &Path {
        self.input.path()
    }
}

impl Extended {
    fn read(&mut self, kind: u8, data: Bytes) -> Result<()> {
        self.any |= kind != b'g';
        match kind {
            b'L' => {
                let end = data.iter().position(|b| *b == 0).unwrap_or(data.len());
                self.long_name = Some(data[..end].to_vec());
            }
            b'x' | b'g' => self.pax(&data, kind == b'g')?,
            _ => {}
        }
        Ok(())
    }

    /// Records `LENGTH KEY=VALUE newline`, the length counting all of the record.
    fn pax(&mut self, mut data: &[u8], global: bool) -> Result<()> {
        let broken = || Error::corrupt("a PAX header is damaged");
        while !data.is_empty() {
            let space = data.iter().position(|b| *b == b' ').ok_or_else(broken)?;
            let digits = std::str::from_utf8(&data[..space]).map_err(|_| broken())?;
            let length: usize = digits.parse().map_err(|_| broken())?;
            let record = data.get(space + 1..length).ok_or_else(broken)?;
            let record = record.strip_suffix(b"\n").ok_or_else(broken)?;
            let equals = record.iter().position(|b| *b == b'=').ok_or_else(broken)?;
            self.pax_record(&record[..equals], &record[equals + 1..], global)?;
            data = &data[length..];
        }
        Ok(())
    }

    fn pax_record(&mut self, key: &[u8], value: &[u8], global: bool) -> Result<()> {
        match key {
            b"path" | b"size" if global => {
                return Err(Error::unsupported(
                    "a global PAX header sets a path or size",
                ));
            }
            b"path" => self.path = Some(value.to_vec()),
            b"size" => {
                let size = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok());
                self.size = Some(size.ok_or_else(bad_size)?);
            }
            key if key.starts_with(b"GNU.sparse") => return Err(sparse()),
            _ => {}
        }
        Ok(())
    }
}

fn check(block: &Block) -> Result<()> {
    if header::is_valid(block) {
        return Ok(());
    }
    Err(Error::corrupt("the header's checksum is wrong"))
}

fn size(block: &Block) -> Result<u64> {
    header::size(block).ok_or_else(bad_size)
}

fn bad_size() -> Error {
    Error::corrupt("the member's size is no number or negative")
}

fn dangling() -> Error {
    Error::corrupt("the archive ends after an extended header, before the member it belongs to")
}

fn sparse() -> Error {
    Error::unsupported("sparse members are not read; write the archive without --sparse")
}

fn torn(size: u64, left: u64) -> Error {
    Error::corrupt(format!(
        "truncated member: it needs {size} bytes and padding to {BLOCK}, {left} are left"
    ))
}
