//! Published annotation files, and the lists that training codes read, as rows.
//!
//! ```text
//! table (CSV, TSV, AVA) ─┐
//! JSON, JSON Lines ──────┼─> cells with a role ─> Raw ─> merged by id and range
//! list of paths ─────────┴────────────────────────┘
//! ```
//!
//! There is no reader for each dataset: what a column means follows from its name, or, without a
//! header, from its cells ([`columns`]).

mod columns;
pub(super) mod json;
pub(super) mod list;
pub(super) mod merge;
mod object;
mod row;
pub(super) mod table;

pub(super) use row::usual_split;

#[cfg(test)]
mod tests;
