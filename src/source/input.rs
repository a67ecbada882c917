//! [`Input`]: every row that the user named, in input order, before any is planned.

use crate::sample::{Class, Stage};
use crate::source::Clip;

/// All that the user's inputs name.
#[derive(Debug, Clone, Default)]
pub struct Input {
    /// One row per input clip, in input order. Counts always add up to this.
    pub rows: Vec<Row>,
    /// All class names; a label's index is its position. Empty where nothing is labelled. A hole
    /// in a list of integer labels is an empty name.
    pub classes: Vec<String>,
    /// What the user should know, one line each (files passed over, keys renamed).
    pub notes: Vec<String>,
}

/// One row of the input.
#[derive(Debug, Clone)]
pub struct Row {
    /// The clip. Its key is unique among all rows.
    pub clip: Clip,
    /// Why the row takes no slot in the plan, found before any media was opened.
    pub problem: Option<Problem>,
}

/// A row that is a failure before it is planned, such as a missing video.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Where it was found; [`Stage::Plan`] but for rows that a fetch failed.
    pub stage: Stage,
    /// The kind of failure.
    pub class: Class,
    /// One line: what is wrong and what to do.
    pub reason: String,
}
