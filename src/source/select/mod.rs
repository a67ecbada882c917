//! Parts of annotations: by class, by category, so many a class, with a validation split carved
//! from training; and what annotations hold, counted.
//!
//! The class map is that of all rows, made before anything is selected, so that the indexes of a
//! subset are those of the whole.

mod groups;
pub(crate) mod pattern;
mod survey;
mod write;

use std::collections::{BTreeSet, HashMap, HashSet};

use kpack_formats::Meta;
use serde_json::Value;

pub use groups::Groups;
pub(super) use pattern::plain;
pub use survey::{ClassCount, GroupCount, Survey};
pub use write::{Shape, write};

use super::{Clip, Input};
use crate::pipeline::shuffle::shuffle;
use crate::{Error, Result};

/// What to take.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Class names, in any spelling, or globs (`*`, `?`, `[a-z]`). With `categories` empty too,
    /// all classes.
    pub classes: Vec<String>,
    /// Groups of classes.
    pub groups: Groups,
    /// Names of groups.
    pub categories: Vec<String>,
    /// Of these classes the first so many, in the order of their indexes.
    pub first: Option<usize>,
    /// Of these classes so many by chance.
    pub random: Option<usize>,
    /// Most clips of a class in each split: the first ones, or by chance where there is a seed.
    pub per_class: Option<usize>,
    /// Where chance begins; 0 without.
    pub seed: Option<u64>,
    /// Share of each class's training clips, 0 to 1, rounded up, that become validation; what was
    /// validation becomes test.
    pub val_fraction: Option<f64>,
    /// Keys of the only clips to consider, such as those that were packed.
    pub only: Option<HashSet<String>>,
}

/// How a selection went, in clips.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Selected {
    /// Classes left.
    pub classes: usize,
    /// Clips left.
    pub clips: u64,
    /// Clips that are wrong or whose video is missing.
    pub problems: u64,
    /// Clips of other classes, or of none where classes are selected.
    pub others: u64,
    /// Clips above [`Selection::per_class`], or not among [`Selection::only`].
    pub spare: u64,
    /// Clips that became validation.
    pub carved: u64,
}

/// Keeps those rows of `input` that `selection` takes, in their order. The classes stay as they
/// are.
///
/// # Errors
/// [`Error::Usage`] for a name that is no class or category, for numbers out of range, and where
/// validation is to be carved and no clip is training.
pub fn select(input: &mut Input, selection: &Selection) -> Result<Selected> {
    check(selection)?;
    let chosen = classes(input, selection)?;
    let mut selected = Selected::default();
    let all = std::mem::take(&mut input.rows);
    let mut rows = Vec::with_capacity(all.len());
    for mut row in all {
        let only = selection.only.as_ref();
        if row.problem.is_some() {
            selected.problems += 1;
        } else if !keep(&mut row.clip, chosen.as_ref()) {
            selected.others += 1;
        } else if only.is_some_and(|only| !only.contains(&row.clip.key)) {
            selected.spare += 1;
        } else {
            rows.push(row);
        }
    }
    input.rows = rows;
    if let Some(most) = selection.per_class {
        selected.spare += limit(input, most, selection.seed);
    }
    if let Some(share) = selection.val_fraction {
        training(input)?;
        selected.carved = carve(input, share, selection.seed.unwrap_or(0));
    }
    selected.clips = input.rows.len() as u64;
    let left = input.rows.iter().flat_map(|row| indexes(&row.clip));
    selected.classes = left.collect::<BTreeSet<_>>().len();
    Ok(selected)
}

fn check(selection: &Selection) -> Result<()> {
    let share = |share: &f64| !(0.0..1.0).contains(share);
    if let Some(share) = selection.val_fraction.filter(share) {
        return Err(Error::usage(format!(
            "{share} is no share of the training clips: use 0 up to, but not including, 1"
        )));
    }
    if selection.first.is_some() && selection.random.is_some() {
        return Err(Error::usage(
            "the first classes and random ones contradict each other",
        ));
    }
    let none = [selection.first, selection.random, selection.per_class];
    match none.contains(&Some(0)) {
        true => Err(Error::usage(
            "0 classes or clips leave nothing: use 1 or more",
        )),
        false => Ok(()),
    }
}

/// Indexes of the classes that are taken; `None` for all rows, labelled or not.
fn classes(input: &Input, selection: &Selection) -> Result<Option<BTreeSet<i64>>> {
    let mut chosen = BTreeSet::new();
    for wanted in &selection.classes {
        chosen.extend(pattern::find(wanted, &input.classes)?);
    }
    for category in &selection.categories {
        let names = selection.groups.classes(category)?.iter();
        chosen.extend(names.filter_map(|name| pattern::position(name, &input.classes)));
    }
    let named = !selection.classes.is_empty() || !selection.categories.is_empty();
    if !named {
        let names = (0..).zip(&input.classes);
        chosen.extend(names.filter(|(_, name)| !name.is_empty()).map(|(i, _)| i));
    }
    let mut list: Vec<i64> = chosen.into_iter().collect();
    if selection.random.is_some() {
        shuffle(&mut list, selection.seed.unwrap_or(0));
    }
    match selection.first.or(selection.random) {
        Some(count) => list.truncate(count),
        None if !named => return Ok(None),
        None => {}
    }
    Ok(Some(list.into_iter().collect()))
}

