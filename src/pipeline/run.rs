//! [`Run`]: the writing end of the pipeline. Outcomes come in plan order and become rows and shards.

use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::Result;
use crate::pipeline::Options;
use crate::pipeline::dataset::{Dataset, ShardRecord};
use crate::pipeline::enter::{Entered, enter};
use crate::pipeline::finish::finish;
use crate::pipeline::folder::Folder;
use crate::pipeline::header::Header;
use crate::pipeline::log::Event;
use crate::pipeline::options::FailureLimit;
use crate::pipeline::piece::Piece;
use crate::pipeline::plan::Plan;
use crate::pipeline::resume::{Resumed, resume};
use crate::pipeline::row::OutcomeRow;
use crate::pipeline::stage::Work;
use crate::pipeline::summary::{Counted, Counts, End, Summary};
use crate::pipeline::target::Target;
use crate::pipeline::window::Peak;
use crate::progress::Progress;
use crate::sample::SampleError;

/// What OUT asks for.
pub(crate) enum Opened<'a> {
    /// Nothing: it holds this very dataset.
    Finished(Summary),
    Unfinished(Box<Run<'a>>),
}

pub(crate) struct Run<'a> {
    plan: &'a Plan,
    target: Target<'a>,
    folder: Folder,
    header: Header,
    log_path: PathBuf,
    resumed: Resumed<'a>,
    /// Clips that were settled when the run began.
    settled_before: u64,
    limit: FailureLimit,
    progress: &'a dyn Progress,
    /// Why no more clips are begun.
    stopped: Option<String>,
    begun: Instant,
}

