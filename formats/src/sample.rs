//! [`Sample`]: the one noun between media and bytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Error, FrameTable, Result};

/// Ordered JSON object: a sample's metadata.
pub type Meta = serde_json::Map<String, serde_json::Value>;

/// One training item, in no format yet.
///
/// A blob's name is the tar member's extension (`mp4`, `wav`, `000001.jpg`): lower case, unique in
/// the sample. Iteration is in bytewise order of the names, which puts numbered frames in order.
/// Labels and metadata are not blobs: each format has its own place for them (`cls` and `json`
/// members in a tar, features in a record).
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// Unique over the dataset, stable, safe as a file name: `[A-Za-z0-9_-/]+`.
    pub key: String,
    /// The encoded media, by name.
    pub blobs: BTreeMap<String, Blob>,
    /// Class labels; empty for an unlabelled sample.
    pub labels: Vec<Label>,
    /// Everything else that is known of the sample.
    pub meta: Meta,
    /// Frame tables of video blobs by the blobs' names, where they are known. They go into the
    /// index beside a shard, not into the shard.
    pub frame_tables: BTreeMap<String, Arc<FrameTable>>,
}

/// A class label: its index in the class map, its name, or both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Label {
    /// Position in the class map, from 0.
    pub index: Option<i64>,
    /// Name as the annotations spell it.
    pub text: Option<String>,
}

/// Encoded bytes: in memory, or a range of an open file.
///
/// A video that is only copied stays in its file until a writer streams it out.
#[derive(Debug, Clone)]
pub enum Blob {
    /// Bytes in memory.
    Bytes(Bytes),
    /// `length` bytes of `file` from `offset`. The path serves messages only.
    File {
        /// The open file; read by position, so it may be shared.
        file: Arc<File>,
        /// Its path, for messages.
        path: Arc<Path>,
        /// First byte.
        offset: u64,
        /// Number of bytes.
        length: u64,
    },
}

impl Blob {
    /// Number of bytes.
    pub fn len(&self) -> u64 {
        match self {
            Blob::Bytes(bytes) => bytes.len() as u64,
            Blob::File { length, .. } => *length,
        }
    }
    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Reads from byte `at` of the blob until `into` is full.
    ///
    /// # Errors
    /// [`crate::Kind::Io`] naming the file, also where the blob ends before.
    pub fn read_at(&self, at: u64, into: &mut [u8]) -> Result<()> {
        let short = || Error::io("fewer bytes than expected", ErrorKind::UnexpectedEof.into());
        let end = at
            .checked_add(into.len() as u64)
            .filter(|end| *end <= self.len());
        let end = end.ok_or_else(short)?;
        match self {
            Blob::Bytes(bytes) => into.copy_from_slice(&bytes[at as usize..end as usize]),
            Blob::File {
                file, path, offset, ..
            } => read_exact_at(file, offset + at, into)
                .map_err(|e| match e.kind() {
                    ErrorKind::UnexpectedEof => {
                        Error::io("the file became shorter while it was being read", e)
                    }
                    _ => Error::io("cannot read", e),
                })
                .map_err(|e| e.path(path))?,
        }
        Ok(())
    }
    /// All bytes; a file's range is read into memory.
    ///
    /// # Errors
    /// [`crate::Kind::Io`] naming the file.
    pub fn load(&self) -> Result<Bytes> {
        match self {
            Blob::Bytes(bytes) => Ok(bytes.clone()),
            Blob::File { length, .. } => {
                self.check_length()?;
                let mut bytes = vec![0; *length as usize];
                self.read_at(0, &mut bytes)?;
                Ok(bytes.into())
            }
        }
    }
    /// Asks the file whether it still is as long as the blob needs.
    ///
    /// # Errors
    /// [`crate::Kind::Io`] naming the file.
    pub fn check_length(&self) -> Result<()> {
        let Blob::File {
            file,
            path,
            offset,
            length,
        } = self
        else {
            return Ok(());
        };
        let meta = file
            .metadata()
            .map_err(|e| Error::io("cannot examine", e).path(path))?;
        if offset
            .checked_add(*length)
            .is_none_or(|end| end > meta.len())
        {
            let e = ErrorKind::UnexpectedEof.into();
            return Err(Error::io("the file became shorter since it was opened", e).path(path));
        }
        Ok(())
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, at: u64, into: &mut [u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, at)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut at: u64, mut into: &mut [u8]) -> std::io::Result<()> {
    while !into.is_empty() {
        let n = std::os::windows::fs::FileExt::seek_read(file, into, at)?;
        if n == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        (at, into) = (at + n as u64, &mut into[n..]);
    }
    Ok(())
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Blob::Bytes(bytes.into())
    }
}

impl From<Bytes> for Blob {
    fn from(bytes: Bytes) -> Self {
        Blob::Bytes(bytes)
    }
}

impl Sample {
    /// Bytes of all blobs together.
    pub fn blob_bytes(&self) -> u64 {
        self.blobs.values().map(Blob::len).sum()
    }
}
