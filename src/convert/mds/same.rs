//! Whether a shard stands already, byte for byte.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use kpack_formats::mds::MdsShard;

use crate::{Error, Result};

/// Whether the file at `path` is what `shard` would be written as. What cannot be read is not.
pub(super) fn is_same(shard: &MdsShard, path: &Path) -> Result<bool> {
    let meta = match std::fs::metadata(path) {
        Ok(meta) => meta,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(Error::io("cannot examine", path)(e)),
    };
    if !meta.is_file() || meta.len() != shard.info().bytes {
        return Ok(false);
    }
    let mut there = There {
        file: File::open(path).map_err(Error::io("cannot open", path))?,
        buffer: vec![0; 1 << 20],
        differs: false,
    };
    match shard.write(&mut there) {
        Ok(()) => Ok(true),
        Err(_) if there.differs => Ok(false),
        Err(e) => Err(e.path(path).into()),
    }
}

/// A file that takes only what it already holds.
struct There {
    file: File,
    buffer: Vec<u8>,
    differs: bool,
}

impl Write for There {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let most = bytes.len().min(self.buffer.len());
        let (bytes, there) = (&bytes[..most], &mut self.buffer[..most]);
        let read = self.file.read_exact(there);
        // A file that cannot be read, or became shorter, is written anew.
        if read.is_err() || bytes != there {
            self.differs = true;
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(most)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
