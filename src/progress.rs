//! [`Progress`]: what a long run tells whoever watches it. The library never draws.

use crate::pipeline::Outcome;
use crate::sample::SampleError;

/// Watches a run. All methods are called by the thread that called `pack`, in plan order, and
/// should return at once.
pub trait Progress {
    /// The run begins: it has `clips` to settle, of which `settled` are already (rows without media
    /// and what an interrupted run did). Called once.
    fn planned(&self, clips: u64, settled: u64) {
        let _ = (clips, settled);
    }
    /// One clip is settled; `frames` pictures and `bytes` bytes were written for it.
    fn outcome(&self, outcome: Outcome, frames: u64, bytes: u64) {
        let _ = (outcome, frames, bytes);
    }
    /// So many bytes have come over the network since the run began.
    fn fetched(&self, bytes: u64) {
        let _ = bytes;
    }
    /// A clip failed; told besides `outcome`.
    fn failed(&self, error: &SampleError) {
        let _ = error;
    }
    /// The shard `name` stands whole at its place with this many samples and bytes.
    fn shard(&self, name: &str, samples: u64, bytes: u64) {
        let _ = (name, samples, bytes);
    }
    /// Something that the user should know, in one line.
    fn note(&self, text: &str) {
        let _ = text;
    }
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {}
