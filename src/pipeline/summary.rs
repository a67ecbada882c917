//! [`Summary`]: what a run did, and what its process should say with its exit code.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::pipeline::row::{Outcome, OutcomeRow};
use crate::sample::Class;

/// Outcomes counted. `done + failed + skipped` is `clips` in a finished dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows of the input.
    pub clips: u64,
    /// Samples written.
    pub done: u64,
    /// Clips that gave no sample.
    pub failed: u64,
    /// Clips left out by the user's own rule.
    pub skipped: u64,
    /// The failed ones by class.
    pub failures: BTreeMap<Class, u64>,
    /// Pictures written.
    pub frames: u64,
    /// Bytes of samples before compression.
    pub bytes: u64,
}

impl Counts {
    /// Counts one more row; `clips` is left as it is.
    pub(crate) fn add(&mut self, row: &Counted) {
        match row.outcome {
            Outcome::Done => self.done += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Skipped => self.skipped += 1,
        }
        if let (Outcome::Failed, Some(class)) = (row.outcome, row.class) {
            *self.failures.entry(class).or_default() += 1;
        }
        // Rows of others may say any number.
        self.frames = self.frames.saturating_add(row.frames);
        self.bytes = self.bytes.saturating_add(row.bytes);
    }
    /// Rows counted so far.
    pub fn settled(&self) -> u64 {
        let settled = self.done.saturating_add(self.failed);
        settled.saturating_add(self.skipped)
    }
}

/// What is counted of a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    pub(crate) outcome: Outcome,
    class: Option<Class>,
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
}

impl From<&OutcomeRow> for Counted {
    fn from(row: &OutcomeRow) -> Self {
        Self {
            outcome: row.outcome,
            class: row.class,
            frames: row.frames.unwrap_or(0),
            bytes: row.length.unwrap_or(0),
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// Everything that it had to do is settled.
    Finished,
    /// The stop flag was set; a re-run continues.
    Interrupted,
    /// More clips failed than the user allows; a re-run continues.
    TooManyFailures,
}

/// What a run did.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// How it ended.
    pub end: End,
    /// Outcomes, those of earlier runs included. After [`End::TooManyFailures`] the clips that were
    /// not begun count as skipped.
    #[serde(flatten)]
    pub counts: Counts,
    /// Clips that are not settled yet.
    pub remaining: u64,
    /// Clips that were settled before this run began.
    pub resumed: u64,
    /// Shards written, those of earlier runs included.
    pub shards: u64,
    /// Names of the shards that were not written because all of their samples failed.
    pub empty_shards: Vec<String>,
    /// Wall time of this run.
    pub seconds: f64,
    /// The most bytes of results in memory at once, as far as it was estimated or known.
    pub window_peak_bytes: u64,
    /// The most clips in flight at once.
    pub window_peak_clips: u64,
    /// Why the run ended early, in one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Summary {
    /// The process's exit code: 0 all written, 1 too many failures, 3 finished and some clips
    /// failed, 130 interrupted (143 where the signal was SIGTERM, which the caller knows).
    pub fn exit_code(&self) -> u8 {
        match self.end {
            End::Finished if self.counts.failed == 0 => 0,
            End::Finished => 3,
            End::TooManyFailures => 1,
            End::Interrupted => 130,
        }
    }
}
