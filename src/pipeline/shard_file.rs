//! [`ShardFile`]: the one shard that is being written, with its index, and how it is committed.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Instant;

use kpack_formats::{
    Compression, Error as FormatError, Extent, IndexEntry, IndexReader, IndexWriter, Kind, Layout,
    Limits, Sample, ShardWriter, compress_file, crc32c_join,
};

use crate::pipeline::dataset::ShardRecord;
use crate::pipeline::files::{exists, moment, open_rw, remove, rename, sync_folder};
use crate::pipeline::flusher::Flusher;
use crate::pipeline::folder::{Folder, index_name};
use crate::pipeline::log::{Event, Log};
use crate::pipeline::piece::Piece;
use crate::pipeline::target::ShardTarget;
use crate::stopwatch::{self, Step};
use crate::{Error, Result};

/// Offset, length and CRC-32C of a sample, as its row has them.
pub(crate) type Written = (u64, u64, u32);

pub(crate) struct ShardFile {
    pub(crate) name: String,
    pub(crate) split: Option<String>,
    target: ShardTarget,
    partial: PathBuf,
    /// The same file as the writer's.
    file: File,
    writer: Box<dyn ShardWriter + Send>,
    index: IndexWriter,
    /// The same file as the index's.
    index_file: File,
    flusher: Option<Flusher>,
    /// End of the last sample kept.
    pub(crate) end: u64,
    crc32c: u32,
    pub(crate) samples: u64,
}

impl ShardFile {
    /// Begins the shard `name`, over whatever an earlier run left of it.
    pub(crate) fn create(
        folder: &Folder,
        target: &ShardTarget,
        name: &str,
        split: Option<&str>,
    ) -> Result<Self> {
        let partial = folder.partial(name);
        let file = open_rw(&partial)?;
        let index_file = open_rw(&folder.partial(&index_name(name)))?;
        let index = IndexWriter::create(again(&index_file, &partial)?)?;
        Self::open(
            target,
            name,
            split,
            (partial, file),
            (index_file, index),
            &[],
        )
    }

    /// Continues the shard `name` with as many of the `written` samples as are still there byte by
    /// byte, in the index too; the rest is cut off. `None` if there are none.
    pub(crate) fn resume(
        folder: &Folder,
        target: &ShardTarget,
        name: &str,
        split: Option<&str>,
        written: &[Written],
    ) -> Result<Option<Self>> {
        // A commit that did not get as far as its log line is taken back.
        for name in [name, &index_name(name)] {
            let (partial, whole) = (folder.partial(name), folder.whole(name));
            if !exists(&partial) && exists(&whole) {
                rename(&whole, &partial)?;
            }
        }
        let (partial, index) = (folder.partial(name), folder.partial(&index_name(name)));
        if !exists(&partial) || !exists(&index) {
            return Ok(None);
        }
        let file = open_rw(&partial)?;
        let kept = matching(&file, &partial, &index, written)?;
        if kept == 0 {
            return Ok(None);
        }
        let index_file = open_rw(&index)?;
        let mut reader = IndexReader::new(again(&index_file, &index)?, Limits::default())?;
        for _ in 0..kept {
            reader.next_entry()?;
        }
        let index = IndexWriter::continue_after(reader)?;
        let kept = &written[..kept];
        Self::open(
            target,
            name,
            split,
            (partial, file),
            (index_file, index),
            kept,
        )
        .map(Some)
    }

    fn open(
        target: &ShardTarget,
        name: &str,
        split: Option<&str>,
        (partial, file): (PathBuf, File),
        (index_file, index): (File, IndexWriter),
        kept: &[Written],
    ) -> Result<Self> {
        let end = kept.last().map_or(0, |(offset, length, _)| offset + length);
        let join = |crc, (_, length, next): &Written| crc32c_join(crc, *next, *length);
        Ok(Self {
            name: name.to_owned(),
            split: split.map(str::to_owned),
            target: target.clone(),
            writer: writer(target, &file, end).map_err(|e| e.path(&partial))?,
            flusher: Flusher::start(again(&file, &partial)?, end),
            partial,
            file,
            index,
            index_file,
            end,
            crc32c: kept.iter().fold(0, join),
            samples: kept.len() as u64,
        })
    }

