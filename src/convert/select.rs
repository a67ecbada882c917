//! The rows of a conversion: which samples are kept, and under which key.

use std::collections::{BTreeMap, HashSet};

use kpack_formats::{Label, Meta, safe_key};
use serde_json::{Value, json};

use super::edit::Edits;
use super::scan::Listed;
use super::source::Source;
use super::trees;
use super::{AT, KEY};
use crate::pipeline::LABELS;
use crate::source::select::pattern;
use crate::source::{Clip, Input, Row, Span};
use crate::{Error, Result, Time, bounded};

/// Which samples are converted; empty lists take all.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Globs of keys.
    pub keys: Vec<String>,
    /// Class names or globs, in any spelling.
    pub classes: Vec<String>,
    /// Names of splits.
    pub splits: Vec<String>,
}

impl Choice {
    fn takes(&self, listed: &Listed, split: Option<&str>) -> bool {
        let any = |patterns: &[String], of: &dyn Fn(&str) -> bool| {
            patterns.is_empty() || patterns.iter().any(|p| of(p))
        };
        let texts: Vec<&str> = listed
            .labels
            .iter()
            .filter_map(|l| l.text.as_deref())
            .collect();
        let class = |p: &str| {
            let by_index = |l: &Label| l.index.is_some_and(|i| i.to_string() == p);
            texts.iter().any(|text| pattern::matches_class(p, text))
                || listed.labels.iter().any(by_index)
        };
        any(&self.keys, &|p| pattern::matches(p, &listed.key))
            && any(&self.classes, &class)
            && any(&self.splits, &|p| split == Some(p))
    }
}

/// The rows that `choice` leaves of what was listed.
pub(super) fn rows(
    sources: &[Source],
    mut listed: Vec<Vec<Listed>>,
    choice: &Choice,
    edits: &Edits,
) -> Result<Input> {
    let list = list_of(sources);
    trees::number_folders(&mut listed, list.as_deref());
    let classes = list.map_or_else(|| classes(&listed), Ok);
    let (mut input, mut keys) = (Input::default(), Keys::default());
    input.notes.extend(
        sources
            .iter()
            .flat_map(|source| source.notes.iter().cloned()),
    );
    let total: usize = listed.iter().map(Vec::len).sum();
    for (number, (source, listed)) in sources.iter().zip(listed).enumerate() {
        for mut one in listed {
            let problem = one.problem.take();
            let split = source.found.split.clone().or_else(|| one.split.clone());
            // Of a sample that cannot be read nobody knows whether it would be chosen.
            if problem.is_none() {
                if !choice.takes(&one, split.as_deref()) {
                    continue;
                }
                source.want();
            }
            let key = keys.unique(&one, source);
            let clip = clip(number, source, one, key, split, edits, &classes);
            input.rows.push(Row { clip, problem });
        }
    }
    if input.rows.is_empty() {
        return Err(Error::usage(match total {
            0 => "the sources hold no samples".to_owned(),
            n => format!("none of the {n} samples is chosen: look at --key, --class and --split"),
        }));
    }
    input.notes.extend(keys.notes());
    match classes {
        Ok(classes) => input.classes = classes,
        Err(note) => input.notes.push(note),
    }
    Ok(input)
}

fn clip(
    number: usize,
    source: &Source,
    one: Listed,
    key: String,
    split: Option<String>,
    edits: &Edits,
    classes: &std::result::Result<Vec<String>, String>,
) -> Clip {
    let place = one.place;
    let mut columns = Meta::new();
    let mut at = vec![json!(number), json!(place.offset), json!(place.length)];
    at.extend(place.crc32c.map(|crc| json!(crc)));
    at.extend(place.entry.map(|entry| json!(entry)));
    columns.insert(AT.into(), Value::Array(at));
    if key != one.key {
        columns.insert(KEY.into(), one.key.clone().into());
    }
    let name = source.path().file_name().unwrap_or_default();
    let name = name.to_string_lossy().into_owned();
    if !edits.is_empty() {
        columns.insert("edits".into(), edits.text().into());
    }
    let shown = || source.path().to_string_lossy().into_owned();
    columns.insert("shard".into(), name.into());
    let asked = one.start.map(|start| Span {
        start: Time::from_secs(start),
        end: one.end.map(Time::from_secs),
    });
    let mut labels = one.labels;
    for label in &mut labels {
        let named = |index: i64| {
            let names = classes.as_ref().ok()?;
            let name = names.get(usize::try_from(index).ok()?)?;
            (!name.is_empty()).then(|| name.clone())
        };
        if label.text.is_none() {
            label.text = label.index.and_then(named);
        }
    }
    Clip {
        key,
        source: one.source.unwrap_or_else(shown),
        asked,
        split,
        labels,
        columns,
        ..Clip::default()
    }
}

/// Makes keys writable and unique.
#[derive(Default)]
struct Keys {
    seen: HashSet<String>,
    changed: u64,
    repeated: u64,
}

impl Keys {
    fn unique(&mut self, one: &Listed, source: &Source) -> String {
        let mut key = safe_key(&one.key);
        self.changed += u64::from(key != one.key);
        if self.seen.contains(&key) {
            self.repeated += 1;
            let mut salt = 0_u64;
            let name = source.path().file_name().unwrap_or_default();
            let base = key.clone();
            while self.seen.contains(&key) {
                let text = format!("{}\n{}\n{salt}", name.to_string_lossy(), one.place.offset);
                key = format!("{base}-{:08x}", kpack_formats::crc32c(text.as_bytes()));
                salt += 1;
            }
        }
        self.seen.insert(key.clone());
        key
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.changed > 0 {
            notes.push(format!(
                "{} keys hold what no key may: it became _, with a hash where letters did",
                self.changed
            ));
        }
        if self.repeated > 0 {
            notes.push(format!(
                "{} keys came before in another sample: they got a hash of their shard's name",
                self.repeated
            ));
        }
        notes
    }
}

/// The class names by index, of the sources' own lists if they agree.
fn list_of(sources: &[Source]) -> Option<Vec<String>> {
    let mut lists: Vec<String> = Vec::new();
    for source in sources {
        let folder = match source.found.is_tree() {
            true => Some(source.path().as_path()),
            false => source.path().parent(),
        };
        let text = folder.and_then(|f| bounded::read_text(&f.join(LABELS), bounded::CLASSES).ok());
        lists.push(text.unwrap_or_default());
    }
    lists.dedup();
    match lists.as_slice() {
        [list] if !list.is_empty() => Some(list.lines().map(str::to_owned).collect()),
        _ => None,
    }
}

/// The class names by index, of the labels that have both. Else a note that says why there are
/// none.
fn classes(listed: &[Vec<Listed>]) -> std::result::Result<Vec<String>, String> {
    let mut names: BTreeMap<i64, &str> = BTreeMap::new();
    for label in listed.iter().flatten().flat_map(|one| &one.labels) {
        let (Some(index), Some(text)) = (label.index, label.text.as_deref()) else {
            continue;
        };
        let known = names.entry(index).or_insert(text);
        if *known != text {
            return Err(format!(
                "no labels.txt: class {index} is {known} in one sample and {text} in another"
            ));
        }
    }
    let Some((last, _)) = names.last_key_value() else {
        return Ok(Vec::new());
    };
    if names.first_key_value().is_some_and(|(first, _)| *first < 0) || *last > 10_000_000 {
        return Err("no labels.txt: class indexes are below 0 or above 10000000".to_owned());
    }
    let name = |i: i64| names.get(&i).copied().unwrap_or_default().to_owned();
    Ok((0..=*last).map(name).collect())
}
