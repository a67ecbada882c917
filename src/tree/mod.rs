//! Files of their own: frame directories, and one file per clip. Written by the workers, because
//! they have no order among them.

mod files;
mod places;

use std::path::{Path, PathBuf};

use kpack_formats::framedir::{self, Naming};
use kpack_formats::{Extent, Meta, Sample};

pub use places::TreeLayout;

use crate::Result;
use crate::bounded;
use crate::pipeline::TreeWriter;
use crate::source::{Clip, Input};

/// How the files of samples are placed and named.
#[derive(Debug, Clone, Default)]
pub struct TreeOptions {
    /// Folders below OUT.
    pub layout: TreeLayout,
    /// Names of the frames; `None` where samples have none.
    pub frames: Option<FrameNames>,
}

/// How frame files are named.
#[derive(Debug, Clone)]
pub struct FrameNames {
    /// A name with the number in braces, such as `img_{:05}.jpg`.
    pub template: String,
    /// Number of the first frame.
    pub start: u32,
}

impl Default for FrameNames {
    fn default() -> Self {
        Self {
            template: "img_{:05}.jpg".to_owned(),
            start: 1,
        }
    }
}

/// Writes samples as files below OUT.
#[derive(Debug)]
pub struct Tree {
    out: PathBuf,
    options: TreeOptions,
    naming: Naming,
    places: places::Places,
    /// Names of the blobs beside frames; `None` where they may be any.
    blobs: Option<Vec<&'static str>>,
}

impl Tree {
    /// Places every row of `input` below `out`.
    ///
    /// # Errors
    /// [`crate::Error::Format`] for a frame name without a number, or that leaves its folder.
    pub fn new(out: &Path, input: &Input, options: TreeOptions) -> Result<Self> {
        let naming = match &options.frames {
            Some(names) => Naming::parse(&names.template, u64::from(names.start))?,
            None => Naming::default(),
        };
        Ok(Self {
            out: out.to_owned(),
            naming,
            places: places::Places::new(&input.rows, options.layout),
            options,
            blobs: None,
        })
    }

    /// Says which blobs samples have besides frames. Without this all names beside a place are
    /// taken to be the sample's, so that a file of such a name is in the way.
    pub fn with_blobs(mut self, names: Vec<&'static str>) -> Self {
        self.blobs = Some(names);
        self
    }
}

impl TreeWriter for Tree {
    fn describe(&self) -> Meta {
        let mut meta = Meta::new();
        meta.insert("format".to_owned(), "frames".into());
        meta.insert("layout".to_owned(), self.options.layout.as_str().into());
        if let Some(names) = &self.options.frames {
            meta.insert("frame_name".to_owned(), names.template.as_str().into());
            meta.insert("frame_start".to_owned(), names.start.into());
        }
        meta
    }

    fn place(&self, clip: &Clip) -> String {
        self.places.of(clip)
    }

    fn claims(&self, stem: &str, name: &str) -> bool {
        let Some(rest) = name.strip_prefix(stem) else {
            return false;
        };
        match (&self.blobs, rest.strip_prefix('.')) {
            (_, None) => rest.is_empty(),
            (Some(blobs), Some(blob)) => blob == "json" || blobs.contains(&blob),
            (None, Some(_)) => true,
        }
    }

    fn is_there(&self, place: &str) -> bool {
        self.out.join(format!("{place}.json")).is_file()
    }

    fn is_ours(&self, place: &str) -> bool {
        let json = bounded::read(&self.out.join(format!("{place}.json")), bounded::BESIDE);
        json.is_ok_and(|bytes| framedir::is_sample_json(&bytes).unwrap_or(false))
    }

    fn files(&self, place: &str) -> Vec<PathBuf> {
        files::of(&self.out, place, |name| self.claims(stem(place), name))
    }

    fn write(&self, clip: &Clip, sample: &Sample) -> kpack_formats::Result<Extent> {
        let place = self.places.of(clip);
        let extent = framedir::write_at(&self.out, &place, sample, &self.naming)?;
        #[cfg(not(target_os = "linux"))]
        files::sync_each(&self.files(&place), &self.out)?;
        Ok(extent)
    }

    fn sync(&self) -> kpack_formats::Result<()> {
        files::sync(&self.out)
    }

    fn holds(&self, place: &str, length: u64, crc32c: u32) -> bool {
        self.confirm(place, length, crc32c) && files::read_back(&self.out, place)
    }

    fn confirm(&self, place: &str, length: u64, crc32c: u32) -> bool {
        files::confirm(&self.out, place, length, crc32c)
    }

    fn remove(&self, place: &str) -> kpack_formats::Result<()> {
        files::remove(&self.out, place, |name| self.claims(stem(place), name))
    }
}

/// The last part of a place, with which the names of its files begin.
fn stem(place: &str) -> &str {
    place.rsplit('/').next().unwrap_or(place)
}
