//! Links to files that are moved too: they come after these, and are led to where they went.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kpack_formats::atomic::temporary;

use super::place::{is_link, symlink};
use super::plan::Item;

/// Where the file of a link goes.
#[derive(Debug)]
pub(super) struct Moves {
    old: PathBuf,
    new: PathBuf,
}

/// Puts the links to files that are moved to the end.
pub(super) fn last(items: &mut [Item], out: &Path) {
    let file = |item: &Item| item.file.as_ref().ok().cloned();
    let links: Vec<bool> = (items.iter())
        .map(|item| file(item).is_some_and(|file| is_link(&file)))
        .collect();
    if !links.contains(&true) {
        return;
    }
    let mut places: HashMap<PathBuf, PathBuf> = HashMap::new();
    for (item, link) in items.iter().zip(&links) {
        // What stands behind another file of its place is not moved.
        if let (false, None, Some(file)) = (*link, &item.after, file(item))
            && let Ok(file) = fs::canonicalize(file)
        {
            places.insert(file, out.join(&item.place));
        }
    }
    for (item, _) in items.iter_mut().zip(&links).filter(|(_, link)| **link) {
        let old = file(item).and_then(|file| fs::canonicalize(file).ok());
        item.moves = old.and_then(|old| {
            let new = places.get(&old).cloned()?;
            Some(Moves { old, new })
        });
    }
    items.sort_by_key(|item| item.moves.is_some());
}

impl Item {
    /// Leads the link `file` to the new place of its file, once that is moved.
    pub(super) fn lead(&self, file: &Path) -> io::Result<()> {
        let Some(Moves { old, new }) = &self.moves else {
            return Ok(());
        };
        if fs::symlink_metadata(old).is_ok() || fs::metadata(new).is_err() {
            return Ok(());
        }
        let hidden = temporary(file);
        let led = symlink(new, &hidden).and_then(|()| fs::rename(&hidden, file));
        if led.is_err() {
            // It holds nothing.
            let _ = fs::remove_file(&hidden);
        }
        led
    }
}
