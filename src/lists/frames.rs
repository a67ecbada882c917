//! The clips of a tree of frame folders, whoever made it: each folder with pictures is a clip.
//!
//! ```text
//! DIR/clip/img_00001.jpg    DIR/class/clip/..    DIR/split/clip/..    DIR/split/class/clip/..
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use kpack_formats::Label;
use kpack_formats::lists::{Entry, FrameFiles};
use walkdir::WalkDir;

use super::{Candidate, GatherOptions, Gathered, Is};
use crate::source::spelling::Names;
use crate::source::{class_names, split_name};
use crate::{Error, Result};

/// Every folder below `dir` that holds pictures.
pub(super) fn candidates(
    dir: &Path,
    options: &GatherOptions,
    gathered: &mut Gathered,
) -> Result<Vec<Candidate>> {
    let found = folders_of_pictures(dir, gathered)?;
    if found.is_empty() {
        let message = "no folder of pictures below it: expected DIR/clip, DIR/class/clip or \
                       DIR/split/class/clip with frames inside (kpack frames makes them)";
        return Err(Error::Input {
            path: dir.to_owned(),
            message: message.to_owned(),
        });
    }
    gathered.classes = match &options.labels {
        Some(file) => class_names(file)?,
        None => {
            let names: BTreeSet<&String> = found.iter().filter_map(|f| f.2.as_ref()).collect();
            names.into_iter().cloned().collect()
        }
    };
    let names = Names::new(&gathered.classes);
    let candidate = |(below, split, class): (PathBuf, Option<&str>, Option<String>)| Candidate {
        split: split.map(str::to_owned),
        file: dir.join(&below),
        is: Is::Folder,
        json: Some(json_of(&dir.join(&below))),
        ends: None,
        entry: Entry {
            place: below.to_string_lossy().into_owned(),
            labels: class
                .map(|folder| label(folder, &names))
                .into_iter()
                .collect(),
            ..Entry::default()
        },
    };
    Ok(found.into_iter().map(candidate).collect())
}

/// A folder of pictures below the root, and the split and class that its place names.
type Found = (PathBuf, Option<&'static str>, Option<String>);

/// Every folder below `dir` that holds pictures, by path, each once.
fn folders_of_pictures(dir: &Path, gathered: &mut Gathered) -> Result<Vec<Found>> {
    let mut found: Vec<Found> = Vec::new();
    let walk = WalkDir::new(dir).follow_links(true).sort_by_file_name();
    let shown = |entry: &walkdir::DirEntry| {
        entry.depth() == 0 || !entry.file_name().as_encoded_bytes().starts_with(b".")
    };
    for entry in walk.into_iter().filter_entry(shown) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(e) if e.depth() > 0 => {
                gathered.notes.push(format!("passed over: {e}"));
                continue;
            }
            Err(e) => return Err(Error::io("cannot read folder", dir)(e.into())),
        };
        if !entry.file_type().is_file() || !is_picture(entry.file_name().to_str()) {
            continue;
        }
        let folder = entry.path().parent().unwrap_or(dir);
        let below = folder.strip_prefix(dir).unwrap_or(folder);
        let known = found.last().is_some_and(|(path, _, _)| path == below);
        if below.as_os_str().is_empty() || known {
            continue;
        }
        let (split, class) = folders(below);
        found.push((below.to_owned(), split, class));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found.dedup_by(|a, b| a.0 == b.0);
    Ok(found)
}

/// The JSON that kpack writes beside a folder of frames.
pub(super) fn json_of(folder: &Path) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(".json");
    name.into()
}

fn label(folder: String, names: &Names) -> Label {
    match names.find(&folder) {
        Some((index, name)) => Label {
            index: i64::try_from(index).ok(),
            text: Some(name.to_owned()),
        },
        None => Label {
            index: None,
            text: Some(folder),
        },
    }
}

