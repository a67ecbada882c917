//! Takes up a part where an earlier run left it: reads its log, keeps what is confirmed by the bytes
//! on disk, and cuts off the rest.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::path::Path;
use std::time::Instant;

use crate::pipeline::dataset::ShardRecord;
use crate::pipeline::enter;
use crate::pipeline::files::sync_folder;
use crate::pipeline::folder::Folder;
use crate::pipeline::header::Header;
use crate::pipeline::log::{Event, Line, Log, LogReader};
use crate::pipeline::names;
use crate::pipeline::plan::Plan;
use crate::pipeline::row::OutcomeRow;
use crate::pipeline::shard_file::Written;
use crate::pipeline::shards::Shards;
use crate::pipeline::summary::{Counted, Counts};
use crate::pipeline::target::Target;
use crate::progress::Progress;
use crate::{Error, Result};

/// A part, ready to go on.
pub(crate) struct Resumed<'a> {
    pub(crate) log: Log,
    /// `None` in a tree.
    pub(crate) shards: Option<Shards<'a>>,
    /// What is settled.
    pub(crate) counts: Counts,
    /// The first plan index that is not settled.
    pub(crate) next: u32,
}

/// A row that no shard line confirms yet.
struct Tail {
    /// Where its line begins.
    begin: u64,
    index: u32,
    /// Where it says that its sample is.
    written: Option<Written>,
    /// In a tree.
    place: Option<String>,
    counted: Counted,
}

/// What a log says.
#[derive(Default)]
struct Scan {
    counts: Counts,
    shards: Vec<ShardRecord>,
    tail: Vec<Tail>,
    /// Rows of the tail whose files last through a power cut.
    synced: usize,
    next: u32,
    end: u64,
}

pub(crate) fn resume<'a>(
    folder: &Folder,
    plan: &'a Plan,
    header: &Header,
    target: Target<'a>,
    (file, path): (File, &Path),
    progress: &'a dyn Progress,
) -> Result<Resumed<'a>> {
    let mut scan = match read(&file, path, folder, header)? {
        Some(scan) => scan,
        None => return begin(folder, plan, header, target, (file, path), progress),
    };
    check_shards(folder, header, &scan)?;
    let done = std::mem::take(&mut scan.shards);
    let (shards, keep) = match target {
        Target::Shards(target) => {
            let mut shards = Shards::new(plan, target, folder, progress, done)?;
            let keep = confirm_shard(&mut shards, &scan.tail)?;
            (Some(shards), keep)
        }
        Target::Tree(tree) => {
            let whole = |(i, row): (usize, &Tail)| match (&row.place, row.written) {
                (Some(place), Some((_, length, crc))) if i < scan.synced => {
                    tree.confirm(place, length, crc)
                }
                (Some(place), Some((_, length, crc))) => tree.holds(place, length, crc),
                _ => true,
            };
            let lost = scan.tail.iter().enumerate().position(|row| !whole(row));
            (None, lost.unwrap_or(scan.tail.len()))
        }
    };
    if let Some(lost) = scan.tail.get(keep) {
        (scan.end, scan.next) = (lost.begin, lost.index);
    }
    scan.tail.truncate(keep);
    scan.settle_tail();
    let last = scan.tail.last().map(|row| row.index);
    let mut log = Log::continue_at(file, path, scan.end)?;
    log.sync(Instant::now())?;
    let mut resumed = Resumed {
        log,
        shards,
        counts: scan.counts,
        next: scan.next,
    };
    // The run may have ended between the last row of a shard and its commit.
    if let (Some(shards), Some(last)) = (&mut resumed.shards, last) {
        shards.after(last, &mut resumed.log)?;
    }
    Ok(resumed)
}

