//! What lies in a folder, sorted.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

use super::{picture, series, sidecar};
use crate::names::frame_number;
use crate::{Error, Result};

/// Extensions of sound and video files, which are samples, or parts of one, without a JSON.
const MEDIA: &[&str] = &[
    "3g2", "3gp", "aac", "ac3", "aif", "aifc", "aiff", "amr", "asf", "avi", "caf", "divx", "dv",
    "f4v", "flac", "flv", "h264", "h265", "hevc", "ivf", "m1v", "m2t", "m2ts", "m2v", "m4a", "m4b",
    "m4v", "mj2", "mka", "mkv", "mov", "mp2", "mp3", "mp4", "mpe", "mpeg", "mpg", "mpv", "mts",
    "mxf", "npy", "nut", "oga", "ogg", "ogm", "ogv", "opus", "qt", "rm", "rmvb", "vob", "wav",
    "webm", "wma", "wmv", "y4m",
];

/// Files that kpack writes at the root of a tree, beside its samples.
const OF_DATASET: &[&str] = &[
    "dataset.json",
    "samples.jsonl",
    "labels.txt",
    "left-out.jsonl",
    "fetch.jsonl",
    "reorg.jsonl",
];

/// Files and folders whose names begin alike, up to the first dot.
#[derive(Debug, Default, Clone)]
pub(super) struct Group {
    pub(super) stem: String,
    /// Whether there is a folder of that name.
    pub(super) folder: bool,
    /// The rest of each file's name, after the dot.
    pub(super) files: Vec<String>,
}

impl Group {
    /// Whether its files make it a sample: sound, video, or frames as members of a tar are named.
    pub(super) fn is_sample(&self) -> bool {
        let part = |f: &String| is_media(f) || frame_number(f).is_some();
        self.files.iter().any(part)
    }
}

fn is_media(rest: &str) -> bool {
    MEDIA.contains(&rest.to_ascii_lowercase().as_str())
}

/// What a folder holds that is a sample itself.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// The frames in order, with their extensions.
    pub(super) frames: Vec<(String, String)>,
    /// All other files.
    pub(super) others: Vec<String>,
}

/// Names in a folder.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) files: Vec<String>,
    pub(super) folders: Vec<String>,
    /// Links to folders, broken links, pipes and devices, which are passed over.
    pub(super) strange: Vec<String>,
    /// Number of hidden names, which are passed over; kpack's own are not counted.
    pub(super) hidden: u64,
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
            listing.hidden += u64::from(name != ".kpack");
            continue;
        }
        let kind = entry.file_type().map_err(wrong)?;
        if kind.is_dir() {
            listing.folders.push(name);
        } else if kind.is_file() || fs::metadata(entry.path()).is_ok_and(|m| m.is_file()) {
            listing.files.push(name);
        } else {
            listing.strange.push(name);
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

/// A file's name in two.
struct Named<'a> {
    stem: &'a str,
    rest: &'a str,
    picture: bool,
}

impl Listing {
    pub(super) fn of(files: Vec<String>, folders: Vec<String>) -> Self {
        Self {
            files,
            folders,
            ..Self::default()
        }
    }

    /// Leaves out the files of a dataset of kpack's, at the root of a tree.
    pub(super) fn without_dataset(mut self) -> Self {
        self.files.retain(|f| !OF_DATASET.contains(&f.as_str()));
        self
    }

    /// The JSON of a file's name, if it is there.
    fn json(&self, file: &str) -> Option<String> {
        let json = format!("{}.json", file.split('.').next()?);
        self.files.binary_search(&json).is_ok().then_some(json)
    }

    /// Groups in bytewise order of their names. Files without a dot are in none.
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

    /// What the folder holds if it is a sample itself: a folder of pictures, unless these belong
    /// to samples in it (as a clip's thumbnail does, `KEY.jpg` beside `KEY.mp4`), are fewer than
    /// its sound and video files, or have no numbers and lie beside folders.
    pub(super) fn content(&self) -> Option<Content> {
        let pictures = self.pictures();
        if pictures.is_empty() {
            return None;
        }
        let media = self.named().filter(|n| is_media(n.rest)).count();
        let numbered = pictures.iter().filter(|f| series::is_numbered(f)).count();
        let is_folder = |stem: &str| {
            self.folders
                .binary_search_by(|f| f.as_str().cmp(stem))
                .is_ok()
        };
        let beside =
            |n: Named<'_>| !n.picture && is_folder(n.stem) && (numbered == 0 || is_media(n.rest));
        if media > numbered || numbered == 0 && !self.folders.is_empty() || self.named().any(beside)
        {
            return None;
        }
        let frames = series::frames(&pictures);
        let chosen: HashSet<&str> = frames.iter().copied().collect();
        let others = self.files.iter().filter(|f| !chosen.contains(f.as_str()));
        let frame = |f: &str| Some((f.to_owned(), picture(f)?));
        Some(Content {
            others: others.cloned().collect(),
            frames: frames.into_iter().filter_map(frame).collect(),
        })
    }

    /// The pictures that are no part of a sample whose other files lie in this folder.
    fn pictures(&self) -> Vec<&str> {
        let (mut media, mut others) = (HashSet::new(), HashSet::new());
        for Named {
            stem,
            rest,
            picture,
        } in self.named()
        {
            if is_media(rest) {
                media.insert(stem);
            } else if !picture {
                others.insert(stem);
            }
        }
        let is_part = |file: &str| {
            file.split_once('.').is_some_and(|(stem, rest)| {
                media.contains(stem) || frame_number(rest).is_some() && others.contains(stem)
            })
        };
        let is_free = |f: &&str| !(is_part(f) || self.described && self.json(f).is_some());
        let files = self.files.iter().map(String::as_str);
        files
            .filter(|f| picture(f).is_some())
            .filter(is_free)
            .collect()
    }

    /// The files' names up to the first dot, and what follows it.
    fn named(&self) -> impl Iterator<Item = Named<'_>> {
        self.files.iter().filter_map(|file| {
            let (stem, rest) = file.split_once('.')?;
            let picture = picture(file).is_some();
            Some(Named {
                stem,
                rest,
                picture,
            })
        })
    }
}
