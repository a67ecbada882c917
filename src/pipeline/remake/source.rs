//! [`Source`]: an old shard whose samples are copied.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kpack_formats::{
    Blob, Compression, Extent, Layout, Member, ReadOptions, Schema, WriteOptions, plain_bytes,
};

use crate::pipeline::row::OutcomeRow;
use crate::pipeline::target::ShardTarget;
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

    /// Where the sample of `row` lies. Its members are found out anew if the index does not know them.
    pub(crate) fn extent(&self, row: &OutcomeRow, target: Option<&ShardTarget>) -> Option<Extent> {
        let (offset, length, crc32c) = (row.offset?, row.length?, row.crc32c?);
        let end = offset.checked_add(length)?;
        if end > self.shard.len() {
            return None;
        }
        let indexed = self.extents.get(&offset);
        let same = |extent: &&Extent| (extent.length, extent.crc32c) == (length, crc32c);
        let mut extent = indexed.filter(same).cloned().unwrap_or(Extent {
            offset,
            length,
            crc32c,
            members: Vec::new(),
        });
        if extent.members.is_empty() {
            let members = target.and_then(|target| members(&self.shard, &extent, target));
            extent.members = members.unwrap_or_default();
        }
        Some(extent)
    }

    /// Whether the sample of `row` is there as it was written.
    pub(crate) fn holds(&self, row: &OutcomeRow) -> bool {
        let place = (row.offset, row.length, row.crc32c);
        let (Some(offset), Some(length), Some(crc32c)) = place else {
            return false;
        };
        checksum(&self.shard, offset, length) == Some(crc32c)
    }
}

/// Longest sample whose members are found out: it stands in memory whole.
const MEMBERS_MAX: u64 = 2 << 30;

/// CRC-32C of a stretch of `shard`; `None` if it is not there.
pub(crate) fn checksum(shard: &Blob, offset: u64, length: u64) -> Option<u32> {
    let (mut at, mut crc, mut buffer) = (0, 0, Vec::new());
    while at < length {
        buffer.resize((length - at).min(1 << 20) as usize, 0);
        shard.read_at(offset.checked_add(at)?, &mut buffer).ok()?;
        crc = kpack_formats::crc32c_append(crc, &buffer);
        at += buffer.len() as u64;
    }
    Some(crc)
}

/// The members of the sample at `extent`, if writing it again gives the same bytes.
pub(crate) fn members(shard: &Blob, extent: &Extent, target: &ShardTarget) -> Option<Vec<Member>> {
    let Layout::Log { create } = target.format.layout else {
        return None;
    };
    if extent.length > MEMBERS_MAX {
        return None;
    }
    let mut bytes = vec![0; usize::try_from(extent.length).ok()?];
    shard.read_at(extent.offset, &mut bytes).ok()?;
    let read = target.format.read?;
    let mut reader = read(bytes.into(), Path::new(""), &ReadOptions::default());
    let sample = reader.next_sample().ok()??;
    let schemas = [
        target.write.schema,
        Schema::Example,
        Schema::Dmvr,
        Schema::Sound,
    ];
    schemas.into_iter().find_map(|schema| {
        let mut writer = create(tempfile::tempfile().ok()?, 0, &WriteOptions { schema }).ok()?;
        let again = writer.append(&sample).ok()?;
        let same = (again.length, again.crc32c) == (extent.length, extent.crc32c);
        let moved = |member: Member| Member {
            offset: member.offset + extent.offset,
            ..member
        };
        same.then(|| again.members.into_iter().map(moved).collect())
    })
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