impl<'a> Run<'a> {
    pub(crate) fn open(
        plan: &'a Plan,
        out: &Path,
        target: Target<'a>,
        options: &Options<'_>,
        progress: &'a dyn Progress,
    ) -> Result<Opened<'a>> {
        let begun = Instant::now();
        if target.describe() != plan.target {
            return Err(crate::Error::usage(
                "the plan was made for another target; plan again",
            ));
        }
        let (folder, header) = (Folder::new(out), Header::of(plan, &options.libav));
        let (log, log_path) = match enter(&folder, plan, &header, target, options)? {
            Entered::Finished(dataset) => {
                return Ok(Opened::Finished(finished(&dataset, begun, progress)));
            }
            Entered::Unfinished(log, path) => (log, path),
        };
        let resumed = resume(&folder, plan, &header, target, (log, &log_path), progress)?;
        let settled_before = resumed.counts.settled();
        progress.planned(resumed.counts.clips, settled_before);
        let mut run = Run {
            plan,
            target,
            folder,
            header,
            log_path,
            resumed,
            settled_before,
            limit: options.failures,
            progress,
            stopped: None,
            begun,
        };
        run.check_limit(None);
        Ok(Opened::Unfinished(Box::new(run)))
    }

    /// Plan indexes that are to be done.
    pub(crate) fn unsettled(&self) -> Range<u32> {
        if self.stopped.is_some() {
            0..0
        } else {
            self.resumed.next..self.header.end
        }
    }

    /// Takes the outcome of the next plan index: the sample into its shard, the row into the log.
    pub(crate) fn settle(&mut self, index: u32, work: Work) -> Result<ControlFlow<()>> {
        let clip = self.plan.clip(index);
        let settled = work.settle(clip, index, |sample| {
            let Some(shards) = &mut self.resumed.shards else {
                let message = "a tree's samples are written by the workers";
                return Err(crate::Error::usage(message));
            };
            shards.append(index, Piece::Made(sample), &mut self.resumed.log)
        })?;
        let Some((row, failure)) = settled else {
            return Ok(ControlFlow::Break(()));
        };
        self.record(index, &row, failure.as_ref())
    }

    fn record(
        &mut self,
        index: u32,
        row: &OutcomeRow,
        failure: Option<&SampleError>,
    ) -> Result<ControlFlow<()>> {
        let counted = Counted::from(row);
        self.resumed.counts.add(&counted);
        self.progress
            .outcome(row.outcome, counted.frames, counted.bytes);
        if let Some(e) = failure {
            self.progress.failed(e);
            self.check_limit(Some(e));
            if self.limit == FailureLimit::First {
                // No row: a later run tries this clip again.
                return Ok(ControlFlow::Break(()));
            }
        }
        let n = self.plan.row(index);
        self.resumed.log.append(&Event::Row { n, row })?;
        self.resumed.next = index + 1;
        if let Some(shards) = &mut self.resumed.shards {
            shards.after(index, &mut self.resumed.log)?;
        }
        if self.resumed.log.sync_is_due() {
            self.sync()?;
        }
        Ok(if self.stopped.is_some() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    }

    /// Makes what was done last through a power cut: first the samples, then the rows of them.
    fn sync(&mut self) -> Result<()> {
        let begun = Instant::now();
        if let Some(shards) = &self.resumed.shards {
            shards.sync()?;
        }
        if self.resumed.shards.is_none() {
            self.target.sync()?;
            let next = self.resumed.next;
            self.resumed.log.append(&Event::Synced(next))?;
        }
        self.resumed.log.sync(begun)
    }

    fn check_limit(&mut self, last: Option<&SampleError>) {
        let counts = &self.resumed.counts;
        if self.limit.allows(counts.failed, counts.clips) {
            return;
        }
        let mut reason = format!(
            "{} of {} clips failed; {}",
            counts.failed, counts.clips, self.limit
        );
        let problem = self
            .plan
            .problems()
            .next()
            .and_then(|(_, row)| Some((row, row.problem.as_ref()?)));
        match (last, problem) {
            (Some(e), _) => reason += &format!("; the last is {e}"),
            (None, Some((row, problem))) => {
                reason += &format!("; the first is {}: {}", row.clip.key, problem.reason);
            }
            (None, None) => {}
        }
        self.stopped = Some(reason);
    }

    /// Closes the run: the dataset's files if all of it is done, else all that a later run needs.
    pub(crate) fn end(mut self, peak: Peak) -> Result<Summary> {
        self.sync()?;
        let mut counts = self.resumed.counts.clone();
        let done = self
            .resumed
            .shards
            .as_ref()
            .map_or(&[][..], |shards| &shards.done);
        let (shards, empty_shards) = tally(done);
        let end = match (&self.stopped, counts.settled() == counts.clips) {
            (Some(_), _) => End::TooManyFailures,
            (None, true) => End::Finished,
            (None, false) => End::Interrupted,
        };
        if end == End::TooManyFailures {
            counts.skipped = counts.clips - counts.done - counts.failed;
        }
        let mut summary = Summary {
            end,
            remaining: counts.clips - counts.settled(),
            counts,
            resumed: self.settled_before,
            shards,
            empty_shards,
            seconds: 0.0,
            window_peak_bytes: peak.bytes,
            window_peak_clips: peak.count as u64,
            reason: self.stopped,
        };
        if end == End::Finished && self.header.parts == 1 {
            let dataset = finish(&self.folder, &[self.log_path])?;
            summary.empty_shards = dataset.empty_shards;
        }
        summary.seconds = self.begun.elapsed().as_secs_f64();
        Ok(summary)
    }
}

/// Number of shards written and names of those that were not.
fn tally(shards: &[ShardRecord]) -> (u64, Vec<String>) {
    let (written, empty): (Vec<_>, Vec<_>) = shards.iter().partition(|shard| shard.samples > 0);
    (
        written.len() as u64,
        empty.into_iter().map(|shard| shard.name.clone()).collect(),
    )
}

/// Summary of a dataset that was finished before.
fn finished(dataset: &Dataset, begun: Instant, progress: &dyn Progress) -> Summary {
    let counts: Counts = dataset.counts.clone();
    progress.planned(counts.clips, counts.clips);
    Summary {
        end: End::Finished,
        remaining: 0,
        resumed: counts.clips,
        counts,
        shards: dataset.shards.len() as u64,
        empty_shards: dataset.empty_shards.clone(),
        seconds: begun.elapsed().as_secs_f64(),
        window_peak_bytes: 0,
        window_peak_clips: 0,
        reason: None,
    }
}
