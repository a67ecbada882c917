//! A shard as a stream of uncompressed bytes, handed out as [`Bytes`] without a second copy.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::compress::{self, Compression};
use crate::{Blob, Error, Result};

/// How much is read at a time. Also the step in which memory grows where the length is unknown.
const CHUNK: usize = 1 << 20;
/// How many bytes of the head formats are recognised by.
pub(crate) const HEAD: usize = 1024;

/// A stream that is read forward only.
pub(crate) struct Input {
    source: Box<dyn Read + Send>,
    path: PathBuf,
    /// Bytes of the file, where the stream is the file.
    total: Option<u64>,
    /// Read, but not yet taken.
    chunk: Bytes,
    /// Stream offset of `chunk`.
    offset: u64,
    /// Why no more can be read: what was read before is handed out first.
    failure: Option<std::io::Error>,
}

impl Input {
    /// Opens `path` and inflates it if its first bytes say so and `plain` does not accept them.
    pub(crate) fn open(path: &Path, plain: impl Fn(&[u8]) -> bool) -> Result<Self> {
        let mut input = Self::raw(path)?;
        input.fill(HEAD)?;
        let head = &input.chunk[..input.chunk.len().min(HEAD)];
        if plain(head) {
            return Ok(input);
        }
        let Some(compression) = compress::sniff(head) else {
            return Ok(input);
        };
        let mut inflated = Self::inflated(path, compression)?;
        if compression == Compression::Zlib {
            // Two bytes are weak evidence: a damaged shard may begin like zlib.
            let read = inflated.fill(HEAD);
            let head = &inflated.chunk[..inflated.chunk.len().min(HEAD)];
            if !plain(head) && !matches!(read, Ok(0)) {
                return Ok(input);
            }
        }
        Ok(inflated)
    }

    fn raw(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io("cannot open", e).path(path))?;
        let meta = file
            .metadata()
            .map_err(|e| Error::io("cannot examine", e).path(path))?;
        if meta.is_dir() {
            return Err(Error::usage("is a folder, not a shard").path(path));
        }
        let total = meta.is_file().then_some(meta.len());
        Ok(Self::new(Box::new(file), path, total))
    }

    fn inflated(path: &Path, compression: Compression) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io("cannot open", e).path(path))?;
        let file = BufReader::with_capacity(CHUNK, file);
        let source = compress::reader(file, compression).map_err(|e| e.path(path))?;
        Ok(Self::new(source, path, None))
    }

    fn new(source: Box<dyn Read + Send>, path: &Path, total: Option<u64>) -> Self {
        Self {
            source,
            path: path.to_owned(),
            total,
            chunk: Bytes::new(),
            offset: 0,
            failure: None,
        }
    }

    /// Reads bytes in memory; what is taken shares them.
    pub(crate) fn of_bytes(bytes: Bytes, path: &Path) -> Self {
        let total = Some(bytes.len() as u64);
        Self {
            chunk: bytes,
            ..Self::new(Box::new(std::io::empty()), path, total)
        }
    }

    /// Reads `blob` from byte `from` on; offsets count from there.
    pub(crate) fn of_blob(blob: Blob, from: u64, path: &Path) -> Self {
        let total = blob.len().saturating_sub(from);
        Self::new(Box::new(FromBlob(blob, from)), path, Some(total))
    }

    /// The file's path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
    /// Offset of the next byte in the uncompressed stream.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }
    /// Bytes from here to the end, where that is known.
    pub(crate) fn left(&self) -> Option<u64> {
        self.total.map(|total| total.saturating_sub(self.offset))
    }
    /// What has been read, but not taken.
    pub(crate) fn peek(&self) -> &[u8] {
        &self.chunk
    }

    /// Reads until at least `want` bytes can be taken; gives how many of these there are, fewer
    /// only at the end. Where the length of the stream is unknown, memory grows as bytes arrive.
    pub(crate) fn fill(&mut self, want: usize) -> Result<usize> {
        if self.chunk.len() >= want {
            return Ok(want);
        }
        let target = want.max(CHUNK);
        let expected = self
            .left()
            .map_or(CHUNK, |left| usize::try_from(left).unwrap_or(CHUNK));
        let mut grown = Vec::with_capacity(target.min(expected).max(self.chunk.len()));
        grown.extend_from_slice(&self.chunk);
        let more = (target - grown.len()) as u64;
        if self.failure.is_none() {
            let read = (&mut self.source).take(more).read_to_end(&mut grown);
            self.failure = read.err();
        }
        self.chunk = grown.into();
        match &self.failure {
            Some(e) if self.chunk.len() < want => Err(self.read_error(e)),
            _ => Ok(self.chunk.len().min(want)),
        }
    }

    fn read_error(&self, e: &std::io::Error) -> Error {
        if e.raw_os_error().is_some() || self.total.is_some() {
            let same = match e.raw_os_error() {
                Some(code) => std::io::Error::from_raw_os_error(code),
                None => e.kind().into(),
            };
            return Error::io("cannot read", same).path(&self.path);
        }
        Error::corrupt(format!(
            "the compressed stream is damaged or cut short: {e}"
        ))
        .path(&self.path)
    }

    /// Hands out all that is left, as a stream.
    pub(crate) fn into_read(self) -> impl Read + Send {
        Cursor(self.chunk).chain(Rest(self.source, self.failure))
    }

    /// Takes the next `n` bytes, which must have been filled.
    pub(crate) fn take(&mut self, n: usize) -> Bytes {
        self.offset += n as u64;
        self.chunk.split_to(n)
    }
}

struct Cursor(Bytes);

impl Read for Cursor {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let n = into.len().min(self.0.len());
        into[..n].copy_from_slice(&self.0.split_to(n));
        Ok(n)
    }
}

struct FromBlob(Blob, u64);

impl Read for FromBlob {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let left = self.0.len().saturating_sub(self.1);
        let n = into.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = self.0.read_at(self.1, &mut into[..n]);
        read.map_err(|e| std::io::Error::other(e.to_string()))?;
        self.1 += n as u64;
        Ok(n)
    }
}

/// What was not read ahead; an error that was met then is met here.
struct Rest(Box<dyn Read + Send>, Option<std::io::Error>);

impl Read for Rest {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self.1.take() {
            Some(e) => Err(e),
            None => self.0.read(into),
        }
    }
}

/// The uncompressed bytes of the shard at `path`. `compression` is what it was written with, where
/// that is known; else its first bytes decide.
///
/// An error of reading that stems from a damaged stream has no operating system's code
/// ([`std::io::Error::raw_os_error`]).
///
/// # Errors
/// [`crate::Kind::Io`]; [`crate::Kind::Unsupported`] for zstd in a build without it.
pub fn plain_bytes(path: &Path, compression: Option<Compression>) -> Result<Box<dyn Read + Send>> {
    let Some(compression) = compression else {
        return Ok(Box::new(
            Input::open(path, crate::registry::sniff_plain)?.into_read(),
        ));
    };
    let file = File::open(path).map_err(|e| Error::io("cannot open", e).path(path))?;
    let file = BufReader::with_capacity(CHUNK, file);
    compress::reader(file, compression).map_err(|e| e.path(path))
}
