//! The class map: one over all rows of all inputs, before any selection.

use std::collections::BTreeSet;
use std::path::Path;

use kpack_formats::Label;

use super::class_file::{self, MAX_INDEX};
use super::raw::{Gather, Raw, RawLabel, shown};
use super::spelling::Names;
use crate::{Error, Result};

/// Class names by index.
pub(super) struct ClassMap {
    /// A hole is an empty name.
    names: Vec<String>,
    /// Indexes of the names, in bytewise order of these.
    sorted: Vec<u32>,
    /// Whether the names come from the user's own file.
    given: bool,
    /// Of given names, what other spellings mean.
    spelled: Names,
}

impl ClassMap {
    fn new(names: Vec<String>, given: bool) -> Self {
        let mut sorted: Vec<u32> = (0..names.len() as u32).collect();
        sorted.sort_unstable_by(|a, b| names.get(*a as usize).cmp(&names.get(*b as usize)));
        let spelled = match given {
            true => Names::new(&names),
            false => Names::default(),
        };
        Self {
            names,
            sorted,
            given,
            spelled,
        }
    }

    /// All names, by index.
    pub(super) fn into_names(self) -> Vec<String> {
        self.names
    }

    fn name(&self, index: i64) -> Option<&str> {
        let name = self.names.get(usize::try_from(index).ok()?)?;
        (!name.is_empty()).then_some(name)
    }

    /// The label that `raw` stands for; `None` if the map does not know it.
    pub(super) fn label(&self, raw: RawLabel) -> Result<Label, RawLabel> {
        match raw {
            RawLabel::Index(index) => match self.name(index) {
                // Without a file the name of an index would only be its own digits.
                Some(name) => Ok(Label {
                    index: Some(index),
                    text: self.given.then(|| name.to_owned()),
                }),
                None => Err(RawLabel::Index(index)),
            },
            RawLabel::Text(text) => {
                let name = |i: &u32| self.names.get(*i as usize).map_or("", String::as_str);
                let found = self.sorted.binary_search_by(|i| name(i).cmp(&text));
                if let Some(index) = found.ok().and_then(|at| self.sorted.get(at)) {
                    return Ok(Label {
                        index: Some(i64::from(*index)),
                        text: Some(text),
                    });
                }
                match self.spelled.find(&text) {
                    Some((index, name)) => Ok(Label {
                        index: i64::try_from(index).ok(),
                        text: Some(name.to_owned()),
                    }),
                    None => Err(RawLabel::Text(text)),
                }
            }
        }
    }
}

/// Makes the class map from `--labels`, or from the rows.
pub(super) fn class_map(gather: &Gather<'_>) -> Result<ClassMap> {
    if let Some(path) = gather.labels_file() {
        return Ok(ClassMap::new(class_file::read(path)?, true));
    }
    let (mut texts, mut indexes) = (BTreeSet::new(), BTreeSet::new());
    for raw in &gather.rows {
        for label in &raw.labels {
            match label {
                RawLabel::Text(text) => texts.insert(text.as_str()),
                RawLabel::Index(index) => indexes.insert(*index),
            };
        }
    }
    let Some(last) = indexes.last() else {
        let names = texts.into_iter().map(str::to_owned).collect();
        return Ok(ClassMap::new(names, false));
    };
    let text = |raw: &&Raw| raw.labels.iter().any(|l| matches!(l, RawLabel::Text(_)));
    let too_large = |raw: &&Raw| raw.labels.contains(&RawLabel::Index(*last));
    if let Some(raw) = gather.rows.iter().find(text) {
        return Err(Error::usage(format!(
            "{} names its class, other rows give an index: --labels FILE says which is which",
            gather.origin(raw)
        )));
    }
    if *last > MAX_INDEX {
        let raw = gather.rows.iter().find(too_large);
        return Err(Error::usage(format!(
            "{}: {last} is too large for a class index (at most {MAX_INDEX}): number the classes \
             from 0, or write names",
            raw.map_or_else(String::new, |raw| gather.origin(raw))
        )));
    }
    let name = |i: i64| match indexes.contains(&i) {
        true => i.to_string(),
        false => String::new(),
    };
    Ok(ClassMap::new((0..=*last).map(name).collect(), false))
}

/// Why a label is refused, on one line.
pub(super) fn unknown(label: &RawLabel, file: &Path, origin: &str) -> String {
    let label = match label {
        RawLabel::Text(text) => format!("`{text}`"),
        RawLabel::Index(index) => index.to_string(),
    };
    let file = shown(file);
    format!("label {label} is not in {file} (named by {origin}): add it there or correct the row")
}
