//! [`Job`]: what a child can be asked of a file, and [`Task`], what it takes to be one.

use std::fs::File;
use std::io;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::clip::ClipJob;
use super::wire::{self, Failed, Kind};
use crate::source::Problem;

/// Work on one open file that gives an answer, and perhaps bytes. Done in this process or in a child,
/// with the same result.
pub(crate) trait Task: Clone + Into<Job> {
    /// What is answered.
    type Answer: Serialize + DeserializeOwned;

    /// Does the work on `file`. Bytes of the answer are added to `bytes`, which is empty.
    ///
    /// # Errors
    /// A [`Problem`] of this file.
    fn run(&self, file: &Arc<File>, bytes: &mut Vec<u8>) -> Result<Self::Answer, Problem>;

    /// Whether an answer that comes from a child can belong to this task and to `bytes` bytes.
    fn fits(&self, _answer: &Self::Answer, bytes: u64) -> bool {
        bytes == 0
    }
}

/// A job with the key of the clip or file that it is for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct JobBody {
    pub(super) key: String,
    pub(super) job: Job,
}

/// Declares the jobs: a clip's sample, and all tasks.
macro_rules! jobs {
    ($($(#[$about:meta])* $name:ident($task:ty)),+ $(,)?) => {
        /// All that a child can be asked.
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub(crate) enum Job {
            /// Make the sample of a clip.
            Clip(Box<ClipJob>),
            $($(#[$about])* $name($task)),+
        }

        $(impl From<$task> for Job {
            fn from(task: $task) -> Self {
                Job::$name(task)
            }
        })+

        /// Does a job that is a [`Task`], and gives the answer as a message.
        pub(super) fn answer(
            job: &Job,
            file: &Arc<File>,
            bytes: &mut Vec<u8>,
        ) -> io::Result<Vec<u8>> {
            match job {
                Job::Clip(_) => Err(io::Error::other("a clip is no task")),
                $(Job::$name(task) => message(task.run(file, bytes))),+
            }
        }
    };
}

jobs! {
    /// Look into a file.
    Probe(crate::probe::Probe),
    /// Add up the colours of some frames.
    Colours(crate::stats::Colours),
    /// Draw a frame as a small picture.
    Draw(crate::stats::Draw),
    /// Decode frames of a video.
    Frames(crate::access::TakeFrames),
    /// Make a picture small.
    Shrink(crate::access::Shrink),
    /// Decode all and tell what is seen and heard.
    Watch(crate::verify::WatchMedia),
    /// Tell which bytes of a file clips need.
    Needed(crate::fetch::Needed),
    /// Decode pictures and tell how they look.
    Glance(crate::verify::Glance),
}

/// An answer as a message.
pub(super) fn message<T: Serialize>(done: Result<T, impl Into<Failed>>) -> io::Result<Vec<u8>> {
    wire::message(Kind::Answer, &done.map_err(Into::into))
}
