//! [`MediaIndex`]: the media below a folder by the ids in their names, from one scan.
//!
//! ```text
//! ID.mp4                  the source, or a clip of it
//! ID_000010_000020.mp4    the clip from 10 to 20 s (digits as many as there are)
//! ID_000123.mp4           AVA's clip around second 123
//! ```
//!
//! Ids may hold `_`, `-` and digits themselves, so each reading of a name is entered. Folders do
//! not matter, but where several files could be meant those in folders of the row's class and
//! split come first, then videos before sound, then the order of the paths.

use std::ffi::{OsStr, OsString};
use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::Span;
use super::annotations::usual_split;
use super::media_kind::{by_name, is_sound_name};
use super::raw::{Cut, Naming, Raw, RawLabel};
use super::select::plain;
use crate::{Error, Result, Time};

/// The media below a folder.
#[derive(Default)]
pub(super) struct MediaIndex {
    folders: Vec<PathBuf>,
    /// Position of the folder, and the name.
    files: Vec<(u32, OsString)>,
    /// Hash of an id that a name may hold, and position of the file; sorted.
    ids: Vec<(u64, u32)>,
    /// Where in `ids` the hashes with these first bits begin.
    begins: Vec<u32>,
}

/// A row's media, and what is left to cut of it.
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// The range of the source that can be had: all that is asked, but for AVA's windows.
    pub(super) span: Option<Span>,
    /// `None` where that range is to be cut as it is.
    pub(super) cut: Option<Cut>,
}

/// What a name says of a file, better ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It is the clip.
    Clip,
    /// It is the source.
    Source,
    /// It is a longer cut of the source, of this range; shorter ones (for AVA those with the nearer
    /// midpoint) first.
    Around { off: i64, start: Time, end: Time },
}

impl MediaIndex {
    /// Scans `dir` and everything below it, but for `exclude`.
    pub(super) fn scan(dir: &Path, exclude: Option<&Path>) -> Result<Self> {
        let mut index = Self::default();
        let exclude = exclude.and_then(|p| p.canonicalize().ok());
        let dir = match dir.as_os_str().is_empty() {
            true => Path::new("."),
            false => dir,
        };
        let walk = WalkDir::new(dir).follow_links(true).into_iter();
        let walk = walk.filter_entry(|entry| {
            let folder = entry.depth() > 0 && entry.file_type().is_dir();
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            let excluded = || exclude.is_some() && entry.path().canonicalize().ok() == exclude;
            !(folder && (hidden || excluded()))
        });
        for entry in walk {
            match entry {
                Ok(entry) if entry.file_type().is_dir() => {}
                Ok(entry) if by_name(entry.file_name()) == Some(false) => {}
                Ok(entry) => index.add(entry.path()),
                Err(error) if error.depth() == 0 => {
                    return Err(Error::io("cannot read folder", dir)(error.into()));
                }
                // A link that leads nowhere is no media: its rows are missing.
                Err(_) => {}
            }
        }
        index.sort();
        Ok(index)
    }

    fn sort(&mut self) {
        self.ids.sort_unstable();
        // About as many ranges as hashes, so that a range holds one or two.
        let ranges = self.ids.len().next_power_of_two().max(2);
        let shift = 64 - ranges.ilog2();
        self.begins = Vec::with_capacity(ranges + 1);
        for (i, (hash, _)) in self.ids.iter().enumerate() {
            while self.begins.len() as u64 <= hash >> shift {
                self.begins.push(i as u32);
            }
        }
        self.begins.resize(ranges + 1, self.ids.len() as u32);
    }

    /// Files whose name may hold the id with this hash.
    fn with_hash(&self, hash: u64) -> impl Iterator<Item = u32> {
        let ranges = self.begins.len().saturating_sub(1).max(2);
        let range = (hash >> (64 - ranges.ilog2())) as usize;
        let at = |i: usize| self.begins.get(i).map_or(0, |begin| *begin as usize);
        let same = self.ids.get(at(range)..at(range + 1)).unwrap_or_default();
        let same = same.iter().filter(move |(other, _)| *other == hash);
        same.map(|(_, file)| *file)
    }

