//! What kpack did not write and what it reads: files in a tree that no run may replace or remove.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::pipeline::dataset::{Dataset, SAMPLES};
use crate::pipeline::folder::Folder;
use crate::pipeline::log::{Line, LogReader};
use crate::pipeline::options::Options;
use crate::pipeline::plan::Plan;
use crate::pipeline::row::OutcomeRow;
use crate::pipeline::target::TreeWriter;
use crate::{Error, Result};

/// Watches over the files of one run into a tree that is not empty.
pub(crate) struct Guard<'a> {
    plan: &'a Plan,
    folder: &'a Folder,
    tree: &'a dyn TreeWriter,
    /// The planned media below OUT, without links, and how the input names them.
    media: HashMap<PathBuf, String>,
}

impl<'a> Guard<'a> {
    pub(crate) fn new(plan: &'a Plan, folder: &'a Folder, tree: &'a dyn TreeWriter) -> Self {
        let out = fs::canonicalize(&folder.out).unwrap_or_else(|_| folder.out.clone());
        let media = (0..plan.len()).filter_map(|index| {
            let clip = plan.clip(index);
            let path = fs::canonicalize(clip.media.as_ref()?).ok()?;
            path.starts_with(&out).then(|| (path, clip.source.clone()))
        });
        Self {
            plan,
            folder,
            tree,
            media: media.collect(),
        }
    }

    /// Refuses where a planned place holds something that is not of the places `owned`, or where
    /// the media of a clip would be replaced, or removed as a file of `owned`. With `begun` all
    /// planned places are ours.
    pub(crate) fn check(&self, owned: &HashSet<String>, begun: bool) -> Result<()> {
        if !self.media.is_empty() {
            for place in owned {
                let mut files = self.tree.files(place).into_iter();
                if let Some(file) = files.find(|file| self.source_of(file).is_some()) {
                    return Err(self.is_source(&file));
                }
            }
        }
        let mut folders: HashMap<&str, HashSet<&str>> = HashMap::new();
        let range = self.plan.part_range();
        let places: Vec<String> = range
            .map(|index| self.tree.place(self.plan.clip(index)))
            .collect();
        for place in &places {
            let (folder, stem) = place.rsplit_once('/').unwrap_or(("", place));
            folders.entry(folder).or_default().insert(stem);
        }
        let mut folders: Vec<_> = folders.into_iter().collect();
        folders.sort_by_key(|(folder, _)| *folder);
        for (folder, stems) in folders {
            self.check_folder(folder, &stems, owned, begun)?;
        }
        Ok(())
    }

    /// Planned places without a row whose files were whole when a run, perhaps of another plan, was
    /// killed: they say themselves that kpack wrote them.
    pub(crate) fn orphans(&self, owned: &HashSet<String>) -> Vec<String> {
        let range = self.plan.part_range();
        let places = range.map(|index| self.tree.place(self.plan.clip(index)));
        places
            .filter(|place| !owned.contains(place) && self.tree.is_ours(place))
            .collect()
    }

    pub(crate) fn remove(&self, places: &[String]) -> Result<()> {
        places
            .iter()
            .try_for_each(|place| Ok(self.tree.remove(place)?))
    }

    fn check_folder(
        &self,
        folder: &str,
        stems: &HashSet<&str>,
        owned: &HashSet<String>,
        begun: bool,
    ) -> Result<()> {
        let path = self.folder.out.join(folder);
        let wrong = |e| Error::io("cannot read folder", &path)(e);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(wrong(e)),
        };
        for entry in entries {
            let entry = entry.map_err(wrong)?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let ends = name.match_indices('.').map(|(at, _)| at);
            let mut begins = ends.chain([name.len()]).filter_map(|at| name.get(..at));
            let Some(stem) = begins.find(|s| stems.contains(s) && self.tree.claims(s, name)) else {
                continue;
            };
            if self.source_of(&entry.path()).is_some() {
                return Err(self.is_source(&entry.path()));
            }
            let place = match folder {
                "" => stem.to_owned(),
                folder => format!("{folder}/{stem}"),
            };
            if !begun && !owned.contains(&place) {
                return Err(Error::usage(format!(
                    "{} is in the way, and kpack did not write it: move it, or use another folder",
                    entry.path().display()
                )));
            }
        }
        Ok(())
    }

    fn source_of(&self, path: &Path) -> Option<&String> {
        if self.media.is_empty() {
            return None;
        }
        self.media.get(&fs::canonicalize(path).ok()?)
    }

    fn is_source(&self, path: &Path) -> Error {
        let source = self.source_of(path).map_or("a clip", String::as_str);
        Error::usage(format!(
            "{} would be replaced, and it is the source {source} of a clip: use another folder",
            path.display()
        ))
    }
}