    /// Writes a sample, made or stored. It counts only when it is kept.
    pub(crate) fn write(&mut self, piece: Piece<'_>) -> Result<Extent, FormatError> {
        let _step = stopwatch::enter(Step::Write);
        let stored = match piece {
            Piece::Made(sample) => return self.append(sample),
            Piece::Stored(stored) => stored,
        };
        let copied = stored.copy_to(&mut self.file, self.end);
        let end = copied.as_ref().map_or(0, |extent| extent.length) + self.end;
        let place = |e: FormatError| e.path(&self.partial);
        self.writer = writer(&self.target, &self.file, end).map_err(place)?;
        copied.map_err(place)
    }

    /// Writes a sample. It counts only when it is kept. After an error that is the sample's own,
    /// the file ends where it ended before.
    pub(crate) fn append(&mut self, sample: &Sample) -> Result<Extent, FormatError> {
        let mut appended = self
            .writer
            .append(sample)
            .map_err(|e| e.path(&self.partial));
        if let Ok(extent) = &mut appended {
            extent.learn(&sample.frame_tables);
        }
        if let Err(e) = &appended
            && (e.kind() != Kind::Io || e.at().path.as_deref() != Some(&self.partial))
        {
            self.cut_back()?;
        }
        appended
    }

    /// Counts the sample that was written last.
    pub(crate) fn keep(&mut self, key: &str, extent: &Extent) -> Result<()> {
        moment()?;
        self.index.append(key, extent)?;
        self.end = extent.offset + extent.length;
        self.crc32c = crc32c_join(self.crc32c, extent.crc32c, extent.length);
        self.samples += 1;
        if let Some(flusher) = &mut self.flusher {
            flusher.grown(self.end);
        }
        Ok(())
    }

    /// Takes back what was written and not kept.
    pub(crate) fn cut_back(&mut self) -> Result<(), FormatError> {
        self.writer =
            writer(&self.target, &self.file, self.end).map_err(|e| e.path(&self.partial))?;
        Ok(())
    }

    pub(crate) fn sync(&self) -> Result<()> {
        let _step = stopwatch::enter(Step::Sync);
        let synced = self
            .file
            .sync_data()
            .and_then(|()| self.index_file.sync_data());
        synced.map_err(Error::io("cannot sync", &self.partial))
    }

    /// Puts the whole shard in its place. The order matters: data and log last through a power cut
    /// before the name appears, and the log says that it appeared only after the folder knows.
    pub(crate) fn commit(self, folder: &Folder, log: &mut Log) -> Result<ShardRecord> {
        let (begun, _step) = (Instant::now(), stopwatch::enter(Step::Sync));
        moment()?;
        let info = self.writer.finish().map_err(|e| e.path(&self.partial))?;
        moment()?;
        let index = self.index.finish(info.bytes)?;
        if let Some(flusher) = self.flusher {
            flusher.end(&self.partial)?;
        }
        let whole = folder.whole(&self.name);
        let index_partial = folder.partial(&index_name(&self.name));
        let mut record = ShardRecord {
            name: self.name,
            split: self.split,
            samples: self.samples,
            bytes: info.bytes,
            crc32c: self.crc32c,
        };
        let ready = if self.target.compression == Compression::None {
            let (crc, length) = checksum(&self.partial, self.end)?;
            record.crc32c = crc32c_join(record.crc32c, crc, length);
            self.file
                .sync_all()
                .map_err(Error::io("cannot sync", &self.partial))?;
            self.partial.clone()
        } else {
            let packed = folder.packed(&record.name);
            (record.crc32c, record.bytes) = compress(&self.target, &self.partial, &packed)?;
            packed
        };
        index
            .sync_all()
            .map_err(Error::io("cannot sync", &index_partial))?;
        log.sync(begun)?;
        rename(&ready, &whole)?;
        rename(&index_partial, &folder.whole(&index_name(&record.name)))?;
        sync_folder(whole.parent().unwrap_or(&folder.out))?;
        log.append(&Event::Shard(&record))?;
        log.sync(begun)?;
        remove(&self.partial)?;
        Ok(record)
    }
}

