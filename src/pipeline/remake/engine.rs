//! [`Engine`]: writes anew the shards in which a sample was added or lost, out of what was made now
//! and what the old shards hold, in the order of the plan.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::{ControlFlow, Range};

use crate::pipeline::dataset::ShardRecord;
use crate::pipeline::folder::Folder;
use crate::pipeline::log::Log;
use crate::pipeline::piece::{Piece, Stored};
use crate::pipeline::plan::ShardRule;
use crate::pipeline::remake::old::Old;
use crate::pipeline::remake::source::Source;
use crate::pipeline::row::{Outcome, OutcomeRow};
use crate::pipeline::shards::Shards;
use crate::pipeline::stage::Work;
use crate::pipeline::summary::Counted;
use crate::progress::Progress;
use crate::{Error, Result};

pub(crate) struct Engine<'a> {
    old: &'a Old,
    pub(crate) folder: &'a Folder,
    progress: &'a dyn Progress,
    log: &'a mut Log,
    /// Plan indexes whose stored samples are lost.
    lost: &'a BTreeSet<u32>,
    /// Plan indexes whose shards are written anew in any case.
    touched: VecDeque<u32>,
    open: Option<Open<'a>>,
    source: Option<Source>,
    /// Rows that changed, by plan index.
    pub(crate) rows: BTreeMap<u32, OutcomeRow>,
    /// Runs of plan indexes whose shards were written anew, with those shards.
    pub(crate) written: Vec<(Range<u32>, Vec<ShardRecord>)>,
}

/// Shards that are being written.
struct Open<'a> {
    range: Range<u32>,
    /// The first plan index that is not dealt with.
    next: u32,
    shards: Shards<'a>,
    /// Shards of the split in front of the range.
    before: usize,
}

