//! The gate of OUT: who may write here, and what an earlier run left.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::pipeline::dataset::{DATASET, Dataset, LABELS, Origin, SAMPLES, ShardRecord};
use crate::pipeline::files::{exists, moment, open_rw, remove};
use crate::pipeline::folder::{Folder, WORK, index_name};
use crate::pipeline::header::Header;
use crate::pipeline::intact;
use crate::pipeline::log::{Line, LogReader};
use crate::pipeline::names;
use crate::pipeline::occupied::{self, Guard};
use crate::pipeline::options::Options;
use crate::pipeline::plan::Plan;
use crate::pipeline::remake;
use crate::pipeline::row::OutcomeRow;
use crate::pipeline::target::{Target, TreeWriter};
use crate::{Error, Result};

/// What OUT turned out to be.
pub(crate) enum Entered {
    /// This very dataset, finished.
    Finished(Box<Dataset>),
    /// This part's log, locked; perhaps empty.
    Unfinished(File, PathBuf),
}

/// Enters OUT for the part that `header` tells of. With [`Options::overwrite`] what kpack wrote there is
/// removed first (of the same plan in several parts: what this part wrote).
pub(crate) fn enter(
    folder: &Folder,
    plan: &Plan,
    header: &Header,
    target: Target<'_>,
    options: &Options<'_>,
) -> Result<Entered> {
    let overwrite = options.overwrite;
    fs::create_dir_all(&folder.out).map_err(Error::io("cannot create folder", &folder.out))?;
    remake::complete(&folder.out)?;
    // In this order, so that what other parts write meanwhile is not taken for foreign.
    let there = entries(&folder.out)?;
    let logs = logs(folder)?;
    let guard = match target {
        Target::Tree(tree) if there.iter().any(|name| name != WORK) => {
            Some(Guard::new(plan, folder, tree))
        }
        _ => None,
    };
    let log = folder.log(header.part, header.parts);
    // What was in flight when this very part was interrupted has no rows, and is ours.
    let begun = exists(&log) && header_of(&log)?.is_some_and(|h| h.origin == header.origin);
    let finished = Dataset::read(&folder.out)?;
    occupied::spare_sources(folder, plan, options, (finished.as_ref(), &logs))?;
    let mut orphans = Vec::new();
    if let (Some(guard), true) = (&guard, overwrite) {
        let mut owned = occupied::of_logs(&logs)?;
        if let Some(dataset) = &finished {
            owned.extend(occupied::of_dataset(folder, dataset)?);
        }
        if !logs.is_empty() && !begun {
            orphans = guard.orphans(&owned);
            owned.extend(orphans.iter().cloned());
        }
        guard.check(&owned, begun)?;
    }
    match finished {
        Some(dataset) if !overwrite => {
            same(&folder.out, &dataset.origin, &header.origin)?;
            // The manifest is the last file to be written, so nothing else is needed any more.
            remove_work(folder)?;
            intact::check(folder, &dataset, target)?;
            return Ok(Entered::Finished(Box::new(dataset)));
        }
        Some(dataset) => {
            clear_finished(folder, &dataset, target)?;
            clear_unfinished(folder, &logs, header, target)?;
        }
        None if logs.is_empty() => refuse_foreign(folder, &there, plan, overwrite)?,
        None if overwrite => clear_unfinished(folder, &logs, header, target)?,
        None => refuse_other(folder, &logs, header)?,
    }
    // Once more: what is still there is not ours, such as a picture that someone put into a folder.
    if let Some(guard) = &guard {
        guard.remove(&orphans)?;
        guard.check(&HashSet::new(), begun)?;
    }
    Ok(Entered::Unfinished(begin(folder, &log)?, log))
}

/// Makes the part's log, and holds it.
fn begin(folder: &Folder, path: &Path) -> Result<File> {
    fs::create_dir_all(&folder.work).map_err(Error::io("cannot create folder", &folder.work))?;
    let log = lock(path)?;
    if exists(&folder.out.join(DATASET)) {
        return Err(just_finished(path));
    }
    Ok(log)
}

fn just_finished(log: &Path) -> Error {
    Error::usage(format!(
        "{}: another process has just finished this dataset; run the command again to see it",
        log.display()
    ))
}

