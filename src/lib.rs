//! kpack: a heap of videos in, a dataset that a dataloader can read out.
//!
//! ```text
//! annotation files, lists, folders
//!        │ source::read                             what the user named, as rows
//!        v
//!    Clip, Clip, ..  ── pipeline::Plan::new ──>  Plan: the index and the shard of every sample,
//!        │                                       before anything is decoded
//!        │ pipeline::pack: the ordered window keeps clips in flight and takes them in order
//!        v
//!    worker: in this process, or in a sandboxed child with limits
//!        v
//!    sample::make_sample ── media: open, seek, decode, scale, code, in one pass over the packets
//!        │
//!        v Sample | SampleError
//!    kpack_formats: TFRecord, WebDataset      tree: frame directories, sound files
//!        │
//!        v Extent
//!    log row, then shard, then manifest: each made to last before the next says that it is there
//! ```
//!
//! * Left of [`kpack_formats::Sample`] is native code on hostile bytes ([`media`], the only module
//!   with `unsafe`); right of it are bytes alone, in a crate without threads, pixels or C.
//! * The order of samples is the plan's, so thread timing and failures move nothing: the same input,
//!   options and libav give the same bytes.
//! * A clip that fails is a row ([`pipeline::OutcomeRow`], [`sample::Class`]); only what ends the
//!   run is an [`Error`].
//! * Libraries never print, read flags or exit: [`progress::Progress`] and [`pipeline::Summary`] tell,
//!   and the binary's `cli` shows.
//!
//! Beside packing: [`access`] opens one sample and decodes a few of its frames, [`loader`] is what a
//! dataloader sits on, [`throughput`] measures how fast that is, [`fetch`] brings sources and cuts
//! their clips, [`lists`] writes what dataloaders read, [`reorg`] arranges dumps, [`stats`] counts
//! them, [`probe`] looks at one file.

pub mod access;
mod bounded;
pub mod convert;
mod error;
pub mod fetch;
pub mod indexing;
pub mod lists;
pub mod loader;
pub mod media;
pub mod mmap;
pub mod pipeline;
pub mod probe;
pub mod progress;
mod pulse;
pub mod reorg;
pub mod sample;
pub mod source;
pub mod stats;
pub mod stopwatch;
pub mod throughput;
mod time;
pub mod tree;
pub mod verify;
pub mod worker;

pub use error::{Error, Result};
pub use time::{ParseTimeError, Time};
