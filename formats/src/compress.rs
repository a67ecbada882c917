//! Compression of whole shards: one stream, written in one pass when a shard is done.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};

use flate2::GzBuilder;
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use flate2::write::ZlibEncoder;

use crate::{Error, Result};

/// How a whole shard is compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// RFC 1952: tar shards and TFRecord `GZIP`.
    Gzip,
    /// RFC 1950: TFRecord `ZLIB`.
    Zlib,
    /// Zstandard; kpack's own for TFRecord.
    Zstd,
}

impl Compression {
    /// Level where none is given.
    pub fn default_level(self) -> u32 {
        match self {
            Compression::None => 0,
            Compression::Gzip | Compression::Zlib => 6,
            Compression::Zstd => 3,
        }
    }
    /// Levels that may be given.
    pub fn levels(self) -> std::ops::RangeInclusive<u32> {
        match self {
            Compression::None => 0..=0,
            Compression::Gzip | Compression::Zlib => 1..=9,
            Compression::Zstd => 1..=22,
        }
    }
}

/// Compresses `source` from its current position into `target` as one stream and gives the bytes
/// written. The same input and level give the same bytes: gzip has no time and no name.
///
/// # Errors
/// [`crate::Kind::Io`]; [`crate::Kind::Usage`] for a level out of range;
/// [`crate::Kind::Unsupported`] for zstd in a build without it.
pub fn compress_file(
    source: File,
    target: File,
    compression: Compression,
    level: Option<u32>,
) -> Result<u64> {
    let level = level.unwrap_or(compression.default_level());
    let levels = compression.levels();
    if !levels.contains(&level) {
        let text = format!("compression level {level} is not in {levels:?}");
        return Err(Error::usage(text));
    }
    let mut source = BufReader::with_capacity(1 << 20, source);
    let mut target = Counted {
        inner: BufWriter::with_capacity(1 << 20, target),
        bytes: 0,
    };
    let io = |e| Error::io("cannot compress the shard", e);
    match compression {
        Compression::None => drop(std::io::copy(&mut source, &mut target).map_err(io)?),
        Compression::Gzip => {
            let level = flate2::Compression::new(level);
            let builder = GzBuilder::new().mtime(0).operating_system(3);
            let mut gzip = builder.write(&mut target, level);
            std::io::copy(&mut source, &mut gzip)
                .and_then(|_| gzip.try_finish())
                .map_err(io)?;
        }
        Compression::Zlib => {
            let mut zlib = ZlibEncoder::new(&mut target, flate2::Compression::new(level));
            std::io::copy(&mut source, &mut zlib)
                .and_then(|_| zlib.try_finish())
                .map_err(io)?;
        }
        Compression::Zstd => zstd_copy(&mut source, &mut target, level)?,
    }
    target.flush().map_err(io)?;
    Ok(target.bytes)
}

/// Inflates the compressed shard at `path` into `target`, from its current position, and gives the
/// bytes written. A file that is not compressed is copied.
///
/// # Errors
/// [`crate::Kind::Io`]; [`crate::Kind::Corrupt`] for a damaged stream;
/// [`crate::Kind::Unsupported`] for zstd in a build without it.
pub fn inflate_file(path: &std::path::Path, target: File) -> Result<u64> {
    let io = |e| Error::io("cannot read", e).path(path);
    let file = File::open(path).map_err(io)?;
    let mut file = BufReader::with_capacity(1 << 20, file);
    let head = file.fill_buf().map_err(io)?;
    let compression = sniff(head).unwrap_or_default();
    let mut source = reader(file, compression).map_err(|e| e.path(path))?;
    let mut target = Counted {
        inner: target,
        bytes: 0,
    };
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = match source.read(&mut buffer) {
            Ok(0) => return Ok(target.bytes),
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) if e.raw_os_error().is_some() => return Err(io(e)),
            Err(e) => {
                let text = format!("the compressed stream is damaged or cut short: {e}");
                return Err(Error::corrupt(text).path(path));
            }
        };
        target
            .write_all(&buffer[..n])
            .map_err(|e| Error::io("cannot write the inflated shard of", e).path(path))?;
    }
}

struct Counted<W> {
    inner: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.bytes += n as u64;
        Ok(n)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(feature = "zstd")]
fn zstd_copy(source: &mut impl Read, target: &mut impl Write, level: u32) -> Result<()> {
    let io = |e| Error::io("cannot compress the shard", e);
    let mut zstd = zstd::Encoder::new(target, level as i32).map_err(io)?;
    zstd.include_checksum(true).map_err(io)?;
    std::io::copy(source, &mut zstd)
        .and_then(|_| zstd.finish())
        .map_err(io)?;
    Ok(())
}

#[cfg(not(feature = "zstd"))]
fn zstd_copy(_: &mut impl Read, _: &mut impl Write, _: u32) -> Result<()> {
    Err(no_zstd())
}

#[cfg(not(feature = "zstd"))]
fn no_zstd() -> Error {
    Error::unsupported("this build has no zstd; build it with the feature zstd")
}

/// The compression that a file's first bytes look like.
pub(crate) fn sniff(head: &[u8]) -> Option<Compression> {
    match head {
        [0x1f, 0x8b, 8, ..] => Some(Compression::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Compression::Zstd),
        [a, b, ..] if a & 0x8f == 8 && (u16::from(*a) << 8 | u16::from(*b)).is_multiple_of(31) => {
            Some(Compression::Zlib)
        }
        _ => None,
    }
}

/// The uncompressed bytes of `source`. Several gzip members or zstd frames are read as one stream;
/// anything after a zlib stream is an error.
pub(crate) fn reader(
    source: BufReader<File>,
    compression: Compression,
) -> Result<Box<dyn Read + Send>> {
    Ok(match compression {
        Compression::None => Box::new(source),
        Compression::Gzip => Box::new(MultiGzDecoder::new(source)),
        Compression::Zlib => Box::new(OneZlib(ZlibDecoder::new(source))),
        #[cfg(feature = "zstd")]
        Compression::Zstd => Box::new(
            zstd::Decoder::with_buffer(source).map_err(|e| Error::io("cannot start zstd", e))?,
        ),
        #[cfg(not(feature = "zstd"))]
        Compression::Zstd => return Err(no_zstd()),
    })
}

struct OneZlib(ZlibDecoder<BufReader<File>>);

impl Read for OneZlib {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let n = self.0.read(into)?;
        if n == 0 && !into.is_empty() && !self.0.get_mut().fill_buf()?.is_empty() {
            let text = "bytes follow the end of the zlib stream";
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, text));
        }
        Ok(n)
    }
}
