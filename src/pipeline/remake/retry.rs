//! [`retry`]: the failed rows of a finished dataset, once more.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use serde::Serialize;

use crate::pipeline::Options;
use crate::pipeline::dataset::Dataset;
use crate::pipeline::enter::lock;
use crate::pipeline::files::open_rw;
use crate::pipeline::folder::{Folder, WORK};
use crate::pipeline::log::Log;
use crate::pipeline::remake::Chosen;
use crate::pipeline::remake::commit::{clear, complete, replace, staging};
use crate::pipeline::remake::engine::Engine;
use crate::pipeline::remake::old::Old;
use crate::pipeline::remake::result::Remade;
use crate::pipeline::row::Outcome;
use crate::pipeline::stage::Maker;
use crate::pipeline::window::ordered;
use crate::progress::Progress;
use crate::sample::{Class, Made, SampleError};
use crate::source::Clip;
use crate::{Error, Result};

/// What a retry did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Retried {
    /// Rows that were tried again.
    pub tried: u64,
    /// Those that gave a sample now.
    pub done: u64,
    /// Failed rows that cannot be tried, because they took no place in the plan.
    pub unplanned: u64,
    /// Rows that were to be tried and were not, because of a stop.
    pub remaining: u64,
    /// Names of the shards that were written anew.
    pub shards: Vec<String>,
    /// The dataset as it is now.
    pub dataset: Dataset,
}

/// Makes the failed rows of the dataset in `dir` once more: all of them, or those of `classes`. The
/// shards that get a sample by that are written anew, beside the old ones, and put in their place
/// together with rows and manifest; all others are left alone. What is made of a row that fails
/// again is its new reason.
///
/// `make` and `stop` are as for [`pack`](crate::pipeline::pack); after a stop what was made is kept.
///
/// # Errors
/// [`Error::Usage`] where `dir` holds no finished dataset, its rows do not give back its plan, or
/// another process is at it; [`Error::Io`], [`Error::Format`] where the disk refuses or an old shard
/// is damaged. The dataset is as it was then, or the next call completes it.
pub fn retry<S: Default + Send>(
    dir: &Path,
    classes: &[Class],
    options: &Options<'_>,
    make: impl Fn(&Clip, &crate::sample::Recipe, &mut S) -> Result<Made, SampleError> + Sync,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Retried> {
    if Dataset::read(dir)?.is_none() {
        // Says so in its own words.
        Old::read(dir, dir)?;
    }
    let work = dir.join(WORK);
    fs::create_dir_all(&work).map_err(Error::io("cannot create folder", &work))?;
    let guard = lock(&work.join("retry.lock"))?;
    if super::is_interrupted(dir) {
        complete(dir)?;
        drop(guard);
        return retry(dir, classes, options, make, progress, stop);
    }
    let retried = under_lock(dir, classes, options, make, progress, stop);
    // What is not committed is of no use to anyone.
    let cleared = match super::is_interrupted(dir) {
        true => Ok(()),
        false => clear(dir),
    };
    drop(guard);
    let retried = retried?;
    cleared.map(|()| retried)
}

fn under_lock<S: Default + Send>(
    dir: &Path,
    classes: &[Class],
    options: &Options<'_>,
    make: impl Fn(&Clip, &crate::sample::Recipe, &mut S) -> Result<Made, SampleError> + Sync,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Retried> {
    let old = Old::read(dir, dir)?;
    note_versions(&old, options, progress);
    let (todo, unplanned) = failed(&old, classes);
    progress.planned(todo.len() as u64, 0);
    let folder = empty_staging(dir)?;
    let log_path = folder.log(0, 1);
    let mut log = Log::continue_at(open_rw(&log_path)?, &log_path, 0)?;
    let none = BTreeSet::new();
    let mut engine = Engine::new(&old, &folder, &mut log, progress, (&none, &none));
    let workers = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build()
        .map_err(|e| Error::usage(format!("cannot start {} threads: {e}", options.threads)))?;
    let bounds = options.bounds(workers.current_num_threads());
    let recipe = old.plan.recipe();
    let make = |clip: &Clip, state: &mut S| make(clip, recipe, state);
    let maker = Maker::new(&old.plan, old.target(), options.estimate, make);
    let chosen = Chosen {
        inner: &maker,
        indexes: &todo,
    };
    let numbers = 0..todo.len() as u32;
    let mut tried = 0_u32;
    ordered(&workers, bounds, numbers, stop, &chosen, |number, work| {
        tried = number + 1;
        engine.settle(chosen.index(number), work)
    })?;
    let tried = tried as usize;
    engine.end()?;
    let is_done = |index: &&u32| {
        let row = engine.rows.get(index);
        row.is_some_and(|row| row.outcome == Outcome::Done)
    };
    let done = todo[..tried].iter().filter(is_done).count() as u64;
    let mut remade = Remade::new(&old, engine);
    if tried > 0 {
        old.target().sync()?;
        remade = replace(&old, &folder, remade)?;
    }
    debug_assert!(stop.load(Relaxed) || tried == todo.len());
    Ok(Retried {
        tried: tried as u64,
        done,
        unplanned,
        remaining: (todo.len() - tried) as u64,
        shards: remade.fresh.into_iter().map(|(_, name)| name).collect(),
        dataset: match tried {
            0 => old.dataset,
            _ => remade.dataset,
        },
    })
}

/// Notes where the samples that stay were made by other versions than those to come.
fn note_versions(old: &Old, options: &Options<'_>, progress: &dyn Progress) {
    let origin = &old.dataset.origin;
    let versions = [
        ("kpack", origin.kpack.as_str(), env!("CARGO_PKG_VERSION")),
        ("libav", &origin.libav, &options.libav),
    ];
    for (what, there, here) in versions {
        if there != here {
            progress.note(&format!(
                "packed with {what} {there}, this is {here}: new samples may differ in bits"
            ));
        }
    }
}

/// Plan indexes, ascending, of the failed rows of `classes` (none: of all), and how many such rows
/// took no place in the plan.
fn failed(old: &Old, classes: &[Class]) -> (Vec<u32>, u64) {
    let wanted = |class: Option<Class>| {
        classes.is_empty() || class.is_some_and(|class| classes.contains(&class))
    };
    let rows = old.rows.iter();
    let failed = rows.filter(|row| row.outcome == Outcome::Failed && wanted(row.class));
    let unplanned = failed.clone().filter(|row| row.index.is_none()).count() as u64;
    let mut todo: Vec<u32> = failed.filter_map(|row| row.index).collect();
    todo.sort_unstable();
    (todo, unplanned)
}

/// The staging folder of `dir`, without anything an earlier retry left there.
fn empty_staging(dir: &Path) -> Result<Folder> {
    let out = staging(dir);
    if let Err(e) = fs::remove_dir_all(&out)
        && e.kind() != std::io::ErrorKind::NotFound
    {
        return Err(Error::io("cannot remove folder", &out)(e));
    }
    let folder = Folder::new(&out);
    fs::create_dir_all(&folder.work).map_err(Error::io("cannot create folder", &folder.work))?;
    Ok(folder)
}
