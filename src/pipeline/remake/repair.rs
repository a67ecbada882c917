//! [`repair`]: a damaged dataset, whole again in another folder, as far as that goes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use kpack_formats::framedir;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use serde::Serialize;

use crate::pipeline::Options;
use crate::pipeline::dataset::{Dataset, ShardRecord};
use crate::pipeline::files::{open_rw, remove, rename, sync_folder};
use crate::pipeline::finish::write_dataset;
use crate::pipeline::folder::{Folder, index_name};
use crate::pipeline::log::Log;
use crate::pipeline::remake::Chosen;
use crate::pipeline::remake::engine::Engine;
use crate::pipeline::remake::old::Old;
use crate::pipeline::remake::result::Remade;
use crate::pipeline::remake::source::Source;
use crate::pipeline::row::{Outcome, OutcomeRow};
use crate::pipeline::stage::{Maker, Work};
use crate::pipeline::window::ordered;
use crate::progress::Progress;
use crate::sample::{Made, Recipe, SampleError};
use crate::source::Clip;
use crate::verify::{Unwatched, index, shard, tree};
use crate::{Error, Result, bounded};

/// A sample that was found damaged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// Its shard, or in a tree its JSON.
    pub file: PathBuf,
    /// Its key; empty where not even that is known.
    pub key: String,
    /// Where it was, before compression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Whether it was made again from its source.
    pub remade: bool,
    /// Why it could not be, or what is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a repair did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Repaired {
    /// Samples taken over as they were.
    pub whole: u64,
    /// Samples that were damaged, in the order of the plan.
    pub lost: Vec<Lost>,
    /// Names of the shards that were written anew.
    pub shards: Vec<String>,
    /// The dataset in the new folder; `None` where only shards were repaired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<Dataset>,
}

