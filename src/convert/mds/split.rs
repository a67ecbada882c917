//! [`Split`]: the rows that become one folder of shards; [`Writing`] them.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use kpack_formats::atomic::write_atomic;
use kpack_formats::mds::{Encoded, MdsShard, MdsShardInfo, shard_name};

use super::encode::Encode;
use super::journal::Settled;
use super::writers::{Done, Job, Stands};
use super::{Run, Setup};
use crate::pipeline::{Outcome, ordered, shuffle, sync_folder};
use crate::sample::SampleError;
use crate::source::{Input, Row};
use crate::{Error, Result};

/// Name of a folder's index.
pub(super) const INDEX: &str = "index.json";

/// The rows of a split in the order of their samples, and where these go.
pub(super) struct Split<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) folder: PathBuf,
    pub(super) rows: Vec<&'a Row>,
}

impl<'a> Split<'a> {
    /// The splits of `input` in the order of their names.
    pub(super) fn all(input: &'a Input, out: &Path, seed: Option<u64>) -> Result<Vec<Split<'a>>> {
        if u32::try_from(input.rows.len()).is_err() {
            return Err(Error::usage(format!(
                "{} samples are more than one conversion can take: choose some by --key or --split",
                input.rows.len()
            )));
        }
        let mut splits: BTreeMap<Option<&str>, Vec<&Row>> = BTreeMap::new();
        for row in &input.rows {
            let rows = splits.entry(row.clip.split.as_deref()).or_default();
            rows.push(row);
        }
        let one = |(name, mut rows): (Option<&'a str>, Vec<&'a Row>)| {
            if let Some(seed) = seed {
                shuffle(&mut rows, seed);
            }
            let folder = name.map_or(out.to_owned(), |name| out.join(name));
            Split { name, folder, rows }
        };
        Ok(splits.into_iter().map(one).collect())
    }

    /// Where the shard of this number stands.
    pub(super) fn shard(&self, number: u64) -> PathBuf {
        self.folder.join(shard_name(number))
    }
}

/// A shard that is not in the log yet.
struct Ahead {
    /// The first row behind it.
    end: u32,
    info: MdsShardInfo,
    failed: Vec<SampleError>,
    /// What became of it, when it is known.
    stands: Option<Stands>,
}

/// A split on its way to the disk.
pub(super) struct Writing<'a> {
    setup: &'a Setup<'a>,
    run: &'a mut Run,
    split: &'a Split<'a>,
    /// In the log.
    settled: Settled,
    /// Handed to the writers, in order.
    ahead: VecDeque<Ahead>,
    gathered: MdsShard,
    /// Failures since the last shard was handed on.
    failed: Vec<SampleError>,
}

impl<'a> Writing<'a> {
    pub(super) fn new(
        setup: &'a Setup<'a>,
        run: &'a mut Run,
        split: &'a Split<'a>,
        settled: Settled,
    ) -> Self {
        for shard in &settled.shards {
            run.count(*shard, true);
        }
        Self {
            gathered: setup.columns.shard(),
            setup,
            run,
            split,
            settled,
            ahead: VecDeque::new(),
            failed: Vec::new(),
        }
    }

    /// Writes all that is not settled, and the index.
    pub(super) fn run(mut self) -> Result<()> {
        let folder = &self.split.folder;
        fs::create_dir_all(folder).map_err(Error::io("cannot create folder", folder))?;
        let written = self.write();
        // Also behind an error: what stands is worth keeping.
        let drained = self.drain();
        self.run.written.failed.append(&mut self.failed);
        written.and(drained)?;
        if self.run.written.stopped {
            return Ok(());
        }
        self.index()?;
        self.run.written.folders.push(self.split.folder.clone());
        Ok(())
    }

    fn write(&mut self) -> Result<()> {
        let (setup, rows) = (self.setup, self.split.rows.len() as u32);
        let mut next = self.settled.rows;
        let encode = Encode::new(setup, &self.split.rows, next);
        let (pool, bounds, numbers) = (&setup.pool, setup.bounds, encode.numbers());
        ordered(pool, bounds, numbers, setup.stop, &encode, |_, made| {
            for encoded in made {
                self.take(next, encoded)?;
                next += 1;
            }
            Ok::<_, Error>(ControlFlow::Continue(()))
        })?;
        self.run.written.stopped = next < rows;
        if next == rows && self.gathered.info().samples > 0 {
            self.hand_on(rows);
        }
        Ok(())
    }

