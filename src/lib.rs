//! kpack: a heap of videos in, a dataset that a dataloader can read out.

mod error;
pub mod lists;
pub mod media;
pub mod pipeline;
pub mod probe;
pub mod progress;
mod pulse;
pub mod reorg;
pub mod sample;
pub mod source;
pub mod stats;
mod time;
pub mod tree;
pub mod worker;

pub use error::{Error, Result};
pub use time::{ParseTimeError, Time};
