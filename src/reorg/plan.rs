//! One place for each file, from the input alone.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::links::Moves;
use super::{Arrange, Arranged, By, Fate, Spelling};
use crate::source::spelling::Names;
use crate::source::{Clip, Input, count};
use crate::{Error, Result};

/// A file and its place.
#[derive(Debug)]
pub(super) struct Item {
    /// The file; `None` with why there is none.
    pub(super) file: Result<PathBuf, String>,
    /// As the input names it.
    pub(super) source: String,
    /// Below OUT.
    pub(super) place: PathBuf,
    /// A file of the input before it that has the same place.
    pub(super) after: Option<PathBuf>,
    /// Of a link to a file that is moved too, where that goes.
    pub(super) moves: Option<Moves>,
    label: Option<String>,
    split: Option<String>,
}

/// All files and their places, in input order.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) items: Vec<Item>,
    pub(super) notes: Vec<String>,
}

/// Finds the places.
pub(super) fn plan(input: &Input, arrange: &Arrange) -> Result<Plan> {
    let names = Names::new(&arrange.names);
    let mut notes = input.notes.clone();
    let mut folders: BTreeMap<String, String> = BTreeMap::new();
    let mut unknown: HashSet<String> = HashSet::new();
    let mut holders: HashMap<PathBuf, PathBuf> = HashMap::new();
    let mut seen: HashSet<(PathBuf, PathBuf)> = HashSet::new();
    let mut moved: HashMap<PathBuf, PathBuf> = HashMap::new();
    let mut items = Vec::with_capacity(input.rows.len());
    for row in &input.rows {
        let clip = &row.clip;
        let label = label(clip).map(|label| match names.of(&label) {
            Some(name) => name.to_owned(),
            None => {
                unknown.insert(label.clone());
                label
            }
        });
        let file = file(clip, row.problem.as_ref().map(|p| p.reason.as_str()));
        let place = place(clip, file.as_deref().ok(), label.as_deref(), arrange);
        if let Ok(file) = &file
            && !seen.insert((file.clone(), place.clone()))
        {
            // Another clip of the same file.
            continue;
        }
        if let Some(label) = label.as_deref().filter(|_| arrange.layout.has_class()) {
            one_class(label, arrange.spelling, &mut folders)?;
        }
        let file = file.and_then(|file| once(&mut moved, file, &place, arrange.by));
        let after = match &file {
            Ok(file) => holder(&mut holders, &place, file),
            Err(_) => None,
        };
        items.push(Item {
            file,
            source: clip.source.clone(),
            place,
            after,
            moves: None,
            label,
            split: clip.split.clone(),
        });
    }
    if !names.is_empty() && !unknown.is_empty() {
        notes.push(of_no_name(unknown));
    }
    let unlabelled = items.iter().filter(|item| item.label.is_none()).count();
    if arrange.layout.has_class() && unlabelled > 0 {
        notes.push(format!(
            "{} without a class: no class folder",
            count(unlabelled as u64, "file")
        ));
    }
    Ok(Plan { items, notes })
}

/// The first class of a clip: its name, or its index where it has none.
fn label(clip: &Clip) -> Option<String> {
    let label = clip.labels.first()?;
    match &label.text {
        Some(text) => Some(text.clone()),
        None => Some(label.index?.to_string()),
    }
}

/// Says which classes the labels file does not name.
fn of_no_name(unknown: HashSet<String>) -> String {
    let mut unknown: Vec<String> = unknown.into_iter().collect();
    unknown.sort_unstable();
    let some = &unknown[..unknown.len().min(5)];
    let classes = match unknown.len() {
        1 => "1 class is not in the labels file and keeps its name".to_owned(),
        n => format!("{n} classes are not in the labels file and keep their name"),
    };
    format!("{classes}: {}", some.join(", "))
}

fn file(clip: &Clip, problem: Option<&str>) -> Result<PathBuf, String> {
    match (&clip.media, problem) {
        (Some(file), None) => Ok(file.clone()),
        (_, Some(reason)) => Err(reason.to_owned()),
        (None, None) => Err("not found".to_owned()),
    }
}

/// Refuses to move a file to two places.
fn once(
    moved: &mut HashMap<PathBuf, PathBuf>,
    file: PathBuf,
    place: &Path,
    by: By,
) -> Result<PathBuf, String> {
    if by != By::Move {
        return Ok(file);
    }
    match moved.get(&file) {
        Some(other) => Err(format!(
            "the same file is moved to {}: --by copy, hardlink or symlink gives it two places",
            other.display()
        )),
        None => {
            moved.insert(file.clone(), place.to_owned());
            Ok(file)
        }
    }
}

/// The file that has the place already; else `file` has it from now on.
fn holder(holders: &mut HashMap<PathBuf, PathBuf>, place: &Path, file: &Path) -> Option<PathBuf> {
    if let Some(holder) = holders.get(place) {
        return Some(holder.clone());
    }
    holders.insert(place.to_owned(), file.to_owned());
    None
}

/// Refuses two classes with one folder.
fn one_class(
    label: &str,
    spelling: Spelling,
    folders: &mut BTreeMap<String, String>,
) -> Result<()> {
    let folder = spelling.folder(label);
    match folders.get(&folder) {
        Some(other) if other != label => Err(Error::usage(format!(
            "the classes `{other}` and `{label}` would share the folder {folder}: choose another \
             --spelling"
        ))),
        Some(_) => Ok(()),
        None => {
            folders.insert(folder, label.to_owned());
            Ok(())
        }
    }
}

/// Where a file goes below OUT. What is not known has no folder.
fn place(clip: &Clip, file: Option<&Path>, label: Option<&str>, arrange: &Arrange) -> PathBuf {
    let mut place = PathBuf::new();
    let layout = arrange.layout;
    if let Some(split) = clip.split.as_deref().filter(|_| layout.has_split()) {
        place.push(Spelling::Raw.folder(split));
    }
    if let Some(label) = label.filter(|_| layout.has_class()) {
        place.push(arrange.spelling.folder(label));
    }
    let name = file.unwrap_or(Path::new(&clip.source)).file_name();
    place.push(name.unwrap_or(clip.key.as_ref()));
    place
}

/// How many items may be placed at once: up to `most`, and none whose place another one of them
/// takes, nor links among the files to which they lead.
pub(super) fn stretch(items: &[Item], most: usize) -> usize {
    let mut places: HashSet<&Path> = HashSet::new();
    let links = |item: &Item| item.moves.is_some();
    let first = items.first().is_some_and(links);
    let some = items.iter().take(most.max(1));
    let some = some.take_while(|item| links(item) == first);
    let free = some.take_while(|item| places.insert(item.place.as_path()));
    free.count().max(1)
}

impl Item {
    pub(super) fn arranged(&self, outcome: Fate, reason: Option<String>) -> Arranged {
        Arranged {
            path: self.place.to_string_lossy().into_owned(),
            source: self.source.clone(),
            outcome,
            label: self.label.clone(),
            split: self.split.clone(),
            reason,
        }
    }
}