impl<'a> Engine<'a> {
    pub(crate) fn new(
        old: &'a Old,
        folder: &'a Folder,
        log: &'a mut Log,
        progress: &'a dyn Progress,
        (lost, touched): (&'a BTreeSet<u32>, &BTreeSet<u32>),
    ) -> Self {
        Self {
            old,
            folder,
            progress,
            log,
            lost,
            touched: touched.iter().copied().collect(),
            open: None,
            source: None,
            rows: BTreeMap::new(),
            written: Vec::new(),
        }
    }

    /// Takes the outcome of a plan index. They come in order.
    pub(crate) fn settle(&mut self, index: u32, work: Work) -> Result<ControlFlow<()>> {
        self.reach(index)?;
        let clip = self.old.plan.clip(index);
        let settled = work.settle(clip, index, |sample| {
            self.open_at(index)?;
            self.advance(index)?;
            self.append(index, Piece::Made(sample))
        })?;
        let Some((row, failure)) = settled else {
            return Ok(ControlFlow::Break(()));
        };
        if row.outcome != Outcome::Done && self.lost.contains(&index) {
            self.open_at(index)?;
        }
        let counted = Counted::from(&row);
        self.progress
            .outcome(row.outcome, counted.frames, counted.bytes);
        if let Some(e) = failure {
            self.progress.failed(&e);
        }
        let done = row.outcome == Outcome::Done;
        self.rows.insert(index, row);
        if let (true, Some(open)) = (done, &mut self.open)
            && open.next == index
        {
            open.next = index + 1;
            open.shards.after(index, self.log)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Ends what is open, and what is to be written anew in any case.
    pub(crate) fn end(&mut self) -> Result<()> {
        self.reach(u32::MAX)?;
        self.close()
    }

    /// Opens, and with that writes anew, what lies up to `index` and has to be.
    fn reach(&mut self, index: u32) -> Result<()> {
        while let Some(touched) = self.touched.front().copied().filter(|t| *t <= index) {
            self.touched.pop_front();
            self.open_at(touched)?;
        }
        Ok(())
    }

    fn append(
        &mut self,
        index: u32,
        piece: Piece<'_>,
    ) -> Result<Result<(String, kpack_formats::Extent), crate::sample::SampleError>> {
        match &mut self.open {
            Some(open) => open.shards.append(index, piece, self.log),
            None => Err(Error::usage("no shard is open")),
        }
    }

    /// Begins the shards that hold plan index `index`.
    fn open_at(&mut self, index: u32) -> Result<()> {
        let inside = |open: &Open<'_>| open.range.contains(&index);
        let Some(target) = self.old.shard_target() else {
            return Ok(());
        };
        if self.open.as_ref().is_some_and(inside) {
            return Ok(());
        }
        self.close()?;
        let (range, before) = self.range(index);
        let count = before.len();
        let shards = Shards::new(&self.old.plan, target, self.folder, self.progress, before)?;
        self.open = Some(Open {
            next: range.start,
            range,
            shards,
            before: count,
        });
        Ok(())
    }

    /// The plan indexes whose shards change with `index`, and the shards of the split before them.
    fn range(&self, index: u32) -> (Range<u32>, Vec<ShardRecord>) {
        let plan = &self.old.plan;
        let split = &plan.splits[plan.split(index)];
        let end = split.first + split.count;
        if let Some(number) = split.shard_of(index, plan.options.rule) {
            return (split.slots(number, plan.options.rule), Vec::new());
        }
        // Cut by size: all that follows may move. The shard that the sample before is in may take it.
        let shard = |i: u32| self.old.row(i).shard.as_deref();
        let last = (split.first..=index).rev().find_map(shard);
        let begin = (split.first..end).find(|i| last.is_some() && shard(*i) == last);
        let of_split = |record: &&ShardRecord| record.split == split.name;
        let records = self.old.dataset.shards.iter().filter(of_split);
        let before = records.take_while(|record| last.is_some_and(|last| record.name != last));
        (begin.unwrap_or(split.first)..end, before.cloned().collect())
    }

    /// Copies what lies in front of `to`.
    fn advance(&mut self, to: u32) -> Result<()> {
        while let Some(open) = &self.open
            && open.next < to.min(open.range.end)
        {
            let index = open.next;
            let settled = self.rows.contains_key(&index) || self.lost.contains(&index);
            if !settled && self.old.row(index).outcome == Outcome::Done {
                self.copy(index)?;
            }
            if let Some(open) = &mut self.open {
                open.next = index + 1;
                open.shards.after(index, self.log)?;
            }
        }
        Ok(())
    }

    fn copy(&mut self, index: u32) -> Result<()> {
        let row = self.old.row(index);
        let Some(name) = &row.shard else {
            return Ok(());
        };
        if self
            .source
            .as_ref()
            .is_none_or(|source| source.name != *name)
        {
            let compression = self.old.shard_target().map(|target| target.compression);
            let compression = compression.unwrap_or_default();
            let opened = Source::open(&self.old.dir, name, compression, &self.folder.work)?;
            self.source = Some(opened);
        }
        let Some(source) = self.source.take() else {
            return Ok(());
        };
        let extent = source.extent(row, self.old.shard_target()).ok_or_else(|| {
            Error::usage(format!(
                "{}: its row does not say where in {} it lies",
                row.key,
                source.path.display()
            ))
        })?;
        let stored = Stored {
            key: &row.key,
            shard: &source.shard,
            path: &source.path,
            extent: &extent,
        };
        let copied = self.append(index, Piece::Stored(stored));
        self.source = Some(source);
        if let Ok((shard, extent)) = copied? {
            let mut row = row.clone();
            (row.shard, row.offset) = (Some(shard), Some(extent.offset));
            self.rows.insert(index, row);
        }
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let Some(end) = self.open.as_ref().map(|open| open.range.end) else {
            return Ok(());
        };
        self.advance(end)?;
        if let Some(Open {
            range,
            mut shards,
            before,
            ..
        }) = self.open.take()
        {
            self.written.push((range, shards.done.split_off(before)));
        }
        Ok(())
    }

    /// Whether shards are cut by size, so that their names may change.
    pub(crate) fn cut_by_size(&self) -> bool {
        matches!(self.old.plan.options.rule, ShardRule::Bytes(_))
    }
}
