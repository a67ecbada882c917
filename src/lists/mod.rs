//! Annotation lists of what is there: from a packed dataset, a tree of frame folders, or a folder
//! of media.
//!
//! ```text
//! DIR ─> candidates (samples.jsonl, or the tree) ─> there? decodes? ─> entries ─> one list a split
//!                                                        └─> left out, with the reason
//! ```
//!
//! The shapes of the lists are those of [`kpack_formats::lists`]; here it is found out what can be
//! in them. Every clip looked at is in a list or is left out with a reason.

mod boxes;
mod dataset;
mod examine;
mod frames;
mod media;
mod pictures;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kpack_formats::lists::{Consumer, Entry, Wants};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use serde::Serialize;

use crate::pipeline::{Outcome, SAMPLES};
use crate::progress::Progress;
use crate::sample::Class;
use crate::worker::Workers;
use crate::{Error, Result};

pub use write::{ListFile, Written, write};

/// How clips are gathered.
#[derive(Debug, Clone, Default)]
pub struct GatherOptions {
    /// Stands in front of each path.
    pub prefix: Option<String>,
    /// Absolute paths.
    pub absolute: bool,
    /// A file that fixes the class indexes of a folder of media or frames.
    pub labels: Option<PathBuf>,
    /// Decodes every media file to its end and every frame of folders; what has errors is left out.
    pub decode: bool,
    /// Threads that look into files.
    pub threads: usize,
    /// What decodes them; this process by default.
    pub workers: Arc<Workers>,
}

/// Clips that can be listed, and those that cannot.
#[derive(Debug, Clone, Default)]
pub struct Gathered {
    /// Clips that are there, with their split, in input order.
    pub entries: Vec<(Option<String>, Entry)>,
    /// Class names in index order; a hole is an empty name.
    pub classes: Vec<String>,
    /// Clips that are not.
    pub left_out: Vec<LeftOut>,
    /// Rows of a packed dataset that failed or were skipped when it was packed.
    pub not_packed: u64,
    /// What the user should know, one line each.
    pub notes: Vec<String>,
}

/// A clip that is not in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its path below the folder, or its key.
    pub path: String,
    /// Its split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// The kind of failure, where the file itself is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// Why, on one line.
    pub reason: String,
}

/// A clip that may be listed once it is looked at.
#[derive(Debug, Clone)]
struct Candidate {
    split: Option<String>,
    /// Where it lies.
    file: PathBuf,
    /// What is known of it so far; `place` is how it is named below the folder.
    entry: Entry,
    /// What it is.
    is: Is,
    /// JSON that may hold boxes.
    json: Option<PathBuf>,
    /// Where in the file the clip ends, in seconds, if it is not known whether the file goes on.
    ends: Option<f64>,
}

/// What a candidate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    /// A media file that nothing is known of.
    Unproven,
    /// A file that kpack wrote or read before.
    Proven,
    /// A folder of frames.
    Folder,
}

/// Finds the clips below `dir` that `consumer` can read.
///
/// # Errors
/// A folder without clips of the kind that the consumer wants; [`Error::Io`].
pub fn gather(
    dir: &Path,
    consumer: &Consumer,
    options: &GatherOptions,
    progress: &dyn Progress,
) -> Result<Gathered> {
    if !dir.is_dir() {
        let dir = dir.display();
        return Err(Error::usage(format!("{dir}: no such folder")));
    }
    unfinished(dir)?;
    let mut gathered = Gathered::default();
    let candidates = match consumer.wants {
        _ if dir.join(SAMPLES).is_file() => {
            dataset::candidates(dir, consumer, options, &mut gathered)?
        }
        Wants::Frames => frames::candidates(dir, options, &mut gathered)?,
        Wants::Video | Wants::Audio => media::candidates(dir, options, &mut gathered)?,
        Wants::Either => match media::candidates(dir, options, &mut gathered) {
            Ok(found) => found,
            Err(error) => {
                gathered = Gathered::default();
                // Where there are no frames either, the missing media are the better message.
                frames::candidates(dir, options, &mut gathered).map_err(|_| error)?
            }
        },
    };
    let base = std::path::absolute(dir).map_err(Error::io("cannot find", dir))?;
    let paths = Paths {
        options,
        base: &base,
    };
    examine_all(candidates, consumer, &paths, &mut gathered, progress)?;
    Ok(gathered)
}

/// Refuses a dataset that is still being packed: what it holds would be taken for media.
pub(crate) fn unfinished(dir: &Path) -> Result<()> {
    if dir.join(".kpack").is_dir() && !dir.join(SAMPLES).is_file() {
        let dir = dir.display();
        return Err(Error::usage(format!(
            "{dir}: unfinished: the command that packs it, again, continues; kpack merge joins parts"
        )));
    }
    Ok(())
}

/// Looks at all candidates on many threads, and keeps their order.
fn examine_all(
    candidates: Vec<Candidate>,
    consumer: &Consumer,
    paths: &Paths<'_>,
    gathered: &mut Gathered,
    progress: &dyn Progress,
) -> Result<()> {
    let threads = paths.options.threads.max(1);
    let workers = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|e| Error::usage(format!("cannot start {threads} threads: {e}")))?;
    progress.planned(candidates.len() as u64, 0);
    for some in candidates.chunks(threads * 16) {
        let look = |candidate: &Candidate| examine::examine(candidate, consumer, paths);
        let found: Vec<_> = workers.install(|| some.par_iter().map(look).collect());
        for (candidate, result) in some.iter().zip(found) {
            match result {
                Ok(entry) => {
                    progress.outcome(Outcome::Done, 0, 0);
                    gathered.entries.push((candidate.split.clone(), entry));
                }
                Err((class, reason)) => {
                    progress.outcome(Outcome::Failed, 0, 0);
                    gathered.left_out.push(LeftOut {
                        path: candidate.entry.place.clone(),
                        split: candidate.split.clone(),
                        class,
                        reason: reason.replace(['\n', '\r'], " "),
                    });
                }
            }
        }
    }
    Ok(())
}

/// How paths are written.
struct Paths<'a> {
    options: &'a GatherOptions,
    /// The folder, absolute.
    base: &'a Path,
}

impl Paths<'_> {
    /// What a list calls `place`, which lies at `file`.
    fn name(&self, place: &str, file: &Path) -> Result<String, String> {
        if self.options.absolute {
            let file = match file.is_absolute() || file.starts_with(self.base) {
                true => Ok(file.to_owned()),
                false => std::path::absolute(file),
            };
            let file = file.map_err(|e| format!("its absolute path cannot be found: {e}"))?;
            return match file.to_str() {
                Some(path) => Ok(path.to_owned()),
                None => Err("its absolute path is not UTF-8: rename the folder".to_owned()),
            };
        }
        Ok(match self.options.prefix.as_deref() {
            None | Some("") => place.to_owned(),
            Some(prefix) => format!("{}/{place}", prefix.trim_end_matches('/')),
        })
    }
}
