//! [`Piece`]: what goes into a shard: a sample that was made, or one that lies in another shard.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use kpack_formats::{Blob, Error as FormatError, Extent, Member, Sample};

use crate::Error;
use crate::pipeline::failure::write_failure;
use crate::sample::SampleError;

/// One sample on its way into a shard.
#[derive(Clone, Copy)]
pub(crate) enum Piece<'a> {
    Made(&'a Sample),
    Stored(Stored<'a>),
}

/// A sample in another shard of the same format, before compression. Its bytes are copied as they
/// are: they say nothing of their place.
#[derive(Clone, Copy)]
pub(crate) struct Stored<'a> {
    pub(crate) key: &'a str,
    /// All of the other shard.
    pub(crate) shard: &'a Blob,
    /// Of the other shard, for messages.
    pub(crate) path: &'a Path,
    pub(crate) extent: &'a Extent,
}

impl Piece<'_> {
    pub(crate) fn key(&self) -> &str {
        match self {
            Piece::Made(sample) => &sample.key,
            Piece::Stored(stored) => stored.key,
        }
    }

    /// Bytes that it takes at the least.
    pub(crate) fn least_bytes(&self) -> u64 {
        match self {
            Piece::Made(sample) => sample.blob_bytes(),
            Piece::Stored(stored) => stored.extent.length,
        }
    }

    /// Whose fault it is that it cannot be written.
    pub(crate) fn failure(&self, e: FormatError) -> Result<SampleError, Error> {
        match self {
            Piece::Made(sample) => write_failure(sample, e),
            Piece::Stored(_) => Err(e.into()),
        }
    }
}

/// Bytes copied at a time.
const CHUNK: u64 = 1 << 20;

impl Stored<'_> {
    /// Copies the sample to byte `to` of `file`, checks it on the way, and gives its new extent.
    pub(crate) fn copy_to(&self, file: &mut File, to: u64) -> Result<Extent, FormatError> {
        let from = self.extent;
        let wrong = |e| FormatError::io("cannot write the shard", e);
        file.seek(SeekFrom::Start(to)).map_err(wrong)?;
        let (mut at, mut crc, mut buffer) = (0, 0, Vec::new());
        while at < from.length {
            buffer.resize((from.length - at).min(CHUNK) as usize, 0);
            self.shard
                .read_at(from.offset.saturating_add(at), &mut buffer)?;
            crc = kpack_formats::crc32c_append(crc, &buffer);
            file.write_all(&buffer).map_err(wrong)?;
            at += buffer.len() as u64;
        }
        if crc != from.crc32c {
            let text = "the sample no longer matches its checksum; run kpack repair first";
            let e = FormatError::corrupt(text).path(self.path);
            return Err(e.key(self.key).offset(from.offset));
        }
        let moved = |member: &Member| Member {
            offset: member.offset.wrapping_sub(from.offset).wrapping_add(to),
            ..member.clone()
        };
        Ok(Extent {
            offset: to,
            length: from.length,
            crc32c: crc,
            members: from.members.iter().map(moved).collect(),
        })
    }
}
