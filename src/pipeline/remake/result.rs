//! [`Remade`]: what a dataset becomes: its shards and their names, its rows and counts.

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::ops::Range;

use crate::pipeline::dataset::{Dataset, FileRecord, LABELS, SAMPLES, ShardRecord};
use crate::pipeline::files::write_whole;
use crate::pipeline::finish::write_labels;
use crate::pipeline::folder::Folder;
use crate::pipeline::names;
use crate::pipeline::remake::engine::Engine;
use crate::pipeline::remake::old::Old;
use crate::pipeline::row::OutcomeRow;
use crate::pipeline::summary::{Counted, Counts};
use crate::{Error, Result};

/// What was decided, before anything is moved.
pub(crate) struct Remade {
    pub(crate) dataset: Dataset,
    /// Shards that were written: the name they have now, and their final one.
    pub(crate) fresh: Vec<(String, String)>,
    /// Shards that stay: the old name and the final one.
    pub(crate) kept: Vec<(String, String)>,
    /// Rows that changed, by plan index, with final names.
    rows: BTreeMap<u32, OutcomeRow>,
    /// Old names that are others now.
    renamed: HashMap<String, String>,
}

impl Remade {
    pub(crate) fn new(old: &Old, engine: Engine<'_>) -> Remade {
        let counted = engine.cut_by_size();
        let (mut rows, written) = (engine.rows, engine.written);
        let mut list = match counted {
            true => by_split(old, written),
            false => by_slot(old, written),
        };
        let mut sizes: HashMap<Option<String>, u32> = HashMap::new();
        for (record, _) in &list {
            *sizes.entry(record.split.clone()).or_default() += 1;
        }
        let (mut fresh, mut kept, mut empty) = (Vec::new(), Vec::new(), Vec::new());
        let mut shards = Vec::new();
        let (mut renamed, mut settled) = (HashMap::new(), HashMap::new());
        for (record, is_fresh) in &mut list {
            let of = sizes.get(&record.split).copied().unwrap_or(1);
            let name = match counted {
                true => names::recount(&record.name, of),
                false => record.name.clone(),
            };
            if record.samples == 0 {
                empty.push(name);
                continue;
            }
            let before = std::mem::replace(&mut record.name, name.clone());
            if *is_fresh {
                settled.insert(before.clone(), name.clone());
                fresh.push((before, name));
            } else {
                if before != name {
                    renamed.insert(before.clone(), name.clone());
                }
                kept.push((before, name));
            }
            shards.push(record.clone());
        }
        for row in rows.values_mut() {
            if let Some(name) = row.shard.as_mut().and_then(|name| settled.get(name)) {
                row.shard = Some(name.clone());
            }
        }
        let dataset = Dataset {
            origin: old.dataset.origin.clone(),
            counts: counts(old, &rows),
            shards,
            empty_shards: empty,
            files: BTreeMap::new(),
        };
        Remade {
            dataset,
            fresh,
            kept,
            rows,
            renamed,
        }
    }

    /// Writes rows and labels into `folder`, and puts them down in the manifest.
    pub(crate) fn write_files(&mut self, old: &Old, folder: &Folder) -> Result<()> {
        let scratch = folder.scratch();
        let wrong = |e| Error::io("cannot write", &scratch)(e);
        let record: FileRecord = write_whole(&folder.out.join(SAMPLES), &scratch, |file| {
            for row in merged(old, &self.rows) {
                let renamed = row.shard.as_ref().and_then(|name| self.renamed.get(name));
                let line = match renamed {
                    None => serde_json::to_writer(&mut *file, row),
                    Some(name) => {
                        let shard = Some(name.clone());
                        serde_json::to_writer(
                            &mut *file,
                            &OutcomeRow {
                                shard,
                                ..row.clone()
                            },
                        )
                    }
                };
                line.map_err(std::io::Error::from)
                    .and_then(|()| file.write_all(b"\n"))
                    .map_err(wrong)?;
            }
            Ok(())
        })?;
        let files = &mut self.dataset.files;
        files.insert(SAMPLES.to_owned(), record);
        let classes = &old.plan.input().classes;
        if !classes.is_empty() {
            files.insert(LABELS.to_owned(), write_labels(folder, classes)?);
        }
        Ok(())
    }
}

/// What all rows add up to, the changed ones as they are now.
fn counts(old: &Old, rows: &BTreeMap<u32, OutcomeRow>) -> Counts {
    let mut counts = Counts {
        clips: old.rows.len() as u64,
        ..Counts::default()
    };
    for row in merged(old, rows) {
        counts.add(&Counted::from(row));
    }
    counts
}

/// All rows in input order, the changed ones in place of the old.
fn merged<'a>(
    old: &'a Old,
    rows: &'a BTreeMap<u32, OutcomeRow>,
) -> impl Iterator<Item = &'a OutcomeRow> {
    old.rows.iter().map(|row| {
        let index = row.index;
        index.and_then(|index| rows.get(&index)).unwrap_or(row)
    })
}

/// Every shard that the plan has, in its order, and whether it is fresh.
fn by_slot(old: &Old, written: Vec<(Range<u32>, Vec<ShardRecord>)>) -> Vec<(ShardRecord, bool)> {
    let mut fresh: HashMap<String, ShardRecord> = HashMap::new();
    for record in written.into_iter().flat_map(|(_, records)| records) {
        fresh.insert(record.name.clone(), record);
    }
    let plan = &old.plan;
    let known: HashMap<&str, &ShardRecord> = old
        .dataset
        .shards
        .iter()
        .map(|s| (s.name.as_str(), s))
        .collect();
    let mut list = Vec::new();
    for split in &plan.splits {
        for number in 0..split.shards.unwrap_or(0) {
            let naming = plan.naming.as_ref();
            let name = naming.map(|n| n.shard(&split.prefix, number, split.shards));
            let Some(name) = name else { continue };
            let record = match (fresh.remove(&name), known.get(name.as_str())) {
                (Some(record), _) => (record, true),
                (None, Some(record)) => ((*record).clone(), false),
                (None, None) => (empty(name, split.name.clone()), false),
            };
            list.push(record);
        }
    }
    list
}

fn empty(name: String, split: Option<String>) -> ShardRecord {
    ShardRecord {
        name,
        split,
        samples: 0,
        bytes: 0,
        crc32c: 0,
    }
}

/// The shards of each split: the old ones in front of what was written, then that.
fn by_split(old: &Old, written: Vec<(Range<u32>, Vec<ShardRecord>)>) -> Vec<(ShardRecord, bool)> {
    let mut list = Vec::new();
    for split in &old.plan.splits {
        let inside = |range: &Range<u32>| {
            range.start >= split.first && range.start < split.first + split.count
        };
        let fresh = written.iter().find(|(range, _)| inside(range));
        let gone: Option<&str> = fresh.and_then(|(range, _)| {
            let shard = |i: u32| old.row(i).shard.as_deref();
            range.clone().find_map(shard)
        });
        let of_split = |record: &&ShardRecord| record.split == split.name;
        let records = old.dataset.shards.iter().filter(of_split);
        let all_gone = fresh.is_some() && gone.is_none();
        let kept = records.take_while(|r| !all_gone && gone.is_none_or(|gone| r.name != gone));
        list.extend(kept.map(|record| (record.clone(), false)));
        let fresh = fresh.into_iter().flat_map(|(_, records)| records);
        list.extend(fresh.map(|record| (record.clone(), true)));
    }
    list
}
