//! A dataset that is prepared for Energon already: it stays as large as it is, and its splits as they
//! were written.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use super::splits::Splits;
use super::words::scalar;
use super::{Options, relative};
use crate::convert::{Found, find, split_below};
use crate::{Error, Result, bounded};

/// Folder of what Energon is told of a dataset.
const META: &str = ".nv-meta";

/// What is to be indexed.
pub(super) struct Dataset {
    /// Its `.nv-meta`.
    pub(super) meta: PathBuf,
    /// All its shards, with their paths as Energon has them.
    pub(super) shards: Vec<Found>,
    pub(super) names: Vec<String>,
    /// Its list of splits, if one is there.
    pub(super) splits: Option<Kept>,
}

/// A list of splits with what is added to it.
pub(super) struct Kept {
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// Splits and shards that were added.
    pub(super) added: Vec<(String, String)>,
    /// Shards that were counted before, and are in no part.
    pub(super) apart: Vec<String>,
}

/// What a folder says of its shards.
#[derive(Default)]
struct Known {
    counted: Vec<String>,
    splits: Option<Splits>,
}

impl Known {
    fn read(meta: &Path) -> Result<Self> {
        Ok(Self {
            counted: counted(meta)?,
            splits: Splits::read(meta)?,
        })
    }

    /// Each shard once: those that are counted, in their order, then those that are in a part only.
    fn shards(&self) -> Vec<String> {
        let of_parts = self.splits.iter().flat_map(Splits::shards);
        let (mut seen, mut all) = (HashSet::new(), Vec::new());
        for name in self.counted.iter().chain(of_parts) {
            if seen.insert(name) {
                all.push(name.clone());
            }
        }
        all
    }
}

/// The dataset of these shards: with all that an index names which is there already, unless it is to
/// be made anew.
///
/// # Errors
/// [`Error::Usage`] for a shard that is named and not there; [`Error::Input`] for a list that cannot
/// be read; [`Error::Io`].
pub(super) fn dataset(given: &[Found], options: &Options) -> Result<Dataset> {
    let (mut root, mut names) = relative(given, None)?;
    let mut known = Known::default();
    if !options.overwrite {
        known = Known::read(&options.out.unwrap_or(&root).join(META))?;
        if options.out.is_none()
            && !root.join(META).is_dir()
            && let Some((above, below, of_it)) = above(&root, &names)?
        {
            (root, names, known) = (above, below, of_it);
        }
    }
    let meta = options.out.unwrap_or(&root).join(META);
    let mut shards = given.to_vec();
    for (shard, name) in shards.iter_mut().zip(&names) {
        let below = || split_below(&Path::new("/").join(name));
        shard.split = shard.split.take().or_else(below);
    }
    complete(&meta, &root, &known.shards(), &mut shards, &mut names)?;
    let splits = known
        .splits
        .map(|splits| kept(splits, &known.counted, shards.iter().zip(&names)));
    Ok(Dataset {
        meta,
        shards,
        names,
        splits: splits.transpose()?,
    })
}

/// The nearest folder above `root` whose index names one of the shards, with their paths from there.
fn above(root: &Path, names: &[String]) -> Result<Option<(PathBuf, Vec<String>, Known)>> {
    if root.components().any(|c| c == Component::ParentDir) {
        return Ok(None);
    }
    let here = match root.as_os_str().is_empty() {
        true => Path::new("."),
        false => root,
    };
    let whole = std::path::absolute(here).map_err(Error::io("cannot find", here))?;
    for folder in whole.ancestors().skip(1) {
        if !folder.join(META).is_dir() {
            continue;
        }
        let Some(way) = whole.strip_prefix(folder).ok().and_then(Path::to_str) else {
            continue;
        };
        let below: Vec<String> = names.iter().map(|name| format!("{way}/{name}")).collect();
        let known = Known::read(&folder.join(META))?;
        if known.shards().iter().any(|name| below.contains(name)) {
            return Ok(Some((folder.to_owned(), below, known)));
        }
    }
    Ok(None)
}

