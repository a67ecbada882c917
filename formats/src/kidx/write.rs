//! The index writer.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

use crate::crc::crc32c;
use crate::kidx::coding::{put, put_place, put_text};
use crate::kidx::tables::put_tables;
use crate::kidx::{Before, IndexReader, TABLES, TEXT_MAX, VERSIONS, head};
use crate::{Error, Extent, Result};

/// Writes an index, one call to the operating system per sample.
#[derive(Debug)]
pub struct IndexWriter {
    file: File,
    before: Before,
    samples: u64,
    version: u8,
    buffer: Vec<u8>,
    /// The frame tables of one sample.
    tables: Vec<u8>,
}

impl IndexWriter {
    /// Begins an index; what `file` holds is cut off.
    ///
    /// # Errors
    /// [`crate::Kind::Io`].
    pub fn create(mut file: File) -> Result<Self> {
        file.set_len(0)
            .map_err(|e| Error::io("cannot cut the index", e))?;
        file.seek(SeekFrom::Start(0))
            .map_err(|e| Error::io("cannot seek in the index", e))?;
        let version = *VERSIONS.end();
        file.write_all(&head(version))
            .map_err(|e| Error::io("cannot write the index", e))?;
        Ok(Self {
            file,
            before: Before::default(),
            samples: 0,
            version,
            buffer: Vec::new(),
            tables: Vec::new(),
        })
    }

    /// Continues an index behind the last entry that `reader` gave; what follows is cut off.
    ///
    /// # Errors
    /// [`crate::Kind::Io`].
    pub fn continue_after(reader: IndexReader) -> Result<Self> {
        let IndexReader {
            source,
            before,
            samples,
            position,
            version,
            ..
        } = reader;
        let mut file = source.into_inner();
        file.set_len(position)
            .map_err(|e| Error::io("cannot cut the index", e))?;
        file.seek(SeekFrom::Start(position))
            .map_err(|e| Error::io("cannot seek in the index", e))?;
        Ok(Self {
            file,
            before,
            samples,
            version,
            buffer: Vec::new(),
            tables: Vec::new(),
        })
    }

    /// Adds the sample that follows in the shard.
    ///
    /// # Errors
    /// [`crate::Kind::Io`].
    pub fn append(&mut self, key: &str, extent: &Extent) -> Result<()> {
        let names = extent.members.iter().map(|member| member.name.as_str());
        let length = names.chain([key]).map(str::len).max().unwrap_or(0);
        if length > TEXT_MAX {
            let text = format!("a name of {length} bytes is above {TEXT_MAX}; shorten it");
            return Err(Error::usage(text).key(key));
        }
        self.buffer.clear();
        self.buffer.extend_from_slice(&[0; 8]);
        put_text(&mut self.buffer, &self.before.key, key);
        put_place(
            &mut self.buffer,
            self.before.end,
            extent.offset,
            extent.length,
            extent.crc32c,
        );
        put(&mut self.buffer, extent.members.len() as u64);
        let (mut name, mut end) = ("", extent.offset);
        for member in &extent.members {
            put_text(&mut self.buffer, name, &member.name);
            put_place(
                &mut self.buffer,
                end,
                member.offset,
                member.length,
                member.crc32c,
            );
            (name, end) = (&member.name, member.offset.wrapping_add(member.length));
        }
        self.tables.clear();
        if self.version >= TABLES {
            put_tables(&mut self.tables, &extent.members);
            put(&mut self.buffer, self.tables.len() as u64);
        }
        let body = self.buffer.len() - 8;
        let length = u32::try_from(body).map_err(|_| {
            Error::limit("the sample has too many members for an index; use fewer frames").key(key)
        })?;
        let crc = crc32c(&self.buffer[8..]);
        self.buffer[..4].copy_from_slice(&length.to_le_bytes());
        self.buffer[4..8].copy_from_slice(&crc.to_le_bytes());
        if !self.tables.is_empty() {
            let crc = crc32c(&self.tables);
            self.buffer.extend_from_slice(&crc.to_le_bytes());
            self.buffer.extend_from_slice(&self.tables);
        }
        self.file
            .write_all(&self.buffer)
            .map_err(|e| Error::io("cannot write the index", e))?;
        self.before.key.clear();
        self.before.key.push_str(key);
        self.before.end = extent.offset.wrapping_add(extent.length);
        self.samples += 1;
        Ok(())
    }

    /// Writes the tail; `bytes` is the length of the shard before compression. Gives the file back,
    /// so that it can be synced.
    ///
    /// # Errors
    /// [`crate::Kind::Io`].
    pub fn finish(mut self, bytes: u64) -> Result<File> {
        let mut tail = [0; 24];
        tail[8..16].copy_from_slice(&self.samples.to_le_bytes());
        tail[16..].copy_from_slice(&bytes.to_le_bytes());
        let crc = crc32c(&tail[8..]);
        tail[4..8].copy_from_slice(&crc.to_le_bytes());
        self.file
            .write_all(&tail)
            .map_err(|e| Error::io("cannot write the index", e))?;
        Ok(self.file)
    }
}
