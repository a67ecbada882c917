//! [`Options`]: how a run goes about its plan. Nothing here changes a byte of the dataset.

use std::fmt;
use std::path::PathBuf;

use crate::pipeline::window::Bounds;
use crate::source::Clip;

/// How a run goes about its plan.
#[derive(Clone)]
pub struct Options<'a> {
    /// Worker threads; 0 takes one per core.
    pub threads: usize,
    /// Bytes of results that may be in memory, at least one result. 0, the default, takes 32 MiB
    /// per thread, and 256 MiB at least.
    pub window_bytes: u64,
    /// Clips in flight per thread, at least 1. Default 32.
    pub window_clips: usize,
    /// How many clips may fail.
    pub failures: FailureLimit,
    /// Removes what kpack wrote in OUT and starts anew.
    pub overwrite: bool,
    /// Files and folders that the run reads, besides the media of its rows. `overwrite` is refused
    /// where they lie in OUT, or OUT in them.
    pub sources: &'a [PathBuf],
    /// Version of libav, for the manifest: a run is continued only with the same.
    pub libav: String,
    /// Expected bytes of a clip's blobs in memory; it only has to be proportional, as it is scaled
    /// by what earlier clips weighed. Called by the thread that called `pack`. `None` takes all
    /// clips as equal.
    pub estimate: Option<&'a (dyn Fn(&Clip) -> u64 + Sync)>,
    /// Told which plan indexes are to be made, before the first is.
    pub begun: Option<&'a (dyn Fn(std::ops::Range<u32>) + Sync)>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            threads: 0,
            window_bytes: 0,
            window_clips: 32,
            failures: FailureLimit::None,
            overwrite: false,
            sources: &[],
            libav: String::new(),
            estimate: None,
            begun: None,
        }
    }
}

impl Options<'_> {
    pub(crate) fn bounds(&self, threads: usize) -> Bounds {
        let count = self.window_clips.saturating_mul(threads).max(1);
        let bytes = match self.window_bytes {
            0 => (threads as u64).saturating_mul(32 << 20).max(256 << 20),
            bytes => bytes,
        };
        Bounds { bytes, count }
    }
}

/// How many clips may fail before a run gives up. Rows without media count.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum FailureLimit {
    /// All of them.
    #[default]
    None,
    /// Not one: the first ends the run, and a later run tries that clip again.
    First,
    /// This many.
    Count(u64),
    /// This many of 100 clips.
    Percent(f64),
}

impl FailureLimit {
    pub(crate) fn allows(&self, failed: u64, clips: u64) -> bool {
        match *self {
            FailureLimit::None => true,
            FailureLimit::First => failed == 0,
            FailureLimit::Count(count) => failed <= count,
            FailureLimit::Percent(percent) => failed as f64 * 100.0 <= percent * clips as f64,
        }
    }
}

impl fmt::Display for FailureLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FailureLimit::None => f.write_str("any number may"),
            FailureLimit::First => f.write_str("--on-error fail allows none"),
            FailureLimit::Count(count) => write!(f, "--max-failures allows {count}"),
            FailureLimit::Percent(percent) => write!(f, "--max-failures allows {percent}%"),
        }
    }
}
