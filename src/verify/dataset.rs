//! A folder: a dataset with its manifest, or shards without one.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::decode::Expected;
use super::shard::Shard;
use super::{Damage, Job, Options, Report, Unwatched, look, shard, tree};
use crate::pipeline::{
    self, Counts, DATASET, Dataset, FileRecord, Outcome, OutcomeRow, SAMPLES, is_sealed,
};
use crate::{Error, Result, bounded};

/// Samples of a tree that one thread takes at a time.
const PLACES: usize = 32;

/// Checks the manifest in `dir` and plans what it lists.
pub(super) fn plan(
    dir: &Path,
    options: &Options,
    jobs: &mut Vec<Job>,
    report: &mut Report,
) -> Result<()> {
    let path = dir.join(DATASET);
    let bytes = match bounded::read(&path, bounded::MANIFEST) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == ErrorKind::NotFound => {
            let unfinished = pipeline::unfinished(dir)?;
            let is_tree = unfinished.is_none();
            report
                .damage
                .extend(unfinished.map(|what| Damage::of(dir, what)));
            if is_tree && look::is_mds(dir) {
                return Err(Error::usage(format!(
                    "{}: is a dataset of MosaicML streaming (MDS), which kpack writes and does not \
                     verify: verify what it was converted from",
                    dir.display()
                )));
            }
            return without_manifest(dir, options, (is_tree, true), jobs);
        }
        Err(e) => return Err(Error::io("cannot read", &path)(e)),
    };
    report.bytes += bytes.len() as u64;
    if !is_sealed(&bytes) {
        let what = "the manifest does not match the checksum at its end";
        report.damaged(Damage::of(&path, what));
        // What it says is not held against the rest.
        return without_manifest(dir, options, (true, false), jobs);
    }
    let dataset = match Dataset::read(dir) {
        Ok(Some(dataset)) => dataset,
        Ok(None) => return Ok(()),
        Err(Error::Input { message, .. }) => {
            report.damaged(Damage::of(&path, message));
            return without_manifest(dir, options, (true, false), jobs);
        }
        Err(e) => return Err(e),
    };
    if let Some(what) = pipeline::unfinished(dir)? {
        report.damaged(Damage::of(dir, what));
    }
    let rows_are_whole = files(dir, &dataset, report)?;
    let rows = match rows_are_whole {
        true => rows(dir, &dataset, report)?,
        false => Rows::default(),
    };
    shards(dir, &dataset, rows_are_whole, rows.shards, options, jobs);
    for chunk in rows.places.chunks(PLACES) {
        jobs.push(Job::Places(tree::Places {
            dir: dir.to_owned(),
            rows: chunk.to_vec(),
            decode: options.decode,
        }));
    }
    if !rows_are_whole && dataset.shards.is_empty() {
        jobs.push(Job::Tree(tree::Tree {
            dir: dir.to_owned(),
            decode: options.decode,
            alone: false,
        }));
    }
    Ok(())
}

fn shards(
    dir: &Path,
    dataset: &Dataset,
    rows_are_whole: bool,
    mut rows: HashMap<String, Vec<Expected>>,
    options: &Options,
    jobs: &mut Vec<Job>,
) {
    for record in &dataset.shards {
        let mut shard = Shard::loose(&dir.join(&record.name), options);
        shard.indexed = true;
        shard.compression = dataset.origin.compression();
        shard.record = Some(record.clone());
        shard.rows = rows_are_whole.then(|| rows.remove(&record.name).unwrap_or_default());
        jobs.push(Job::Shard(Box::new(shard)));
    }
}

/// Checks the files beside the shards; whether the rows can be relied on.
fn files(dir: &Path, dataset: &Dataset, report: &mut Report) -> Result<bool> {
    let mut rows_are_whole = dataset.files.contains_key(SAMPLES);
    for (name, FileRecord { bytes, crc32c }) in &dataset.files {
        let path = dir.join(name);
        let damage = match shard::checksum(&path, &Unwatched) {
            Ok(found) if found == (*crc32c, *bytes) => {
                report.bytes += bytes;
                continue;
            }
            Ok((_, found)) if found == *bytes => {
                let what = format!("the file's {bytes} bytes do not match the manifest's checksum");
                let damage = Damage::of(&path, what);
                match look::broken_line(&path, name) {
                    Some(at) => damage.at(at),
                    None => damage,
                }
            }
            Ok((_, found)) => {
                let what = format!("the file has {found} bytes, the manifest says {bytes}");
                Damage::of(&path, what)
            }
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                Damage::of(&path, "the file is missing")
            }
            Err(Error::Io { what, source, .. }) => {
                Damage::of(&path, format!("{what} it: {source}"))
            }
            Err(e) => return Err(e),
        };
        report.damaged(damage);
        rows_are_whole &= name != SAMPLES;
    }
    Ok(rows_are_whole)
}

/// The rows that are done, by shard or by place.
#[derive(Default)]
struct Rows {
    shards: HashMap<String, Vec<Expected>>,
    places: Vec<(String, Expected)>,
}

fn rows(dir: &Path, dataset: &Dataset, report: &mut Report) -> Result<Rows> {
    let path = dir.join(SAMPLES);
    let file = fs::File::open(&path).map_err(Error::io("cannot open", &path))?;
    let (mut rows, mut counts) = (Rows::default(), Counts::default());
    for row in OutcomeRow::read_all(file, &path) {
        let row = match row {
            Ok(row) => row,
            Err(Error::Input { message, .. }) => {
                report.damaged(Damage::of(&path, message));
                return Ok(rows);
            }
            Err(e) => return Err(e),
        };
        counts.clips += 1;
        counts.add(&(&row).into());
        if row.outcome != Outcome::Done {
            continue;
        }
        let expected = Expected::of(&row);
        match (row.shard, row.path) {
            (Some(shard), _) => rows.shards.entry(shard).or_default().push(expected),
            (None, Some(place)) => rows.places.push((place, expected)),
            (None, None) => {
                let what = "a row that is done says neither shard nor path";
                report.damaged(Damage::of(&path, what).key(&row.key));
            }
        }
    }
    for list in rows.shards.values_mut() {
        list.sort_by_key(|row| row.extent);
    }
    if counts != dataset.counts {
        let what = "the rows do not add up to the counts of the manifest";
        report.damaged(Damage::of(&path, what));
    }
    let unknown = |name: &&String| !dataset.shards.iter().any(|shard| shard.name == **name);
    if let Some(name) = rows.shards.keys().filter(unknown).min() {
        let what = format!("a row names the shard {name}, the manifest does not");
        report.damaged(Damage::of(&path, what));
    }
    Ok(rows)
}

/// Shards, or a tree of samples, without a manifest.
fn without_manifest(
    dir: &Path,
    options: &Options,
    (is_tree, alone): (bool, bool),
    jobs: &mut Vec<Job>,
) -> Result<()> {
    let shards = look::shards_in(dir)?;
    for path in &shards {
        jobs.push(Job::Shard(Box::new(Shard::loose(path, options))));
    }
    if shards.is_empty() && is_tree {
        jobs.push(Job::Tree(tree::Tree {
            dir: PathBuf::from(dir),
            decode: options.decode,
            alone,
        }));
    }
    Ok(())
}