/// Opens and locks a part's log. The lock goes with the handle, also in a crash.
pub(crate) fn lock(path: &Path) -> Result<File> {
    let log = open_rw(path)?;
    // A process that was just started by the one that held the lock holds it too, up to its exec.
    let mut patience = 25;
    let locked = loop {
        match log.try_lock() {
            Err(TryLockError::WouldBlock) if patience > 0 => {
                patience -= 1;
                std::thread::sleep(Duration::from_millis(20));
            }
            other => break other,
        }
    };
    match locked {
        Ok(()) if path.exists() => Ok(log),
        Ok(()) => Err(just_finished(path)),
        Err(TryLockError::WouldBlock) => Err(Error::usage(format!(
            "{}: another process is packing this part; wait for it, or use another folder",
            path.display()
        ))),
        // Some network file systems know no locks; users of these keep their processes apart.
        Err(TryLockError::Error(e)) if e.kind() == std::io::ErrorKind::Unsupported => Ok(log),
        Err(TryLockError::Error(e)) => Err(Error::io("cannot lock", path)(e)),
    }
}

/// Names of what is in `folder`, in order; none if it is not there.
pub(crate) fn entries(folder: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io("cannot read folder", folder)(e)),
    };
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let names: std::io::Result<Vec<_>> = entries.map(|entry| entry.map(name)).collect();
    let mut names = names.map_err(Error::io("cannot read folder", folder))?;
    names.sort();
    Ok(names)
}

/// The logs of all parts, in the order of their names.
pub(crate) fn logs(folder: &Folder) -> Result<Vec<PathBuf>> {
    let mut names = entries(&folder.work)?;
    names.retain(|name| name.starts_with("part-") && name.ends_with(".jsonl"));
    names.sort();
    Ok(names.iter().map(|name| folder.work.join(name)).collect())
}

fn header_of(log: &Path) -> Result<Option<Header>> {
    let file = File::open(log).map_err(Error::io("cannot open", log))?;
    match LogReader::new(file, log).next()? {
        Some((_, Line::Plan(header))) => Ok(Some(*header)),
        _ => Ok(None),
    }
}

/// Whether a log tells of more than rows that took no place in the plan.
fn has_begun(log: &Path) -> Result<bool> {
    let file = File::open(log).map_err(Error::io("cannot open", log))?;
    let mut lines = LogReader::new(file, log);
    while let Some((_, line)) = lines.next()? {
        match line {
            Line::Plan(_) | Line::Synced(_) => {}
            Line::Row { row, .. } if row.index.is_none() => {}
            Line::Row { .. } | Line::Shard(_) => return Ok(true),
        }
    }
    Ok(false)
}

/// Refuses to go on with another plan.
pub(crate) fn same(out: &Path, there: &Origin, here: &Origin) -> Result<()> {
    match there.difference(here) {
        None => Ok(()),
        Some(difference) => Err(Error::usage(format!(
            "{} holds another dataset ({difference}): repeat its own command to continue it, use \
             another folder, or --overwrite to start anew",
            out.display()
        ))),
    }
}

/// Refuses to go on where another plan, or another number of parts, is under way. A log that tells of
/// no clip yet holds nothing that could be lost, and is removed.
fn refuse_other(folder: &Folder, logs: &[PathBuf], header: &Header) -> Result<()> {
    for log in logs {
        let Some(other) = header_of(log)? else {
            continue;
        };
        let different = other.origin != header.origin || other.parts != header.parts;
        if different && !has_begun(log)? {
            let lock = lock(log)?;
            remove(log)?;
            drop(lock);
            continue;
        }
        same(&folder.out, &other.origin, &header.origin)?;
        if other.parts != header.parts {
            return Err(Error::usage(format!(
                "{} is being packed in {parts} parts, not {}: use --part I/{parts}, or another \
                 folder",
                folder.out.display(),
                header.parts,
                parts = other.parts,
            )));
        }
    }
    Ok(())
}

/// Refuses a folder that kpack has not written; with `overwrite` only where its files are in the way.
fn refuse_foreign(folder: &Folder, there: &[String], plan: &Plan, overwrite: bool) -> Result<()> {
    for name in there {
        if name == WORK {
            continue;
        }
        if !overwrite {
            return Err(Error::usage(format!(
                "{} is not empty (it holds {name}) and is not a dataset of kpack: use an \
                 empty folder",
                folder.out.display()
            )));
        }
        let ours = |prefix: &str| {
            plan.naming
                .as_ref()
                .is_some_and(|naming| naming.is_shard(prefix, name))
        };
        if [SAMPLES, LABELS].contains(&&**name) || plan.splits.iter().any(|s| ours(&s.prefix)) {
            return Err(Error::usage(format!(
                "{} is in the way, and kpack did not write it: move it, or use another folder",
                folder.out.join(name).display()
            )));
        }
    }
    Ok(())
}