/// Split and class of a clip's folder.
fn folders(below: &Path) -> (Option<&'static str>, Option<String>) {
    let mut above: Vec<String> = below
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    above.pop();
    let mut above = above.into_iter();
    let mut class = above.next();
    let split = class.as_deref().and_then(split_name);
    if split.is_some() {
        class = above.next();
    }
    (split, class)
}

fn is_picture(name: Option<&str>) -> bool {
    let extension = name.and_then(|name| name.rsplit_once('.'));
    extension.is_some_and(|(_, e)| {
        ["jpg", "jpeg", "png", "webp"].contains(&e.to_ascii_lowercase().as_str())
    })
}

/// The frames in `folder`, which have to be numbered without a gap.
pub(super) fn files(folder: &Path) -> Result<FrameFiles, String> {
    let wrong = |e: std::io::Error| format!("the folder cannot be read: {e}");
    let mut names: Vec<(u64, String)> = Vec::new();
    for entry in fs::read_dir(folder).map_err(wrong)? {
        let name = entry.map_err(wrong)?.file_name().into_string();
        let name =
            name.map_err(|name| format!("the frame name {name:?} is not UTF-8: rename it"))?;
        if is_picture(Some(&name)) && !name.starts_with('.') {
            let number = parts(&name).and_then(|(_, digits, _)| digits.parse().ok());
            let number = number.ok_or_else(|| format!("the frame {name} has no number"))?;
            names.push((number, name));
        }
    }
    names.sort_unstable();
    let Some((first, name)) = names.first() else {
        return Err("the folder holds no pictures".to_owned());
    };
    let (before, digits, after) = parts(name).unwrap_or_default();
    let files = FrameFiles {
        before: before.to_owned(),
        width: digits.len(),
        after: after.to_owned(),
        first: *first,
        count: names.len() as u64,
    };
    for (i, (_, name)) in (0..).zip(&names) {
        let expected = files.name(first + i);
        if *name != expected {
            return Err(format!(
                "the frame {expected} is missing (there is {name}): frames have to be numbered \
                 without a gap"
            ));
        }
    }
    Ok(files)
}

/// What stands before the last number of a name, the number, and the rest.
fn parts(name: &str) -> Option<(&str, &str, &str)> {
    let stem = name.rfind('.')?;
    let digit = |c: char| c.is_ascii_digit();
    let end = name.get(..stem)?.rfind(digit)? + 1;
    let start = name.get(..end)?.rfind(|c| !digit(c)).map_or(0, |at| {
        at + name
            .get(at..)
            .and_then(|rest| rest.chars().next())
            .map_or(1, char::len_utf8)
    });
    Some((name.get(..start)?, name.get(start..end)?, name.get(end..)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            fs::write(dir.path().join(name), b"x").unwrap();
        }
        dir
    }

    #[test]
    fn any_numbering_without_a_gap_is_found_out() {
        for (names, template, first) in [
            (&["img_00001.jpg", "img_00002.jpg"][..], "img_{:05}.jpg", 1),
            (
                &["frame9.png", "frame10.png", "frame11.png"],
                "frame{}.png",
                9,
            ),
            (&["000000.jpg", "000001.jpg", "notes.txt"], "{:06}.jpg", 0),
            (&["v2_7_a.webp"], "v2_{}_a.webp", 7),
            (&["99999.jpg", "100000.jpg"], "{:05}.jpg", 99999),
        ] {
            let files = files(folder(names).path()).unwrap();
            assert_eq!((files.template().as_str(), files.first), (template, first));
        }
    }

    #[test]
    fn what_a_loader_would_stumble_over_is_named() {
        for (names, word) in [
            (&["img_1.jpg", "img_3.jpg"][..], "img_2.jpg is missing"),
            (&["img_1.jpg", "img_2.png"], "img_2.jpg is missing"),
            (&["img_1.jpg", "x_1.jpg"], "numbered without a gap"),
            (&["cover.jpg"], "cover.jpg has no number"),
            (&["notes.txt"], "no pictures"),
        ] {
            let error = files(folder(names).path()).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
