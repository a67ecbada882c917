//! The gate of MEDIA: one run at a time, and what earlier ones left.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use super::journal::{FetchRow, Identity, Journal};
use super::plan::{Planner, Source};
use super::{FetchOptions, known, mirror};
use crate::source::Input;
use crate::{Error, Result};

/// The folder of what is unfinished, in MEDIA.
const WORK: &str = ".kpack";
const LOCK: &str = "fetch.lock";

/// What a folder says before anything is fetched into it.
pub(super) struct Entered<'a> {
    pub(super) planner: Planner<'a>,
    pub(super) work: PathBuf,
    pub(super) lock: File,
    pub(super) journal: Journal,
    pub(super) known: HashMap<Identity, FetchRow>,
    pub(super) archives: Vec<Source>,
    /// Stands for the archives, if there are any.
    pub(super) mirrored: Option<String>,
    pub(super) settled: Vec<Option<FetchRow>>,
    pub(super) stems: Vec<String>,
}

/// Enters `media`: no other run may, until the lock is dropped.
pub(super) fn enter<'a>(
    input: &Input,
    media: &Path,
    options: &'a FetchOptions,
) -> Result<Entered<'a>> {
    let planner = Planner::new(options)?;
    planner.refuse_idle(&input.rows)?;
    let work = media.join(WORK);
    fs::create_dir_all(&work).map_err(Error::io("cannot create", &work))?;
    let lock = lock(&work)?;
    let (journal, known) = Journal::open(media)?;
    let archives = mirror::archives(&options.mirrors)?;
    let mirrored = (!archives.is_empty()).then(|| mirror::name_of(&archives));
    let mut settled = known::settled(input, &known, media, options, mirrored.as_deref())?;
    let stems = planner.stems(&input.rows);
    let places = (media, &*work);
    known::adopt(
        input,
        &mut settled,
        &known,
        &stems,
        places,
        &options.workers,
    )?;
    Ok(Entered {
        planner,
        work,
        lock,
        journal,
        known,
        archives,
        mirrored,
        settled,
        stems,
    })
}

/// Removes the folder of what is unfinished: it is empty, unless something is to be continued.
pub(super) fn leave(work: &Path) {
    let _ = fs::remove_file(work.join(LOCK));
    let _ = fs::remove_dir(work);
}

/// One run at a time works in a folder. The lock goes with the handle, also in a crash.
fn lock(work: &Path) -> Result<File> {
    let path = work.join(LOCK);
    let open = OpenOptions::new().create(true).append(true).open(&path);
    let file = open.map_err(Error::io("cannot open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Error::usage(format!(
            "another run fetches into this folder now ({} is locked)",
            path.display()
        ))),
        Err(fs::TryLockError::Error(e)) => Err(Error::io("cannot lock", &path)(e)),
    }
}
