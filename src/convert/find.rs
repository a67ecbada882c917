//! Which shards and trees the user's sources name, and which split each is of.

use std::fs;
use std::path::{Path, PathBuf};

use kpack_formats::{Format, Layout};
use walkdir::WalkDir;

use crate::pipeline::{DATASET, Dataset};
use crate::source::split_name;
use crate::{Error, Result};

/// A shard, or a tree of samples.
#[derive(Debug, Clone)]
pub struct Found {
    /// The file, or the tree's root.
    pub path: PathBuf,
    /// What it holds.
    pub format: &'static Format,
    /// The split that its manifest, its folder or its name says.
    pub split: Option<String>,
}

impl Found {
    /// Whether it is a folder of samples.
    pub fn is_tree(&self) -> bool {
        matches!(self.format.layout, Layout::Tree)
    }
}

/// The shards of `sources`, in order: of a dataset as its manifest lists them, of other folders by
/// name. A folder without shards is a tree.
///
/// # Errors
/// [`Error::Usage`] for a source that is not there or holds nothing; [`Error::Format`] for a file
/// that is no shard.
pub fn find(sources: &[PathBuf]) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for source in sources {
        let meta = fs::metadata(source).map_err(Error::io("cannot open", source))?;
        if meta.is_dir() {
            folder(source, &mut found)?;
        } else {
            found.push(shard(source, None)?);
        }
    }
    Ok(found)
}

fn shard(path: &Path, root: Option<&Path>) -> Result<Found> {
    let format = kpack_formats::sniff(path)?;
    Ok(Found {
        path: path.to_owned(),
        format,
        split: split_of(path, root),
    })
}

fn folder(root: &Path, found: &mut Vec<Found>) -> Result<()> {
    if let Some(dataset) = Dataset::read(root)? {
        for record in &dataset.shards {
            let mut one = shard(&root.join(&record.name), None)?;
            one.split = record.split.clone();
            found.push(one);
        }
        if dataset.shards.is_empty() && dataset.counts.done > 0 {
            found.push(tree(root)?);
        }
        return Ok(());
    }
    let before = found.len();
    let visible =
        |e: &walkdir::DirEntry| e.depth() == 0 || !e.file_name().to_string_lossy().starts_with('.');
    let walk = WalkDir::new(root).sort_by_file_name().follow_links(true);
    for entry in walk.into_iter().filter_entry(visible) {
        let entry = entry.map_err(|e| {
            let path = e.path().unwrap_or(root).to_owned();
            Error::io("cannot read folder", &path)(e.into())
        })?;
        if entry.file_type().is_file() && is_shard_name(&entry.file_name().to_string_lossy()) {
            found.push(shard(entry.path(), Some(root))?);
        }
    }
    if found.len() == before {
        found.push(tree(root)?);
    }
    Ok(())
}

fn tree(root: &Path) -> Result<Found> {
    Ok(Found {
        path: root.to_owned(),
        format: kpack_formats::sniff(root)?,
        split: None,
    })
}

/// Whether a file in a folder is named as a shard: `x.tar`, `x.tar.gz`, `x.tfrecord-00000-of-00001`,
/// and DMVR's `x-00000-of-00016`.
pub(crate) fn is_shard_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let mut parts: Vec<&str> = lower.split('.').skip(1).collect();
    if parts.len() > 1 && matches!(parts.last(), Some(&("gz" | "zst" | "zz" | "zlib"))) {
        parts.pop();
    }
    match parts.last() {
        Some(extension) => {
            let plain = before_count(extension).unwrap_or(extension);
            matches!(plain, "tar" | "tgz" | "tfrecord" | "tfrecords" | "tfrec")
        }
        None => before_count(&lower).is_some(),
    }
}

/// What stands before `-00000-of-00016`.
fn before_count(text: &str) -> Option<&str> {
    let digits = |t: &str| t.len() >= 5 && t.bytes().all(|b| b.is_ascii_digit());
    let (rest, of) = text.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    (digits(of) && digits(number)).then_some(stem)
}

/// The split in the manifest beside a shard, else in the name of a folder up to `root`, else at
/// either end of the file's name.
fn split_of(path: &Path, root: Option<&Path>) -> Option<String> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    let parent = path.parent()?;
    if root.is_none()
        && parent.join(DATASET).is_file()
        && let Ok(Some(dataset)) = Dataset::read(parent)
        && let Some(record) = dataset.shards.iter().find(|record| record.name == name)
    {
        return record.split.clone();
    }
    let last = root.unwrap_or(parent);
    for folder in parent.ancestors() {
        let text = folder.file_name().map(|n| n.to_string_lossy().into_owned());
        if let Some(split) = text.as_deref().and_then(split_name) {
            return Some(split.to_owned());
        }
        if folder == last {
            break;
        }
    }
    // `train-000000.tar`, and TFDS's `kinetics-train.tfrecord-00000-of-00016`.
    let stem = name.split('.').next()?;
    let number = |word: &&str| *word != "of" && !word.bytes().all(|b| b.is_ascii_digit());
    let words: Vec<&str> = stem.split(['-', '_']).filter(number).collect();
    let mut ends = words.first().into_iter().chain(words.last());
    ends.find_map(|word| split_name(word)).map(str::to_owned)
}

/// The split that the names of a shard's folders and its own say; `path` begins at the dataset.
pub(crate) fn split_below(path: &Path) -> Option<String> {
    split_of(path, Some(Path::new("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_of_every_maker_are_known_by_name() {
        for name in [
            "train-000000.tar",
            "00000.tar",
            "a.tar.gz",
            "x.tgz",
            "x.tfrecord",
            "x-00000-of-00002.tfrecord.gz",
            "fake-train.tfrecord-00000-of-00001",
            "kinetics-00003-of-00016",
        ] {
            assert!(is_shard_name(name), "{name}");
        }
        for name in [
            "train-000000.tar.kidx",
            "00000.parquet",
            "00000_stats.json",
            "a.jpg",
            "x.tar.idx",
            "README",
            "dataset_info.json",
        ] {
            assert!(!is_shard_name(name), "{name}");
        }
    }

    #[test]
    fn splits_are_seen_in_folders_and_names() {
        let of = |path: &str| split_of(Path::new(path), Some(Path::new("d")));
        assert_eq!(of("d/train/0.tar").as_deref(), Some("train"));
        assert_eq!(of("d/validation-000000.tar").as_deref(), Some("val"));
        let tfds = of("d/fake-train.tfrecord-00000-of-00001");
        assert_eq!(tfds.as_deref(), Some("train"));
        assert_eq!(of("d/data-000000.tar"), None);
    }
}
