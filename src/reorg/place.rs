//! One file to its place, without ever replacing what is there.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use kpack_formats::atomic::temporary;

use super::plan::Item;
use super::{Arrange, By, Fate};
use crate::{Error, Result};

/// What became of a file, and why where it is not at its place.
pub(super) type Told = (Fate, Option<String>);

/// Puts one file to its place, or finds out why that cannot be.
///
/// # Errors
/// A full disk: no other file would fare better.
pub(super) fn place(item: &Item, out: &Path, arrange: &Arrange) -> Result<Told> {
    let file = match &item.file {
        Ok(file) => file,
        Err(reason) => return Ok((Fate::Failed, Some(reason.replace(['\n', '\r'], " ")))),
    };
    let to = out.join(&item.place);
    let told = match arrange.dry_run {
        true => look(file, &to, item.after.as_deref(), arrange.by),
        false => item
            .lead(file)
            .and_then(|()| put(file, &to, item.after.is_some(), arrange.by)),
    };
    told.or_else(|e| failed(e, &to))
}

/// What an error says of a file.
pub(super) fn failed(e: io::Error, to: &Path) -> Result<Told> {
    let hint = match e.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            return Err(Error::io("cannot place", to)(e));
        }
        ErrorKind::CrossesDevices => " (on another file system: --by copy or symlink)",
        _ => "",
    };
    Ok((Fate::Failed, Some(format!("cannot be placed: {e}{hint}"))))
}

/// What a dry run tells.
fn look(file: &Path, to: &Path, after: Option<&Path>, by: By) -> io::Result<Told> {
    fs::metadata(file)?;
    if let Some(other) = after {
        return taken(file, other);
    }
    match fs::symlink_metadata(to) {
        Ok(_) if is_there(file, to, by)? => Ok((Fate::There, None)),
        Ok(_) => taken(file, to),
        Err(_) => Ok((Fate::Placed, None)),
    }
}

/// `second` says that the place belongs to a file of the input before this one.
fn put(file: &Path, to: &Path, second: bool, by: By) -> io::Result<Told> {
    // What is not there cannot be linked to either.
    fs::metadata(file)?;
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    if is_same_name(file, to)? {
        return Ok((Fate::There, None));
    }
    if fs::symlink_metadata(to).is_ok() {
        return match second {
            true => taken(file, to),
            false => meet(file, to, by),
        };
    }
    let put = match by {
        By::Symlink => symlink(file, to),
        By::Hardlink => fs::hard_link(fs::canonicalize(file)?, to),
        By::Copy => copy(file, to),
        By::Move => shift(file, to),
    };
    match put {
        Ok(()) => Ok((Fate::Placed, None)),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => meet(file, to, by),
        Err(e) => Err(e),
    }
}

/// The place is taken, perhaps by an earlier run.
fn meet(file: &Path, to: &Path, by: By) -> io::Result<Told> {
    if !is_there(file, to, by)? {
        return taken(file, to);
    }
    if by == By::Move {
        // An interruption came between the new name and the end of the old one.
        fs::remove_file(file)?;
        return Ok((Fate::Placed, None));
    }
    Ok((Fate::There, None))
}

/// Whether an earlier run put `file` at `to`.
fn is_there(file: &Path, to: &Path, by: By) -> io::Result<bool> {
    if is_same_name(file, to)? {
        return Ok(true);
    }
    let link = fs::symlink_metadata(to)?.is_symlink();
    let (old, new) = match (fs::metadata(file), fs::metadata(to)) {
        (Ok(old), Ok(new)) => (old, new),
        // A link that leads nowhere is not what was asked for.
        _ => return Ok(false),
    };
    Ok(match by {
        By::Symlink => link && is_same_file(&old, &new),
        By::Hardlink => !link && is_same_file(&old, &new),
        // Only a second name of a file may be taken away.
        By::Move => !link && is_same_file(&old, &new) && !is_link(file) && names(&new) > 1,
        By::Copy => {
            !link
                && old.len() == new.len()
                && !is_same_file(&old, &new)
                && old.modified().ok() == new.modified().ok()
        }
    })
}

/// Why `file` cannot have the place of `other`.
fn taken(file: &Path, other: &Path) -> io::Result<Told> {
    let shown = other.display();
    Ok(match is_equal(file, other) {
        Ok(true) => (
            Fate::Duplicate,
            Some(format!("{shown} has the same bytes and this place")),
        ),
        Ok(false) => (
            Fate::Collision,
            Some(format!("{shown} has this place and other bytes")),
        ),
        Err(e) => (
            Fate::Collision,
            Some(format!("{shown} has this place and cannot be read: {e}")),
        ),
    })
}

