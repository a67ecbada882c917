//! The samples of a tree one by one: first where each is and what is said of it, later its blobs.

use std::path::{Path, PathBuf};

use super::passed::PassedOver;
use super::read::Reader;
use super::scan::Group;
use crate::{Error, ReadOptions, Result, Sample};

/// Where one sample of a tree is.
#[derive(Debug)]
pub struct Site {
    root: PathBuf,
    /// Its folder and the files of its name there; `None` for the root itself.
    group: Option<(PathBuf, Group)>,
    described: bool,
    /// Whether it is damaged without a JSON of kpack's.
    needs_json: bool,
}

/// Gives the samples of the tree at `root` to `each` in the order of its reader, each with its key,
/// labels and metadata, and the names of its blobs: these are empty. One whose JSON is damaged has
/// a key only, and is an error when it is read. What is no sample's is counted.
///
/// # Errors
/// Those of the reader, but for damage to single samples.
pub fn sites(
    root: &Path,
    options: &ReadOptions,
    mut each: impl FnMut(Site, Sample),
) -> Result<PassedOver> {
    let mut reader = Reader::open(root, options)?;
    reader.heads = true;
    let root = root.to_owned();
    if let Some(content) = reader.take_single() {
        let site = Site {
            root: root.clone(),
            group: None,
            described: false,
            needs_json: false,
        };
        each(site, reader.root_sample(&content)?);
    }
    while let Some((folder, group)) = reader.next_group() {
        let visited = reader.visit(folder.clone(), group.clone())?;
        let found = reader.sample(&visited);
        let site = Site {
            root: root.clone(),
            group: Some((folder, group)),
            described: found.is_ok() && reader.described,
            needs_json: false,
        };
        let sample = match found {
            Ok(None) => continue,
            Ok(Some(sample)) => sample,
            Err(e) if e.io_kind().is_some() => return Err(e),
            Err(_) => Sample {
                key: crate::safe_key(&site.place()),
                ..Sample::default()
            },
        };
        each(site, sample);
    }
    Ok(reader.passed)
}

impl Site {
    /// The place of a sample that should be in the tree at `root`; reading it says that it is gone.
    pub fn of_missing(root: &Path, place: &str) -> Self {
        let (folder, stem) = place.rsplit_once('/').unwrap_or(("", place));
        let group = Group {
            stem: stem.to_owned(),
            ..Group::default()
        };
        Self {
            root: root.to_owned(),
            group: Some((root.join(folder), group)),
            described: false,
            needs_json: true,
        }
    }

    /// Whether a JSON of kpack's, which is whole, tells of the sample.
    pub fn is_described(&self) -> bool {
        self.described
    }

    /// Says that kpack wrote the sample: without its JSON it is damaged.
    pub fn need_json(&mut self) {
        self.needs_json = true;
    }

    /// Path below the root, with slashes: the sample's folder, and its files without what follows
    /// the first dot. Empty for the root itself.
    pub fn place(&self) -> String {
        let Some((folder, group)) = &self.group else {
            return String::new();
        };
        let below = folder.strip_prefix(&self.root).unwrap_or(folder);
        let parts = below.iter().map(|part| part.to_string_lossy().into_owned());
        let parts: Vec<String> = parts.chain([group.stem.clone()]).collect();
        parts.join("/")
    }

    /// Reads the sample with its blobs; large ones stay in their files.
    ///
    /// # Errors
    /// Those of the reader; [`crate::Kind::Io`] if the sample is gone.
    pub fn read(&self, options: &ReadOptions) -> Result<Sample> {
        let gone = |path: &Path| {
            let gone = std::io::ErrorKind::NotFound.into();
            Error::io("the sample is gone", gone).path(path)
        };
        let Some((folder, group)) = &self.group else {
            let mut reader = Reader::open(&self.root, options)?;
            let content = reader.take_single().ok_or_else(|| gone(&self.root))?;
            return reader.root_sample(&content);
        };
        let mut reader = Reader::of_groups(&self.root, options);
        let visited = reader.visit(folder.clone(), group.clone())?;
        let sample = reader.sample(&visited)?.ok_or_else(|| gone(folder))?;
        if self.needs_json && !reader.described {
            let text = "the sample's JSON is missing or damaged, and kpack wrote one; kpack repair \
                        makes the sample anew";
            let json = folder.join(format!("{}.json", group.stem));
            return Err(Error::corrupt(text).path(&json));
        }
        Ok(sample)
    }
}
