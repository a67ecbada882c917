//! What the user names: media files, trees, lists and tables in; [`Clip`]s out.
//!
//! ```text
//! INPUT.. ─> reader (sniffed, or by name) ─> rows ─> media found? ─> repeated? ─> class map ─> keys ─> Input
//! ```
//!
//! Everything here happens before any media is opened, in one pass over the rows. A row that
//! cannot become a sample stays a row, with its [`Problem`]: class `missing` where its video is
//! not there, class `corrupt` (at stage `plan`, so that it cannot be taken for a damaged video)
//! where the row itself is wrong: a cell that is no time, a label that `--labels` does not know, a
//! repetition of an earlier row.

mod class_file;
mod classes;
mod clip;
mod input;
mod keys;
mod list;
mod locate;
mod media_kind;
mod raw;
mod readers;
mod repeats;
mod table;
mod tail;
mod tree;

use std::path::PathBuf;

pub use clip::{Clip, Span};
pub use input::{Input, Problem, Row};
pub use readers::{READERS, Reader};

use crate::{Error, Result};
use raw::{Gather, Raw};

/// How inputs are read.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// Where the videos of annotation rows lie; without it beside the annotation file, else below
    /// the working folder.
    pub media_dir: Option<PathBuf>,
    /// A file that fixes the class indexes.
    pub labels: Option<PathBuf>,
    /// Name of a reader in [`READERS`], instead of finding it out.
    pub input_format: Option<String>,
    /// A folder that is passed over, because the run itself writes it.
    pub exclude: Option<PathBuf>,
}

/// Reads every input into rows with unique keys, in the order in which they are named.
///
/// # Errors
/// An input that is not there or holds no media, a table without a `path` column, a labels file
/// that cannot be understood. What is wrong with one row only is that row's [`Problem`].
pub fn read(inputs: &[PathBuf], options: &ReadOptions) -> Result<Input> {
    let mut gather = Gather {
        options,
        rows: Vec::new(),
        notes: Vec::new(),
        files: Vec::new(),
        used_media_dir: false,
    };
    if let Some(dir) = options.media_dir.as_deref().filter(|dir| !dir.is_dir()) {
        let dir = raw::shown(dir);
        return Err(Error::usage(format!("--media-dir {dir}: no such folder")));
    }
    readers::read_all(inputs, &mut gather)?;
    locate::locate(&mut gather);
    repeats::refuse(&mut gather);
    if options.media_dir.is_some() && !gather.used_media_dir {
        let note = "--media-dir is not used: no input is a list of paths";
        gather.notes.push(note.to_owned());
    }
    let classes = classes::class_map(&gather)?;
    let (keys, changed) = keys::keys(&gather.rows);
    if changed > 0 {
        let keys = raw::count(changed, "key");
        let note = "got a time range, an extension or a hash, to be unique and short";
        gather.notes.push(format!("{keys} {note}"));
    }
    let rows = std::mem::take(&mut gather.rows);
    let rows = rows.into_iter().zip(keys);
    let rows = rows
        .map(|(raw, key)| finish(raw, key, &classes, &gather))
        .collect();
    Ok(Input {
        rows,
        classes: classes.into_names(),
        notes: gather.notes,
    })
}

fn finish(mut raw: Raw, key: String, classes: &classes::ClassMap, gather: &Gather<'_>) -> Row {
    let label = raw.label.take().map(|label| classes.label(label));
    if let (Some(Err(label)), Some(file)) = (&label, &gather.options.labels) {
        raw.refuse(classes::unknown(label, file, &gather.origin(&raw)));
    }
    let source = raw::text(&raw.named);
    let found = raw
        .problem
        .as_ref()
        .is_none_or(|p| p.class != crate::sample::Class::Missing);
    Row {
        clip: Clip {
            key,
            source,
            media: found.then(|| raw.media.unwrap_or(raw.named)),
            span: raw.span,
            split: raw.split,
            labels: label.and_then(Result::ok).into_iter().collect(),
            columns: raw.columns,
        },
        problem: raw.problem,
    }
}

/// Whether a file that begins with `head` is video or sound.
pub(crate) fn is_media_head(head: &[u8]) -> bool {
    media_kind::is_media_head(head)
}

/// The names that a `--labels` file gives to the class indexes; a hole is an empty name.
///
/// # Errors
/// [`Error::Io`]; [`Error::Input`] for a file that cannot be understood.
pub fn class_names(path: &std::path::Path) -> Result<Vec<String>> {
    class_file::read(path)
}

/// The name under which a split is known: `val` for `valid`, `validate`, `validation`; `None` for
/// a name that is no split's.
pub(crate) fn split_name(name: &str) -> Option<&'static str> {
    match name {
        "train" => Some("train"),
        "val" | "valid" | "validate" | "validation" => Some("val"),
        "test" => Some("test"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
