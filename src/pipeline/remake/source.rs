//! [`Source`]: an old shard whose samples are copied.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kpack_formats::{Blob, Compression, Extent, plain_bytes};

use crate::pipeline::row::OutcomeRow;
use crate::verify::index;
use crate::{Error, Result};

/// An old shard, before compression.
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) shard: Blob,
    /// Extents with their members, by offset; those of a damaged index are missing.
    extents: HashMap<u64, Extent>,
}

impl Source {
    /// Opens the shard `name` in `dir`. A compressed one is inflated into a file in `scratch`, as
    /// far as that goes.
    pub(crate) fn open(
        dir: &Path,
        name: &str,
        compression: Compression,
        scratch: &Path,
    ) -> Result<Source> {
        let path = dir.join(name);
        let file = match compression {
            Compression::None => File::open(&path).map_err(Error::io("cannot open", &path))?,
            packed => inflate(&path, packed, scratch)?,
        };
        let length = file
            .metadata()
            .map_err(Error::io("cannot examine", &path))?;
        let entries = index::read(&path).map_or(Vec::new(), |(index, _)| index.entries);
        let extents = entries.into_iter().map(|entry| entry.extent);
        Ok(Source {
            name: name.to_owned(),
            shard: Blob::File {
                file: Arc::new(file),
                path: Arc::from(path.as_path()),
                offset: 0,
                length: length.len(),
            },
            path,
            extents: extents.map(|extent| (extent.offset, extent)).collect(),
        })
    }

    /// Where the sample of `row` lies; without its members if the index does not know it.
    pub(crate) fn extent(&self, row: &OutcomeRow) -> Option<Extent> {
        let (offset, length, crc32c) = (row.offset?, row.length?, row.crc32c?);
        let indexed = self.extents.get(&offset);
        let same = |extent: &&Extent| (extent.length, extent.crc32c) == (length, crc32c);
        let plain = || Extent {
            offset,
            length,
            crc32c,
            members: Vec::new(),
        };
        Some(indexed.filter(same).cloned().unwrap_or_else(plain))
    }
}

/// The uncompressed bytes in a file without a name.
pub(crate) fn inflate(path: &Path, compression: Compression, scratch: &Path) -> Result<File> {
    let mut source = plain_bytes(path, Some(compression))?;
    let made = tempfile::tempfile_in(scratch);
    let mut file = made.map_err(Error::io("cannot create a file in", scratch))?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(file),
            Ok(n) => file
                .write_all(&buffer[..n])
                .map_err(Error::io("cannot write to", scratch))?,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) if e.raw_os_error().is_some() => return Err(Error::io("cannot read", path)(e)),
            // What follows the damage is missed when its samples are asked for.
            Err(_) => return Ok(file),
        }
    }
}
