//! [`Clip`]: a time range of a source, with what the annotations say of it. Plain data.

use std::path::PathBuf;

use kpack_formats::{Label, Meta};

use crate::Time;

/// One row of the input: what to cut out of which source.
#[derive(Debug, Clone, Default)]
pub struct Clip {
    /// Unique, stable, file-safe name: `[A-Za-z0-9_-/]+`, at most 80 bytes.
    pub key: String,
    /// The source as the input names it (lossy where it is not UTF-8); for rows and messages.
    pub source: String,
    /// Whether `source` is a path, an id or an address.
    pub named_by: NamedBy,
    /// The media file to open; `None` where it was not found.
    pub media: Option<PathBuf>,
    /// Time range to cut out of `media`; `None` is all of it.
    pub span: Option<Span>,
    /// The time range of the source that the input asks for, where `media` is already a cut of the
    /// source, so that `span` does not say it.
    pub asked: Option<Span>,
    /// `train`, `val`, `test` or the user's own; `None` where unknown.
    pub split: Option<String>,
    /// Class labels, with their index in the class map.
    pub labels: Vec<Label>,
    /// The row's other columns.
    pub columns: Meta,
}

impl Clip {
    /// The time range of the source that the input asks for; `None` is the whole source.
    pub fn asked(&self) -> Option<Span> {
        self.asked.or(self.span)
    }
}

/// What the text is by which an input names a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum NamedBy {
    /// The path of a file.
    #[default]
    Path,
    /// The id of a video, such as YouTube's.
    Id,
    /// An address.
    Url,
}

/// A time range: from `start`, up to but not including `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// First instant.
    pub start: Time,
    /// First instant that no longer belongs; `None` is the end of the source.
    pub end: Option<Time>,
}
