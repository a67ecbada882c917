//! Finds out which rows' videos are there: those with a path with one listing of each folder that
//! rows name often, those with an id with one scan of the whole media folder.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::media_index::{Found, MediaIndex};
use super::raw::{Gather, Raw, count, shown};
use super::{Problem, ReadOptions};
use crate::Result;
use crate::sample::{Class, Stage};

/// Looking up this many names one by one costs less than listing a large folder.
const LOOKUPS: u32 = 16;

/// Looks for the video of every row that is still unseen; what is not there becomes a problem of
/// class `missing`.
///
/// # Errors
/// A folder that cannot be scanned.
pub(super) fn locate(gather: &mut Gather<'_>) -> Result<()> {
    let mut places = Places::new(gather.options)?;
    let mut rows = std::mem::take(&mut gather.rows);
    for raw in rows.iter_mut().filter(|raw| raw.unseen) {
        if raw.problem.is_some() {
            continue;
        }
        let by_name = raw.id().is_some();
        if let Some(found) = places.replacement(raw) {
            take(raw, found);
            gather.replaced += 1;
        } else if by_name {
            let file = gather.files.get(raw.file as usize);
            let folder = file.and_then(|file| file.parent()).unwrap_or(Path::new(""));
            match places.named(raw, folder)? {
                Some(found) => take(raw, found),
                None => nowhere(raw, &gather.origin(raw), gather.options),
            }
        } else if let Some(reason) = places.at_path(raw) {
            missing(raw, &gather.origin(raw), &reason);
        }
    }
    gather.rows = rows;
    note_replaced(gather);
    Ok(())
}

/// Looks for videos in the replacement folder alone; where there is none, nothing is said of it.
///
/// # Errors
/// A folder that cannot be scanned.
pub(super) fn replace(gather: &mut Gather<'_>) -> Result<()> {
    let places = Places::new(gather.options)?;
    for raw in gather.rows.iter_mut().filter(|raw| raw.problem.is_none()) {
        if let Some(found) = places.replacement(raw) {
            take(raw, found);
            gather.replaced += 1;
        }
    }
    note_replaced(gather);
    Ok(())
}

fn note_replaced(gather: &mut Gather<'_>) {
    if gather.options.replacement.is_some() {
        let rows = count(gather.replaced, "row");
        let note = format!("{rows} found in the replacement folder");
        gather.notes.push(note);
    }
}

fn take(raw: &mut Raw, found: Found) {
    raw.media = Some(found.path);
    raw.span = found.span;
    raw.cut = found.cut;
}

fn missing(raw: &mut Raw, origin: &str, reason: &str) {
    raw.problem = Some(Problem {
        stage: Stage::Plan,
        class: Class::Missing,
        reason: format!("{}: {reason} (named by {origin})", shown(raw.media())),
    });
}

/// A row with an id whose video has none of the usual names.
fn nowhere(raw: &mut Raw, origin: &str, options: &ReadOptions) {
    let name = super::keys::of_id(raw);
    let id = shown(raw.id().unwrap_or_default());
    let names = match name == id {
        true => format!("no {id} with any extension"),
        false => format!("neither {name} nor {id} with any extension"),
    };
    let hint = match options.media_dir {
        Some(_) => "below --media-dir",
        None => "beside the annotation file; --media-dir DIR says where the videos lie",
    };
    raw.problem = Some(Problem {
        stage: Stage::Plan,
        class: Class::Missing,
        reason: format!("{names} {hint} (named by {origin})"),
    });
}

/// All places where videos may be.
struct Places<'a> {
    options: &'a ReadOptions,
    folders: Folders,
    replacement: Option<MediaIndex>,
    /// Scanned when the first row asks.
    scanned: HashMap<PathBuf, MediaIndex>,
}

impl<'a> Places<'a> {
    fn new(options: &'a ReadOptions) -> Result<Self> {
        let replacement = match &options.replacement {
            Some(dir) => Some(MediaIndex::scan(dir, None)?),
            None => None,
        };
        Ok(Self {
            options,
            folders: Folders::default(),
            replacement,
            scanned: HashMap::new(),
        })
    }

    fn replacement(&self, raw: &Raw) -> Option<Found> {
        self.replacement
            .as_ref()?
            .find(raw, self.options.media_trimmed)
    }

    /// The video of a row with an id, below `--media-dir` or else below `folder`.
    fn named(&mut self, raw: &Raw, folder: &Path) -> Result<Option<Found>> {
        let dir = self.options.media_dir.as_deref().unwrap_or(folder);
        if !self.scanned.contains_key(dir) {
            let index = MediaIndex::scan(dir, self.options.exclude.as_deref())?;
            self.scanned.insert(dir.to_owned(), index);
        }
        let index = self.scanned.get(dir);
        Ok(index.and_then(|index| index.find(raw, self.options.media_trimmed)))
    }

    /// Why the path of a row leads to no file.
    fn at_path(&mut self, raw: &mut Raw) -> Option<String> {
        let mut reason = self.folders.why_not(raw.media())?;
        if let Some(other) = raw.or_media.take() {
            if self.folders.why_not(&other).is_none() {
                raw.media = Some(other);
                return None;
            }
        } else if self.options.media_dir.is_none() && raw.named.is_relative() {
            reason.push_str("; --media-dir DIR says where the videos lie");
        }
        Some(reason)
    }
}

/// What is known of the folders asked about so far.
#[derive(Default)]
struct Folders(HashMap<PathBuf, Folder>);

#[derive(Default)]
struct Folder {
    asked: u32,
    /// Names, and whether each is surely a regular file; `None` where it could not be listed.
    names: Option<HashMap<OsString, bool>>,
}

impl Folders {
    /// Why `path` is no file; `None` if it is one.
    fn why_not(&mut self, path: &Path) -> Option<String> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Some("is not the path of a file".to_owned());
        };
        if !self.0.contains_key(parent) {
            self.0.insert(parent.to_owned(), Folder::default());
        }
        let folder = self.0.get_mut(parent)?;
        folder.asked += 1;
        if folder.asked == LOOKUPS {
            folder.names = list(parent).ok();
        }
        match folder.names.as_ref().map(|names| names.get(name)) {
            Some(Some(true)) => None,
            Some(None) => Some("not found".to_owned()),
            Some(Some(false)) | None => look(path),
        }
    }
}

fn list(folder: &Path) -> std::io::Result<HashMap<OsString, bool>> {
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    fs::read_dir(folder)?
        .map(|entry| {
            let entry = entry?;
            Ok((entry.file_name(), entry.file_type()?.is_file()))
        })
        .collect()
}

fn look(path: &Path) -> Option<String> {
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Some("is a folder, expected a media file".to_owned()),
        Ok(_) => None,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some("not found".to_owned()),
        Err(error) => Some(format!("cannot be looked up: {error}")),
    }
}