/// Repairs the dataset in `dir` into the folder `out`: shards that are whole are linked (or copied,
/// on another file system), damaged ones are written anew from their whole samples, and the lost
/// ones are made again by `make` where it can. A lost sample that cannot be made is a failed row.
///
/// # Errors
/// [`Error::Usage`] where `out` is not empty, or `dir` holds no finished dataset or its rows do not
/// give back its plan; [`Error::Io`], [`Error::Format`]. Nothing in `dir` is ever changed.
pub fn repair<S: Default + Send>(
    dir: &Path,
    out: &Path,
    options: &Options<'_>,
    make: impl Fn(&Clip, &Recipe, &mut S) -> Result<Made, SampleError> + Sync,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Repaired> {
    let folder = begin(dir, out)?;
    let old = Old::read(dir, out)?;
    let workers = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build()
        .map_err(|e| Error::usage(format!("cannot start {} threads: {e}", options.threads)))?;
    let (lost, touched) = workers.install(|| match old.shard_target() {
        Some(_) => damaged_shards(&old, &folder),
        None => damaged_places(&old),
    })?;
    let todo: Vec<u32> = lost.iter().copied().collect();
    progress.planned(todo.len() as u64, 0);
    let log_path = folder.log(0, 1);
    let mut log = Log::continue_at(open_rw(&log_path)?, &log_path, 0)?;
    let mut engine = Engine::new(&old, &folder, &mut log, progress, (&lost, &touched));
    let recipe = old.plan.recipe();
    let make = |clip: &Clip, state: &mut S| make(clip, recipe, state);
    let maker = Maker::new(&old.plan, old.target(), options.estimate, make);
    let chosen = Chosen {
        inner: &maker,
        indexes: &todo,
    };
    let bounds = options.bounds(workers.current_num_threads());
    let mut settled = 0;
    ordered(
        &workers,
        bounds,
        0..todo.len() as u32,
        stop,
        &chosen,
        |number, work| {
            settled = number as usize + 1;
            let index = chosen.index(number);
            engine.settle(index, explained(work, old.row(index)))
        },
    )?;
    if settled < todo.len() {
        return Err(Error::usage(
            "stopped before all lost samples were tried: the same command again starts anew",
        ));
    }
    engine.end()?;
    let lost = told(&old, &lost, &engine.rows);
    let remade = Remade::new(&old, engine);
    finish(&old, &folder, remade, lost)
}

/// Puts the new dataset together: what is whole, what was made again, the files that tell of them.
fn finish(old: &Old, folder: &Folder, mut remade: Remade, lost: Vec<Lost>) -> Result<Repaired> {
    place(old, folder, &remade, &lost)?;
    old.target().sync()?;
    remade.write_files(old, folder)?;
    sync_folder(&folder.out)?;
    write_dataset(folder, &remade.dataset)?;
    sync_folder(&folder.out)?;
    crate::pipeline::enter::remove_work(folder)?;
    let gone = lost.len() as u64;
    Ok(Repaired {
        whole: old.dataset.counts.done.saturating_sub(gone),
        lost,
        shards: remade.fresh.into_iter().map(|(_, name)| name).collect(),
        dataset: Some(remade.dataset),
    })
}

/// Makes the folder, which has to be empty or hold what an interrupted repair left.
pub(crate) fn begin(dir: &Path, out: &Path) -> Result<Folder> {
    let folder = Folder::new(out);
    fs::create_dir_all(out).map_err(Error::io("cannot create folder", out))?;
    let same = fs::canonicalize(dir).ok() == fs::canonicalize(out).ok();
    let mark = folder.work.join("repair");
    let mut entries = fs::read_dir(out).map_err(Error::io("cannot read folder", out))?;
    if same || entries.next().is_some() && !mark.exists() {
        return Err(Error::usage(format!(
            "{} is not empty: a repair writes into a folder of its own, so name another",
            out.display()
        )));
    }
    fs::create_dir_all(&folder.work).map_err(Error::io("cannot create folder", &folder.work))?;
    drop(open_rw(&mark)?);
    Ok(folder)
}

/// Says in the failure of a lost sample that it was lost.
fn explained(work: Work, row: &OutcomeRow) -> Work {
    let place = row.shard.as_deref().or(row.path.as_deref());
    match work {
        Work::Failed(mut e) => {
            let place = place.unwrap_or("the dataset");
            e.reason = format!(
                "its sample in {place} was damaged, and its source {}",
                e.reason
            );
            Work::Failed(e)
        }
        other => other,
    }
}

type Indexes = (BTreeSet<u32>, BTreeSet<u32>);

/// Plan indexes whose samples are damaged, and some of each shard that is written anew.
fn damaged_shards(old: &Old, folder: &Folder) -> Result<Indexes> {
    let mut rows: BTreeMap<&str, Vec<&OutcomeRow>> = BTreeMap::new();
    for row in old.rows.iter().filter(|row| row.outcome == Outcome::Done) {
        rows.entry(row.shard.as_deref().unwrap_or(""))
            .or_default()
            .push(row);
    }
    let check = |record: &ShardRecord| {
        let rows = rows
            .get(record.name.as_str())
            .map_or(&[][..], Vec::as_slice);
        damaged_shard(old, folder, record, rows)
    };
    let found: Vec<Result<Indexes>> = old.dataset.shards.par_iter().map(check).collect();
    let mut all = Indexes::default();
    for one in found {
        let (lost, touched) = one?;
        all.0.extend(lost);
        all.1.extend(touched);
    }
    Ok(all)
}

fn damaged_shard(
    old: &Old,
    folder: &Folder,
    record: &ShardRecord,
    rows: &[&OutcomeRow],
) -> Result<Indexes> {
    let path = old.dir.join(&record.name);
    let sum = shard::checksum(&path, &Unwatched).ok();
    let is_whole = sum == Some((record.crc32c, record.bytes));
    let indexed = index::read(&path)
        .is_some_and(|(index, damage)| damage.is_none() && index.entries.len() == rows.len());
    if is_whole && indexed {
        return Ok(Indexes::default());
    }
    let planned = |row: &&&OutcomeRow| row.index;
    let all = || rows.iter().filter_map(|row| planned(&row));
    if is_whole {
        return Ok((BTreeSet::new(), all().take(1).collect()));
    }
    let compression = old.dataset.origin.compression().unwrap_or_default();
    let source = Source::open(&old.dir, &record.name, compression, &folder.work);
    let Ok(source) = source else {
        return Ok((all().collect(), all().take(1).collect()));
    };
    let lost = rows.iter().filter(|row| !source.holds(row));
    Ok((
        lost.filter_map(|row| row.index).collect(),
        all().take(1).collect(),
    ))
}

fn damaged_places(old: &Old) -> Result<Indexes> {
    let damaged = |row: &&OutcomeRow| {
        let place = row.path.as_deref().filter(|_| row.outcome == Outcome::Done);
        place.is_some_and(|place| !tree::is_whole(&old.dir, place, row))
    };
    let lost = old.rows.par_iter().filter(damaged);
    Ok((lost.filter_map(|row| row.index).collect(), BTreeSet::new()))
}

fn told(old: &Old, lost: &BTreeSet<u32>, rows: &BTreeMap<u32, OutcomeRow>) -> Vec<Lost> {
    let tell = |index: &u32| {
        let (before, now) = (old.row(*index), rows.get(index));
        let remade = now.is_some_and(|row| row.outcome == Outcome::Done);
        let file = match (&before.shard, &before.path) {
            (Some(shard), _) => old.dir.join(shard),
            (None, place) => old
                .dir
                .join(format!("{}.json", place.as_deref().unwrap_or(""))),
        };
        Lost {
            file,
            key: before.key.clone(),
            offset: before.offset,
            remade,
            reason: now.filter(|_| !remade).and_then(|row| row.reason.clone()),
        }
    };
    lost.iter().map(tell).collect()
}

/// Puts everything that is whole into the new folder.
fn place(old: &Old, folder: &Folder, remade: &Remade, lost: &[Lost]) -> Result<()> {
    let with_index = |name: &str| [name.to_owned(), index_name(name)];
    for (from, to) in &remade.fresh {
        for (from, to) in with_index(from).iter().zip(with_index(to)) {
            if folder.whole(from) != folder.out.join(&to) {
                rename(&folder.whole(from), &folder.out.join(to))?;
            }
        }
    }
    for (from, to) in &remade.kept {
        for (from, to) in with_index(from).iter().zip(with_index(to)) {
            link(&old.dir.join(from), &folder.out.join(to))?;
        }
    }
    let gone: BTreeSet<&str> = lost.iter().map(|lost| lost.key.as_str()).collect();
    for row in old.rows.iter().filter(|row| row.outcome == Outcome::Done) {
        if let Some(place) = row
            .path
            .as_deref()
            .filter(|_| !gone.contains(row.key.as_str()))
        {
            link_place(&old.dir, &folder.out, place)?;
        }
    }
    Ok(())
}

fn link_place(dir: &Path, out: &Path, place: &str) -> Result<()> {
    let json = format!("{place}.json");
    let path = dir.join(&json);
    let bytes = bounded::read(&path, bounded::BESIDE).map_err(Error::io("cannot read", &path))?;
    let listed = framedir::listed(&bytes)?.unwrap_or_default();
    let folder = Path::new(&json)
        .parent()
        .unwrap_or(Path::new(""))
        .to_owned();
    for file in &listed.files {
        let file = folder.join(&file.file);
        link(&dir.join(&file), &out.join(file))?;
    }
    link(&path, &out.join(json))
}

/// A hard link, or a copy where the file system has none between the two.
pub(crate) fn link(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(Error::io("cannot create folder", folder))?;
    }
    remove(to)?;
    match fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == ErrorKind::NotFound => Err(Error::io("cannot link", from)(e)),
        Err(_) => {
            fs::copy(from, to).map_err(Error::io("cannot copy", from))?;
            let synced = fs::File::open(to).and_then(|file| file.sync_all());
            synced.map_err(Error::io("cannot sync", to))
        }
    }
}
