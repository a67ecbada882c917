//! [`Shards`]: which shard a sample goes to, and when a shard is done.

use kpack_formats::Extent;

use crate::Result;
use crate::pipeline::dataset::ShardRecord;
use crate::pipeline::folder::Folder;
use crate::pipeline::log::{Event, Log};
use crate::pipeline::piece::Piece;
use crate::pipeline::plan::{Plan, ShardRule};
use crate::pipeline::shard_file::{ShardFile, Written, trailer};
use crate::pipeline::target::ShardTarget;
use crate::progress::Progress;
use crate::sample::SampleError;

pub(crate) struct Shards<'a> {
    plan: &'a Plan,
    target: &'a ShardTarget,
    folder: Folder,
    progress: &'a dyn Progress,
    /// Bytes of a shard that no sample may use; for [`ShardRule::Bytes`].
    trailer: u64,
    open: Option<ShardFile>,
    /// Shards that are done, empty ones too, in plan order.
    pub(crate) done: Vec<ShardRecord>,
}

impl<'a> Shards<'a> {
    /// Continues behind the shards that are `done`.
    pub(crate) fn new(
        plan: &'a Plan,
        target: &'a ShardTarget,
        folder: &Folder,
        progress: &'a dyn Progress,
        done: Vec<ShardRecord>,
    ) -> Result<Self> {
        let trailer = match plan.options.rule {
            ShardRule::Bytes(_) => trailer(folder, target)?,
            _ => 0,
        };
        Ok(Self {
            plan,
            target,
            folder: folder.clone(),
            progress,
            trailer,
            open: None,
            done,
        })
    }

    /// Takes up the unfinished shard that holds plan index `index`, and says how many of the
    /// `written` samples are still there.
    pub(crate) fn resume(&mut self, index: u32, written: &[Written]) -> Result<usize> {
        let (name, split) = (self.name(index), self.split(index));
        self.open = ShardFile::resume(&self.folder, self.target, &name, split, written)?;
        Ok(self.open.as_ref().map_or(0, |open| open.samples as usize))
    }

    /// Writes a sample and gives the name of its shard, or says why this sample cannot be written.
    pub(crate) fn append(
        &mut self,
        index: u32,
        piece: Piece<'_>,
        log: &mut Log,
    ) -> Result<Result<(String, Extent), SampleError>> {
        if let ShardRule::Bytes(limit) = self.plan.options.rule {
            let more = piece.least_bytes().saturating_add(self.trailer);
            let full = |open: &ShardFile| open.samples > 0 && open.end.saturating_add(more) > limit;
            // Cannot fit, so it need not be tried.
            if self.open.as_ref().is_some_and(full) {
                self.commit(log)?;
            }
        }
        let mut extent = match self.open(index)?.write(piece) {
            Ok(extent) => extent,
            Err(e) => return piece.failure(e).map(Err),
        };
        if let ShardRule::Bytes(limit) = self.plan.options.rule {
            let above = |extent: &Extent| extent.offset + extent.length + self.trailer > limit;
            if above(&extent) && extent.offset > 0 {
                self.open(index)?.cut_back()?;
                self.commit(log)?;
                extent = match self.open(index)?.write(piece) {
                    Ok(extent) => extent,
                    Err(e) => return piece.failure(e).map(Err),
                };
            }
            if extent.length + self.trailer > limit {
                self.progress.note(&format!(
                    "{}: its {} bytes are above the shard limit of {limit}; it gets a shard of its own",
                    piece.key(), extent.length
                ));
            }
        }
        let open = self.open(index)?;
        open.keep(piece.key(), &extent)?;
        Ok(Ok((open.name.clone(), extent)))
    }

    /// The plan indexes up to `index` are settled: commits the shard that ends there.
    pub(crate) fn after(&mut self, index: u32, log: &mut Log) -> Result<()> {
        let split = &self.plan.splits[self.plan.split(index)];
        let rule = self.plan.options.rule;
        let Some(number) = split.shard_of(index, rule) else {
            // Decided while writing: a shard of no samples is never begun.
            let last = index + 1 == split.first + split.count;
            return if last { self.commit(log) } else { Ok(()) };
        };
        if index + 1 < split.slots(number, rule).end {
            return Ok(());
        }
        if self.open.as_ref().is_some_and(|open| open.samples > 0) {
            return self.commit(log);
        }
        self.open = None;
        let name = self.name(index);
        self.progress.note(&format!(
            "{name} is not written, because none of its clips gave a sample"
        ));
        let split = split.name.clone();
        let record = ShardRecord {
            name,
            split,
            samples: 0,
            bytes: 0,
            crc32c: 0,
        };
        log.append(&Event::Shard(&record))?;
        self.done.push(record);
        Ok(())
    }

    pub(crate) fn sync(&self) -> Result<()> {
        self.open.as_ref().map_or(Ok(()), ShardFile::sync)
    }

    fn commit(&mut self, log: &mut Log) -> Result<()> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        if open.samples == 0 {
            // Only a sample that could not be written was tried here.
            return Ok(());
        }
        let record = open.commit(&self.folder, log)?;
        self.progress
            .shard(&record.name, record.samples, record.bytes);
        self.done.push(record);
        Ok(())
    }

    /// The shard that is being written, or the one that begins with plan index `index`.
    fn open(&mut self, index: u32) -> Result<&mut ShardFile> {
        let open = match self.open.take() {
            Some(open) => open,
            None => {
                let (name, split) = (self.name(index), self.split(index));
                ShardFile::create(&self.folder, self.target, &name, split)?
            }
        };
        Ok(self.open.insert(open))
    }

    fn split(&self, index: u32) -> Option<&'a str> {
        self.plan.splits[self.plan.split(index)].name.as_deref()
    }

    /// Name of the shard that plan index `index` goes to, or would open.
    pub(crate) fn name(&self, index: u32) -> String {
        let split = &self.plan.splits[self.plan.split(index)];
        let number = split
            .shard_of(index, self.plan.options.rule)
            .unwrap_or_else(|| {
                self.done
                    .iter()
                    .filter(|shard| shard.split == split.name)
                    .count() as u32
            });
        let naming = self.plan.naming.as_ref();
        naming.map_or(String::new(), |naming| {
            naming.shard(&split.prefix, number, split.shards)
        })
    }
}
