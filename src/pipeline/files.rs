//! What the pipeline asks of the file system: errors with names, durable renames, whole files.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::pipeline::dataset::FileRecord;
use crate::{Error, Result};

/// Where a test may pretend that the process dies: before each change on disk. Nothing otherwise.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn moment() -> Result<()> {
    Ok(())
}
#[cfg(test)]
pub(crate) use crate::pipeline::crash_tests::moment;

/// Opens for reading and writing, and creates if need be; nothing is cut off.
pub(crate) fn open_rw(path: &Path) -> Result<File> {
    moment()?;
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(Error::io("cannot create", path))
}

/// Makes renames and new files in `folder` last through a power cut, where the system can.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    moment()?;
    if cfg!(unix) {
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(Error::io("cannot sync folder", folder))?;
    }
    Ok(())
}

pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    moment()?;
    fs::rename(from, to).map_err(Error::io("cannot rename to", to))
}

/// Removes a file; one that is not there is no error.
pub(crate) fn remove(path: &Path) -> Result<()> {
    moment()?;
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("cannot remove", path)(e))
        }
        _ => Ok(()),
    }
}

/// Whether there is something at `path`, even if it cannot be looked at.
pub(crate) fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).map_or_else(|e| e.kind() != std::io::ErrorKind::NotFound, |_| true)
}

/// A file that is being written, and what its record will say.
pub(crate) struct Hashed {
    file: BufWriter<File>,
    record: FileRecord,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.record.crc32c = kpack_formats::crc32c_append(self.record.crc32c, &bytes[..n]);
        self.record.bytes += n as u64;
        Ok(n)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Writes a whole file through `scratch`, synced before it appears at `path`.
pub(crate) fn write_whole(
    path: &Path,
    scratch: &Path,
    write: impl FnOnce(&mut Hashed) -> Result<()>,
) -> Result<FileRecord> {
    let file = File::create(scratch).map_err(Error::io("cannot create", scratch))?;
    let mut file = Hashed {
        file: BufWriter::with_capacity(1 << 20, file),
        record: FileRecord::default(),
    };
    write(&mut file)?;
    moment()?;
    let synced = file.flush().and_then(|()| file.file.get_ref().sync_all());
    synced.map_err(Error::io("cannot write", scratch))?;
    rename(scratch, path)?;
    Ok(file.record)
}
