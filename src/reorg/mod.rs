//! Arranges media files anew: flat, by class, by split; moved, copied or linked.
//!
//! ```text
//! rows (tree, list, annotation file) ─> plan: one place each ─> move | copy | link ─> reorg.jsonl
//!                                          └─> collision, duplicate, missing
//! ```
//!
//! Nothing is ever overwritten: a file appears at its place whole, under a name that was free, or
//! not at all. The places follow from the input alone, so a run that was interrupted is continued
//! by the same call: what is at its place already is left there.

mod journal;
mod links;
mod place;
mod plan;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use serde::{Deserialize, Serialize};

use crate::pipeline::Outcome;
use crate::progress::Progress;
use crate::source::Input;
use crate::tree::TreeLayout;
use crate::{Error, Result};

pub use crate::source::spelling::Spelling;
pub use journal::JOURNAL;

/// How a file gets to its place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum By {
    /// The file itself; across file systems it is copied, and removed once the copy is whole.
    Move,
    /// A copy with the same time of modification.
    Copy,
    /// A second name of the same file, on the same file system.
    Hardlink,
    /// A link to the file's absolute path.
    #[default]
    Symlink,
}

/// How files are arranged.
#[derive(Debug, Clone, Default)]
pub struct Arrange {
    /// Folders below OUT.
    pub layout: TreeLayout,
    /// How class folders are spelled.
    pub spelling: Spelling,
    /// How files get there.
    pub by: By,
    /// Class names as they are written, to find the one that a folder of another spelling means.
    pub names: Vec<String>,
    /// The inputs: folders below them that moving has emptied are removed.
    pub roots: Vec<PathBuf>,
    /// Finds out what would be done, and does nothing.
    pub dry_run: bool,
    /// Number of threads.
    pub threads: usize,
}

/// What became of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It is at its place now (or would be, in a dry run).
    Placed,
    /// It was there before.
    There,
    /// A file with the same bytes has its place.
    Duplicate,
    /// A file with other bytes has its place.
    Collision,
    /// It is not there, or cannot be read or placed.
    Failed,
}

/// One file: a line of `reorg.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arranged {
    /// Place below OUT.
    pub path: String,
    /// The file as the input names it.
    pub source: String,
    /// What became of it.
    pub outcome: Fate,
    /// Name of its class, however the folder is spelled.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub label: Option<String>,
    /// Its split.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub split: Option<String>,
    /// Why it is not at its place, and what has it instead.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

/// What a run did. Counts add up to the files of the input.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Files of the input, each counted once for every place it should have.
    pub files: u64,
    /// Now at their place.
    pub placed: u64,
    /// At their place before.
    pub there: u64,
    /// Left where they are, because their place holds the same bytes.
    pub duplicates: u64,
    /// Left where they are, because their place holds other bytes.
    pub collisions: u64,
    /// Not there, or could not be placed.
    pub failed: u64,
    /// Not reached, because the run was stopped.
    pub remaining: u64,
    /// Every file that is not at its place.
    pub left: Vec<Arranged>,
    /// What the user should know, one line each.
    pub notes: Vec<String>,
}

/// Arranges the files of `input` below `out`, until done or until `stop` is set.
///
/// # Errors
/// [`Error::Usage`] where two classes would share a folder; [`Error::Io`] where OUT or its journal
/// cannot be written, and on a full disk. What is wrong with one file only is counted and named in the report.
pub fn reorg(
    input: &Input,
    out: &Path,
    arrange: &Arrange,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Report> {
    let mut plan = plan::plan(input, arrange)?;
    let mut report = Report {
        files: plan.items.len() as u64,
        notes: plan.notes,
        ..Report::default()
    };
    let threads = arrange.threads.max(1);
    let workers = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|e| Error::usage(format!("cannot start {threads} threads: {e}")))?;
    let mut journal = match arrange.dry_run {
        true => None,
        false => Some(journal::Journal::open(out)?),
    };
    if arrange.by == By::Move && !arrange.dry_run {
        links::last(&mut plan.items, out);
    }
    progress.planned(report.files, 0);
    let mut items = plan.items.as_slice();
    while !items.is_empty() && !stop.load(Ordering::Relaxed) {
        // A file that another one of the input gives way to is looked at after that one is placed.
        let (some, rest) = items.split_at(plan::stretch(items, threads * 4));
        items = rest;
        let place = |item: &plan::Item| place::place(item, out, arrange);
        let fates: Vec<_> = workers.install(|| some.par_iter().map(place).collect());
        let mut full = None;
        for (item, fate) in some.iter().zip(fates) {
            let (outcome, reason) = match fate {
                Ok(fate) => fate,
                Err(e) => {
                    full.get_or_insert(e);
                    continue;
                }
            };
            let row = item.arranged(outcome, reason);
            if let Some(journal) = &mut journal {
                journal.add(&row)?;
            }
            report.count(row, progress);
        }
        if let Some(e) = full {
            return Err(e);
        }
    }
    report.remaining = items.len() as u64;
    if arrange.by == By::Move && !arrange.dry_run {
        place::remove_empty_folders(&plan.items, &arrange.roots);
    }
    Ok(report)
}

impl Report {
    fn count(&mut self, row: Arranged, progress: &dyn Progress) {
        let counter = match row.outcome {
            Fate::Placed => &mut self.placed,
            Fate::There => &mut self.there,
            Fate::Duplicate => &mut self.duplicates,
            Fate::Collision => &mut self.collisions,
            Fate::Failed => &mut self.failed,
        };
        *counter += 1;
        let good = matches!(row.outcome, Fate::Placed | Fate::There);
        progress.outcome(if good { Outcome::Done } else { Outcome::Failed }, 0, 0);
        if !good {
            self.left.push(row);
        }
    }
}
