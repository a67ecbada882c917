//! What lies in a folder, sorted.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{picture, sidecar};
use crate::{Error, Result};

/// Sound and video files that are samples, or parts of one, without a JSON.
const MEDIA: &[&str] = &[
    "wav", "flac", "mp3", "m4a", "ogg", "opus", "aac", "npy", "mp4", "mkv", "avi", "mov", "webm",
    "m4v",
];

/// Files and folders whose names begin alike, up to the first dot.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) stem: String,
    /// Whether there is a folder of that name.
    pub(super) folder: bool,
    /// The rest of each file's name, after the dot.
    pub(super) files: Vec<String>,
}

impl Group {
    /// The sound and video files.
    pub(super) fn media(&self) -> impl Iterator<Item = &str> {
        let is_media = |f: &&String| MEDIA.contains(&f.to_ascii_lowercase().as_str());
        self.files.iter().filter(is_media).map(String::as_str)
    }
}

/// Names in a folder; hidden ones and links to folders are left out.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) files: Vec<String>,
    pub(super) folders: Vec<String>,
    /// Whether pictures beside a JSON of their name are blobs of kpack's samples, not frames.
    described: bool,
}

pub(super) fn list(folder: &Path) -> Result<Listing> {
    let wrong = |e| Error::io("cannot list", e).path(folder);
    let mut listing = Listing::default();
    for entry in fs::read_dir(folder).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        let Ok(name) = entry.file_name().into_string() else {
            let text = format!(
                "the file name {:?} is not UTF-8; rename it",
                entry.file_name()
            );
            return Err(Error::unsupported(text).path(folder));
        };
        if name.starts_with('.') {
            continue;
        }
        let kind = entry.file_type().map_err(wrong)?;
        if kind.is_dir() {
            listing.folders.push(name);
        } else if kind.is_file() || fs::metadata(entry.path()).is_ok_and(|m| m.is_file()) {
            listing.files.push(name);
        }
    }
    listing.files.sort();
    listing.folders.sort();
    let first = listing
        .files
        .iter()
        .filter(|f| picture(f).is_some())
        .find_map(|f| listing.json(f));
    if let Some(json) = first {
        let path = folder.join(json);
        let length = fs::metadata(&path).map_err(wrong)?.len();
        // One that is too long is told of when its sample is read.
        listing.described = length > sidecar::SIZE_MAX as u64
            || !matches!(sidecar::decode(&fs::read(path).map_err(wrong)?), Ok(None));
    }
    Ok(listing)
}

impl Listing {
    pub(super) fn of(files: Vec<String>, folders: Vec<String>) -> Self {
        Self {
            files,
            folders,
            described: false,
        }
    }

    /// The JSON of a file's name, if it is there.
    fn json(&self, file: &str) -> Option<String> {
        let json = format!("{}.json", file.split('.').next()?);
        self.files.binary_search(&json).is_ok().then_some(json)
    }

    /// Groups in bytewise order of their names.
    pub(super) fn groups(self) -> Vec<Group> {
        let mut groups = BTreeMap::<String, Group>::new();
        for name in self.folders {
            groups.entry(name).or_default().folder = true;
        }
        for name in self.files {
            if let Some((stem, rest)) = name.split_once('.') {
                groups
                    .entry(stem.to_owned())
                    .or_default()
                    .files
                    .push(rest.to_owned());
            }
        }
        let named = |(stem, group)| Group { stem, ..group };
        groups.into_iter().map(named).collect()
    }

    /// The pictures in order of the last number in their names, and their extensions.
    pub(super) fn pictures(&self) -> Vec<(&str, String)> {
        let is_frame = |file: &&String| !self.described || self.json(file).is_none();
        let mut pictures: Vec<(&str, String)> = self
            .files
            .iter()
            .filter(is_frame)
            .filter_map(|f| Some((f.as_str(), picture(f)?)))
            .collect();
        pictures.sort_by_cached_key(|(name, _)| (last_number(name), (*name).to_owned()));
        pictures
    }
}

/// The last run of digits before the extension.
fn last_number(name: &str) -> u64 {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let runs = stem.split(|c: char| !c.is_ascii_digit());
    runs.rev()
        .find_map(|run| run.parse().ok())
        .unwrap_or(u64::MAX)
}
