//! Writes the lists of all splits, the class map, and what was left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use kpack_formats::atomic::write_atomic;
use kpack_formats::lists::{CLASS_MAP, Consumer, Entry};
use serde::Serialize;

use super::{Gathered, LeftOut};
use crate::pipeline::shuffle;
use crate::{Error, Result};

/// Name of the file with one [`LeftOut`] a line.
const LEFT_OUT: &str = "left-out.jsonl";
/// What stands for the split of a clip without one.
const NO_SPLIT: &str = "data";

/// One list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListFile {
    /// The split, or `data`.
    pub split: String,
    /// The file.
    pub file: PathBuf,
    /// Clips in it.
    pub clips: u64,
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Written {
    /// The lists, by split.
    pub lists: Vec<ListFile>,
    /// The class maps.
    pub maps: Vec<PathBuf>,
    /// Number of classes.
    pub classes: usize,
    /// Clips that are in no list, and why.
    pub left_out: Vec<LeftOut>,
    /// Rows of a packed dataset that failed or were skipped when it was packed.
    pub not_packed: u64,
    /// What the user should know, one line each.
    pub notes: Vec<String>,
}

/// Writes the lists of `gathered` into the folder `out`.
///
/// # Errors
/// [`Error::Usage`] where a file of another content is there already and `overwrite` is not set;
/// [`Error::Io`].
pub fn write(
    gathered: Gathered,
    consumer: &Consumer,
    out: &Path,
    seed: Option<u64>,
    overwrite: bool,
) -> Result<Written> {
    let mut written = Written {
        left_out: gathered.left_out,
        not_packed: gathered.not_packed,
        notes: gathered.notes,
        ..Written::default()
    };
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    let (mut notes, mut splits) = (Vec::new(), 0);
    let classes = match consumer.classes_are_folders {
        true => folders(&gathered.entries, &mut written.notes),
        false => gathered.classes,
    };
    for (split, mut entries) in by_split(gathered.entries) {
        if let Some(seed) = seed {
            shuffle(&mut entries, seed);
        }
        let rendered = consumer.render(&entries);
        let refused = rendered.refused.into_iter().filter_map(|(i, reason)| {
            Some(LeftOut {
                path: entries.get(i)?.place.clone(),
                split: (split != NO_SPLIT).then(|| split.clone()),
                class: None,
                reason,
            })
        });
        written.left_out.extend(refused);
        notes.extend(rendered.notes.into_iter().map(|note| (split.clone(), note)));
        splits += 1;
        if rendered.written > 0 {
            let file = out.join(consumer.file(&split));
            files.push((file.clone(), rendered.text));
            written.lists.push(ListFile {
                split,
                file,
                clips: rendered.written,
            });
        }
    }
    add_notes(&mut written.notes, &notes, splits);
    written.classes = classes.iter().filter(|name| !name.is_empty()).count();
    if written.classes > 0 {
        for (name, text) in maps(consumer, &classes) {
            let file = out.join(name);
            files.push((file.clone(), text));
            written.maps.push(file);
        }
    }
    put(out, &files, overwrite)?;
    put_left_out(out, &written.left_out)?;
    Ok(written)
}

/// Adds what is to be known of the lists, each with its split; without where it is true of all.
fn add_notes(notes: &mut Vec<String>, new: &[(String, String)], splits: usize) {
    for (split, note) in new {
        let of_all = new.iter().filter(|(_, other)| other == note).count() == splits;
        let note = match of_all {
            true => note.clone(),
            false => format!("{split}: {note}"),
        };
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
}

/// The entries of each split, in input order.
fn by_split(entries: Vec<(Option<String>, Entry)>) -> BTreeMap<String, Vec<Entry>> {
    let mut splits: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for (split, entry) in entries {
        let split = split.unwrap_or_else(|| NO_SPLIT.to_owned());
        // A split names a file.
        let safe = |c: char| match c {
            'A'..='Z' | 'a'..='z' | '0'..='9' | '_' | '-' => c,
            _ => '_',
        };
        let split = split.chars().map(safe).collect();
        splits.entry(split).or_default().push(entry);
    }
    splits
}

/// The class map, and that in the consumer's own shape.
fn maps(consumer: &Consumer, classes: &[String]) -> Vec<(String, String)> {
    let line = |name: &String| name.replace(['\n', '\r'], " ") + "\n";
    let mut maps = vec![(CLASS_MAP.to_owned(), classes.iter().map(line).collect())];
    if let Some(own) = consumer.companion(classes) {
        maps.push((own.name, own.text));
    }
    maps
}

/// Class names as a consumer numbers them that sorts the folders of each split.
fn folders(entries: &[(Option<String>, Entry)], notes: &mut Vec<String>) -> Vec<String> {
    let mut splits: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (_, entry) in entries {
        if let [split, class, _] = entry.place.split('/').collect::<Vec<_>>().as_slice() {
            splits.entry(split).or_default().insert(class);
        }
    }
    let sets: BTreeSet<&BTreeSet<&str>> = splits.values().collect();
    if sets.len() > 1 {
        notes.push(
            "the splits do not have the same class folders, so this consumer numbers the classes \
             of each in another way: add the missing classes"
                .to_owned(),
        );
    }
    let all: BTreeSet<&str> = splits.values().flatten().copied().collect();
    all.into_iter().map(str::to_owned).collect()
}

/// Writes all files, or none if one of them is in the way.
fn put(out: &Path, files: &[(PathBuf, String)], overwrite: bool) -> Result<()> {
    for (path, text) in files {
        match fs::read(path) {
            Ok(old) if old == text.as_bytes() || overwrite => {}
            Ok(_) => {
                let path = path.display();
                return Err(Error::usage(format!(
                    "{path} is there with another content: --overwrite replaces it, -o names \
                     another folder"
                )));
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(Error::io("cannot read", path)(e)),
        }
    }
    if files.is_empty() {
        return Ok(());
    }
    fs::create_dir_all(out).map_err(Error::io("cannot create", out))?;
    for (path, text) in files {
        write_atomic(path, text.as_bytes())?;
    }
    Ok(())
}

/// What was left out of the lists; an older file of it does not stay.
fn put_left_out(out: &Path, left_out: &[LeftOut]) -> Result<()> {
    let path = out.join(LEFT_OUT);
    if left_out.is_empty() {
        return match fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("cannot remove", &path)(e))
            }
            _ => Ok(()),
        };
    }
    let mut text = String::new();
    for one in left_out {
        text.push_str(&serde_json::to_string(one).unwrap_or_default());
        text.push('\n');
    }
    fs::create_dir_all(out).map_err(Error::io("cannot create", out))?;
    Ok(write_atomic(&path, text.as_bytes())?)
}
