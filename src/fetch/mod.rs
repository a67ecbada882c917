//! Brings the sources of clips, and cuts the clips out of them.
//!
//! ```text
//! rows ─> plan: one source for all of its clips ─> queue: hosts with limits ─> table: file, http, yt-dlp
//!                                                                                │ HASH.source, checked
//!        fetch.jsonl <── a row as each clip is settled <── cut, file by rename <─┘ then the source is dropped
//! ```
//!
//! With mirrors the sources are archives: each is brought like any source, read once from front to
//! end, and its members go to the rows that they are named for.
//!
//! Of an mp4 or WebM whose server answers ranges only the wanted seconds and what of the index tells of
//! them come, as `HASH.ranges`.
//!
//! What is unfinished lies in `MEDIA/.kpack`; a clip appears in MEDIA whole or not at all. The
//! journal has a row for each input row, so that the same call again fetches only what is not done.

mod adopt;
mod answer;
mod bring;
mod clip;
mod date;
mod enter;
mod feed;
mod http;
mod journal;
mod known;
mod local;
mod mirror;
mod name;
mod net;
mod options;
mod plan;
mod queue;
mod ranges;
mod run;
mod table;
mod turns;
mod ytdlp;
mod ytdlp_says;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::Serialize;

pub use feed::{Feed, Located, Supply, anticipate, discard};
pub use journal::{FetchRow, JOURNAL};
pub use options::{FetchOptions, PastEnd, YtDlp};
pub(crate) use ranges::Needed;

use crate::progress::Progress;
use crate::sample::{Class, Stage};
use crate::source::Input;
use crate::{Error, Result};

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// Rows of the input.
    pub rows: u64,
    /// Clips that are there, those of earlier runs included.
    pub done: u64,
    /// Of those, clips that were there before.
    pub there: u64,
    /// Rows left out by the user's own rule.
    pub skipped: u64,
    /// Rows that failed.
    pub failed: u64,
    /// Failures by class.
    pub failures: BTreeMap<Class, u64>,
    /// Rows that are not settled, because the run was stopped.
    pub remaining: u64,
    /// Sources asked for.
    pub sources: u64,
    /// Bytes that came over the network by HTTP, and those of files that yt-dlp left.
    pub bytes_fetched: u64,
    /// Wall time in seconds.
    pub seconds: f64,
    /// What the user should know of the input.
    pub notes: Vec<String>,
}

/// Fetches the sources of `input` and cuts its clips into files below `media`.
///
/// Read the input with [`crate::source::ReadOptions::annotations_only`]: what is there is told by
/// the journal. Setting `stop` ends the run soon; the same call again continues.
///
/// # Errors
/// Templates that cannot be understood, a program that is not installed, a folder that another
/// run works in, a disk that is full. What fails of one source or clip is its row.
pub fn fetch(
    input: &Input,
    media: &Path,
    options: &FetchOptions,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Report> {
    run::run(input, media, options, progress, stop)
}

/// Why one attempt at a source, or one clip, failed.
#[derive(Debug, Clone)]
struct Failure {
    stage: Stage,
    class: Class,
    reason: String,
    retry: Retry,
}

/// Whether the same may succeed at another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Retry {
    Never,
    Later,
    /// Not before this much time has passed, says the server.
    After(Duration),
}

impl Failure {
    fn new(class: Class, reason: impl Into<String>, retry: Retry) -> Self {
        Self {
            stage: Stage::Fetch,
            class,
            reason: reason.into(),
            retry,
        }
    }
    /// A failure for good.
    fn last(class: Class, reason: impl Into<String>) -> Self {
        Self::new(class, reason, Retry::Never)
    }
    /// A failure that may pass.
    fn again(class: Class, reason: impl Into<String>) -> Self {
        Self::new(class, reason, Retry::Later)
    }
}

/// How an attempt ends that does not succeed.
#[derive(Debug)]
enum Fail {
    /// For this source or clip.
    One(Failure),
    /// For the run: the disk.
    Run(Error),
    /// The run is to stop.
    Stopped,
}

impl Fail {
    /// For `map_err`: the system refused `what` on `path`.
    fn disk(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Fail {
        let error = Error::io(what, path);
        move |e| Fail::Run(error(e))
    }
}

impl From<Failure> for Fail {
    fn from(failure: Failure) -> Self {
        Fail::One(failure)
    }
}

impl From<Error> for Fail {
    fn from(error: Error) -> Self {
        Fail::Run(error)
    }
}