/// With [`Options::overwrite`], refuses to remove the dataset in OUT, finished or not, where the run
/// reads it: where one of [`Options::sources`] lies in OUT or OUT in it, or where the media of a clip is
/// one of the shards.
pub(crate) fn spare_sources(
    folder: &Folder,
    plan: &Plan,
    options: &Options<'_>,
    (finished, logs): (Option<&Dataset>, &[PathBuf]),
) -> Result<()> {
    let (Ok(out), true) = (fs::canonicalize(&folder.out), options.overwrite) else {
        return Ok(());
    };
    if finished.is_none() && logs.is_empty() {
        return Ok(());
    }
    let finished = finished.iter().flat_map(|dataset| &dataset.shards);
    let mut shards: HashSet<PathBuf> = finished.map(|shard| out.join(&shard.name)).collect();
    for line in lines_of(logs) {
        if let Line::Shard(shard) = line? {
            shards.insert(out.join(shard.name));
        }
    }
    let of_source = |path: &&PathBuf| {
        fs::canonicalize(path).is_ok_and(|p| p.starts_with(&out) || out.starts_with(p))
    };
    let media = || {
        let media = (0..plan.len()).filter_map(|index| plan.clip(index).media.as_ref());
        let is_shard = |path: &&PathBuf| fs::canonicalize(path).is_ok_and(|p| shards.contains(&p));
        (!shards.is_empty())
            .then(|| media.into_iter().find(is_shard))
            .flatten()
    };
    match options.sources.iter().find(of_source).or_else(media) {
        Some(source) => Err(Error::usage(format!(
            "{} is read, and --overwrite removes the dataset in {}: use another folder",
            source.display(),
            folder.out.display()
        ))),
        None => Ok(()),
    }
}

/// The places that a finished dataset owns.
pub(crate) fn of_dataset(folder: &Folder, dataset: &Dataset) -> Result<HashSet<String>> {
    let samples = folder.out.join(SAMPLES);
    let tree = dataset.shards.is_empty() && dataset.counts.done > 0;
    let mut owned = HashSet::new();
    if let (true, Ok(file)) = (tree, File::open(&samples)) {
        for row in OutcomeRow::read_all(file, &samples) {
            owned.extend(row?.path);
        }
    }
    Ok(owned)
}

/// The places that the rows of these logs own.
pub(crate) fn of_logs(logs: &[PathBuf]) -> Result<HashSet<String>> {
    let mut owned = HashSet::new();
    for line in lines_of(logs) {
        if let Line::Row { row, .. } = line? {
            owned.extend(row.path);
        }
    }
    Ok(owned)
}

fn lines_of(logs: &[PathBuf]) -> impl Iterator<Item = Result<Line>> {
    logs.iter().flat_map(|path| {
        let opened = File::open(path).map_err(Error::io("cannot open", path));
        let (file, failed) = match opened {
            Ok(file) => (Some(file), None),
            Err(e) => (None, Some(Err(e))),
        };
        let mut lines = file.map(|file| LogReader::new(file, path));
        let rest = std::iter::from_fn(move || {
            let next = lines.as_mut()?.next().transpose()?;
            Some(next.map(|(_, line)| line))
        });
        failed.into_iter().chain(rest)
    })
}