/// Whether a clip has a chosen class. Of AVA's annotations those of other classes are removed.
fn keep(clip: &mut Clip, chosen: Option<&BTreeSet<i64>>) -> bool {
    let Some(chosen) = chosen else {
        return true;
    };
    let has = |index: Option<i64>| index.is_some_and(|index| chosen.contains(&index));
    if !clip.labels.iter().any(|label| has(label.index)) {
        return false;
    }
    if let Some(Value::Array(annotations)) = clip.columns.get_mut("annotations") {
        annotations.retain(|annotation| has(annotation["label"].as_i64()));
        clip.labels.retain(|label| has(label.index));
    }
    true
}

fn indexes(clip: &Clip) -> impl Iterator<Item = i64> {
    clip.labels.iter().filter_map(|label| label.index)
}

/// Split and class of a clip, for counting; a clip of several classes counts for the first.
type Cell = (Option<String>, Option<i64>);

fn cell(clip: &Clip) -> Cell {
    (clip.split.clone(), indexes(clip).next())
}

/// Positions of the rows of each split and class.
fn cells(input: &Input) -> HashMap<Cell, Vec<usize>> {
    let mut cells: HashMap<Cell, Vec<usize>> = HashMap::new();
    for (i, row) in input.rows.iter().enumerate() {
        cells.entry(cell(&row.clip)).or_default().push(i);
    }
    cells
}

/// A seed for each class, so that what is drawn of one does not hang on which others there are.
fn seed_of(input: &Input, cell: &Cell, seed: u64) -> u64 {
    let name = cell
        .1
        .and_then(|i| input.classes.get(usize::try_from(i).ok()?));
    let split = cell.0.as_deref().unwrap_or_default();
    let hash = kpack_formats::crc32c(name.map_or("", String::as_str).as_bytes());
    seed ^ u64::from(kpack_formats::crc32c_append(hash, split.as_bytes())) << 16
}

/// Leaves at most `most` rows of each split and class, and returns how many others there were.
fn limit(input: &mut Input, most: usize, seed: Option<u64>) -> u64 {
    let mut kept = vec![false; input.rows.len()];
    for (cell, mut rows) in cells(input) {
        if let Some(seed) = seed {
            shuffle(&mut rows, seed_of(input, &cell, seed));
        }
        let taken = rows.iter().take(most);
        taken.for_each(|i| kept.get_mut(*i).into_iter().for_each(|kept| *kept = true));
    }
    let before = input.rows.len();
    let mut kept = kept.into_iter();
    input.rows.retain(|_| kept.next().unwrap_or(false));
    (before - input.rows.len()) as u64
}

/// Refuses rows of which none is training, as there is nothing to carve validation from.
fn training(input: &Input) -> Result<()> {
    let split = |row: &super::Row| row.clip.split.clone();
    let splits: BTreeSet<String> = input.rows.iter().filter_map(split).collect();
    let unknown = input.rows.iter().any(|row| row.clip.split.is_none());
    if unknown || input.rows.is_empty() || splits.contains("train") {
        return Ok(());
    }
    let splits: Vec<String> = splits.into_iter().collect();
    Err(Error::usage(format!(
        "there are no training clips to carve a validation split from, only {}: give the file of \
         the training clips too, or leave the share out",
        splits.join(", ")
    )))
}

/// Makes a share of each class's training rows validation. Rows without a split are training.
fn carve(input: &mut Input, share: f64, seed: u64) -> u64 {
    let old = |row: &&mut super::Row| row.clip.split.as_deref() == Some("val");
    for row in input.rows.iter_mut().filter(old) {
        row.clip.split = Some("test".to_owned());
    }
    for row in input.rows.iter_mut().filter(|row| row.clip.split.is_none()) {
        row.clip.split = Some("train".to_owned());
    }
    let mut carved = 0;
    for (cell, mut rows) in cells(input) {
        if cell.0.as_deref() != Some("train") {
            continue;
        }
        shuffle(&mut rows, seed_of(input, &cell, seed));
        // Rounded up as a person would: 0.1 x 30 is 3, whatever the floats say.
        let count = (rows.len() as f64 * share - 1e-9).ceil().max(0.0) as usize;
        for i in rows.into_iter().take(count) {
            if let Some(row) = input.rows.get_mut(i) {
                row.clip.split = Some("val".to_owned());
                carved += 1;
            }
        }
    }
    carved
}

/// The name of a label, or its index as text.
fn label_text(label: &kpack_formats::Label) -> String {
    let index = || label.index.map_or_else(String::new, |i| i.to_string());
    label.text.clone().unwrap_or_else(index)
}

/// AVA's annotations of a clip; `None` for clips of other files.
fn annotations(columns: &Meta) -> Option<&Vec<Value>> {
    columns.get("annotations")?.as_array()
}

#[cfg(test)]
mod tests;