/// Whether both paths are one name, by whatever way they lead there.
fn is_same_name(a: &Path, b: &Path) -> io::Result<bool> {
    if a.file_name() != b.file_name() {
        return Ok(false);
    }
    let parent = |path: &Path| {
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
        fs::canonicalize(parent.unwrap_or(Path::new(".")))
    };
    match parent(b) {
        Ok(b) => Ok(parent(a)? == b),
        Err(_) => Ok(false),
    }
}

pub(super) fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink())
}

#[cfg(unix)]
fn is_same_file(a: &fs::Metadata, b: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}
#[cfg(unix)]
fn names(meta: &fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    meta.nlink()
}
#[cfg(not(unix))]
fn is_same_file(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    false
}
#[cfg(not(unix))]
fn names(_: &fs::Metadata) -> u64 {
    1
}

#[cfg(unix)]
pub(super) fn symlink(file: &Path, to: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(std::path::absolute(file)?, to)
}
#[cfg(windows)]
pub(super) fn symlink(file: &Path, to: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(std::path::absolute(file)?, to)
}

/// A whole copy, which gets its name last.
fn copy(file: &Path, to: &Path) -> io::Result<()> {
    let hidden = temporary(to);
    let result = copy_to(file, &hidden).and_then(|()| rename_new(&hidden, to));
    if result.is_err() {
        // It holds nothing that is not in `file`.
        let _ = fs::remove_file(&hidden);
    }
    result
}

fn copy_to(file: &Path, hidden: &Path) -> io::Result<()> {
    match fs::remove_file(hidden) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    fs::copy(file, hidden)?;
    let modified = fs::metadata(file)?.modified();
    // `fs::copy` copies permissions too, so the copy of a read-only file must not be opened to write.
    let copied = File::open(hidden)?;
    if let Ok(modified) = modified {
        copied.set_modified(modified)?;
    }
    copied.sync_all()
}

/// Gives `from` the name `to`, if that is free.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from),
        Err(e) if e.kind() == ErrorKind::AlreadyExists || e.kind() == ErrorKind::CrossesDevices => {
            Err(e)
        }
        // A file system without hard links.
        Err(_) => match fs::symlink_metadata(to) {
            Ok(_) => Err(ErrorKind::AlreadyExists.into()),
            Err(_) => fs::rename(from, to),
        },
    }
}

/// Moves a file; a link is made anew, so that one with a relative path does not break.
fn shift(file: &Path, to: &Path) -> io::Result<()> {
    if is_link(file) {
        symlink(&fs::canonicalize(file)?, to)?;
        return fs::remove_file(file);
    }
    match rename_new(file, to) {
        Err(e) if e.kind() == ErrorKind::CrossesDevices => {
            copy(file, to)?;
            // The new name must be on the disk before the old one goes.
            if let Some(folder) = to.parent() {
                File::open(folder)?.sync_all()?;
            }
            fs::remove_file(file)
        }
        result => result,
    }
}

/// Whether two files have the same bytes.
fn is_equal(a: &Path, b: &Path) -> io::Result<bool> {
    let (mut a, mut b) = (File::open(a)?, File::open(b)?);
    if a.metadata()?.len() != b.metadata()?.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; 1 << 18], vec![0; 1 << 18]);
    loop {
        let n = a.read(&mut left)?;
        let right = right.get_mut(..n).unwrap_or_default();
        b.read_exact(right)?;
        if n == 0 {
            return Ok(true);
        }
        if left.get(..n) != Some(&*right) {
            return Ok(false);
        }
    }
}

/// Removes the folders below `roots` that moving has emptied.
pub(super) fn remove_empty_folders(items: &[Item], roots: &[PathBuf]) {
    let parents: BTreeSet<&Path> = items
        .iter()
        .filter_map(|item| item.file.as_ref().ok()?.parent())
        .collect();
    let inside = |path: &&Path| roots.iter().any(|r| path.starts_with(r) && *path != r);
    // Deeper folders come later in order, so they go first.
    for parent in parents.into_iter().rev() {
        let mut folder = Some(parent);
        // `remove_dir` refuses what is not empty.
        while let Some(path) = folder.filter(inside).filter(|p| fs::remove_dir(p).is_ok()) {
            folder = path.parent();
        }
    }
}
