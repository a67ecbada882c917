//! What is changed in each sample on the way: blobs dropped and renamed.

use std::collections::BTreeMap;

use kpack_formats::mds::Holdings;
use kpack_formats::{Sample, check_blob_name};

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
            if holdings.blobs.remove(old) {
                holdings.blobs.insert(new.clone());
            }
        }
    }

    /// Edits one sample; gives the name that two blobs would have.
    pub(super) fn apply(&self, sample: &mut Sample) -> std::result::Result<(), String> {
        let dropped = |name: &str| self.drop.iter().any(|p| pattern::matches(p, name));
        sample.blobs.retain(|name, _| !dropped(name));
        if dropped("json") {
            sample.meta.clear();
        }
        if dropped("cls") {
            sample.labels.clear();
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
