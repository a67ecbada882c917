//! The file behind both shard formats: bytes are appended sample by sample and hashed on the way.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

use bytes::Bytes;

use crate::crc::{crc32c, crc32c_append, crc32c_join};
use crate::{Blob, Error, Result, ShardInfo};

/// What is gathered before it goes to the operating system.
const BUFFER: usize = 1 << 20;
/// Blobs of this size go straight: a copy of them costs more than another call.
const STRAIGHT: usize = 64 << 10;
/// From here on joining two checksums is cheaper than hashing the bytes a second time.
const JOIN: usize = 16 << 10;

/// An append-only file with a running CRC-32C.
#[derive(Debug)]
pub(crate) struct Log {
    file: File,
    /// Bytes of the file that the operating system has.
    written: u64,
    buffer: Vec<u8>,
    /// How much of the buffer `crc` covers.
    hashed: usize,
    crc: u32,
    samples: u64,
    torn: bool,
}

impl Log {
    /// Continues `file` at byte `at`; what follows is cut off.
    pub(crate) fn continue_at(mut file: File, at: u64) -> Result<Self> {
        let length = file
            .metadata()
            .map_err(|e| Error::io("cannot examine the shard", e))?
            .len();
        if length < at {
            return Err(Error::usage(format!(
                "the shard cannot be continued at byte {at}: it has {length} bytes"
            )));
        }
        file.set_len(at)
            .map_err(|e| Error::io("cannot cut the shard", e))?;
        file.seek(SeekFrom::Start(at))
            .map_err(|e| Error::io("cannot seek in the shard", e))?;
        Ok(Self {
            file,
            written: at,
            buffer: Vec::new(),
            hashed: 0,
            crc: 0,
            samples: 0,
            torn: false,
        })
    }

    /// Where the next byte goes.
    pub(crate) fn position(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Writes one sample by `body`, and hands all of it to the operating system. After an error the
    /// file is cut back to where the sample began; if even that fails, the log takes no more.
    pub(crate) fn sample<T>(&mut self, body: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.torn {
            return Err(torn());
        }
        let start = self.written;
        (self.hashed, self.crc) = (0, 0);
        let done = body(self).and_then(|value| self.flush().map(|()| value));
        match done {
            Ok(_) => self.samples += 1,
            Err(_) => self.cut_back(start),
        }
        done
    }

    fn cut_back(&mut self, to: u64) {
        self.buffer.clear();
        let cut = self
            .file
            .set_len(to)
            .and_then(|()| self.file.seek(SeekFrom::Start(to)));
        self.torn = cut.is_err();
        self.written = to;
    }

    /// Appends `bytes`; they are copied.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The buffer itself, for encoders; only append.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Appends `length` bytes of `blob` from `offset` on and returns their CRC-32C.
    pub(crate) fn blob(&mut self, blob: &Blob, offset: u64, length: u64) -> Result<u32> {
        match blob {
            Blob::Bytes(bytes) => {
                let range = offset as usize..(offset + length) as usize;
                self.bytes(&bytes.slice(range))
            }
            Blob::File { .. } => self.file_range(blob, offset, length),
        }
    }

    fn bytes(&mut self, bytes: &Bytes) -> Result<u32> {
        self.settle();
        let crc = crc32c(bytes);
        if bytes.len() >= STRAIGHT {
            self.flush()?;
            self.write(bytes)?;
        } else {
            self.put(bytes);
            self.hashed = self.buffer.len();
        }
        self.crc = if bytes.len() < JOIN {
            crc32c_append(self.crc, bytes)
        } else {
            crc32c_join(self.crc, crc, bytes.len() as u64)
        };
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        Ok(crc)
    }

    fn file_range(&mut self, blob: &Blob, mut offset: u64, length: u64) -> Result<u32> {
        self.settle();
        let (end, mut crc) = (offset + length, 0);
        while offset < end {
            if self.buffer.len() >= BUFFER {
                self.flush()?;
            }
            let old = self.buffer.len();
            let step = (end - offset).min((BUFFER - old) as u64) as usize;
            self.buffer.resize(old + step, 0);
            blob.read_at(offset, &mut self.buffer[old..])?;
            crc = crc32c_append(crc, &self.buffer[old..]);
            self.hashed = self.buffer.len();
            offset += step as u64;
        }
        self.crc = crc32c_join(self.crc, crc, length);
        Ok(crc)
    }

    fn settle(&mut self) {
        self.crc = crc32c_append(self.crc, &self.buffer[self.hashed..]);
        self.hashed = self.buffer.len();
    }

    /// CRC-32C of everything since the sample began or since the last call.
    pub(crate) fn take_crc(&mut self) -> u32 {
        self.settle();
        std::mem::take(&mut self.crc)
    }

    /// What stands in the buffer from file position `start` on, if all of it still does.
    pub(crate) fn since(&self, start: u64) -> Option<&[u8]> {
        let skip = start.checked_sub(self.written)?;
        self.buffer.get(skip as usize..)
    }

    fn flush(&mut self) -> Result<()> {
        self.settle();
        let buffer = std::mem::take(&mut self.buffer);
        let done = self.write(&buffer);
        self.buffer = buffer;
        self.buffer.clear();
        self.hashed = 0;
        done
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all(bytes)
            .map_err(|e| Error::io("cannot write the shard", e))?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Writes the trailer and gives the shard's totals.
    pub(crate) fn finish(mut self, trailer: &[u8]) -> Result<ShardInfo> {
        if self.torn {
            return Err(torn());
        }
        self.write(trailer)?;
        Ok(ShardInfo {
            samples: self.samples,
            bytes: self.written,
        })
    }
}

fn torn() -> Error {
    Error::io(
        "the shard ends in a torn sample after an earlier write error; continue from its last whole \
         sample",
        std::io::ErrorKind::Other.into(),
    )
}
