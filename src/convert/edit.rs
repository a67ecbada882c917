//! What is changed in each sample on the way: blobs dropped and renamed.

use std::collections::BTreeMap;

use kpack_formats::mds::Holdings;
use kpack_formats::{Blob, Sample, check_blob_name, frame_number};
use serde_json::Value;

use crate::source::select::pattern;
use crate::{Error, Result};

/// Blobs to drop and to rename.
#[derive(Debug, Clone, Default)]
pub struct Edits {
    /// Names or globs of blobs that are left out.
    pub drop: Vec<String>,
    /// Old and new names.
    pub rename: Vec<(String, String)>,
}

impl Edits {
    /// Checks the new names.
    ///
    /// # Errors
    /// [`Error::Format`] for a name that no blob may have, [`Error::Usage`] for one given twice.
    pub fn check(&self) -> Result<()> {
        for (i, (_, new)) in self.rename.iter().enumerate() {
            check_blob_name(new)?;
            if self.rename.iter().take(i).any(|(_, other)| other == new) {
                return Err(Error::usage(format!(
                    "--rename gives the name {new} twice; a sample has one blob of a name"
                )));
            }
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.drop.is_empty() && self.rename.is_empty()
    }

    /// The edits in one line, which stands for them in the plan.
    pub(super) fn text(&self) -> String {
        let renames = self.rename.iter().map(|(old, new)| format!("{old}={new}"));
        let drops = self.drop.iter().map(|name| format!("-{name}"));
        drops.chain(renames).collect::<Vec<_>>().join(" ")
    }

    /// Edits what samples hold together.
    pub(super) fn apply_to(&self, holdings: &mut Holdings) {
        let dropped = |name: &str| self.drop.iter().any(|p| pattern::matches(p, name));
        holdings.blobs.retain(|name| !dropped(name));
        holdings.frames &= !dropped("000001.jpg");
        holdings.meta &= !dropped("json");
        if dropped("cls") {
            (holdings.index, holdings.text) = (false, false);
        }
        for (old, new) in &self.rename {
            let own = match old.as_str() {
                "json" => std::mem::take(&mut holdings.meta),
                "cls" => std::mem::take(&mut holdings.index),
                _ => false,
            };
            if holdings.blobs.remove(old) || own {
                holdings.blobs.insert(new.clone());
            }
        }
    }

    /// Makes blobs of the metadata and the label, where these are to be renamed.
    fn free(&self, sample: &mut Sample) {
        let wanted = |name: &str| self.rename.iter().any(|(old, _)| old == name);
        if wanted("json") && !sample.meta.is_empty() && !sample.blobs.contains_key("json") {
            let meta = Value::Object(std::mem::take(&mut sample.meta));
            let json = meta.to_string().into_bytes();
            sample.blobs.insert("json".to_owned(), Blob::from(json));
        }
        if wanted("cls")
            && !sample.blobs.contains_key("cls")
            && let [label] = &mut sample.labels[..]
            && let Some(index) = label.index.take()
        {
            let cls = index.to_string().into_bytes();
            sample.blobs.insert("cls".to_owned(), Blob::from(cls));
            sample.labels.retain(|label| label.text.is_some());
        }
    }

    /// What of these edits finds nothing in samples that hold `holdings` together.
    pub(super) fn idle(&self, holdings: &Holdings) -> Vec<String> {
        let labels = holdings.index || holdings.text;
        let own = [
            ("json", holdings.meta),
            ("cls", labels),
            ("000001.jpg", holdings.frames),
        ];
        let own = own
            .into_iter()
            .filter(|(_, there)| *there)
            .map(|(name, _)| name);
        let names: Vec<&str> = own
            .chain(holdings.blobs.iter().map(String::as_str))
            .collect();
        let is_glob = |name: &str| name.contains(['*', '?', '[']);
        let numbered = |name: &str| holdings.frames && is_glob(name);
        let drops = |pattern: &str| {
            numbered(pattern) || names.iter().any(|name| pattern::matches(pattern, name))
        };
        let renames =
            |old: &str| names.contains(&old) || holdings.frames && frame_number(old).is_some();
        let idle = |option: &str, name: &str| format!("{option} {name} finds no blob of that name");
        let mut notes = Vec::new();
        for name in self.drop.iter().filter(|name| !drops(name)) {
            notes.push(idle("--drop", name));
        }
        for (old, _) in self.rename.iter().filter(|(old, _)| !renames(old)) {
            notes.push(idle("--rename", old));
        }
        notes
    }

    /// Edits one sample; gives the name that two blobs would have.
    pub(super) fn apply(&self, sample: &mut Sample) -> std::result::Result<(), String> {
        let dropped = |name: &str| self.drop.iter().any(|p| pattern::matches(p, name));
        let had_frames = sample.blobs.keys().any(|name| frame_number(name).is_some());
        self.free(sample);
        sample.blobs.retain(|name, _| !dropped(name));
        if dropped("json") {
            sample.meta.clear();
        }
        if dropped("cls") {
            sample.labels.clear();
        }
        if had_frames && !sample.blobs.keys().any(|name| frame_number(name).is_some()) {
            for told in ["frames", "frame_times"] {
                sample.meta.shift_remove(told);
            }
        }
        let taken: Vec<_> = self
            .rename
            .iter()
            .filter_map(|(old, new)| Some((new, sample.blobs.remove(old)?)))
            .collect();
        let mut tables = BTreeMap::new();
        for (name, table) in std::mem::take(&mut sample.frame_tables) {
            if dropped(&name) {
                continue;
            }
            let renamed = self.rename.iter().find(|(old, _)| *old == name);
            tables.insert(renamed.map_or(name, |(_, new)| new.clone()), table);
        }
        for (new, blob) in taken {
            if sample.blobs.insert(new.clone(), blob).is_some() {
                return Err(new.clone());
            }
        }
        tables.retain(|name, _| sample.blobs.contains_key(name));
        sample.frame_tables = tables;
        Ok(())
    }
}
