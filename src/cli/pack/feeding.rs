//! `--fetch`: clips are brought while they are packed.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, PoisonError};

use kpack::fetch::{Feed, FetchOptions, Located, Supply, discard};
use kpack::pipeline::Plan;
use kpack::sample::{Class, Made, Recipe, SampleError, Stage, Trim, VideoRecipe};
use kpack::source::Clip;
use kpack::worker::{Worker, Workers};

use super::{Job, make};
use crate::cli::Common;
use crate::cli::signals::Signals;

/// What fetching needs: its options, and the folder.
pub(super) fn options(
    job: &Job<'_>,
    common: &Common,
) -> kpack::Result<Option<(FetchOptions, PathBuf)>> {
    let refuse = |text: &str| Err(kpack::Error::usage(text));
    let given = &job.run.fetch;
    let Some(options) = given.options(common) else {
        return match given.idle() {
            Some(option) => refuse(&format!("{option} is for fetching: add --fetch")),
            None => Ok(None),
        };
    };
    let Some(media) = job.io.media_dir.clone() else {
        return refuse("--fetch needs --media-dir DIR, where clips are kept");
    };
    let recipe = &job.recipe;
    let alone =
        recipe.video == VideoRecipe::Copy && recipe.frames.is_none() && recipe.audio.is_none();
    // Frames and sound are cut exactly, whatever becomes of the video.
    let trim = match recipe.trim {
        Trim::None if recipe.video == VideoRecipe::Copy => {
            return refuse(
                "--fetch brings clips, and --trim none whole sources: fetch these with kpack fetch --trim none first",
            );
        }
        Trim::Copy if recipe.video == VideoRecipe::Copy && !alone => {
            return refuse(
                "--fetch with --trim copy brings more than the range, but frames and sound are cut exactly: leave out --trim copy",
            );
        }
        trim if alone => trim,
        _ => Trim::Smart,
    };
    let part = job.run.part.unwrap_or_default();
    let options = FetchOptions {
        trim,
        part,
        ..options
    };
    Ok(Some((options, media)))
}

/// Makes samples of what the feed supplies; so many at once as there are threads, although more
/// wait for their clips.
pub(super) struct Feeder<'a> {
    feed: Feed<'a>,
    discard: bool,
    /// Clips that may wait for their sources.
    pub(super) waiting: usize,
    /// Workers that nobody uses, and how many more may be made.
    idle: Mutex<(Vec<Worker>, usize)>,
    given_back: Condvar,
}

impl<'a> Feeder<'a> {
    pub(super) fn new(
        job: &Job<'_>,
        (options, media): &'a (FetchOptions, PathBuf),
        (plan, located): (&'a Plan, Located),
        signals: &'a Signals,
        common: &Common,
    ) -> kpack::Result<Self> {
        let feed = Feed::new(plan.input(), located, media, options, signals.stop())?;
        Ok(Self {
            feed,
            discard: job.run.fetch.discard_media,
            waiting: options.threads,
            idle: Mutex::new((Vec::new(), common.threads())),
            given_back: Condvar::new(),
        })
    }

    /// Says which plan indexes are to be made.
    pub(super) fn due(&self, plan: &Plan, indexes: Range<u32>) {
        self.feed.due(plan, indexes);
    }

    /// Ends fetching, and gives the bytes that came.
    pub(super) fn end(self) -> kpack::Result<u64> {
        let bytes = self.feed.bytes();
        self.feed.end().map(|()| bytes)
    }

    /// Makes the sample of `clip`, fetched if it is not there.
    pub(super) fn make(
        &self,
        clip: &Clip,
        recipe: &Recipe,
        workers: &Workers,
    ) -> Result<Made, SampleError> {
        let (path, span, own) = match self.feed.get(&clip.key) {
            Supply::Clip { path, span, own } => (path, span, own),
            Supply::Skipped(reason) => return Ok(Made::Skipped(reason)),
            Supply::Failed(error) => return Err(error),
            Supply::Left => return Ok(Made::Left),
        };
        let there = Clip {
            media: Some(path.clone()),
            span,
            ..clip.clone()
        };
        let mut worker = self.take();
        let made = make::make(&there, recipe, workers, &mut worker);
        self.give(worker);
        if own && self.discard {
            discard(&path).map_err(|e| {
                let reason = "cannot be deleted after it was packed";
                SampleError::new(&clip.key, Stage::Write, Class::Internal, reason).because(e)
            })?;
        }
        made
    }

    fn take(&self) -> Worker {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(worker) = idle.0.pop() {
                return worker;
            }
            if idle.1 > 0 {
                idle.1 -= 1;
                return Worker::default();
            }
            let waited = self.given_back.wait(idle);
            idle = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn give(&self, worker: Worker) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.0.push(worker);
        drop(idle);
        self.given_back.notify_one();
    }
}
