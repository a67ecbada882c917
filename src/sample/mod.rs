//! What a sample holds and how a clip fails.

mod audio;
mod choose;
#[cfg(test)]
mod choose_tests;
mod container;
mod encoded;
mod facts;
mod failure;
mod frames;
mod make;
mod meta;
mod outlet;
mod pace;
mod parts;
mod pass;
mod recipe;
mod reencode;
mod smart;
mod sound_file;
mod video;
mod waveform;

use kpack_formats::Sample;

pub use facts::Facts;
pub use failure::{Class, SampleError, Stage};
pub use make::{Tools, make_sample};
pub(crate) use meta::sample_of;
pub(crate) use outlet::Outlet;
pub use recipe::{
    AudioCodec, AudioRecipe, FrameChoice, FrameRecipe, ImageCodec, NoAudio, Pace, Preset, Recipe,
    Size, Trim, VideoRecipe, VideoSound,
};

/// What came of one clip that did not fail.
#[derive(Debug)]
pub enum Made {
    /// A sample, and what was found out while making it.
    Sample(Box<Sample>, Box<Facts>),
    /// Left out by the user's own rule, with the reason.
    Skipped(String),
    /// Nothing, because the run is to stop; a later run makes it.
    Left,
}
