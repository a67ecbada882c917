//! [`Maker`]: what a worker does with one plan index.

use std::sync::{Mutex, PoisonError};

use kpack_formats::{Blob, Extent, Sample, Schema};

use crate::pipeline::failure::write_failure;
use crate::pipeline::plan::Plan;
use crate::pipeline::row::OutcomeRow;
use crate::pipeline::target::{ShardTarget, Target};
use crate::pipeline::window::Stage;
use crate::sample::{Class, Facts, Made, SampleError, Stage as At};
use crate::source::Clip;
use crate::{Error, Result};

/// Weight of a clip where nothing is known.
const UNKNOWN: u64 = 8 << 20;

/// What came of one plan index.
pub(crate) enum Work {
    /// To be written into a shard.
    Sample(Box<Sample>, Facts),
    /// Written into a tree.
    Placed {
        place: String,
        extent: Extent,
        bytes: u64,
        facts: Facts,
    },
    Skipped(String),
    /// Not made, because the run is to stop.
    Left,
    Failed(SampleError),
    /// The disk refused: the run ends.
    Fatal(Error),
}

/// The row of a plan index, and why it failed.
pub(crate) type Settled = (OutcomeRow, Option<SampleError>);

impl Work {
    /// The row that tells of this, with the sample written by `append`, which gives its shard;
    /// `None` where there is none to write.
    pub(crate) fn settle(
        self,
        clip: &Clip,
        index: u32,
        append: impl FnOnce(&Sample) -> Result<Result<(String, Extent), SampleError>>,
    ) -> Result<Option<Settled>> {
        let failed = |e| (OutcomeRow::failed(clip, index, &e), Some(e));
        Ok(Some(match self {
            Work::Sample(sample, facts) => match append(&sample)? {
                Ok((shard, extent)) => {
                    let bytes = sample.blob_bytes();
                    let mut row = OutcomeRow::done(clip, index, &extent, bytes, facts);
                    (row.shard, row.offset) = (Some(shard), Some(extent.offset));
                    (row, None)
                }
                Err(e) => failed(e),
            },
            Work::Placed {
                place,
                extent,
                bytes,
                facts,
            } => {
                let mut row = OutcomeRow::done(clip, index, &extent, bytes, facts);
                row.path = Some(place);
                (row, None)
            }
            Work::Skipped(reason) => (OutcomeRow::skipped(clip, index, &reason), None),
            Work::Left => return Ok(None),
            Work::Failed(e) => failed(e),
            Work::Fatal(e) => return Err(e),
        }))
    }
}

/// Makes samples, with a state per thread that is used again and again.
pub(crate) struct Maker<'a, S, F> {
    plan: &'a Plan,
    target: Target<'a>,
    make: F,
    estimate: Option<&'a (dyn Fn(&Clip) -> u64 + Sync)>,
    /// States that no thread uses at the moment.
    idle: Mutex<Vec<S>>,
}

impl<'a, S, F> Maker<'a, S, F>
where
    S: Default + Send,
    F: Fn(&Clip, &mut S) -> Result<Made, SampleError> + Sync,
{
    pub(crate) fn new(
        plan: &'a Plan,
        target: Target<'a>,
        estimate: Option<&'a (dyn Fn(&Clip) -> u64 + Sync)>,
        make: F,
    ) -> Self {
        Self {
            plan,
            target,
            make,
            estimate,
            idle: Mutex::default(),
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<S>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, clip: &Clip, sample: Box<Sample>, facts: Facts) -> Work {
        let tree = match self.target {
            Target::Tree(tree) => tree,
            Target::Shards(target) => {
                return match without_sound(target, &sample) {
                    Some(failure) => Work::Failed(failure),
                    None => Work::Sample(sample, facts),
                };
            }
        };
        match tree.write(clip, &sample) {
            Ok(extent) => {
                let (place, bytes) = (tree.place(clip), sample.blob_bytes());
                Work::Placed {
                    place,
                    extent,
                    bytes,
                    facts,
                }
            }
            Err(e) => match write_failure(&sample, e) {
                Ok(failure) => match tree.remove(&tree.place(clip)) {
                    Ok(()) => Work::Failed(failure),
                    Err(e) => Work::Fatal(e.into()),
                },
                Err(e) => Work::Fatal(e),
            },
        }
    }
}

impl<S, F> Stage<Work> for Maker<'_, S, F>
where
    S: Default + Send,
    F: Fn(&Clip, &mut S) -> Result<Made, SampleError> + Sync,
{
    fn make(&self, index: u32) -> (Work, Option<u64>) {
        let clip = self.plan.clip(index);
        let mut state = self.idle().pop().unwrap_or_default();
        // After a panic the state is dropped with what was half done in it.
        let made = (self.make)(clip, &mut state);
        self.idle().push(state);
        let work = match made {
            Ok(Made::Sample(sample, facts)) => self.place(clip, sample, *facts),
            Ok(Made::Skipped(reason)) => Work::Skipped(reason),
            Ok(Made::Left) => Work::Left,
            Err(e) => Work::Failed(e),
        };
        let bytes = match &work {
            Work::Sample(sample, _) => Some(in_memory(sample)),
            Work::Placed { .. } => Some(0),
            Work::Skipped(_) | Work::Left | Work::Failed(_) | Work::Fatal(_) => None,
        };
        (work, bytes)
    }

    fn panicked(&self, index: u32, message: String) -> Work {
        let reason = format!("kpack panicked on it ({message}); please report this");
        Work::Failed(SampleError::new(
            &self.plan.clip(index).key,
            At::Decode,
            Class::Crash,
            reason,
        ))
    }

    fn estimate(&self, index: u32) -> u64 {
        self.estimate
            .map_or(UNKNOWN, |estimate| estimate(self.plan.clip(index)))
    }
}

/// The failure of a sample without sound where the schema has no place for anything else.
fn without_sound(target: &ShardTarget, sample: &Sample) -> Option<SampleError> {
    let fails = target.write.schema == Schema::Sound && sample.blobs.is_empty();
    let reason = "has no sound, which --schema sound needs: --no-audio skip leaves it out, \
                  --no-audio silence writes silence";
    fails.then(|| SampleError::new(&sample.key, At::Probe, Class::NoAudio, reason))
}

/// Bytes of the blobs that are not ranges of files.
fn in_memory(sample: &Sample) -> u64 {
    let bytes = |blob: &Blob| {
        if let Blob::Bytes(bytes) = blob {
            bytes.len() as u64
        } else {
            0
        }
    };
    sample.blobs.values().map(bytes).sum()
}
