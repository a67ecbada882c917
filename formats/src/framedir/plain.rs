//! Samples of trees that others made: no JSON of kpack's tells of them.
//!
//! Files of a sample's stem are its blobs, as members of a tar are: `KEY.txt` is blob `txt`, and
//! `KEY.json` and `KEY.cls` are metadata and label where a tar's would be. In a folder of pictures,
//! all files that are no frames are blobs under their own names, such as `flow_x_00001.jpg`. A name
//! that no blob may have gets `_` for what does not fit, `file_` in front where it would pass for a
//! frame's, and a number at its end where it comes twice.

use std::fs;
use std::path::{Path, PathBuf};

use super::read::Reader;
use super::scan::Content;
use crate::names::{frame_number, safe_key};
use crate::webdataset::interpret;
use crate::{Blob, Result, Sample};

/// Longest name of a blob that a file gives, before a number.
const LONGEST: usize = 180;

impl Reader {
    /// The sample at `inner`: of a folder's content, and of files, named by what follows the stem.
    pub(super) fn plain(
        &mut self,
        inner: &Path,
        content: Option<&Content>,
        files: Vec<(&str, PathBuf)>,
    ) -> Result<Sample> {
        let below = inner.strip_prefix(&self.root).unwrap_or(inner);
        let key = safe_key(&below.to_string_lossy());
        self.foreign(key, inner, content, files)
    }

    /// The root's own content, as one sample of its name.
    pub(super) fn root_sample(&mut self, content: &Content) -> Result<Sample> {
        let root = self.root.clone();
        let name = fs::canonicalize(&root).unwrap_or(root.clone());
        let name = name.file_name().unwrap_or_default();
        let key = safe_key(&name.to_string_lossy());
        self.foreign(key, &root, Some(content), Vec::new())
    }

    fn foreign<'a>(
        &mut self,
        key: String,
        inner: &Path,
        content: Option<&'a Content>,
        mut files: Vec<(&'a str, PathBuf)>,
    ) -> Result<Sample> {
        let mut sample = Sample {
            key,
            ..Sample::default()
        };
        let frames = content.map_or(&[][..], |content| &content.frames);
        let others = content.map_or(&[][..], |content| &content.others);
        self.check_count(frames.len() + others.len() + files.len())?;
        for (number, (file, extension)) in (1..).zip(frames) {
            let blob = self.blob(&inner.join(file))?;
            let name = format!("{number:06}.{extension}");
            sample.blobs.insert(name, blob);
        }
        files.extend(others.iter().map(|file| (file.as_str(), inner.join(file))));
        for (name, path) in files {
            let name = unused(&sample, blob_name(name, !frames.is_empty()));
            // What they say is wanted before the sample is.
            let blob = match name.as_str() {
                "json" | "cls" => self.load(&path, None)?,
                _ => self.blob(&path)?,
            };
            sample.blobs.insert(name, blob);
        }
        interpret(&mut sample);
        self.check_bytes(&sample)?;
        Ok(sample)
    }

    fn blob(&self, path: &Path) -> Result<Blob> {
        match self.heads {
            true => Ok(Vec::new().into()),
            false => self.load(path, None),
        }
    }
}

/// The blob's name for a file's; no frame's if `has_frames`.
fn blob_name(file: &str, has_frames: bool) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let part = |part: &str| match part {
        "" => "_".to_owned(),
        part => part
            .chars()
            .map(|c| {
                if plain(c) {
                    c.to_ascii_lowercase()
                } else {
                    '_'
                }
            })
            .collect(),
    };
    let parts: Vec<String> = file.split('.').map(part).collect();
    let mut name = parts.join(".");
    if has_frames && frame_number(&name).is_some() {
        name.insert_str(0, "file_");
    }
    if name.len() > LONGEST {
        let crc = crate::crc32c(name.as_bytes());
        name.truncate(LONGEST);
        name = format!("{}-{crc:08x}", name.trim_end_matches('.'));
    }
    name
}

/// The name, with a number at its end where the sample has it already.
fn unused(sample: &Sample, name: String) -> String {
    if !sample.blobs.contains_key(&name) {
        return name;
    }
    let numbered = (2..).map(|number: u64| format!("{name}_{number}"));
    let mut free = numbered.filter(|name| !sample.blobs.contains_key(name));
    free.next().unwrap_or(name)
}
