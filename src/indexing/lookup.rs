//! Energon's `index.sqlite`, by which it finds a sample, or one member of it, by its key.
//!
//! ```text
//! samples       tar_file_id  sample_key  sample_index  byte_offset  byte_size
//! sample_parts  tar_file_id  sample_index  part_name  content_byte_offset  content_byte_size
//! ```
//!
//! `tar_file_id` is the shard's place in `.info.json`, `sample_index` the sample's in its shard; a
//! sample's bytes begin with its first header, a part's are its data. Rows stand in the order of the
//! shards. `index.uuid` names this state of the dataset: Energon keeps what it joined under it. Here
//! it is made of the rows (UUID version 8), so that an unchanged dataset keeps it.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use kpack_formats::atomic;
use kpack_formats::indexes::EnergonSample;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use sha2::{Digest, Sha256};
use tempfile::TempPath;

use super::media;
use crate::{Error, Result};

/// The file becomes one only when it is whole, so nothing is kept to undo what is written; the pages
/// in memory take 64 MiB. Rows come in the order of all indexes but that of the keys, so that those
/// grow at their end.
const TABLES: &str = "
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA cache_size = -65536;
BEGIN;
CREATE TABLE samples (
    tar_file_id INTEGER NOT NULL,
    sample_key TEXT NOT NULL UNIQUE,
    sample_index INTEGER NOT NULL,
    byte_offset INTEGER,
    byte_size INTEGER
);
CREATE TABLE sample_parts (
    tar_file_id INTEGER,
    sample_index INTEGER,
    part_name TEXT,
    content_byte_offset INTEGER,
    content_byte_size INTEGER
);
CREATE INDEX idx_samples_by_tar_and_idx ON samples(tar_file_id, sample_index);
CREATE INDEX idx_sample_parts_seq ON sample_parts(tar_file_id, sample_index, content_byte_offset);
CREATE INDEX idx_sample_parts_full ON sample_parts(
    tar_file_id, sample_index, part_name, content_byte_offset, content_byte_size
);
";

const UUID: &str = "index.uuid";

/// The tables while they are filled, under another name.
pub(super) struct Lookup {
    db: Connection,
    temporary: TempPath,
    /// Its name when it is whole.
    path: PathBuf,
    digest: Sha256,
}

/// The whole file, still under another name.
pub(super) struct Ready {
    temporary: TempPath,
    path: PathBuf,
    uuid: String,
    /// Whether the index that is there is of the same state of the dataset.
    unchanged: bool,
    /// Whether the index that is there knows media of another state.
    pub(super) media_lost: bool,
}

impl Lookup {
    /// Begins the tables that will be the file `path`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn create(path: &Path) -> Result<Self> {
        let temporary = atomic::temporary(path);
        File::create(&temporary).map_err(Error::io("cannot write", path))?;
        // An absolute path, because SQLite takes names that begin with "file:" for addresses.
        let temporary =
            TempPath::try_from_path(temporary).map_err(Error::io("cannot write", path))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&temporary, flags).map_err(failed(path))?;
        db.execute_batch(TABLES).map_err(failed(path))?;
        Ok(Self {
            db,
            temporary,
            path: path.to_owned(),
            digest: Sha256::new(),
        })
    }

    /// Adds samples of the shard at place `shard` of `names`, the first of which is its sample
    /// `first`.
    ///
    /// # Errors
    /// [`Error::Usage`] for a key that is there already; [`Error::Io`].
    pub(super) fn add(
        &mut self,
        names: &[String],
        shard: usize,
        first: u64,
        samples: &[EnergonSample],
    ) -> Result<()> {
        for sample in samples {
            digest(&mut self.digest, shard, sample);
        }
        let refused = self.insert(shard, first, samples);
        match refused.map_err(failed(&self.path))? {
            None => Ok(()),
            Some(again) => Err(self.twice(names, shard, again)),
        }
    }

    /// Inserts the rows of `samples`; gives the first whose key is there already.
    fn insert<'s>(
        &self,
        shard: usize,
        first: u64,
        samples: &'s [EnergonSample],
    ) -> rusqlite::Result<Option<&'s EnergonSample>> {
        let mut row = self
            .db
            .prepare("INSERT OR IGNORE INTO samples VALUES (?1, ?2, ?3, ?4, ?5)")?;
        let mut part_row = self
            .db
            .prepare("INSERT INTO sample_parts VALUES (?1, ?2, ?3, ?4, ?5)")?;
        let shard = shard as i64;
        for (index, sample) in (first.cast_signed()..).zip(samples) {
            let (offset, length) = (sample.offset.cast_signed(), sample.length.cast_signed());
            if row.execute((shard, &sample.key, index, offset, length))? == 0 {
                return Ok(Some(sample));
            }
            for part in &sample.parts {
                let (offset, length) = (part.offset.cast_signed(), part.length.cast_signed());
                part_row.execute((shard, index, &part.name, offset, length))?;
            }
        }
        Ok(None)
    }

    fn twice(&self, names: &[String], shard: usize, again: &EnergonSample) -> Error {
        let first = self.db.query_row(
            "SELECT tar_file_id, byte_offset FROM samples WHERE sample_key = ?1",
            [&again.key],
            |row| Ok((row.get(0)?, row.get(1)?)),
        );
        let (other, before): (i64, i64) = match first {
            Ok(first) => first,
            Err(e) => return failed(&self.path)(e),
        };
        let name = |at| names.get(at).map_or("", String::as_str);
        let (key, offset) = (&again.key, again.offset);
        let (one, two) = (name(other as usize), name(shard));
        let help = match one == two {
            true => "sort the archive by name, or write it anew without the second",
            false => "kpack convert --to webdataset gives the second another key",
        };
        Error::usage(format!(
            "{two}: key {key:?} of the sample at byte {offset} is also that of a sample in {one} at \
             byte {before}, and Energon, which finds samples by key, takes each once: {help}"
        ))
    }

    /// Ends the tables. `lists` is the text of the files beside them, of which the UUID speaks too.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn finish(self, lists: &[&str]) -> Result<Ready> {
        let mut all = self.digest;
        for list in lists {
            all.update((list.len() as u64).to_le_bytes());
            all.update(list);
        }
        let uuid = uuid(&all.finalize());
        let unchanged =
            fs::read(self.path.with_file_name(UUID)).is_ok_and(|b| b == uuid.as_bytes());
        // A file that is no database has no tables; one that cannot be read now may have some.
        let media = media::tables(&self.path).or_else(|e| match e.sqlite_error_code() {
            Some(
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::SystemIoFailure,
            ) => Err(failed(&self.path)(e)),
            _ => Ok(Vec::new()),
        })?;
        if unchanged {
            let copied = media.iter().try_for_each(|t| t.copy(&self.path, &self.db));
            copied.map_err(failed(&self.path))?;
        }
        self.db
            .execute_batch("COMMIT")
            .map_err(failed(&self.path))?;
        let closed = self.db.close().map_err(|(_, e)| e);
        closed.map_err(failed(&self.path))?;
        File::open(&self.temporary)
            .and_then(|file| file.sync_all())
            .map_err(Error::io("cannot sync", &self.path))?;
        Ok(Ready {
            temporary: self.temporary,
            path: self.path,
            uuid,
            unchanged,
            media_lost: !unchanged && !media.is_empty(),
        })
    }
}

