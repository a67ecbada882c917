//! What a dataset, a folder of media or annotation files hold: found, missing, short, corrupt, by
//! split and class; histograms; channel means; what splits and versions share.
//!
//! ```text
//! inputs ─> records (rows of a dataset, or files probed) ─> Stats ─> text, JSON, one HTML page
//! ```

mod count;
mod gather;
mod html;
mod means;
mod overlap;
mod svg;
mod thumbs;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use crate::sample::Class;
use crate::source::Problem;
use crate::worker::Workers;

pub use count::{Bar, Histogram, stats};
pub use gather::gather;
pub use html::page;
pub(crate) use means::Colours;
pub use means::{Means, means};
pub use overlap::{Group, Overlap};
pub(crate) use thumbs::Draw;
pub use thumbs::{Thumb, thumbs};

/// How inputs are looked at.
#[derive(Debug, Clone, Default)]
pub struct StatsOptions {
    /// Where the videos of annotation rows lie.
    pub media_dir: Option<PathBuf>,
    /// A file that fixes the class indexes.
    pub labels: Option<PathBuf>,
    /// Decodes every media file to its end instead of its first frame.
    pub decode: bool,
    /// Number of threads.
    pub threads: usize,
    /// What decodes files; this process by default.
    pub workers: Arc<Workers>,
}

/// What is to be said of a clip of which a frame was wanted, where that is no matter of course.
fn lost(record: &Record, problem: &Problem) -> Option<String> {
    let lost = [Class::Crash, Class::Timeout, Class::Memory, Class::Internal];
    let (key, reason) = (&record.key, &problem.reason);
    let said = || format!("{key}: its frames were not looked at: {reason}");
    lost.contains(&problem.class).then(said)
}

/// How a clip is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is there and whole.
    Found,
    /// It is not there, or could not be fetched.
    Missing,
    /// It is there, and by more than half a second shorter than its time range.
    Short,
    /// It is there and cannot be used.
    Corrupt,
    /// It was left out by the user's own rule.
    Skipped,
}

/// One clip.
#[derive(Debug, Clone)]
pub struct Record {
    /// Which input it is from.
    pub set: usize,
    /// Its key.
    pub key: String,
    /// The video that it is of: an id, or a file name without extension and time range.
    pub id: String,
    /// Its time range in that video, where known, for telling clips of one video apart.
    pub range: Option<(i64, i64)>,
    /// Its split.
    pub split: Option<String>,
    /// Its classes.
    pub labels: Vec<String>,
    /// How it is.
    pub state: State,
    /// The kind of failure.
    pub class: Option<Class>,
    /// Why it is not found whole.
    pub reason: Option<String>,
    /// The file to open, where there is one.
    pub media: Option<PathBuf>,
    /// Where the clip begins in that file, in seconds.
    pub start: f64,
    /// Its duration in seconds.
    pub duration: Option<f64>,
    /// Frames per second.
    pub fps: Option<f64>,
    /// Width and height in pixels.
    pub size: Option<(u32, u32)>,
    /// Codec of the video in FFmpeg's spelling.
    pub video_codec: Option<String>,
    /// Codec of the sound in FFmpeg's spelling; empty for a clip without sound.
    pub audio_codec: Option<String>,
    /// Bytes of the file, or of the sample.
    pub bytes: u64,
}

/// Clips by state. They add up to `clips`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "each counts the state of its name")]
pub struct States {
    pub clips: u64,
    pub found: u64,
    pub missing: u64,
    pub short: u64,
    pub corrupt: u64,
    pub skipped: u64,
}

impl States {
    /// Counts one more.
    pub fn add(&mut self, state: State) {
        self.clips += 1;
        let counter = match state {
            State::Found => &mut self.found,
            State::Missing => &mut self.missing,
            State::Short => &mut self.short,
            State::Corrupt => &mut self.corrupt,
            State::Skipped => &mut self.skipped,
        };
        *counter += 1;
    }
}

/// A clip that is not found whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Its key.
    pub key: String,
    /// Its split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// How it is.
    pub state: State,
    /// The kind of failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// Why.
    pub reason: String,
}

/// Everything counted.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Stats {
    /// The inputs as they were named.
    pub inputs: Vec<String>,
    /// All clips.
    pub total: States,
    /// By split; clips without one are under the empty name.
    pub splits: BTreeMap<String, States>,
    /// By class; clips without one are under the empty name.
    pub classes: BTreeMap<String, States>,
    /// Failures by class.
    pub failures_by_class: BTreeMap<String, u64>,
    /// Bytes of all clips that are there.
    pub bytes: u64,
    /// Seconds of all clips that are there.
    pub seconds: f64,
    /// Durations in seconds.
    pub duration: Histogram,
    /// Frames per second, by value.
    pub fps: Vec<Bar>,
    /// Sizes in pixels, by value.
    pub size: Vec<Bar>,
    /// Codecs of video, by name.
    pub video_codec: Vec<Bar>,
    /// Codecs of sound, by name; `none` for clips without sound.
    pub audio_codec: Vec<Bar>,
    /// Means of the colours, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<Means>,
    /// Videos that are in more than one split or input.
    pub overlaps: Vec<Overlap>,
    /// Every clip that is not found whole.
    pub failures: Vec<Failure>,
    /// What the user should know, one line each.
    pub notes: Vec<String>,
}
