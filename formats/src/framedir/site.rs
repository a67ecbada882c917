//! The samples of a tree one by one: first where each is and what is said of it, later its blobs.

use std::path::{Path, PathBuf};

use super::read::Reader;
use super::scan::Group;
use crate::{Error, ReadOptions, Result, Sample};

/// Where one sample of a tree is.
#[derive(Debug)]
pub struct Site {
    root: PathBuf,
    /// Its folder and the files of its name there; `None` for the root itself.
    group: Option<(PathBuf, Group)>,
}

/// Gives the samples of the tree at `root` to `each` in the order of its reader, each with its key,
/// labels and metadata, and the names of its blobs: these are empty.
///
/// # Errors
/// Those of the reader.
pub fn sites(root: &Path, options: &ReadOptions, mut each: impl FnMut(Site, Sample)) -> Result<()> {
    let mut reader = Reader::open(root, options)?;
    reader.heads = true;
    let root = root.to_owned();
    if reader.take_single() {
        each(Site { root, group: None }, reader.root_sample()?);
        return Ok(());
    }
    while let Some((folder, group)) = reader.next_group() {
        if let Some(sample) = reader.visit(&folder, &group)? {
            let root = root.clone();
            let group = Some((folder, group));
            each(Site { root, group }, sample);
        }
    }
    Ok(())
}

impl Site {
    /// Reads the sample with its blobs; large ones stay in their files.
    ///
    /// # Errors
    /// Those of the reader; [`crate::Kind::Io`] if the sample is gone.
    pub fn read(&self, options: &ReadOptions) -> Result<Sample> {
        let Some((folder, group)) = &self.group else {
            return Reader::open(&self.root, options)?.root_sample();
        };
        let mut reader = Reader::of_groups(&self.root, options);
        reader.visit(folder, group)?.ok_or_else(|| {
            let gone = std::io::ErrorKind::NotFound.into();
            Error::io("the sample is gone", gone).path(folder)
        })
    }
}
