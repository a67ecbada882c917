//! What interrupted runs leave behind in a dataset's folder.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::pipeline::dataset::DATASET;
use crate::pipeline::enter::{lock, logs};
use crate::pipeline::files::{exists, remove};
use crate::pipeline::folder::{Folder, MDS_LOG, WORK};
use crate::pipeline::{remake, unfinished};
use crate::{Error, Result};

/// What interrupted runs left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Leftovers {
    /// Files with their lengths in bytes, in order.
    pub files: Vec<(PathBuf, u64)>,
    /// Where the dataset is not finished: what would be given up by removing them.
    pub unfinished: Option<String>,
}

/// Looks for what interrupted runs left in the dataset's folder `dir`: the working folder, and
/// temporary files among the samples of a tree. A retry that was interrupted while it put its shards
/// in place is completed first.
///
/// # Errors
/// [`Error::Usage`] for a folder that kpack has not written; [`Error::Io`].
pub fn leftovers(dir: &Path) -> Result<Leftovers> {
    if !exists(&dir.join(DATASET)) && !exists(&dir.join(WORK)) {
        return Err(Error::usage(format!(
            "{} holds neither {DATASET} nor {WORK}: kpack has not packed it",
            dir.display()
        )));
    }
    remake::complete(dir)?;
    let mut left = Leftovers {
        unfinished: unfinished(dir)?,
        files: Vec::new(),
    };
    for entry in walkdir::WalkDir::new(dir).sort_by_file_name() {
        let entry = entry.map_err(|e| {
            let path = e.path().unwrap_or(dir).to_owned();
            Error::io("cannot read", &path)(e.into())
        })?;
        let below = entry.path().strip_prefix(dir).unwrap_or(entry.path());
        let ours = below
            .components()
            .any(|part| is_left(&part.as_os_str().to_string_lossy()));
        if ours && !entry.file_type().is_dir() {
            let length = entry.metadata().map_or(0, |meta| meta.len());
            left.files.push((entry.into_path(), length));
        }
    }
    Ok(left)
}

/// The working folder, or a file or folder under the name that it has until it is whole.
fn is_left(name: &str) -> bool {
    name == WORK || name.len() > 5 && name.starts_with('.') && name.ends_with(".tmp")
}

/// Removes what [`leftovers`] finds, and the folders that held it. Whole shards and samples stay.
///
/// # Errors
/// As [`leftovers`]; [`Error::Usage`] where another process is packing.
pub fn clean(dir: &Path) -> Result<Leftovers> {
    let left = leftovers(dir)?;
    let folder = Folder::new(dir);
    let mut logs = logs(&folder)?;
    logs.extend(Some(folder.work.join(MDS_LOG)).filter(|log| exists(log)));
    let locks: Vec<fs::File> = logs.iter().map(|log| lock(log)).collect::<Result<_>>()?;
    for (path, _) in &left.files {
        remove(path)?;
        // Folders go when the last of their files has gone.
        let inside = |parent: &&Path| {
            let below = parent.strip_prefix(dir).unwrap_or(parent);
            below
                .components()
                .any(|part| is_left(&part.as_os_str().to_string_lossy()))
        };
        for parent in path.ancestors().skip(1).take_while(inside) {
            if fs::remove_dir(parent).is_err() {
                break;
            }
        }
    }
    drop(locks);
    if !exists(&folder.work) {
        return Ok(left);
    }
    fs::remove_dir_all(&folder.work).map_err(Error::io("cannot remove folder", &folder.work))?;
    Ok(left)
}
