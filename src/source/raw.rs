//! [`Raw`]: a row as a reader found it, before it has a key, a class index, or a video.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use kpack_formats::Meta;

use super::input::Problem;
use super::{ReadOptions, Span};
use crate::Time;
use crate::bounded::brief;
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
    /// What the input says of the classes.
    pub(super) labels: Vec<RawLabel>,
    /// The time range that is asked of the source.
    pub(super) span: Option<Span>,
    /// The time range to cut out of the media, where that is not the source but a cut of it.
    pub(super) cut: Option<Cut>,
    /// How `named` names the source.
    pub(super) naming: Naming,
    /// What AVA says of instants within `span`.
    pub(super) annotations: Vec<Annotation>,
    pub(super) split: Option<String>,
    pub(super) columns: Meta,
    /// Position in [`Gather::files`], and line in that file; line 0 where there is no line.
    pub(super) file: u32,
    pub(super) line: u64,
    pub(super) problem: Option<Problem>,
}

/// How a row names its source.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// By a path.
    #[default]
    Path,
    /// By the id of a video; clips are named for it and their range.
    Id,
    /// By the id of a video; clips are named for it and this second, which AVA annotates.
    Stamp(u32),
    /// By an address, in which there is an id.
    Url,
}

/// What is left to cut where the media is itself a cut of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Nothing: it is the clip.
    Nothing,
    /// This range of it.
    Range(Span),
}

/// What AVA says of one instant: that it is annotated, and perhaps a person and what they do.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Annotation {
    /// In the source.
    pub(super) at: Time,
    /// Left, top, right, bottom, each 0 to 1.
    pub(super) region: Option<[f64; 4]>,
    /// The class.
    pub(super) label: Option<i64>,
    /// The person.
    pub(super) person: Option<i64>,
}

impl Annotation {
    /// An instant of which nothing more is known.
    pub(super) fn at(at: Time) -> Self {
        let (region, label, person) = Default::default();
        Self {
            at,
            region,
            label,
            person,
        }
    }
}

/// A class as the input gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
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

    /// The id of its video; `None` where the row names a path, or an address without one.
    pub(super) fn id(&self) -> Option<&str> {
        let named = self.named.to_str()?;
        match self.naming {
            Naming::Path => None,
            Naming::Id | Naming::Stamp(_) => Some(named),
            Naming::Url => id_in_url(named),
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
                reason: brief(&reason),
            });
        }
    }
}

/// The id of a YouTube video, else the last part of the address without its extension.
pub(super) fn id_in_url(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let watched = query
        .split(['&', '#'])
        .find_map(|part| part.strip_prefix("v="));
    let last = path.trim_end_matches('/').rsplit('/').next();
    let last = last.map(|name| name.split('#').next().unwrap_or(name));
    let stem = last.map(|name| name.rsplit_once('.').map_or(name, |(stem, _)| stem));
    watched.or(stem).filter(|id| !id.is_empty())
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
    /// A class map among the inputs.
    pub(super) class_file: Option<PathBuf>,
    /// Rows whose media come from the replacement folder.
    pub(super) replaced: u64,
}

impl Gather<'_> {
    /// Starts a file (or folder) of rows; its number goes into the rows.
    pub(super) fn start(&mut self, path: &Path) -> u32 {
        self.files.push(path.to_owned());
        self.files.len() as u32 - 1
    }

    /// The file that fixes the class indexes.
    pub(super) fn labels_file(&self) -> Option<&Path> {
        let given = self.options.labels.as_deref();
        given.or(self.class_file.as_deref())
    }

    /// Fills in where a row's video lies: below `--media-dir`, else beside the annotation file,
    /// else below the working folder.
    pub(super) fn place(&mut self, raw: &mut Raw, folder: &Path) {
        if raw.named.as_os_str().is_empty() {
            return;
        }
        raw.unseen = true;
        if raw.naming != Naming::Path {
            self.used_media_dir |= self.options.media_dir.is_some();
            return;
        }
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
    /// among them -1 is no label. Where no row says its split the file's name may.
    pub(super) fn end(&mut self, first: usize) {
        self.split_by_name(first);
        let rows = self.rows.get_mut(first..).unwrap_or_default();
        let number = |label: &RawLabel| match label {
            RawLabel::Text(text) => text.parse::<i64>().ok().filter(|i| *i >= -1),
            RawLabel::Index(index) => Some(*index),
        };
        let mut labels = rows.iter().flat_map(|raw| &raw.labels);
        if !labels.all(|label| number(label).is_some()) {
            return;
        }
        for raw in rows {
            let indexes = raw.labels.iter().filter_map(number).filter(|i| *i >= 0);
            raw.labels = indexes.map(RawLabel::Index).collect();
        }
    }

    /// `train.csv`, `kinetics-400_val.csv`: the split of all rows.
    fn split_by_name(&mut self, first: usize) {
        let rows = self.rows.get_mut(first..).unwrap_or_default();
        let file = rows
            .first()
            .and_then(|raw| self.files.get(raw.file as usize));
        let name = file.and_then(|path| path.file_stem()?.to_str());
        let words = name.unwrap_or_default().split(['-', '_', '.']);
        let mut splits = words.filter_map(super::split_name);
        let (Some(split), None) = (splits.next(), splits.next()) else {
            return;
        };
        if rows.iter().all(|raw| raw.split.is_none()) {
            rows.iter_mut()
                .for_each(|raw| raw.split = Some(split.to_owned()));
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
pub(crate) fn shown(name: impl AsRef<OsStr>) -> String {
    one_line(text(name))
}

/// `1 file`, `2 files`.
pub(crate) fn count(n: u64, noun: &str) -> String {
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
