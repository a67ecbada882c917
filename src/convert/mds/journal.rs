//! [`Journal`]: what a later run needs to go on, one JSON line per event, appended only.
//!
//! ```text
//! {"plan": {...}}      the first line: which conversion this is
//! {"failed": {...}}    a sample that could not be written, of the shard whose line follows
//! {"shard": {...}}     a shard stands, and all rows up to `end` of its split are settled
//! ```
//!
//! Shards of a split stand in order. A line is worth as much as the file that it tells of, which is
//! looked at by name and length.

use std::fs;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Instant;

use kpack_formats::mds::{MdsColumns, MdsShardInfo};
use serde::{Deserialize, Serialize};

use super::MdsOptions;
use super::split::{INDEX, Split};
use crate::pipeline::{
    Log, LogReader, MDS_LOG, WORK, entries, exists, lock, of_input, remove, sync_folder,
};
use crate::sample::{Class, SampleError, Stage};
use crate::source::Input;
use crate::{Error, Result};

/// What decides a conversion's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    kpack: String,
    columns: Vec<String>,
    shard_size: u64,
    shard_samples: Option<u64>,
    shuffle: Option<u64>,
    /// Of the rows: keys, places in their sources, splits, edits.
    hash: String,
}

impl Header {
    pub(super) fn new(input: &Input, columns: &MdsColumns, options: MdsOptions) -> Self {
        Self {
            kpack: env!("CARGO_PKG_VERSION").to_owned(),
            columns: columns.names().map(str::to_owned).collect(),
            shard_size: options.shard_size,
            shard_samples: options.shard_samples,
            shuffle: options.shuffle,
            hash: format!("{:016x}", of_input("mds", input)),
        }
    }

