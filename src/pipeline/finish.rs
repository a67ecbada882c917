//! Joins the logs of all parts into the files that a finished dataset has.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::pipeline::dataset::{DATASET, Dataset, FileRecord, LABELS, SAMPLES, ShardRecord};
use crate::pipeline::enter::{lock, logs, remove_work};
use crate::pipeline::files::{exists, rename, sync_folder, write_whole};
use crate::pipeline::folder::{Folder, index_name};
use crate::pipeline::header::Header;
use crate::pipeline::log::{Line, LogReader};
use crate::pipeline::names;
use crate::pipeline::remake;
use crate::pipeline::summary::{Counted, Counts};
use crate::{Error, Result, bounded};

/// Joins the parts in `out` into one dataset; does nothing if that is done already.
///
/// # Errors
/// [`Error::Usage`] if a part is missing, unfinished or still being packed; [`Error::Io`].
pub fn merge(out: &Path) -> Result<Dataset> {
    let folder = Folder::new(out);
    remake::complete(out)?;
    if let Some(dataset) = Dataset::read(out)? {
        remove_work(&folder)?;
        return Ok(dataset);
    }
    let logs = logs(&folder)?;
    if logs.is_empty() {
        return Err(Error::usage(format!(
            "{} holds no parts to merge: pack them with --part I/N first",
            out.display()
        )));
    }
    let locks = logs
        .iter()
        .map(|log| lock(log))
        .collect::<Result<Vec<_>>>()?;
    let dataset = finish(&folder, &logs)?;
    drop(locks);
    Ok(dataset)
}

/// Writes what is still missing of the dataset and removes the working folder. Can be repeated
/// after an interruption at any moment.
pub(crate) fn finish(folder: &Folder, logs: &[PathBuf]) -> Result<Dataset> {
    let joined = Joined::read(logs)?;
    let names = final_names(&joined.shards);
    place(folder, &joined.shards, &names)?;
    let mut files = BTreeMap::new();
    let classes = &joined.header.classes;
    if !classes.is_empty() {
        files.insert(LABELS.to_owned(), write_labels(folder, classes)?);
    }
    let rows = write_whole(&folder.out.join(SAMPLES), &folder.scratch(), |file| {
        joined.write_rows(logs, &names, file, &folder.scratch())
    })?;
    files.insert(SAMPLES.to_owned(), rows);
    let settled = |shard: &ShardRecord| ShardRecord {
        name: names.get(&shard.name).unwrap_or(&shard.name).clone(),
        ..shard.clone()
    };
    let (written, empty): (Vec<_>, Vec<_>) = joined
        .shards
        .iter()
        .map(settled)
        .partition(|shard| shard.samples > 0);
    let dataset = Dataset {
        origin: joined.header.origin.clone(),
        counts: joined.counts,
        shards: written,
        empty_shards: empty.into_iter().map(|shard| shard.name).collect(),
        files,
    };
    // The manifest says that all the rest is there, so it is the last to appear.
    sync_folder(&folder.out)?;
    write_dataset(folder, &dataset)?;
    sync_folder(&folder.out)?;
    remove_work(folder)?;
    Ok(dataset)
}

pub(crate) fn write_labels(folder: &Folder, classes: &[String]) -> Result<FileRecord> {
    write_whole(&folder.out.join(LABELS), &folder.scratch(), |file| {
        let name = |class: &String| class.replace(['\n', '\r'], " ");
        let text: String = classes.iter().map(|class| name(class) + "\n").collect();
        file.write_all(text.as_bytes())
            .map_err(Error::io("cannot write", &folder.scratch()))
    })
}

pub(crate) fn write_dataset(folder: &Folder, dataset: &Dataset) -> Result<FileRecord> {
    write_whole(&folder.out.join(DATASET), &folder.scratch(), |file| {
        let bytes = dataset.encode().map_err(std::io::Error::from);
        bytes
            .and_then(|bytes| file.write_all(&bytes))
            .map_err(Error::io("cannot write", &folder.scratch()))
    })
}

/// What the logs say together.
struct Joined {
    header: Header,
    counts: Counts,
    shards: Vec<ShardRecord>,
    /// Log and byte where the line of each input row begins.
    places: Vec<Option<(u32, u64)>>,
}

impl Joined {
    fn read(logs: &[PathBuf]) -> Result<Joined> {
        let mut parts = Vec::new();
        for (number, path) in logs.iter().enumerate() {
            let file = File::open(path).map_err(Error::io("cannot open", path))?;
            let mut lines = LogReader::new(file, path);
            match lines.next()? {
                Some((_, Line::Plan(header))) => parts.push((*header, number, lines)),
                _ => return Err(unfinished(path, "it has not begun")),
            }
        }
        parts.sort_by_key(|(header, _, _)| header.part);
        let Some((header, _, _)) = parts.first() else {
            return Err(Error::usage("there are no parts to join"));
        };
        let header = header.clone();
        let mut joined = Joined {
            counts: Counts {
                clips: u64::from(header.rows),
                ..Counts::default()
            },
            shards: Vec::new(),
            places: vec![None; header.rows as usize],
            header,
        };
        for (i, (header, log, lines)) in parts.into_iter().enumerate() {
            if header.origin != joined.header.origin || header.parts != joined.header.parts {
                return Err(Error::usage(format!(
                    "{}: belongs to another plan than part {}; pack both with the same options",
                    logs[log].display(),
                    joined.header.part
                )));
            }
            if header.part != i as u32 {
                return Err(missing(i as u32, &joined.header));
            }
            joined.take(&header, log as u32, lines, &logs[log])?;
        }
        let found = logs.len() as u32;
        if found != joined.header.parts {
            return Err(missing(found, &joined.header));
        }
        Ok(joined)
    }

