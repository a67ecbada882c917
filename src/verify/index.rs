//! The index of a shard: read whole, and checked for sense.

use std::fs::File;
use std::path::{Path, PathBuf};

use kpack_formats::{Error as FormatError, IndexEntry, IndexReader, Kind, Limits, crc32c_join};

use super::Damage;
use crate::bounded;

/// An index that makes sense.
pub(crate) struct Index {
    pub(crate) entries: Vec<IndexEntry>,
    /// Length of the shard before compression.
    pub(crate) shard_bytes: u64,
    /// Length of the index itself.
    pub(crate) bytes: u64,
}

/// Path of a shard's index.
pub(crate) fn path_of(shard: &Path) -> PathBuf {
    let mut name = shard.as_os_str().to_owned();
    name.push(".kidx");
    name.into()
}

/// Reads the index of `shard`; `None` where there is none, and the damage where it is damaged, with
/// the entries in front of it.
pub(crate) fn read(shard: &Path) -> Option<(Index, Option<Damage>)> {
    let path = path_of(shard);
    let file = match bounded::open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return None,
        Err(e) => {
            let damage = Damage::of(&path, format!("cannot be opened: {e}"));
            return Some((Index::empty(), Some(damage)));
        }
    };
    let mut index = Index {
        bytes: file.metadata().map_or(0, |meta| meta.len()),
        ..Index::empty()
    };
    let wrong = index.fill(file).err();
    let damage = wrong.map(|e| Damage::from_error(&path, &e));
    Some((index, damage))
}

impl Index {
    pub(crate) fn empty() -> Self {
        Self {
            entries: Vec::new(),
            shard_bytes: 0,
            bytes: 0,
        }
    }

    fn fill(&mut self, file: File) -> Result<(), FormatError> {
        let mut reader = IndexReader::new(file, Limits::default())?;
        let mut end = 0;
        loop {
            let at = reader.position();
            let Some(entry) = reader.next_entry()? else {
                break;
            };
            end = follows(&entry, end).ok_or_else(|| {
                let text = "the entry does not lie where the one before it ends";
                FormatError::new(Kind::Corrupt, text)
                    .offset(at)
                    .key(&entry.key)
            })?;
            self.entries.push(entry);
        }
        self.shard_bytes = reader.shard_bytes().unwrap_or(0);
        if end > self.shard_bytes {
            let text = format!(
                "its entries end at byte {end} of a shard of {} bytes",
                self.shard_bytes
            );
            return Err(FormatError::new(Kind::Corrupt, text));
        }
        Ok(())
    }

    /// End of the last sample.
    pub(crate) fn end(&self) -> u64 {
        let last = self.entries.last().map(|entry| &entry.extent);
        last.map_or(0, |extent| extent.offset + extent.length)
    }

    /// CRC-32C of a plain shard whose samples are these and whose end is `trailer`.
    pub(crate) fn checksum(&self, trailer: &[u8]) -> u32 {
        let join =
            |crc, entry: &IndexEntry| crc32c_join(crc, entry.extent.crc32c, entry.extent.length);
        let samples = self.entries.iter().fold(0, join);
        kpack_formats::crc32c_append(samples, trailer)
    }
}

/// End of `entry`, if it begins at `begin` and its members lie inside it in order.
fn follows(entry: &IndexEntry, begin: u64) -> Option<u64> {
    let extent = &entry.extent;
    let end = extent.offset.checked_add(extent.length)?;
    let mut at = extent.offset;
    for member in &extent.members {
        let inside = member.offset >= at;
        at = member.offset.checked_add(member.length)?;
        if !inside || at > end {
            return None;
        }
    }
    (extent.offset == begin).then_some(end)
}