/// Adds the shards that are `known` and not given. All are then in the order in which they are known.
fn complete(
    meta: &Path,
    root: &Path,
    known: &[String],
    shards: &mut Vec<Found>,
    names: &mut Vec<String>,
) -> Result<()> {
    let given: HashSet<&String> = names.iter().collect();
    if known.iter().all(|name| given.contains(name)) {
        return Ok(());
    }
    let mut all = Vec::with_capacity(known.len());
    let mut left: Vec<(String, Found)> = names.drain(..).zip(shards.drain(..)).collect();
    for name in known {
        if let Some(at) = left.iter().position(|(other, _)| other == name) {
            all.push(left.remove(at));
            continue;
        }
        let inside = Path::new(name).components();
        let inside = inside
            .into_iter()
            .all(|c| matches!(c, Component::Normal(_)));
        let path = root.join(name);
        if !inside || !path.is_file() {
            return Err(Error::usage(format!(
                "{}: names the shard {name:?}, and {} is no file: put it back, or give --overwrite, \
                 and what is in {META} is made anew of the shards given",
                meta.display(),
                path.display()
            )));
        }
        let found = find(std::slice::from_ref(&path))?;
        all.extend(found.into_iter().map(|one| (name.clone(), one)));
    }
    all.extend(left);
    (*names, *shards) = all.into_iter().unzip();
    Ok(())
}

/// The list of splits with the shards that are new. One that was counted before and is in no part was
/// taken out by hand.
fn kept<'a>(
    splits: Splits,
    counted: &[String],
    shards: impl Iterator<Item = (&'a Found, &'a String)>,
) -> Result<Kept> {
    let counted: HashSet<&String> = counted.iter().collect();
    let named: HashSet<&String> = splits.named().collect();
    let (mut added, mut apart) = (Vec::new(), Vec::new());
    for (shard, name) in shards.filter(|(_, name)| !named.contains(name)) {
        if counted.contains(name) {
            apart.push(name.clone());
        } else {
            let split = shard.split.as_deref().unwrap_or("train");
            added.push((split.to_owned(), name.clone()));
        }
    }
    Ok(Kept {
        text: splits.with(&added)?,
        path: splits.path,
        added,
        apart,
    })
}

/// The shards that `.info.json` counts, or `.info.yaml` of an older Energon.
fn counted(meta: &Path) -> Result<Vec<String>> {
    for name in [".info.json", ".info.yaml"] {
        let path = meta.join(name);
        let text = match bounded::read_text(&path, bounded::MANIFEST) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            Err(e) => return Err(Error::io("cannot read", &path)(e)),
        };
        let names = match text.trim_start().starts_with('{') {
            true => of_json(&text),
            false => of_yaml(&text),
        };
        return names.map_err(|what| Error::Input {
            path,
            message: format!("{what}: have it made anew with --overwrite"),
        });
    }
    Ok(Vec::new())
}

fn of_json(text: &str) -> Result<Vec<String>, String> {
    let info: serde_json::Value =
        serde_json::from_str(text).map_err(|e| format!("is no JSON: {e}"))?;
    let counts = info.get("shard_counts").and_then(|c| c.as_object());
    let counts = counts.ok_or("has no object shard_counts")?;
    Ok(counts.keys().cloned().collect())
}

fn of_yaml(text: &str) -> Result<Vec<String>, String> {
    let lines = text
        .lines()
        .skip_while(|line| line.trim_end() != "shard_counts:");
    let of_it = lines.skip(1).take_while(|line| line.starts_with(' '));
    let name = |line: &str| match line.rsplit_once(':') {
        Some((name, _)) => scalar(name),
        None => Err(format!("{line:?} is not read as the count of a shard")),
    };
    let names: Result<Vec<String>, String> = of_it.map(name).collect();
    match names {
        Ok(names) if names.is_empty() => Err("shard_counts is not read".to_owned()),
        names => names,
    }
}