/// Another handle of `file`.
fn again(file: &File, path: &Path) -> Result<File> {
    file.try_clone()
        .map_err(Error::io("cannot duplicate the handle of", path))
}

/// A writer that goes on at `end`, on a handle of its own.
fn writer(
    target: &ShardTarget,
    file: &File,
    end: u64,
) -> Result<Box<dyn ShardWriter + Send>, FormatError> {
    let Layout::Log { create } = target.format.layout else {
        let text = format!("{} is not written as shards", target.format.name);
        return Err(FormatError::usage(text));
    };
    let file = file
        .try_clone()
        .map_err(|e| FormatError::io("cannot duplicate the handle of", e))?;
    create(file, end, &target.write)
}

/// Bytes that an empty shard has.
pub(crate) fn trailer(folder: &Folder, target: &ShardTarget) -> Result<u64> {
    let path = folder.scratch();
    let file = open_rw(&path)?;
    let info = writer(target, &file, 0).and_then(|writer| writer.finish());
    remove(&path)?;
    Ok(info.map_err(|e| e.path(&path))?.bytes)
}

/// How many of the `written` samples are in the shard and in its index as they should be.
fn matching(mut file: &File, path: &Path, index: &Path, written: &[Written]) -> Result<usize> {
    let index = File::open(index).map_err(Error::io("cannot open", index))?;
    let Ok(mut index) = IndexReader::new(index, Limits::default()) else {
        return Ok(0);
    };
    file.seek(SeekFrom::Start(0))
        .map_err(Error::io("cannot read", path))?;
    let mut buffer = vec![0; 1 << 20];
    for (i, (offset, length, crc32c)) in written.iter().enumerate() {
        let Ok(Some(IndexEntry { extent, .. })) = index.next_entry() else {
            return Ok(i);
        };
        let indexed = (extent.offset, extent.length, extent.crc32c);
        let begin = if i == 0 {
            0
        } else {
            written[i - 1].0 + written[i - 1].1
        };
        if indexed != (*offset, *length, *crc32c) || *offset != begin {
            return Ok(i);
        }
        let crc = read_crc(&mut file.take(*length), path, &mut buffer)?;
        if crc != (*crc32c, *length) {
            return Ok(i);
        }
    }
    Ok(written.len())
}

/// CRC-32C and number of the bytes of a file from `from` on.
fn checksum(path: &Path, from: u64) -> Result<(u32, u64)> {
    let mut file = File::open(path).map_err(Error::io("cannot open", path))?;
    file.seek(SeekFrom::Start(from))
        .map_err(Error::io("cannot read", path))?;
    read_crc(&mut file, path, &mut vec![0; 1 << 20])
}

fn read_crc(from: &mut impl Read, path: &Path, buffer: &mut [u8]) -> Result<(u32, u64)> {
    let (mut crc, mut length) = (0, 0);
    loop {
        match from.read(buffer) {
            Ok(0) => return Ok((crc, length)),
            Ok(n) => {
                crc = kpack_formats::crc32c_append(crc, &buffer[..n]);
                length += n as u64;
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Error::io("cannot read", path)(e)),
        }
    }
}

/// Compresses a whole shard and gives CRC-32C and length of the result, which is synced.
fn compress(target: &ShardTarget, from: &Path, to: &Path) -> Result<(u32, u64)> {
    remove(to)?;
    let source = File::open(from).map_err(Error::io("cannot open", from))?;
    let packed = open_rw(to)?;
    let handle = packed
        .try_clone()
        .map_err(Error::io("cannot duplicate the handle of", to))?;
    compress_file(source, handle, target.compression, target.level).map_err(|e| e.path(to))?;
    packed.sync_all().map_err(Error::io("cannot sync", to))?;
    checksum(to, 0)
}
