//! Finished datasets, made anew where a sample was missing or lost. The plan is taken back out of
//! manifest and rows, and its hash proves that it is the one they were packed by.
//!
//! ```text
//! old rows ──> plan ──> make what is missing ──> engine ──> new shards ──> commit
//!                       old shards ── copied ──────┘
//! ```

mod commit;
mod engine;
mod loose;
mod old;
mod repair;
mod result;
mod retry;
mod source;

pub(crate) use commit::{complete, is_interrupted};
pub use loose::repair_shards;
pub use repair::{Lost, Repaired, repair};
pub use retry::{Retried, retry};

use crate::pipeline::stage::Work;
use crate::pipeline::window::Stage;

/// A stage that knows some plan indexes only, counted through.
struct Chosen<'a, T> {
    inner: &'a T,
    indexes: &'a [u32],
}

impl<T: Stage<Work>> Chosen<'_, T> {
    fn index(&self, number: u32) -> u32 {
        self.indexes.get(number as usize).copied().unwrap_or(0)
    }
}

impl<T: Stage<Work>> Stage<Work> for Chosen<'_, T> {
    fn make(&self, number: u32) -> (Work, Option<u64>) {
        self.inner.make(self.index(number))
    }
    fn panicked(&self, number: u32, message: String) -> Work {
        self.inner.panicked(self.index(number), message)
    }
    fn estimate(&self, number: u32) -> u64 {
        self.inner.estimate(self.index(number))
    }
}