fn clear_finished(folder: &Folder, dataset: &Dataset, target: Target<'_>) -> Result<()> {
    remove_shards(folder, &dataset.shards)?;
    let samples = folder.out.join(SAMPLES);
    // Samples without a shard are in a tree.
    let tree = dataset.shards.is_empty() && dataset.counts.done > 0;
    if let (true, Ok(file)) = (tree, File::open(&samples)) {
        let tree = tree_of(folder, &dataset.origin, target)?;
        for row in OutcomeRow::read_all(file, &samples) {
            remove_sample(tree, &row?)?;
        }
    }
    // The manifest goes last, so that an interrupted removal can be repeated.
    for name in [SAMPLES, LABELS, DATASET] {
        remove(&folder.out.join(name))?;
    }
    Ok(())
}

fn clear_unfinished(
    folder: &Folder,
    logs: &[PathBuf],
    header: &Header,
    target: Target<'_>,
) -> Result<()> {
    let own = folder.log(header.part, header.parts);
    let mut kept = false;
    for path in logs {
        let other = header_of(path)?;
        let sibling = |other: &Header| other.origin == header.origin && other.parts == header.parts;
        if *path != own && other.as_ref().is_some_and(sibling) {
            kept = true;
            continue;
        }
        let lock = lock(path)?;
        if let Some(other) = other {
            clear_part(folder, path, &other, target)?;
        }
        remove(path)?;
        drop(lock);
    }
    if kept {
        return Ok(());
    }
    // Written before the manifest.
    for name in [SAMPLES, LABELS] {
        remove(&folder.out.join(name))?;
    }
    remove_work(folder)
}

/// Removes the working folder, if it is there.
pub(crate) fn remove_work(folder: &Folder) -> Result<()> {
    moment()?;
    match fs::remove_dir_all(&folder.work) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("cannot remove folder", &folder.work)(e))
        }
        _ => Ok(()),
    }
}

/// Removes what the part with this log has written.
fn clear_part(folder: &Folder, path: &Path, header: &Header, target: Target<'_>) -> Result<()> {
    let file = File::open(path).map_err(Error::io("cannot open", path))?;
    let mut lines = LogReader::new(file, path);
    let mut shards = Vec::new();
    while let Some((_, line)) = lines.next()? {
        match line {
            Line::Shard(shard) => shards.push(shard),
            Line::Row { row, .. } if row.path.is_some() => {
                remove_sample(tree_of(folder, &header.origin, target)?, &row)?;
            }
            // A shard whose commit was interrupted has rows and perhaps a file, but no line.
            Line::Row { row, .. } => {
                if let Some(name) = row.shard.filter(|name| {
                    shards
                        .last()
                        .is_none_or(|shard: &ShardRecord| shard.name != *name)
                }) {
                    shards.push(ShardRecord {
                        name,
                        split: None,
                        samples: 0,
                        bytes: 0,
                        crc32c: 0,
                    });
                }
            }
            Line::Plan(_) | Line::Synced(_) => {}
        }
    }
    remove_shards(folder, &shards)
}

fn remove_shards(folder: &Folder, shards: &[ShardRecord]) -> Result<()> {
    for shard in shards {
        for name in [shard.name.clone(), index_name(&shard.name)] {
            remove(&folder.whole(&name))?;
            remove(&folder.partial(&name))?;
        }
        if names::is_provisional(&shard.name) {
            let of = shards
                .iter()
                .filter(|other| other.split == shard.split)
                .count() as u32;
            let name = names::settle(&shard.name, of);
            remove(&folder.out.join(index_name(&name)))?;
            remove(&folder.out.join(name))?;
        }
    }
    Ok(())
}

/// The tree writer that knows where samples of `there` lie.
fn tree_of<'a>(folder: &Folder, there: &Origin, target: Target<'a>) -> Result<&'a dyn TreeWriter> {
    match target {
        Target::Tree(tree) if there.target.get("format") == tree.describe().get("format") => {
            Ok(tree)
        }
        _ => Err(Error::usage(format!(
            "{} holds files of another format in folders of their own, which --overwrite does not \
             remove: remove the folder yourself, or use another one",
            folder.out.display()
        ))),
    }
}

fn remove_sample(tree: &dyn TreeWriter, row: &OutcomeRow) -> Result<()> {
    match row.path.as_deref() {
        // A folder of others may say anything.
        Some(place) => Ok(kpack_formats::check_key(place).and_then(|()| tree.remove(place))?),
        None => Ok(()),
    }
}
