//! [`Raw`]: a row as a reader found it, before it has a key, a class index, or a video.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use kpack_formats::Meta;

use super::input::Problem;
use super::{ReadOptions, Span};
use crate::sample::{Class, Stage};

/// A row as a reader found it.
#[derive(Debug, Default)]
pub(super) struct Raw {
    /// The path as the input names it.
    pub(super) named: PathBuf,
    /// Where in `named` the path below INPUT begins, in bytes.
    pub(super) below: usize,
    /// The file to open, where that is not `named`.
    pub(super) media: Option<PathBuf>,
    /// Where else to look for it.
    pub(super) or_media: Option<PathBuf>,
    /// Whether the file is still to be looked for.
    pub(super) unseen: bool,
    /// What the input says of the class.
    pub(super) label: Option<RawLabel>,
    pub(super) span: Option<Span>,
    pub(super) split: Option<String>,
    pub(super) columns: Meta,
    /// Position in [`Gather::files`], and line in that file; line 0 where there is no line.
    pub(super) file: u32,
    pub(super) line: u64,
    pub(super) problem: Option<Problem>,
}

/// A class as the input gives it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RawLabel {
    Text(String),
    Index(i64),
}

impl Raw {
    /// The file to open.
    pub(super) fn media(&self) -> &Path {
        self.media.as_deref().unwrap_or(&self.named)
    }

    /// The path below INPUT.
    pub(super) fn below(&self) -> &Path {
        let bytes = self.named.as_os_str().as_encoded_bytes();
        match bytes.get(self.below..) {
            Some(rest) => Path::new(os_str(rest)),
            None => &self.named,
        }
    }

    /// Whether what its annotations say is wrong.
    pub(super) fn is_refused(&self) -> bool {
        let class = self.problem.as_ref().map(|problem| problem.class);
        class == Some(Class::Corrupt)
    }

    /// Refuses the row for what its annotations say: class `corrupt` at stage `plan`.
    pub(super) fn refuse(&mut self, reason: String) {
        if self.problem.is_none() {
            self.problem = Some(Problem {
                stage: Stage::Plan,
                class: Class::Corrupt,
                reason,
            });
        }
    }
}

/// Bytes of a path as a path: names on Unix are bytes.
#[cfg(unix)]
pub(super) fn os_str(bytes: &[u8]) -> &OsStr {
    use std::os::unix::ffi::OsStrExt as _;
    OsStr::from_bytes(bytes)
}

/// Where all rows come together.
pub(super) struct Gather<'a> {
    pub(super) options: &'a ReadOptions,
    pub(super) rows: Vec<Raw>,
    pub(super) notes: Vec<String>,
    /// The inputs and the annotation files read, for messages.
    pub(super) files: Vec<PathBuf>,
    /// Whether some reader looked at `--media-dir`.
    pub(super) used_media_dir: bool,
}

impl Gather<'_> {
    /// Starts a file (or folder) of rows; its number goes into the rows.
    pub(super) fn start(&mut self, path: &Path) -> u32 {
        self.files.push(path.to_owned());
        self.files.len() as u32 - 1
    }

    /// Fills in where a row's video lies: below `--media-dir`, else beside the annotation file,
    /// else below the working folder.
    pub(super) fn place(&mut self, raw: &mut Raw, folder: &Path) {
        raw.unseen = true;
        let base = match &self.options.media_dir {
            Some(dir) => {
                self.used_media_dir = true;
                dir
            }
            None => folder,
        };
        if raw.named.is_absolute() {
            let inside = raw.named.strip_prefix(base).ok();
            let below = inside.or_else(|| raw.named.file_name().map(Path::new));
            let length = below.map_or(0, |p| p.as_os_str().len());
            raw.below = raw.named.as_os_str().len() - length;
            return;
        }
        if base != Path::new("") {
            raw.media = Some(base.join(&raw.named));
            if self.options.media_dir.is_none() {
                raw.or_media = Some(raw.named.clone());
            }
        }
    }

    /// Ends a file of rows that begin at `first`: labels that are all integers are indexes, and
    /// among them -1 is no label.
    pub(super) fn end(&mut self, first: usize) {
        let rows = self.rows.get_mut(first..).unwrap_or_default();
        let number = |raw: &Raw| match &raw.label {
            Some(RawLabel::Text(text)) => text.parse::<i64>().ok().filter(|i| *i >= -1),
            _ => None,
        };
        if rows
            .iter()
            .any(|r| r.label.is_some() && number(r).is_none())
        {
            return;
        }
        for raw in rows {
            raw.label = number(raw).filter(|i| *i >= 0).map(RawLabel::Index);
        }
    }

    /// `FILE line N`, or the file alone: where a row stands.
    pub(super) fn origin(&self, raw: &Raw) -> String {
        let file = self.files.get(raw.file as usize);
        let file = file.map_or_else(String::new, shown);
        match raw.line {
            0 => file,
            line => format!("{file} line {line}"),
        }
    }
}

/// A path or name as text, distinct for distinct names: bytes that are no UTF-8 become `\xNN`.
pub(super) fn text(name: impl AsRef<OsStr>) -> String {
    let bytes = name.as_ref().as_encoded_bytes();
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// A path or name for a message or a list: as [`text`], on one line.
pub(super) fn shown(name: impl AsRef<OsStr>) -> String {
    one_line(text(name))
}

/// `1 file`, `2 files`.
pub(super) fn count(n: u64, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// Control characters become escapes, so that the text stays one line.
pub(super) fn one_line(text: String) -> String {
    if !text.contains(char::is_control) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}
