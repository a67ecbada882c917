//! The framing of a TFRecord file. Little-endian, no padding, no header, no trailer:
//!
//! ```text
//! offset      size
//! 0           8        length of the payload
//! 8           4        mask(crc32c(the 8 length bytes))
//! 12          length   payload
//! 12+length   4        mask(crc32c(payload))                 then the next record
//! ```
//!
//! mask(c) = (c rotated right by 15) + 0xA282EAD8. There is no marker to find one's way back by:
//! after a bad length the rest of the file cannot be reached without an index.

use std::path::Path;

use bytes::Bytes;

use crate::input::Input;
use crate::{Error, ReadOptions, Result};

/// Bytes around a payload.
pub const OVERHEAD: u64 = 16;
/// Bytes before a payload.
pub const HEADER: usize = 12;
const MASK: u32 = 0xA282_EAD8;

pub(super) fn mask(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(MASK)
}

/// Length and its checksum.
pub(super) fn header(length: u64) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(&length.to_le_bytes());
    let crc = mask(crate::crc32c(&header[..8]));
    header[8..].copy_from_slice(&crc.to_le_bytes());
    header
}

/// The 12 bytes in front of a payload of `length` bytes.
pub fn record_header(length: u64) -> [u8; HEADER] {
    header(length)
}

/// The 4 bytes behind a payload whose CRC-32C is `crc`.
pub fn record_footer(crc: u32) -> [u8; 4] {
    mask(crc).to_le_bytes()
}

/// The payload length that a header states; `None` if its checksum is wrong or it is short.
pub(super) fn length(head: &[u8]) -> Option<u64> {
    let length = u64::from_le_bytes(head.get(..8)?.try_into().ok()?);
    (header(length)[..] == *head.get(..HEADER)?).then_some(length)
}

/// Whether a file that begins with `head` begins with a whole record header.
pub(super) fn sniff(head: &[u8]) -> bool {
    length(head).is_some()
}

/// Reads the payloads of a TFRecord file in order, both checksums checked.
pub struct RecordReader {
    input: Input,
    limit: u64,
    unchecked: bool,
    record: u64,
    position: (u64, u64),
}

impl RecordReader {
    /// Opens `path`; GZIP, ZLIB and zstd files are inflated.
    ///
    /// # Errors
    /// [`crate::Kind::Io`].
    pub fn open(path: &Path, options: &ReadOptions) -> Result<Self> {
        Ok(Self::new(Input::open(path, sniff)?, options))
    }

    /// Reads records in memory, uncompressed; payloads share the bytes. The path serves messages.
    pub fn of_bytes(bytes: Bytes, path: &Path, options: &ReadOptions) -> Self {
        Self::new(Input::of_bytes(bytes, path), options)
    }

    pub(super) fn new(input: Input, options: &ReadOptions) -> Self {
        Self {
            input,
            limit: options.limits.record_bytes,
            unchecked: options.unchecked,
            record: options.first_record,
            position: (0, 0),
        }
    }

    /// The next payload; `None` at a clean end.
    ///
    /// # Errors
    /// [`crate::Kind::Corrupt`] for a bad checksum or a torn end, with the offset of the record's
    /// first byte; [`crate::Kind::Limit`] for a payload above the limit. Nothing is allocated for a
    /// length before it was compared with the bytes left in the file; of a compressed file, memory
    /// grows as bytes arrive. Behind a record whose data do not match their checksum the next call
    /// goes on; behind any other damage it says the same again.
    pub fn next_record(&mut self) -> Result<Option<Bytes>> {
        let start = self.input.offset();
        let record = self.record;
        let payload = self.read().map_err(|e| self.place(e, start, record))?;
        if payload.is_some() {
            self.record += 1;
            self.position = (start, self.input.offset() - start);
        }
        Ok(payload)
    }

    fn place(&self, e: Error, offset: u64, record: u64) -> Error {
        e.path(self.input.path()).offset(offset).record(record)
    }

    fn read(&mut self) -> Result<Option<Bytes>> {
        let got = self.input.fill(HEADER)?;
        if got == 0 {
            return Ok(None);
        }
        if got < HEADER {
            return Err(Error::corrupt(format!(
                "truncated record: {got} of the {HEADER} bytes of its header are there"
            )));
        }
        let length = length(self.input.peek()).ok_or_else(|| {
            Error::corrupt(
                "the record's length does not match its checksum; if this is no damage, the file \
                 is not a TFRecord",
            )
        })?;
        self.check(length)?;
        let whole = (length + OVERHEAD) as usize;
        let got = self.input.fill(whole)?;
        if got < whole {
            return Err(truncated(length, (got - HEADER) as u64));
        }
        self.input.take(HEADER);
        let payload = self.input.take(length as usize);
        let stored = self.input.take(4);
        if !self.unchecked && stored[..] != mask(crate::crc32c(&payload)).to_le_bytes() {
            return Err(Error::corrupt(format!(
                "the record's {length} bytes of data do not match their checksum"
            )));
        }
        Ok(Some(payload))
    }

    /// Compares a payload length with what the file can hold and with the limit.
    fn check(&self, length: u64) -> Result<()> {
        let left = self
            .input
            .left()
            .map(|left| left.saturating_sub(HEADER as u64));
        if let Some(left) = left.filter(|left| length.checked_add(4).is_none_or(|n| n > *left)) {
            return Err(truncated(length, left));
        }
        let whole = length.checked_add(OVERHEAD).map(usize::try_from);
        if length > self.limit || !matches!(whole, Some(Ok(_))) {
            return Err(Error::limit(format!(
                "the record is {length} bytes long, the limit is {}",
                self.limit
            )));
        }
        Ok(())
    }

    /// Number of the record that comes next.
    pub fn record(&self) -> u64 {
        self.record
    }
    /// Offset and length in bytes of the record read last, framing included.
    pub fn position(&self) -> (u64, u64) {
        self.position
    }
    /// The file's path.
    pub fn path(&self) -> &Path {
        self.input.path()
    }
}

fn truncated(length: u64, left: u64) -> Error {
    Error::corrupt(format!(
        "truncated record: it needs {length} bytes of data and 4 of checksum, {left} are left"
    ))
}
