//! What lies beside the shards of a folder and is not converted.

use std::path::{Path, PathBuf};

use kpack_formats::framedir::PassedOver;
use walkdir::WalkDir;

use super::find::{Found, is_shard_name};
use super::trees::told;
use crate::pipeline::{DATASET, Dataset, LABELS, SAMPLES};

/// Extensions of the indexes that stand beside shards.
const INDEXES: &[&str] = &["kidx", "idx", "index"];

/// A note for each of `sources` that is a folder of shards and holds other files, too. Datasets of
/// kpack's are not looked through, nor are hidden files and indexes counted.
pub(super) fn notes(sources: &[PathBuf], found: &[Found]) -> Vec<String> {
    let is_tree = |path: &Path| found.iter().any(|one| one.is_tree() && one.path == path);
    let folders = sources
        .iter()
        .filter(|path| path.is_dir() && !is_tree(path));
    let foreign = folders.filter(|path| !matches!(Dataset::read(path), Ok(Some(_))));
    foreign
        .filter_map(|folder| told(&others(folder), "beside the shards"))
        .collect()
}

fn others(folder: &Path) -> PassedOver {
    let mut passed = PassedOver::default();
    let visible =
        |e: &walkdir::DirEntry| e.depth() == 0 || !e.file_name().to_string_lossy().starts_with('.');
    let walk = WalkDir::new(folder).sort_by_file_name().follow_links(true);
    for entry in walk.into_iter().filter_entry(visible).flatten() {
        let path = entry.path();
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        let name = entry.file_name().to_string_lossy();
        let ours = [DATASET, SAMPLES, LABELS].contains(&&*name);
        let known = ours || is_shard_name(&name) || INDEXES.contains(&&*extension);
        if entry.file_type().is_file() && !known {
            passed.files += 1;
            passed.example.get_or_insert_with(|| path.to_owned());
        }
    }
    passed
}
