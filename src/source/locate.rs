//! Finds out which rows' videos are there, with one scan of each folder that rows name often.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::Problem;
use super::raw::{Gather, Raw, shown};
use crate::sample::{Class, Stage};

/// Looking up this many names one by one costs less than listing a large folder.
const LOOKUPS: u32 = 16;

/// Looks for the video of every row that is still unseen; what is not there becomes a problem of
/// class `missing`.
pub(super) fn locate(gather: &mut Gather<'_>) {
    let mut folders = Folders::default();
    let mut rows = std::mem::take(&mut gather.rows);
    for raw in rows.iter_mut().filter(|raw| raw.unseen) {
        if raw.problem.is_some() {
            continue;
        }
        let Some(mut reason) = folders.why_not(raw.media()) else {
            continue;
        };
        if let Some(other) = raw.or_media.take() {
            if folders.why_not(&other).is_none() {
                raw.media = Some(other);
                continue;
            }
        } else if gather.options.media_dir.is_none() && raw.named.is_relative() {
            reason.push_str("; --media-dir DIR says where the videos lie");
        }
        missing(raw, &gather.origin(raw), &reason);
    }
    gather.rows = rows;
}

fn missing(raw: &mut Raw, origin: &str, reason: &str) {
    raw.problem = Some(Problem {
        stage: Stage::Plan,
        class: Class::Missing,
        reason: format!("{}: {reason} (named by {origin})", shown(raw.media())),
    });
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
