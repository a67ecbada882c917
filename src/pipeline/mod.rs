//! Clips to shards: the plan, the ordered window, shard commit, resume. [`pack`] is the one screen.
//!
//! ```text
//!  Input ──> Plan ──> window ──> make (workers) ──> settle, in plan order ──> shards, log
//!                       ▲                                  │
//!                       └──────────────────────────────────┘        log ──> manifest, rows
//! ```
//!
//! The order of samples, and with it every byte, is decided by the plan; threads, failures and
//! interruptions cannot change it, because samples reach their shard one at a time in plan order.

mod clean;
#[cfg(test)]
mod crash_tests;
mod dataset;
mod enter;
mod failure;
mod files;
mod finish;
mod flusher;
mod folder;
mod header;
mod intact;
mod layout;
mod log;
mod names;
mod occupied;
mod options;
mod outline;
mod piece;
mod plan;
mod plan_hash;
mod remake;
mod resume;
mod row;
mod run;
mod shard_file;
mod shards;
pub(crate) mod shuffle;
mod stage;
mod summary;
mod target;
mod unfinished;
mod window;
#[cfg(test)]
mod window_tests;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::progress::Progress;
use crate::sample::{Made, SampleError};
use crate::source::Clip;
use crate::{Error, Result};

pub use clean::{Leftovers, clean, leftovers};
#[cfg(test)]
pub(crate) use crash_tests::dying;
pub(crate) use dataset::is_sealed;
pub use dataset::{
    DATASET, Dataset, FileRecord, LABELS, Origin, PlanRecord, SAMPLES, ShardRecord, classes,
};
pub(crate) use enter::{entries, lock};
pub(crate) use files::{exists, remove, rename, sync_folder};
pub use finish::merge;
pub(crate) use folder::{MDS_LOG, WORK};
pub(crate) use log::{Log, LogReader};
pub use options::{FailureLimit, Options};
pub use outline::{Outline, SplitOutline};
pub use plan::{Part, Plan, PlanOptions, ShardRule};
pub(crate) use plan_hash::of_input;
pub use remake::{Lost, Repaired, Retried, repair, repair_shards, retry};
pub use row::{Outcome, OutcomeRow};
pub(crate) use shuffle::shuffle;
pub use summary::{Counts, End, Summary};
pub use target::{ShardTarget, Target, TreeWriter};
pub(crate) use unfinished::unfinished;
pub(crate) use window::{Bounds, Stage, ordered, panic_text};

/// Packs a plan, or what an earlier run left of it, into the folder `out`.
///
/// `make` turns a clip into a sample. It runs on many threads, each with a state of its own that is
/// used again for the next clip; a panic in it is that clip's failure. `stop` may be set at any time
/// by anyone: then clips that were begun are finished and kept, and a later run goes on from there.
///
/// # Errors
/// [`Error::Usage`] where `out` holds something else or is in use; [`Error::Io`] and
/// [`Error::Format`] where the disk refuses. What was written so far stays valid: after the cause is
/// gone, the same call continues.
pub fn pack<S: Default + Send>(
    plan: &Plan,
    out: &Path,
    target: Target<'_>,
    options: &Options<'_>,
    make: impl Fn(&Clip, &mut S) -> Result<Made, SampleError> + Sync,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Summary> {
    let mut run = match run::Run::open(plan, out, target, options, progress)? {
        run::Opened::Finished(summary) => return Ok(summary),
        run::Opened::Unfinished(run) => run,
    };
    let workers = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .thread_name(|i| format!("kpack-{i}"))
        .build()
        .map_err(|e| Error::usage(format!("cannot start {} threads: {e}", options.threads)))?;
    let bounds = options.bounds(workers.current_num_threads());
    let maker = stage::Maker::new(plan, target, options.estimate, make);
    // Workers make samples in any order; they are settled in the order of the plan.
    let unsettled = run.unsettled();
    if let Some(begun) = options.begun {
        begun(unsettled.clone());
    }
    let peak = window::ordered(&workers, bounds, unsettled, stop, &maker, |index, work| {
        run.settle(index, work)
    })?;
    run.end(peak)
}