    fn take(
        &mut self,
        header: &Header,
        log: u32,
        mut lines: LogReader<File>,
        path: &Path,
    ) -> Result<()> {
        let before = self.counts.settled();
        while let Some((begin, line)) = lines.next()? {
            match line {
                Line::Row { n, row } => {
                    let place = self
                        .places
                        .get_mut(n as usize)
                        .filter(|place| place.is_none());
                    let Some(place) = place else {
                        return Err(unfinished(path, "it has a row twice; pack it again"));
                    };
                    *place = Some((log, begin));
                    self.counts.add(&Counted::from(&*row));
                }
                Line::Shard(shard) => self.shards.push(shard),
                Line::Plan(_) | Line::Synced(_) => {}
            }
        }
        let left = header
            .clips()
            .saturating_sub(self.counts.settled() - before);
        if left > 0 {
            return Err(unfinished(path, &format!("{left} clips are left")));
        }
        Ok(())
    }

    /// Writes the rows in input order.
    fn write_rows(
        &self,
        logs: &[PathBuf],
        names: &HashMap<String, String>,
        to: &mut impl Write,
        to_path: &Path,
    ) -> Result<()> {
        let mut sources = Vec::new();
        for path in logs {
            let file = File::open(path).map_err(Error::io("cannot open", path))?;
            sources.push((BufReader::with_capacity(1 << 18, file), 0u64, path));
        }
        let mut line = Vec::new();
        for place in &self.places {
            let Some((log, begin)) = place else { continue };
            let (source, position, path) = &mut sources[*log as usize];
            line.clear();
            seek(source, *position, *begin)
                .and_then(|()| bounded::line(source, &mut line, bounded::ROW))
                .map_err(Error::io("cannot read", path))?;
            *position = begin + line.len() as u64;
            let Ok(Line::Row { mut row, .. }) = serde_json::from_slice(&line) else {
                return Err(unfinished(path, "it changed while it was read"));
            };
            if let Some(name) = row.shard.as_mut().and_then(|name| names.get(name)) {
                row.shard = Some(name.clone());
            }
            serde_json::to_writer(&mut *to, &row)
                .map_err(std::io::Error::from)
                .and_then(|()| to.write_all(b"\n"))
                .map_err(Error::io("cannot write", to_path))?;
        }
        Ok(())
    }
}

/// Seeks without throwing away what is buffered, where that helps.
fn seek(source: &mut BufReader<File>, from: u64, to: u64) -> std::io::Result<()> {
    match i64::try_from(i128::from(to) - i128::from(from)) {
        Ok(distance) => source.seek_relative(distance),
        Err(_) => source.seek(SeekFrom::Start(to)).map(drop),
    }
}

fn unfinished(path: &Path, why: &str) -> Error {
    Error::usage(format!(
        "{}: this part is unfinished ({why}): run it again first",
        path.display()
    ))
}

fn missing(part: u32, header: &Header) -> Error {
    Error::usage(format!(
        "part {part}/{parts} is missing: pack it with --part {part}/{parts} first",
        parts = header.parts,
    ))
}

/// Final names of the shards that lacked their number until now.
fn final_names(shards: &[ShardRecord]) -> HashMap<String, String> {
    let mut counts: HashMap<&Option<String>, u32> = HashMap::new();
    shards
        .iter()
        .for_each(|shard| *counts.entry(&shard.split).or_default() += 1);
    let lacking = shards
        .iter()
        .filter(|shard| names::is_provisional(&shard.name));
    let settle = |shard: &ShardRecord| names::settle(&shard.name, counts[&shard.split]);
    lacking
        .map(|shard| (shard.name.clone(), settle(shard)))
        .collect()
}

/// Moves shards and indexes to their final names. What is there already was moved by an earlier run.
fn place(folder: &Folder, shards: &[ShardRecord], names: &HashMap<String, String>) -> Result<()> {
    for shard in shards.iter().filter(|shard| shard.samples > 0) {
        let Some(name) = names.get(&shard.name) else {
            continue;
        };
        for (from, to) in [
            (shard.name.clone(), name.clone()),
            (index_name(&shard.name), index_name(name)),
        ] {
            let (from, to) = (folder.whole(&from), folder.whole(&to));
            if exists(&from) || !exists(&to) {
                rename(&from, &to)?;
            }
        }
    }
    if names.is_empty() {
        Ok(())
    } else {
        sync_folder(&folder.out)
    }
}