    fn add(&mut self, path: &Path) {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return;
        };
        if self.folders.last().is_none_or(|last| last != folder) {
            self.folders.push(folder.to_owned());
        }
        let file = self.files.len() as u32;
        self.files
            .push((self.folders.len() as u32 - 1, name.to_owned()));
        let stem = stem(name);
        let mut ids = [Some(stem), None, None];
        if let Some((id, _)) = number(stem) {
            ids[1] = Some(id);
            ids[2] = number(id).map(|(id, _)| id);
        }
        let ids = ids.into_iter().flatten();
        self.ids.extend(ids.map(|id| (hash(id), file)));
    }

    /// The media of `raw`, if it is there; files named for the id alone are the clips themselves
    /// where `trimmed` says so.
    pub(super) fn find(&self, raw: &Raw, trimmed: bool) -> Option<Found> {
        let id = raw.id().map(str::as_bytes);
        let id = id.or_else(|| Some(stem(raw.named.file_name()?)))?;
        let fits = self.with_hash(hash(id)).filter_map(|file| {
            let (_, name) = self.files.get(file as usize)?;
            let suffix = stem(name).strip_prefix(id)?;
            Some((fit(suffix, raw)?, file))
        });
        let fits: Vec<(Fit, u32)> = fits.collect();
        let best = match fits.as_slice() {
            [one] => *one,
            _ => {
                let order =
                    |(fit, file): &(Fit, u32)| (*fit, self.rank(*file, raw), self.path(*file));
                fits.into_iter().min_by_key(order)?
            }
        };
        let mut found = Found {
            path: self.path(best.1)?,
            span: raw.span,
            cut: None,
        };
        match best.0 {
            Fit::Clip => found.cut = Some(Cut::Nothing),
            Fit::Source if trimmed && raw.id().is_some() => found.cut = Some(Cut::Nothing),
            Fit::Source => {}
            Fit::Around { start, end, .. } => {
                let span = raw.span?;
                let asked = (span.start.max(start), span.end.map_or(end, |e| e.min(end)));
                let range = |from: Time| Span {
                    start: asked.0.since(from),
                    end: Some(asked.1.since(from)),
                };
                found.span = Some(range(Time::ZERO));
                found.cut = Some(Cut::Range(range(start)));
            }
        }
        Some(found)
    }

    fn path(&self, file: u32) -> Option<PathBuf> {
        let (folder, name) = self.files.get(file as usize)?;
        Some(self.folders.get(*folder as usize)?.join(name))
    }

    /// Low for folders that say the row's class and split, and for videos.
    fn rank(&self, file: u32, raw: &Raw) -> (u8, bool) {
        let Some((folder, name)) = self.files.get(file as usize) else {
            return (u8::MAX, true);
        };
        let folder = self.folders.get(*folder as usize);
        let folders = folder.into_iter().flat_map(|folder| folder.iter());
        let names: Vec<&str> = folders.filter_map(OsStr::to_str).collect();
        let class = raw.labels.iter().any(|label| match label {
            RawLabel::Text(label) => names.iter().any(|name| same_class(name, label)),
            RawLabel::Index(_) => false,
        });
        let of_split = |split: &String| names.iter().any(|name| usual_split(name) == *split);
        let split = raw.split.as_ref().is_some_and(of_split);
        (2 - u8::from(class) - u8::from(split), is_sound_name(name))
    }
}

fn stem(name: &OsStr) -> &[u8] {
    let stem = Path::new(name).file_stem().unwrap_or(name);
    stem.as_encoded_bytes()
}

fn hash(id: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(id);
    hasher.finish()
}

/// `_NUMBER` at the end of a name, as seconds, and what stands before.
pub(super) fn number(name: &[u8]) -> Option<(&[u8], Time)> {
    let at = name.iter().rposition(|b| *b == b'_')?;
    let digits = name.get(at + 1..).filter(|d| (1..=20).contains(&d.len()))?;
    let text = std::str::from_utf8(digits).ok()?;
    let time = match text.split_once('p') {
        Some((whole, part)) => format!("{whole}.{part}").parse().ok()?,
        None if text.contains(':') => return None,
        None => text.parse().ok()?,
    };
    Some((name.get(..at)?, time))
}

/// Farthest that the midpoint of a clip may be from AVA's instant.
const NEAR: i64 = 4_000_000_000;

/// What a file, whose name has `suffix` behind the row's id, is to the row.
fn fit(suffix: &[u8], raw: &Raw) -> Option<Fit> {
    if suffix.is_empty() {
        return Some(Fit::Source);
    }
    if raw.naming == Naming::Path {
        return None;
    }
    let (before, last) = number(suffix)?;
    let first = match before {
        b"" => {
            let named =
                matches!(raw.naming, Naming::Stamp(second) if whole(last) == i64::from(second));
            return named.then_some(Fit::Clip);
        }
        _ => number(before).filter(|(before, _)| before.is_empty())?.1,
    };
    let span = raw.span?;
    let end = span.end?;
    if let Some(annotation) = raw.annotations.first() {
        let middle = (first.nanos() + last.nanos()) / 2;
        let off = (middle - annotation.at.nanos()).abs();
        let inside = raw
            .annotations
            .iter()
            .all(|a| (first..last).contains(&a.at));
        return (inside && off <= NEAR).then_some(Fit::Around {
            off,
            start: first,
            end: last,
        });
    }
    // Some tools write whole seconds into names, whatever the row says.
    let rounded = [last, first].iter().all(|t| t.nanos() % 1_000_000_000 == 0);
    let seconds = (whole(first), whole(last)) == (whole(span.start), whole(end));
    if (first, last) == (span.start, end) || (rounded && seconds) {
        return Some(Fit::Clip);
    }
    let around = first <= span.start && end <= last;
    let off = last.nanos() - first.nanos();
    around.then_some(Fit::Around {
        off,
        start: first,
        end: last,
    })
}

fn whole(time: Time) -> i64 {
    time.nanos() / 1_000_000_000
}

/// Whether a folder is named for a class, in any spelling: spaces as they are, `_` or `-`; with or
/// without quotes, apostrophes and parentheses.
fn same_class(folder: &str, label: &str) -> bool {
    folder == label || plain(folder) == plain(label)
}
