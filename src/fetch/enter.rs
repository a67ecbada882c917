//! The gate of MEDIA: one run at a time or the parts of a job array, and what earlier ones left.
//!
//! ```text
//! .kpack/fetch.lock           held by the run; shared by parts
//! .kpack/0-of-4/fetch.lock    held by a part, whose unfinished files lie beside it
//! ```

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use super::journal::{FetchRow, Identity, Journal, is_part};
use super::plan::{Planner, Source};
use super::{FetchOptions, known, mirror};
use crate::pipeline::Part;
use crate::source::{Input, count};
use crate::{Error, Result};

/// The folder of what is unfinished, in MEDIA.
const WORK: &str = ".kpack";
const LOCK: &str = "fetch.lock";

/// What a folder says before anything is fetched into it.
pub(super) struct Entered<'a> {
    pub(super) planner: Planner<'a>,
    pub(super) gate: Gate,
    pub(super) journal: Journal,
    pub(super) known: HashMap<Identity, FetchRow>,
    pub(super) archives: Vec<Source>,
    /// Stands for the archives, if there are any.
    pub(super) mirrored: Option<String>,
    pub(super) settled: Vec<Option<FetchRow>>,
    pub(super) stems: Vec<String>,
    /// What the user may not expect.
    pub(super) notes: Vec<String>,
}

/// Enters `media`: no other run may, until the gate is left.
pub(super) fn enter<'a>(
    input: &Input,
    media: &Path,
    options: &'a FetchOptions,
) -> Result<Entered<'a>> {
    let planner = Planner::new(options)?;
    planner.refuse_idle(&input.rows)?;
    let gate = Gate::pass(media, options.part)?;
    let (journal, known) = Journal::open(media, options.part)?;
    let archives = mirror::archives(&options.mirrors)?;
    let mirrored = (!archives.is_empty()).then(|| mirror::name_of(&archives));
    let mut settled = known::settled(input, &known, media, options, mirrored.as_deref())?;
    let stems = planner.stems(&input.rows);
    let layout = options.layout;
    known::adopt(
        input,
        &mut settled,
        &known,
        (&stems, layout),
        (media, &gate.top),
        &options.workers,
    )?;
    let elsewhere = known::elsewhere(&settled, &stems);
    let notes = (elsewhere > 0).then(|| {
        let clips = count(elsewhere, "clip");
        format!("{clips} there already under another name or in another folder: kpack reorg arranges them")
    });
    Ok(Entered {
        planner,
        gate,
        journal,
        known,
        archives,
        mirrored,
        settled,
        stems,
        notes: notes.into_iter().collect(),
    })
}

/// The locks of a run, and where its unfinished files lie.
#[derive(Debug)]
pub(super) struct Gate {
    /// The folder of what is unfinished.
    top: PathBuf,
    /// Of a part, a folder of its own in that.
    pub(super) work: PathBuf,
    /// They go with their handles, also in a crash.
    shared: Option<File>,
    own: File,
}

impl Gate {
    fn pass(media: &Path, part: Part) -> Result<Self> {
        let top = media.join(WORK);
        let is_part = part.of > 1;
        let work = match is_part {
            true => top.join(format!("{}-of-{}", part.index, part.of)),
            false => top.clone(),
        };
        fs::create_dir_all(&work).map_err(Error::io("cannot create", &work))?;
        let shared = is_part.then(|| lock(&top, File::try_lock_shared));
        Ok(Self {
            shared: shared.transpose()?,
            own: lock(&work, File::try_lock)?,
            top,
            work,
        })
    }

    /// Removes the folder of what is unfinished: it is empty, unless something is to be continued.
    /// Where all rows are settled that is parts of answers only; a run that was killed between the
    /// row of a source's last clip and its removal left the rest. The last part that leaves does it for all.
    pub(super) fn leave(self, is_settled: bool) {
        if is_settled {
            remove_settled(&self.work);
        }
        let _ = fs::remove_file(self.work.join(LOCK));
        let _ = fs::remove_dir(&self.work);
        drop(self.own);
        match self.shared {
            // What parts left that were killed: this run has done their work.
            None => remove_parts(&self.top),
            Some(shared) => {
                drop(shared);
                if let Ok(alone) = lock(&self.top, File::try_lock) {
                    let _ = fs::remove_file(self.top.join(LOCK));
                    drop(alone);
                }
            }
        }
        let _ = fs::remove_dir(&self.top);
    }
}

fn remove_settled(work: &Path) {
    for entry in fs::read_dir(work).into_iter().flatten().flatten() {
        let path = entry.path();
        let kind = path.extension().and_then(|extension| extension.to_str());
        if matches!(kind, Some("clips" | "source" | "ranges" | "member")) {
            // What stays is removed by the next run.
            let _ = fs::remove_file(path);
        }
    }
}

fn remove_parts(top: &Path) {
    for entry in fs::read_dir(top).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_part) {
            // What stays is removed by the next run.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Locks a folder of what is unfinished, in one way or the other.
fn lock(work: &Path, lock: fn(&File) -> std::result::Result<(), fs::TryLockError>) -> Result<File> {
    let path = work.join(LOCK);
    let open = OpenOptions::new().create(true).append(true).open(&path);
    let file = open.map_err(Error::io("cannot open", &path))?;
    match lock(&file) {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Error::usage(format!(
            "another run fetches into this folder now ({} is locked)",
            path.display()
        ))),
        Err(fs::TryLockError::Error(e)) => Err(Error::io("cannot lock", &path)(e)),
    }
}
