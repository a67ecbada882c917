//! [`Target`]: where samples go.

use std::path::PathBuf;

use kpack_formats::{Compression, Extent, Format, Meta, Sample, Schema, WriteOptions};

use crate::source::Clip;

/// Where samples go.
#[derive(Clone, Copy)]
pub enum Target<'a> {
    /// Into shards, written by the thread that called `pack`.
    Shards(&'a ShardTarget),
    /// Into files of their own, written by the workers: they have no order.
    Tree(&'a dyn TreeWriter),
}

/// Shards of one format.
#[derive(Debug, Clone)]
pub struct ShardTarget {
    /// A format whose layout is a log.
    pub format: &'static Format,
    /// How samples are laid out in it.
    pub write: WriteOptions,
    /// How a finished shard is compressed.
    pub compression: Compression,
    /// Level of the compression, as [`Compression::levels`] allows; `None` is its default.
    pub level: Option<u32>,
}

/// Writes the files of one sample at a time: frame directories, one file per clip.
///
/// `place` is where a sample's files lie, below OUT and without an extension (`class/key`).
pub trait TreeWriter: Sync {
    /// The format and every option that shapes the files, as it goes into `dataset.json` and into
    /// the plan's hash; `format` is its first key.
    fn describe(&self) -> Meta;
    /// Where the files of `clip` lie.
    fn place(&self, clip: &Clip) -> String;
    /// Whether writing or removing the sample whose place ends in `stem` may touch the file or folder
    /// `name` beside it. By default all that begins with `stem.`, and `stem`.
    fn claims(&self, stem: &str, name: &str) -> bool {
        let rest = name.strip_prefix(stem);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
    /// Whether a sample still lies at `place`, as far as a glance tells.
    fn is_there(&self, place: &str) -> bool {
        let _ = place;
        true
    }
    /// Whether the files at `place` say themselves that kpack wrote them.
    fn is_ours(&self, place: &str) -> bool {
        let _ = place;
        false
    }
    /// The files that [`remove`](TreeWriter::remove) would remove at `place` now.
    fn files(&self, place: &str) -> Vec<PathBuf> {
        let _ = place;
        Vec::new()
    }
    /// Writes the files of one sample, over those of an interrupted run. Called by many threads at
    /// once, never twice at once for one place.
    fn write(&self, clip: &Clip, sample: &Sample) -> kpack_formats::Result<Extent>;
    /// Makes all that was written so far last through a power cut. Called before the rows that tell
    /// of it are made to last.
    fn sync(&self) -> kpack_formats::Result<()> {
        Ok(())
    }
    /// Whether every byte of the files at `place` still is what was written. Asked of samples that
    /// no [`sync`](TreeWriter::sync) followed.
    fn holds(&self, place: &str, length: u64, crc32c: u32) -> bool {
        self.confirm(place, length, crc32c)
    }
    /// Whether the files at `place` still are what was written, as far as a quick look tells.
    fn confirm(&self, place: &str, length: u64, crc32c: u32) -> bool;
    /// Removes the files at `place`, those of an interrupted run too, and nothing else; files that
    /// are not there are no error.
    fn remove(&self, place: &str) -> kpack_formats::Result<()>;
}

impl Target<'_> {
    /// Format and options, for `dataset.json` and the plan's hash.
    pub fn describe(&self) -> Meta {
        match self {
            Target::Shards(target) => target.describe(),
            Target::Tree(tree) => tree.describe(),
        }
    }

    /// Makes the samples of a tree last through a power cut; shards see to theirs.
    pub(crate) fn sync(&self) -> crate::Result<()> {
        match self {
            Target::Shards(_) => Ok(()),
            Target::Tree(tree) => Ok(tree.sync()?),
        }
    }
}

impl ShardTarget {
    fn describe(&self) -> Meta {
        let mut meta = Meta::new();
        meta.insert("format".into(), self.format.name.into());
        if self.format.name == "tfrecord" {
            let schema = match self.write.schema {
                Schema::Dmvr => "dmvr",
                Schema::Example => "example",
                Schema::Sound => "sound",
            };
            meta.insert("schema".into(), schema.into());
        }
        let compression = match self.compression {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Zlib => "zlib",
            Compression::Zstd => "zstd",
        };
        meta.insert("compression".into(), compression.into());
        if let Some(level) = self.level {
            meta.insert("level".into(), level.into());
        }
        meta
    }
}