impl Ready {
    /// Takes away an index of another state, before the files that go with it are replaced: none is
    /// better than one that names the wrong bytes. So it is with one that was left half written, and
    /// with what SQLite left beside it, which it would write into the next file of that name.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn retire(&self) -> Result<()> {
        let beside = |end: &str| {
            let mut name = self.path.clone().into_os_string();
            name.push(end);
            PathBuf::from(name)
        };
        let left = ["-journal", "-wal", "-shm"].map(beside);
        if self.unchanged && !left.iter().any(|path| path.exists()) {
            return Ok(());
        }
        let old = [self.path.with_file_name(UUID), self.path.clone()];
        for path in old.iter().chain(&left) {
            match fs::remove_file(path) {
                Err(e) if e.kind() != ErrorKind::NotFound => {
                    return Err(Error::io("cannot remove", path)(e));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Gives the file its name, and writes `index.uuid`; both paths.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn publish(self) -> Result<[PathBuf; 2]> {
        let temporary = self.temporary.keep().map_err(|e| e.error);
        let temporary = temporary.map_err(Error::io("cannot write", &self.path))?;
        atomic::publish(&temporary, &self.path)?;
        let uuid = self.path.with_file_name(UUID);
        atomic::write_atomic(&uuid, self.uuid.as_bytes())?;
        Ok([self.path, uuid])
    }
}

/// For `map_err`: SQLite could not write the file that will be `path`.
fn failed(path: &Path) -> impl Fn(rusqlite::Error) -> Error {
    move |e| {
        let kind = match e.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => ErrorKind::StorageFull,
            _ => ErrorKind::Other,
        };
        // As text: its source says the same again.
        Error::io("cannot write", path)(std::io::Error::new(kind, e.to_string()))
    }
}

/// Takes a sample's rows into the digest, each text after its length.
fn digest(all: &mut Sha256, shard: usize, sample: &EnergonSample) {
    let mut row = |text: &str, numbers: [u64; 3]| {
        all.update((text.len() as u64).to_le_bytes());
        all.update(text);
        all.update(numbers.map(u64::to_le_bytes).concat());
    };
    let parts = sample.parts.len() as u64;
    row(&sample.key, [sample.offset, sample.length, parts]);
    for part in &sample.parts {
        row(&part.name, [part.offset, part.length, shard as u64]);
    }
}

/// A UUID of version 8, whose bits are its maker's choice: here those of a digest.
fn uuid(digest: &[u8]) -> String {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest).for_each(|(b, d)| *b = *d);
    bytes[6] = 0x80 | bytes[6] & 0x0f;
    bytes[8] = 0x80 | bytes[8] & 0x3f;
    let hex = super::hex(&bytes);
    let (groups, mut text) = ([0..8, 8..12, 12..16, 16..20, 20..32], Vec::new());
    text.extend(groups.into_iter().filter_map(|range| hex.get(range)));
    text.join("-")
}