/// Begins a log: whose it is, and the rows that take no place in the plan.
fn begin<'a>(
    folder: &Folder,
    plan: &'a Plan,
    header: &Header,
    target: Target<'a>,
    (file, path): (File, &Path),
    progress: &'a dyn Progress,
) -> Result<Resumed<'a>> {
    let mut log = Log::continue_at(file, path, 0)?;
    log.append(&Event::Plan(header))?;
    let mut counts = Counts {
        clips: header.clips(),
        ..Counts::default()
    };
    if header.part == 0 {
        for (n, row) in plan.problems() {
            let Some(problem) = &row.problem else {
                continue;
            };
            let row = OutcomeRow::problem(&row.clip, problem);
            log.append(&Event::Row { n, row: &row })?;
            counts.add(&Counted::from(&row));
        }
    }
    log.sync(Instant::now())?;
    sync_folder(&folder.work)?;
    sync_folder(&folder.out)?;
    let shards = match target {
        Target::Shards(target) => Some(Shards::new(plan, target, folder, progress, Vec::new())?),
        Target::Tree(_) => None,
    };
    Ok(Resumed {
        log,
        shards,
        counts,
        next: header.first,
    })
}

/// Reads a log as far as it makes sense; `None` if it does not tell even of its plan and of the rows
/// that take no place in it.
fn read(mut file: &File, path: &Path, folder: &Folder, header: &Header) -> Result<Option<Scan>> {
    file.seek(SeekFrom::Start(0))
        .map_err(Error::io("cannot read", path))?;
    let mut lines = LogReader::new(file, path);
    match lines.next()? {
        Some((_, Line::Plan(there))) => {
            enter::same(&folder.out, &there.origin, &header.origin)?;
            if *there != *header {
                return Ok(None);
            }
        }
        _ => return Ok(None),
    }
    let mut scan = Scan {
        next: header.first,
        end: lines.end(),
        ..Scan::default()
    };
    scan.counts.clips = header.clips();
    while let Some((begin, line)) = lines.next()? {
        if !scan.take(begin, line, header) {
            break;
        }
        scan.end = lines.end();
    }
    Ok((scan.counts.settled() >= header.problems()).then_some(scan))
}

impl Scan {
    fn settle_tail(&mut self) {
        self.tail
            .iter()
            .for_each(|row| self.counts.add(&row.counted));
    }

    /// Takes over one line; `false` if it cannot follow those before.
    fn take(&mut self, begin: u64, line: Line, header: &Header) -> bool {
        match line {
            Line::Plan(_) => false,
            Line::Synced(next) => {
                self.synced = self.tail.len();
                next == self.next
            }
            Line::Shard(shard) => {
                self.settle_tail();
                self.tail.clear();
                self.shards.push(shard);
                true
            }
            Line::Row { row, .. } => match row.index {
                None if self.next == header.first && self.tail.is_empty() => {
                    self.counts.add(&Counted::from(&*row));
                    true
                }
                Some(index) if index == self.next && index < header.end => {
                    let counted = Counted::from(&*row);
                    let written = row.length.zip(row.crc32c);
                    let written = written.map(|(l, crc)| (row.offset.unwrap_or(0), l, crc));
                    self.tail.push(Tail {
                        begin,
                        index,
                        written,
                        place: row.path,
                        counted,
                    });
                    self.next += 1;
                    true
                }
                _ => false,
            },
        }
    }
}

/// Takes up the unfinished shard and says how many rows of the tail stand.
fn confirm_shard(shards: &mut Shards<'_>, tail: &[Tail]) -> Result<usize> {
    let Some(first) = tail.iter().find(|row| row.written.is_some()) else {
        return Ok(tail.len());
    };
    let written: Vec<Written> = tail.iter().filter_map(|row| row.written).collect();
    let kept = shards.resume(first.index, &written)?;
    let mut samples = tail
        .iter()
        .enumerate()
        .filter(|(_, row)| row.written.is_some());
    Ok(samples.nth(kept).map_or(tail.len(), |(i, _)| i))
}

/// Whether the shards that the log calls done are there.
fn check_shards(folder: &Folder, header: &Header, scan: &Scan) -> Result<()> {
    for shard in scan.shards.iter().filter(|shard| shard.samples > 0) {
        let mut path = folder.whole(&shard.name);
        if names::is_provisional(&shard.name) && scan.next == header.end && !path.exists() {
            let of = scan
                .shards
                .iter()
                .filter(|other| other.split == shard.split)
                .count();
            path = folder.whole(&names::settle(&shard.name, of as u32));
        }
        if fs::metadata(&path).map_or(0, |meta| meta.len()) != shard.bytes {
            return Err(Error::usage(format!(
                "{} is missing or has changed since it was written ({} bytes): put it back, or \
                 start anew with --overwrite",
                path.display(),
                shard.bytes
            )));
        }
    }
    Ok(())
}
