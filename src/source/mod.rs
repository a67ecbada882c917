//! What the user names: media files, trees, lists and tables in; [`Clip`]s out.

mod clip;
mod input;

pub use clip::{Clip, Span};
pub use input::{Input, Problem, Row};