    /// Takes what came of the next row.
    fn take(&mut self, row: u32, encoded: Result<Encoded, SampleError>) -> Result<()> {
        while let Some(done) = self.run.writers.ready() {
            self.done(done)?;
        }
        let encoded = match encoded {
            Ok(encoded) => encoded,
            Err(e) => {
                self.setup.progress.outcome(Outcome::Failed, 0, 0);
                self.setup.progress.failed(&e);
                self.failed.push(e);
                return Ok(());
            }
        };
        let gathered = self.gathered.info();
        if self.gathered.is_full_for(&encoded) || gathered.samples >= self.setup.enough {
            self.hand_on(row);
        }
        let bytes = encoded.bytes();
        while !self
            .run
            .writers
            .has_room(self.gathered.info().bytes + bytes)
        {
            let Some(done) = self.run.writers.wait() else {
                break;
            };
            self.done(done)?;
        }
        self.gathered.push(encoded);
        self.setup.progress.outcome(Outcome::Done, 0, bytes);
        Ok(())
    }

    /// Hands what was gathered to the writers; `end` is the first row behind it.
    fn hand_on(&mut self, end: u32) {
        let shard = std::mem::replace(&mut self.gathered, self.setup.columns.shard());
        let number = (self.settled.shards.len() + self.ahead.len()) as u64;
        self.ahead.push_back(Ahead {
            end,
            info: shard.info(),
            failed: std::mem::take(&mut self.failed),
            stands: None,
        });
        self.run.writers.begin(Job {
            number,
            path: self.split.shard(number),
            shard,
            compare: self.run.journal.is_none(),
        });
    }

    /// Notes what became of a shard, and logs those that stand without a gap.
    fn done(&mut self, done: Done) -> Result<()> {
        let stands = done.result?;
        if stands == Stands::Not {
            return Err(self.other(&done.path));
        }
        let place = done.number as usize - self.settled.shards.len();
        if let Some(ahead) = self.ahead.get_mut(place) {
            ahead.stands = Some(stands);
        }
        while let Some(stands) = self.ahead.front().and_then(|ahead| ahead.stands) {
            let Some(mut ahead) = self.ahead.pop_front() else {
                break;
            };
            let number = self.settled.shards.len() as u64;
            self.settled.shards.push(ahead.info);
            self.settled.rows = ahead.end;
            self.run.count(ahead.info, stands == Stands::Before);
            if let Some(journal) = &mut self.run.journal {
                journal.shard(self.split, ahead.end, ahead.info, &ahead.failed)?;
            }
            self.run.written.failed.append(&mut ahead.failed);
            if stands == Stands::Now {
                let MdsShardInfo { samples, bytes } = ahead.info;
                let name = shard_name(number);
                self.setup.progress.shard(&name, samples, bytes);
            }
        }
        Ok(())
    }

    /// Waits for all writers, and gives the first error.
    fn drain(&mut self) -> Result<()> {
        let mut first = Ok(());
        while let Some(done) = self.run.writers.wait() {
            first = first.and(self.done(done));
        }
        first
    }

    fn index(&mut self) -> Result<()> {
        let path = self.split.folder.join(INDEX);
        let text = self.setup.columns.index(&self.settled.shards);
        let there = fs::read(&path).is_ok_and(|there| there == text.as_bytes());
        match (there, self.run.journal.is_some()) {
            (true, _) => Ok(()),
            (false, false) => Err(self.other(&path)),
            (false, true) => {
                // The names of the shards last before the index tells of them.
                sync_folder(&self.split.folder)?;
                Ok(write_atomic(&path, text.as_bytes())?)
            }
        }
    }

    fn other(&self, path: &Path) -> Error {
        Error::usage(format!(
            "{}: is not what this conversion writes there, and the folder has an index: it holds \
             another dataset, or a damaged one; use another folder, or empty this one",
            path.display()
        ))
    }
}
