//! kpack: a heap of videos in, a dataset that a dataloader can read out.

pub mod access;
pub mod convert;
mod error;
pub mod indexing;
pub mod lists;
pub mod media;
pub mod mmap;
pub mod pipeline;
pub mod probe;
pub mod progress;
pub mod reorg;
pub mod sample;
pub mod source;
pub mod stats;
pub mod throughput;
mod time;
pub mod tree;

pub use error::{Error, Result};
pub use time::{ParseTimeError, Time};
