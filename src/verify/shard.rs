//! One shard: hashed in one pass, looked into where that differs.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use kpack_formats::{Compression, Format, ReadOptions, Reading};

use super::decode::{self, Expected};
use super::index::{self, Index};
use super::stream::{self, TAR_END};
use super::{Damage, Options, Report, Watch, beside};
use crate::pipeline::ShardRecord;
use crate::worker::Workers;
use crate::{Error, Result, bounded};

/// Bytes read at a time.
const CHUNK: usize = 256 << 10;

/// A shard and what is known of it.
pub(crate) struct Shard {
    pub(crate) path: PathBuf,
    /// Its line in the manifest.
    pub(crate) record: Option<ShardRecord>,
    /// As the manifest says; `None` where it is found out from the bytes.
    pub(crate) compression: Option<Compression>,
    /// Its rows in the order of the samples.
    pub(crate) rows: Option<Vec<Expected>>,
    /// Whether an index has to be there.
    pub(crate) indexed: bool,
    pub(crate) decode: bool,
}

impl Shard {
    /// A shard of which only the path is known.
    pub(crate) fn loose(path: &Path, options: &Options) -> Self {
        Self {
            path: path.to_owned(),
            record: None,
            compression: None,
            rows: None,
            indexed: false,
            decode: options.decode,
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |meta| meta.len())
    }

    pub(crate) fn verify(self, workers: &Workers, watch: &dyn Watch) -> Result<Report> {
        let mut report = Report {
            shards: 1,
            ..Report::default()
        };
        if !self.path.exists() {
            report.damaged(Damage::of(&self.path, "the shard is missing"));
            return Ok(report);
        }
        if !self.path.is_file() {
            report.damaged(Damage::of(&self.path, "is no regular file"));
            return Ok(report);
        }
        let index = self.index(&mut report);
        let format = kpack_formats::sniff(&self.path);
        let format = match format {
            Ok(format) => format,
            Err(e) => {
                report.damaged(Damage::from_error(&self.path, &e));
                return Ok(report);
            }
        };
        let (crc, bytes) = match checksum(&self.path, watch) {
            Ok(found) => found,
            Err(Error::Io { what, source, .. }) => {
                report.damaged(Damage::of(&self.path, format!("{what} it: {source}")));
                return Ok(report);
            }
            Err(e) => return Err(e),
        };
        report.bytes += bytes;
        let is_tar = format.name == "webdataset";
        let trailer: &[u8] = if is_tar { &TAR_END } else { &[] };
        let expected = self.expected(index.as_ref(), trailer);
        match expected {
            Some(expected) if expected == (crc, bytes) => {
                report.samples = self.samples(index.as_ref());
            }
            Some((_, length)) => {
                report.samples = self.samples(index.as_ref());
                self.look_into(format, index.as_ref(), (bytes, length), &mut report)?;
            }
            None if index.is_some() => {
                // Compressed, and without a manifest.
                report.samples = self.samples(index.as_ref());
                self.look_into(format, index.as_ref(), (bytes, bytes), &mut report)?;
            }
            None => self.read_through(format, &mut report)?,
        }
        if is_plain(&self.path) {
            beside::check(&self.path, is_tar, &mut report);
        }
        if self.decode {
            decode::shard(
                &self.path,
                format,
                self.rows.as_deref(),
                workers,
                &mut report,
            )?;
        }
        Ok(report)
    }

    fn samples(&self, index: Option<&Index>) -> u64 {
        let record = self.record.as_ref().map(|record| record.samples);
        record.unwrap_or_else(|| index.map_or(0, |index| index.entries.len() as u64))
    }

    /// The index, if it is there and whole; what is wrong with it is told.
    fn index(&self, report: &mut Report) -> Option<Index> {
        let path = index::path_of(&self.path);
        let Some((index, damage)) = index::read(&self.path) else {
            if self.indexed {
                report.damaged(Damage::of(&path, "the index is missing"));
            }
            return None;
        };
        report.bytes += index.bytes;
        if let Some(damage) = damage {
            report.damaged(damage);
            return None;
        }
        if let Some(wrong) = self.contradiction(&index) {
            report.damaged(Damage::of(&path, wrong));
            return None;
        }
        Some(index)
    }

    /// What the index says that manifest and rows do not.
    fn contradiction(&self, index: &Index) -> Option<String> {
        let samples = index.entries.len();
        if let Some(record) = &self.record
            && record.samples != samples as u64
        {
            let text = format!(
                "the index has {samples} samples, the manifest says {}",
                record.samples
            );
            return Some(text);
        }
        let rows = self.rows.as_ref()?;
        if rows.len() != samples {
            return Some(format!(
                "the index has {samples} samples, the rows say {}",
                rows.len()
            ));
        }
        let differs = index.entries.iter().zip(rows).find(|(entry, row)| {
            let extent = &entry.extent;
            entry.key != row.key
                || Some((extent.offset, extent.length, extent.crc32c)) != row.extent
        });
        differs.map(|(entry, row)| {
            format!(
                "the index has {} where the rows have {}, or places it elsewhere",
                entry.key, row.key
            )
        })
    }

