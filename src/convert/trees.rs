//! What a tree of files holds.
//!
//! A dataset of kpack's has the order of its samples in `samples.jsonl`, and what is listed there
//! and not found whole is a failed row. In a tree of others folders are splits and classes, as in
//! packing: `SPLIT/CLASS/KEY`, either or both left out.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::path::Path;

use kpack_formats::framedir::{PassedOver, Site, sites};
use kpack_formats::mds::Holdings;
use kpack_formats::{Label, ReadOptions, Sample};

use super::find::Found;
use super::scan::{Listed, list};
use super::source::{Place, Source};
use crate::pipeline::{Dataset, Outcome, OutcomeRow, SAMPLES};
use crate::source::{class_name, count, shown, split_name};
use crate::{Error, Result};

/// Lists the samples of the tree `found`.
pub(super) fn scan(found: &Found, options: &ReadOptions) -> Result<(Source, Vec<Listed>)> {
    let root = &found.path;
    let (mut all, mut there, mut holdings) = (Vec::new(), Vec::new(), Holdings::default());
    let passed = sites(root, options, |site, sample| {
        holdings.add(&sample);
        there.push(Some(list(sample, place(all.len()))));
        all.push(site);
    })?;
    let (mut listed, mut notes) = (Vec::with_capacity(all.len()), Vec::new());
    if matches!(Dataset::read(root), Ok(Some(_))) {
        match rows(&root.join(SAMPLES)) {
            Ok(rows) => written(root, rows, &mut all, &mut there, &mut listed),
            Err(e) => notes.push(format!("samples come in order of their names: {e}")),
        }
    }
    for (site, one) in all.iter().zip(there) {
        let Some(one) = one else { continue };
        let one = by_folders(root, site, one);
        holdings.text |= one.of_folder;
        holdings.index |= one.of_folder;
        listed.push(one);
    }
    let mut source = Source::new(found.clone(), false, all, holdings);
    notes.extend(told(&passed, "of no sample"));
    source.notes = notes;
    Ok((source, listed))
}

/// The place of a tree's sample, by its number.
fn place(number: usize) -> Place {
    Place {
        offset: number as u64,
        length: 1 << 20,
        crc32c: None,
        entry: None,
    }
}

/// Of a row, what is wanted of it.
struct Written {
    index: u32,
    place: String,
    listed: Listed,
}

/// Takes the samples that the rows of a dataset of kpack's tell of, in the order in which they were
/// planned. One that is gone, or whose JSON is, is listed as its row has it.
fn written(
    root: &Path,
    rows: Vec<Written>,
    sites: &mut Vec<Site>,
    there: &mut [Option<Listed>],
    listed: &mut Vec<Listed>,
) {
    let numbers = sites.iter().enumerate();
    let by_place: HashMap<String, usize> = numbers.map(|(i, site)| (site.place(), i)).collect();
    for row in rows {
        let number = by_place.get(&row.place).copied().unwrap_or(sites.len());
        let (one, site) = (there.get_mut(number), sites.get_mut(number));
        let Some((one, site)) = one.zip(site) else {
            sites.push(Site::of_missing(root, &row.place));
            listed.push(Listed {
                place: place(number),
                ..row.listed
            });
            continue;
        };
        // Of two rows of a place the second takes nothing.
        let Some(one) = one.take() else { continue };
        listed.push(match site.is_described() {
            true => one,
            false => {
                site.need_json();
                Listed {
                    place: place(number),
                    ..row.listed
                }
            }
        });
    }
}

fn rows(path: &Path) -> Result<Vec<Written>> {
    let file = File::open(path).map_err(Error::io("cannot open", path))?;
    let mut rows = Vec::new();
    for row in OutcomeRow::read_all(file, path) {
        let row = row?;
        if row.outcome != Outcome::Done {
            continue;
        }
        rows.push(Written {
            index: row.index.unwrap_or(u32::MAX),
            place: row.path.unwrap_or_else(|| row.key.clone()),
            listed: Listed {
                key: row.key,
                place: place(0),
                labels: Vec::new(),
                of_folder: false,
                source: Some(row.source),
                split: row.split,
                start: None,
                end: None,
                problem: None,
            },
        });
    }
    rows.sort_by_key(|row| row.index);
    Ok(rows)
}

/// Reads split and class off the folders of a sample that nothing else tells of.
fn by_folders(root: &Path, site: &Site, mut one: Listed) -> Listed {
    let place = site.place();
    let mut folders: Vec<&str> = place.split('/').collect();
    folders.pop();
    if site.is_described() || folders.first().is_none_or(|name| is_shard(root, name)) {
        return one;
    }
    let mut folders = folders.into_iter().peekable();
    let split = folders.peek().and_then(|name| split_name(name));
    if let Some(split) = split {
        folders.next();
        one.split.get_or_insert_with(|| split.to_owned());
    }
    if let Some(class) = folders.next().filter(|_| one.labels.is_empty()) {
        one.of_folder = true;
        one.labels.push(Label {
            index: None,
            text: Some(class_name(class)),
        });
    }
    one
}

/// Whether a folder is a shard of video2dataset or img2dataset, and no class.
fn is_shard(root: &Path, name: &str) -> bool {
    let beside = [format!("{name}.parquet"), format!("{name}_stats.json")];
    beside.iter().any(|file| root.join(file).is_file())
}

/// Gives the labels that folders told their indexes: those of `classes`, else those that other
/// samples have with the name, else the names' order.
pub(super) fn number_folders(listed: &mut [Vec<Listed>], classes: Option<&[String]>) {
    let (mut known, mut named) = (HashMap::new(), BTreeSet::new());
    let mut others = false;
    for one in listed.iter().flatten() {
        for label in &one.labels {
            match (one.of_folder, &label.text, label.index) {
                (true, Some(text), _) => _ = named.insert(text.clone()),
                (false, Some(text), Some(index)) => _ = known.insert(text.clone(), index),
                _ => {}
            }
            others |= !one.of_folder;
        }
    }
    let list: Vec<String> = match classes {
        Some(classes) => classes.to_vec(),
        None if others => Vec::new(),
        None => named.into_iter().collect(),
    };
    if !list.is_empty() {
        known = list.into_iter().zip(0..).collect();
    }
    let folders = listed.iter_mut().flatten().filter(|one| one.of_folder);
    for label in folders.flat_map(|one| &mut one.labels) {
        let text = label.text.as_ref();
        label.index = text.and_then(|text| known.get(text).copied());
    }
}

/// Gives a sample the labels that its folder told. A `cls` blob has its place in a tar, and beside
/// a `json` blob there is none for the name, which `labels.txt` tells.
pub(super) fn label(sample: &mut Sample, labels: &[Label]) {
    if !sample.labels.is_empty() || sample.blobs.contains_key("cls") {
        return;
    }
    sample.labels = labels.to_vec();
    if sample.blobs.contains_key("json") {
        sample.labels.iter_mut().for_each(|label| label.text = None);
        sample.labels.retain(|label| label.index.is_some());
    }
}

/// Says what was passed over, if anything was, and why.
pub(super) fn told(passed: &PassedOver, why: &str) -> Option<String> {
    let files = passed.example.as_ref().map(|example| {
        let example = shown(example);
        let files = count(passed.files, "file");
        format!("{files} {why}, for example {example}")
    });
    let hidden = (passed.hidden > 0).then(|| count(passed.hidden, "hidden name"));
    let both: Vec<String> = files.into_iter().chain(hidden).collect();
    (!both.is_empty()).then(|| format!("passed over: {}", both.join("; ")))
}