    /// What is different in `here`, if anything is.
    fn difference(&self, here: &Header) -> Option<String> {
        let maybe = |value: Option<u64>| value.map_or("none".to_owned(), |n| n.to_string());
        let fields = [
            ("kpack", self.kpack.clone(), here.kpack.clone()),
            ("columns", self.columns.join(" "), here.columns.join(" ")),
            (
                "--shard-size",
                self.shard_size.to_string(),
                here.shard_size.to_string(),
            ),
            (
                "--shard-samples",
                maybe(self.shard_samples),
                maybe(here.shard_samples),
            ),
            ("--shuffle", maybe(self.shuffle), maybe(here.shuffle)),
        ];
        let other = fields.iter().find(|(_, there, here)| there != here);
        match other {
            Some((name, there, here)) => Some(format!("{name}: {there} there, {here} here")),
            None if self.hash != here.hash => Some("other samples, or changed ones".to_owned()),
            None => None,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Plan(Header),
    Failed {
        key: String,
        stage: Stage,
        class: Class,
        reason: String,
    },
    Shard {
        split: Option<String>,
        /// The first row of the split that is not settled by this shard and those before it.
        end: u32,
        samples: u64,
        bytes: u64,
    },
}

/// How far a split is.
#[derive(Debug, Clone, Default)]
pub(super) struct Settled {
    /// The first row that is not settled.
    pub(super) rows: u32,
    pub(super) shards: Vec<MdsShardInfo>,
}

/// The open log of a conversion.
pub(super) struct Journal {
    log: Log,
    path: PathBuf,
}

/// What OUT turned out to be.
pub(super) enum Entered {
    /// All splits have an index: it is to be compared.
    Finished,
    /// The log, how far each split is, and which samples failed on the way.
    Unfinished(Journal, Vec<Settled>, Vec<SampleError>),
}

/// Enters OUT: begins a log where there is nothing, goes on with the log of the same conversion, and
/// refuses all else.
pub(super) fn enter(
    out: &Path,
    work: &Path,
    header: &Header,
    splits: &[Split<'_>],
) -> Result<Entered> {
    fs::create_dir_all(out).map_err(Error::io("cannot create folder", out))?;
    let path = work.join(MDS_LOG);
    let others = entries(out)?.into_iter().filter(|name| name != WORK);
    let others: Vec<String> = others.collect();
    if exists(&path) {
        let journal = resume(out, &path, header, splits, others.is_empty())?;
        if let Some((journal, settled, failed)) = journal {
            return Ok(Entered::Unfinished(journal, settled, failed));
        }
    } else if let Some(name) = entries(work)?.first() {
        return Err(Error::usage(format!(
            "{}: is of another dataset that is not finished: use another folder",
            work.join(name).display()
        )));
    }
    match others.first() {
        None => {
            let journal = Journal::begin(work, &path, header)?;
            let settled = splits.iter().map(|_| Settled::default()).collect();
            Ok(Entered::Unfinished(journal, settled, Vec::new()))
        }
        Some(_) if splits.iter().all(|s| exists(&s.folder.join(INDEX))) => Ok(Entered::Finished),
        Some(name) => Err(Error::usage(format!(
            "{} is not empty (it holds {name}), and no conversion to MDS is under way there: use an \
             empty folder",
            out.display()
        ))),
    }
}

type Resumed = (Journal, Vec<Settled>, Vec<SampleError>);

/// Goes on with the log at `path`. `None` where it tells of nothing, and is to be begun anew.
fn resume(
    out: &Path,
    path: &Path,
    header: &Header,
    splits: &[Split<'_>],
    is_alone: bool,
) -> Result<Option<Resumed>> {
    let mut file = lock(path)?;
    let mut lines = LogReader::new(&file, path);
    let Some((_, Line::Plan(there))) = lines.next_of(|_| true)? else {
        return Ok(None);
    };
    if let Some(difference) = there.difference(header) {
        if is_alone {
            return Ok(None);
        }
        return Err(Error::usage(format!(
            "{} holds another conversion that is not finished ({difference}): repeat its own command \
             to continue it, or use another folder",
            out.display()
        )));
    }
    let mut settled = vec![Settled::default(); splits.len()];
    let (mut end, mut failed, mut pending) = (lines.end(), Vec::new(), Vec::new());
    while let Some((_, line)) = lines.next_of(|_| true)? {
        match line {
            Line::Plan(_) => break,
            Line::Failed {
                key,
                stage,
                class,
                reason,
            } => pending.push(SampleError::new(&key, stage, class, reason)),
            Line::Shard {
                split,
                end: rows,
                samples,
                bytes,
            } => {
                let shard = MdsShardInfo { samples, bytes };
                if !is_there(splits, &mut settled, split.as_deref(), rows, shard) {
                    break;
                }
                failed.append(&mut pending);
                end = lines.end();
            }
        }
    }
    file.seek(SeekFrom::Start(0))
        .map_err(Error::io("cannot read", path))?;
    let log = Log::continue_at(file, path, end)?;
    let path = path.to_owned();
    Ok(Some((Journal { log, path }, settled, failed)))
}

/// Counts the shard that a line tells of, if it is there as the line says.
fn is_there(
    splits: &[Split<'_>],
    settled: &mut [Settled],
    name: Option<&str>,
    rows: u32,
    shard: MdsShardInfo,
) -> bool {
    let found = splits.iter().zip(settled).find(|(s, _)| s.name == name);
    let Some((split, settled)) = found else {
        return false;
    };
    let meta = fs::metadata(split.shard(settled.shards.len() as u64));
    let whole = meta.is_ok_and(|meta| meta.is_file() && meta.len() == shard.bytes);
    let forward = settled.rows < rows && rows as usize <= split.rows.len();
    if whole && forward {
        settled.rows = rows;
        settled.shards.push(shard);
    }
    whole && forward
}

impl Journal {
    fn begin(work: &Path, path: &Path, header: &Header) -> Result<Self> {
        fs::create_dir_all(work).map_err(Error::io("cannot create folder", work))?;
        let mut journal = Self {
            log: Log::continue_at(lock(path)?, path, 0)?,
            path: path.to_owned(),
        };
        journal.log.append(&Line::Plan(header.clone()))?;
        journal.log.sync(Instant::now())?;
        sync_folder(work)?;
        Ok(journal)
    }

    /// Notes a shard that stands, and the failures on the way to its end.
    pub(super) fn shard(
        &mut self,
        split: &Split<'_>,
        end: u32,
        shard: MdsShardInfo,
        failed: &[SampleError],
    ) -> Result<()> {
        for failure in failed {
            self.log.append(&Line::Failed {
                key: failure.key.clone(),
                stage: failure.stage,
                class: failure.class,
                reason: failure.full_reason(),
            })?;
        }
        let MdsShardInfo { samples, bytes } = shard;
        let split = split.name.map(str::to_owned);
        self.log.append(&Line::Shard {
            split,
            end,
            samples,
            bytes,
        })?;
        // A lost line costs a comparison, so that syncs may wait.
        match self.log.sync_is_due() {
            true => self.log.sync(Instant::now()),
            false => Ok(()),
        }
    }

    /// Removes the log: all is written.
    pub(super) fn remove(self) -> Result<()> {
        remove(&self.path)
    }
}