    /// Checksum and length of the file; `None` where nothing tells.
    fn expected(&self, index: Option<&Index>, trailer: &[u8]) -> Option<(u32, u64)> {
        if let Some(record) = &self.record {
            return Some((record.crc32c, record.bytes));
        }
        let index = index?;
        let plain = match self.compression {
            Some(compression) => compression == Compression::None,
            None => is_plain(&self.path),
        };
        let whole = index.end().saturating_add(trailer.len() as u64) == index.shard_bytes;
        (plain && whole).then(|| (index.checksum(trailer), index.shard_bytes))
    }

    /// Names what is damaged, by the index, else by the rows, else by the format itself.
    fn look_into(
        &self,
        format: &Format,
        index: Option<&Index>,
        (bytes, expected): (u64, u64),
        report: &mut Report,
    ) -> Result<()> {
        let from_rows = self.rows.as_deref().map(stream::entries);
        let (entries, total) = match (index, &from_rows) {
            (Some(index), _) => (&index.entries, Some(index.shard_bytes)),
            (None, Some(entries)) => (entries, None),
            (None, None) => {
                report.damaged(self.whole_file(bytes, expected));
                return self.read_through(format, report);
            }
        };
        let before = report.damage.len();
        let is_tar = format.name == "webdataset";
        let damage = stream::localise(&self.path, self.compression, is_tar, entries, total)?;
        report.damage.extend(damage);
        if report.damage.len() == before && self.record.is_some() {
            report.damaged(self.whole_file(bytes, expected));
        }
        Ok(())
    }

    /// For damage that only the checksum of the file shows.
    fn whole_file(&self, bytes: u64, expected: u64) -> Damage {
        let what = if bytes == expected {
            format!("the file's {bytes} bytes do not match the manifest's checksum")
        } else {
            format!("the file has {bytes} bytes, the manifest says {expected}")
        };
        Damage::of(&self.path, what)
    }

    /// Reads all samples, so that the format's own checks speak.
    fn read_through(&self, format: &Format, report: &mut Report) -> Result<()> {
        if format.name == "webdataset" && self.record.is_none() {
            report.notes.push(format!(
                "{}: without an index or a manifest only the headers of a tar can be checked",
                self.path.display()
            ));
        }
        let mut reader = match (format.open)(&self.path, &ReadOptions::default()) {
            Ok(reader) => reader,
            Err(e) => {
                report.damaged(Damage::from_error(&self.path, &e));
                return Ok(());
            }
        };
        let (samples, damage) = walk(&mut reader, &self.path)?;
        report.samples = report.samples.max(samples);
        let (offset, length) = reader.position();
        if format.name == "webdataset" && damage.is_empty() && offset + length == self.bytes() {
            let what = "the archive has no end: it was cut between two members, or never finished";
            report.damaged(Damage::of(&self.path, what).at(offset + length));
        }
        report.damage.extend(damage);
        Ok(())
    }
}

/// Counts samples and gathers damage until the reader comes no further.
fn walk(reader: &mut Reading, path: &Path) -> Result<(u64, Vec<Damage>)> {
    let (mut samples, mut damage) = (0, Vec::<Damage>::new());
    loop {
        match reader.next_sample() {
            Ok(None) => return Ok((samples, damage)),
            Ok(Some(_)) => samples += 1,
            Err(e) => {
                let found = Damage::from_error(path, &e);
                // Behind damage that ends the shard the reader never comes further.
                let again = damage
                    .last()
                    .is_some_and(|last| last.offset >= found.offset);
                if again || e.message().contains("found before") {
                    return Ok((samples, damage));
                }
                damage.push(found);
            }
        }
    }
}

/// CRC-32C and length of a file, at the speed of the disk.
pub(crate) fn checksum(path: &Path, watch: &dyn Watch) -> Result<(u32, u64)> {
    let mut file = bounded::open(path).map_err(Error::io("cannot open", path))?;
    let mut buffer = vec![0; CHUNK];
    let (mut crc, mut length) = (0, 0);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((crc, length)),
            Ok(n) => {
                crc = kpack_formats::crc32c_append(crc, &buffer[..n]);
                length += n as u64;
                watch.read(n as u64);
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Error::io("cannot read", path)(e)),
        }
    }
}

/// Whether the file's own first bytes are those of a shard.
fn is_plain(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(1024).read_to_end(&mut head));
    let logs = kpack_formats::FORMATS.iter();
    read.is_ok() && (head.is_empty() || logs.into_iter().any(|format| (format.sniff)(&head)))
}
