//! [`SampleError`]: how one clip fails. It ends one sample, never the run.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why one clip gave no sample. Becomes a row of `samples.jsonl`.
#[derive(Debug)]
pub struct SampleError {
    /// The clip's key.
    pub key: String,
    /// What was being done.
    pub stage: Stage,
    /// The kind of failure, from a fixed list.
    pub class: Class,
    /// What happened and what to do, in one line.
    pub reason: String,
    /// What the library or system below said.
    pub cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl SampleError {
    /// A failure of `key` while doing `stage`.
    pub fn new(key: &str, stage: Stage, class: Class, reason: impl Into<String>) -> Self {
        Self {
            key: key.to_owned(),
            stage,
            class,
            reason: reason.into(),
            cause: None,
        }
    }
    /// Chains what lies below.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }
    /// Reason and causes in one line, for the row and the log.
    pub fn full_reason(&self) -> String {
        let mut text = self.reason.clone();
        let mut next = self.cause.as_deref().map(|e| e as &dyn std::error::Error);
        while let Some(e) = next {
            text.push_str(": ");
            text.push_str(&e.to_string());
            next = e.source();
        }
        text.replace(['\n', '\r'], " ")
    }
}

impl fmt::Display for SampleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.key, self.reason, self.class.as_str())
    }
}

impl std::error::Error for SampleError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|e| e as _)
    }
}

/// What was being done when a clip failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Finding the row's media.
    Plan,
    /// Fetching the source.
    Fetch,
    /// Opening the file and reading its header.
    Probe,
    /// Reading packets and decoding them.
    Decode,
    /// Encoding pictures, sound or video.
    Encode,
    /// Writing the sample into its shard.
    Write,
}

/// The fixed list of failure classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(
    missing_docs,
    reason = "the names are the documentation; README explains each to users"
)]
pub enum Class {
    Missing,
    Gone,
    Private,
    GeoBlocked,
    SignIn,
    BotWall,
    Copyright,
    RateLimited,
    Network,
    NotAVideo,
    NoVideo,
    NoAudio,
    Corrupt,
    TooShort,
    TooLarge,
    Timeout,
    Crash,
    Memory,
    Internal,
}

impl Class {
    /// The name in rows and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Class::Missing => "missing",
            Class::Gone => "gone",
            Class::Private => "private",
            Class::GeoBlocked => "geo-blocked",
            Class::SignIn => "sign-in",
            Class::BotWall => "bot-wall",
            Class::Copyright => "copyright",
            Class::RateLimited => "rate-limited",
            Class::Network => "network",
            Class::NotAVideo => "not-a-video",
            Class::NoVideo => "no-video",
            Class::NoAudio => "no-audio",
            Class::Corrupt => "corrupt",
            Class::TooShort => "too-short",
            Class::TooLarge => "too-large",
            Class::Timeout => "timeout",
            Class::Crash => "crash",
            Class::Memory => "memory",
            Class::Internal => "internal",
        }
    }
}
