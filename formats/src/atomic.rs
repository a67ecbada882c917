//! Files that appear whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Writes `bytes` as the file `path`, which appears whole or, after a crash, not at all: a
/// temporary file in the same folder, fsync, rename, fsync of the folder.
///
/// # Errors
/// [`crate::Kind::Io`] naming the file.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = temporary(path);
    let write = || {
        let mut file = create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|e| {
        // Best effort: the next attempt overwrites it anyway.
        let _ = std::fs::remove_file(&temporary);
        Error::io("cannot write", e).path(path)
    })?;
    publish(&temporary, path)
}

/// Gives a finished and synced file its name, and makes the name last.
///
/// # Errors
/// [`crate::Kind::Io`] naming the file.
pub fn publish(temporary: &Path, path: &Path) -> Result<()> {
    std::fs::rename(temporary, path).map_err(|e| Error::io("cannot rename to", e).path(path))?;
    sync_folder(folder(path)).map_err(|e| Error::io("cannot sync the folder of", e).path(path))
}

/// The name under which `path` is written at first: hidden, the same each time, so that what an
/// interrupted run left is overwritten.
pub fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.tmp"))
}

/// Creates a file, or empties it.
pub(crate) fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
}

fn folder(path: &Path) -> &Path {
    path.parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn replaces_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dataset.json");
        std::fs::write(temporary(&path), b"left by a crash").unwrap();
        for text in [&b"one"[..], b"two, longer", b""] {
            write_atomic(&path, text).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), text);
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("no/dataset.json");
        let e = write_atomic(&path, b"x").unwrap_err();
        assert_eq!(e.kind(), crate::Kind::Io);
        assert_eq!(e.at().path.as_deref(), Some(path.as_path()));
    }
}
