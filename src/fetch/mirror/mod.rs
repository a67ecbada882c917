//! Mirrors: archives in which the clips or sources of rows lie, the CVDF kind.
//!
//! ```text
//! --mirror ─> archives, in order ─> brought, several at once ─> read, one after the other ─> rows
//!                                    HASH.source                 HASH.member, then the clip
//! ```
//!
//! Archives are read in their order, so that of two members for one row always the same is taken,
//! whichever archive comes first. A member that cannot be used leaves its row open for a later
//! one. Nothing is unpacked that no row wants, and a member's own path is never written to.

mod demand;
mod list;
mod names;
mod walk;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(super) use list::{archives, is_archive};
use names::Names;

use super::journal::{FetchRow, Identity, identity_of};
use super::net::Net;
use super::plan::{Source, hash};
use super::run::Run;
use super::{Failure, FetchOptions, clip};
use crate::Result;
use crate::pipeline::Outcome;
use crate::progress::Progress;
use crate::sample::Class;
use crate::source::Input;

/// Longest sleep before the stop signal is looked at.
const TICK: Duration = Duration::from_millis(50);
/// Where it is noted which archives were read to their end, while a run is unfinished.
const READ: &str = "mirrors-read";

/// What is the same in all archives of a run.
pub(super) struct Mirror {
    /// Stands for the archives.
    name: String,
    /// Stands for the rows and what is wanted of them.
    rows: String,
    /// The note of archives that were read to their end.
    note: PathBuf,
    names: Names,
    /// The clips' files without their extensions, by row.
    stems: Vec<String>,
    /// Position of the first archive among the sources, behind those that are no archives.
    first: usize,
    /// The source that is brought next.
    next: AtomicUsize,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// The archive that may be read.
    turn: usize,
    /// Rows without a clip.
    open: Vec<bool>,
    left: usize,
    /// What the last unusable member of a row was wrong with.
    failed: HashMap<usize, FetchRow>,
    /// Why an archive was not read to its end.
    broken: Option<Failure>,
    /// Archives that were read to their end, in this run or one before that was interrupted.
    read: Vec<String>,
}

/// Stands for a set of archives.
pub(super) fn name_of(archives: &[Source]) -> String {
    let size = |source: &Source| {
        let meta = source.path.as_ref().and_then(|path| path.metadata().ok());
        meta.map_or(0, |meta| meta.len())
    };
    let one = |source: &Source| format!("{} {}\n", source.address, size(source));
    hash(&archives.iter().map(one).collect::<String>())
}

impl Mirror {
    pub(super) fn new(
        (name, first): (String, usize),
        work: &Path,
        input: &Input,
        wanted: &[bool],
        stems: Vec<String>,
        options: &FetchOptions,
    ) -> Self {
        let rules = (options.min_length, options.past_end, options.trim);
        let mut rows = format!("{rules:?}");
        for row in &input.rows {
            rows.push_str(&format!("\n{:?}", identity_of(&row.clip)));
        }
        let (rows, note) = (hash(&rows), work.join(READ));
        let text = fs::read_to_string(&note).unwrap_or_default();
        let read = text.lines().filter_map(|line| line.strip_prefix(&rows));
        let read = read.map(|line| line.trim().to_owned()).collect();
        Self {
            name,
            rows,
            note,
            names: Names::new(&input.rows, wanted),
            stems,
            first,
            next: AtomicUsize::new(0),
            state: Mutex::new(State {
                turn: first,
                open: wanted.to_vec(),
                left: wanted.iter().filter(|wanted| **wanted).count(),
                failed: HashMap::new(),
                broken: None,
                read,
            }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next source; no archive where no row is open any more.
    pub(super) fn take(&self, net: &Net<'_>) -> Option<usize> {
        let idle = || self.next.load(Ordering::Relaxed) >= self.first && self.lock().left == 0;
        let idle = net.stopped() || idle();
        (!idle).then(|| self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Waits until archive `i` may be read; `false` if the run is to stop.
    fn wait(&self, i: usize, net: &Net<'_>) -> bool {
        let mut state = self.lock();
        while state.turn != i {
            if net.stopped() {
                return false;
            }
            let waited = self.changed.wait_timeout(state, TICK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Archive `i` is done with.
    fn pass(&self, i: usize) {
        let mut state = self.lock();
        if state.turn == i {
            state.turn = i + 1;
        }
        self.changed.notify_all();
    }

    /// Notes that an archive was read to its end.
    fn ended(&self, source: &Source) {
        let mut state = self.lock();
        state.read.push(source.hash.clone());
        let lines = state.read.iter();
        let lines: String = lines
            .map(|hash| format!("{} {hash}\n", self.rows))
            .collect();
        // Without the note the archive is read again after an interruption, no more.
        let _ = fs::write(&self.note, lines);
    }
}

impl Run<'_> {
    /// Settles the rows that no archive had, if all archives were looked into.
    pub(super) fn absent(
        &self,
        known: &HashMap<Identity, FetchRow>,
        progress: &dyn Progress,
    ) -> Result<()> {
        let Some(mirror) = self.mirror.as_ref().filter(|_| !self.net.stopped()) else {
            return Ok(());
        };
        let mut state = mirror.lock();
        let count = self.sources.len().saturating_sub(mirror.first);
        let open = std::mem::take(&mut state.open);
        for (i, row) in self.input.rows.iter().enumerate() {
            if !open.get(i).copied().unwrap_or(false) {
                continue;
            }
            let before = known.get(&identity_of(&row.clip));
            let unusable = |row: &&FetchRow| {
                row.row.outcome == Outcome::Failed && row.row.class != Some(Class::Missing)
            };
            let settled = match (state.failed.remove(&i), before.filter(unusable)) {
                (Some(failed), _) => failed,
                (None, Some(before)) => before.clone(),
                (None, None) => {
                    let mut reason = match count {
                        1 => "not in the archive of the mirror".to_owned(),
                        _ => format!("in none of the {count} archives of the mirror"),
                    };
                    let class = state.broken.as_ref().map(|broken| {
                        reason.push_str("; one could not be read: ");
                        reason.push_str(&broken.reason);
                        broken.class
                    });
                    let failure = Failure::last(class.unwrap_or(Class::Missing), reason);
                    let whole = class.is_none().then(|| mirror.name.clone());
                    FetchRow {
                        mirror: whole,
                        ..clip::failed(&row.clip, &failure)
                    }
                }
            };
            self.write(i, settled)?;
            self.show(i, progress);
        }
        // Without it the archives are read again, no more.
        let _ = fs::remove_file(&mirror.note);
        Ok(())
    }
}
