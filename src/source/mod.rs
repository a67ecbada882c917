//! What the user names: media files, trees, lists and tables in; [`Clip`]s out.
//!
//! ```text
//! INPUT.. ─> reader (sniffed, or by name) ─> rows ─> merged ─> media found? ─> repeated? ─> class map ─> keys ─> Input
//! ```
//!
//! Everything here happens before any media is opened, in one pass over the rows. A row that
//! cannot become a sample stays a row, with its [`Problem`]: class `missing` where its video is
//! not there, class `corrupt` (at stage `plan`, so that it cannot be taken for a damaged video)
//! where the row itself is wrong: a cell that is no time, a label that `--labels` does not know, a
//! repetition of an earlier row.

mod annotations;
mod class_file;
mod classes;
mod clip;
mod identity;
mod input;
mod keys;
mod locate;
mod media_index;
mod media_kind;
mod pbtxt;
mod raw;
mod readers;
mod repeats;
pub mod select;
pub(crate) mod spelling;
mod tail;
mod tree;
mod window;

use std::path::PathBuf;

pub use clip::{Clip, NamedBy, Span};
pub(crate) use identity::identity;
pub use input::{Input, Problem, Row};
pub(crate) use raw::{count, shown};
pub use readers::{READERS, Reader};
pub(crate) use window::number_frames;

use crate::{Error, Result, Time};
use raw::{Cut, Gather, Naming, Raw};

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
    /// A folder whose videos are used before all others, such as CVDF's replacements of corrupt
    /// ones.
    pub replacement: Option<PathBuf>,
    /// Whether a file named for an id alone is the clip already, so that no range is cut from it.
    pub media_trimmed: bool,
    /// Whether only the annotations matter: no video is looked for but in `replacement`, and none is
    /// missing.
    pub annotations_only: bool,
    /// Length of the clips around AVA's timestamps; 6 s without.
    pub window: Option<Time>,
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
        class_file: None,
        replaced: 0,
    };
    for (option, dir) in [
        ("--media-dir", &options.media_dir),
        ("--replacement", &options.replacement),
    ] {
        if let Some(dir) = dir.as_deref().filter(|dir| !dir.is_dir()) {
            let dir = raw::shown(dir);
            return Err(Error::usage(format!("{option} {dir}: no such folder")));
        }
    }
    readers::read_all(inputs, &mut gather)?;
    annotations::merge::merge(&mut gather);
    match options.annotations_only {
        true => locate::replace(&mut gather)?,
        false => locate::locate(&mut gather)?,
    }
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
    let mut labels = Vec::with_capacity(raw.labels.len());
    for label in std::mem::take(&mut raw.labels) {
        match (classes.label(label), gather.labels_file()) {
            (Ok(label), _) => labels.push(label),
            (Err(label), Some(file)) => {
                raw.refuse(classes::unknown(&label, file, &gather.origin(&raw)));
            }
            (Err(_), None) => {}
        }
    }
    let source = raw::text(&raw.named);
    let missing = raw.problem.as_ref().map(|p| p.class) == Some(crate::sample::Class::Missing);
    let is_path = raw.naming == Naming::Path;
    let (span, asked) = match raw.cut {
        None => (raw.span, None),
        Some(Cut::Nothing) => (None, raw.span),
        Some(Cut::Range(span)) => (Some(span), raw.span),
    };
    raw.columns.extend(window::columns(&raw));
    Row {
        clip: Clip {
            key,
            source,
            named_by: match raw.naming {
                Naming::Path => NamedBy::Path,
                Naming::Id | Naming::Stamp(_) => NamedBy::Id,
                Naming::Url => NamedBy::Url,
            },
            media: match raw.media {
                _ if missing => None,
                None if is_path && !raw.named.as_os_str().is_empty() => Some(raw.named),
                media => media,
            },
            span,
            asked,
            split: raw.split,
            labels,
            columns: raw.columns,
        },
        problem: raw.problem,
    }
}

/// Whether a file that begins with `head` is video or sound.
pub(crate) fn is_media_head(head: &[u8]) -> bool {
    media_kind::is_media_head(head)
}

/// Whether a file of this name is video or sound; `None` where the name does not say.
pub(crate) fn is_media_name(name: &std::ffi::OsStr) -> Option<bool> {
    media_kind::by_name(name)
}

/// `_NUMBER` at the end of a name, as seconds, and what stands before.
pub(crate) fn numbered(name: &[u8]) -> Option<(&[u8], Time)> {
    media_index::number(name)
}

/// The id of a YouTube video in its address, else the last part of the address without its
/// extension.
pub(crate) fn id_in_url(url: &str) -> Option<&str> {
    raw::id_in_url(url)
}

/// The class names of a file in any shape that `--labels` takes, by index; a hole is an empty name.
///
/// # Errors
/// A file that cannot be read or understood, with its line.
pub fn class_names(path: &std::path::Path) -> Result<Vec<String>> {
    class_file::read(path)
}

/// The label that a class folder's name gives.
pub(crate) fn class_name(folder: impl AsRef<std::ffi::OsStr>) -> String {
    raw::one_line(raw::text(folder))
}

/// The name under which a split is known: `val` for `valid`, `validate`, `validation`, `train` for
/// `training`, `test` for `testing`, in any case; `None` for a name that is no split's.
pub(crate) fn split_name(name: &str) -> Option<&'static str> {
    match name.to_ascii_lowercase().as_str() {
        "train" | "training" => Some("train"),
        "val" | "valid" | "validate" | "validation" => Some("val"),
        "test" | "testing" => Some("test"),
        _ => None,
    }
}

#[cfg(test)]
mod media_tests;
#[cfg(test)]
mod tests;
