//! [`verify`]: every byte of a dataset or of single shards against its checksums.
//!
//! ```text
//! dataset.json ── its own last field
//!   ├─ samples.jsonl, labels.txt ── length and crc32c
//!   └─ shard ── length and crc32c of the file, in one pass ──(differs)──> index: sample by sample, member by member
//!        ├─ shard.kidx ── its own checksums, and against the rows and the shard
//!        └─ shard.idx ── DALI's: each place against the shard
//! ```
//!
//! A shard that is whole is read once and hashed in large pieces; only one that is not is looked
//! into. Without a manifest the index serves, without an index what the format itself checks.

mod beside;
mod dataset;
pub(crate) mod decode;
pub(crate) mod index;
pub(crate) mod look;
mod picture;
pub(crate) mod shard;
mod sound;
pub(crate) mod stream;
pub(crate) mod tree;

use std::path::{Path, PathBuf};

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use serde::Serialize;

use crate::worker::Workers;
use crate::{Error, Result};

pub(crate) use picture::Glance;
pub(crate) use sound::WatchMedia;

/// What is verified, and how.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Threads that read; 0 takes one per core.
    pub threads: usize,
    /// Decodes all pictures, sound and video, and compares them with what the rows say.
    pub decode: bool,
}

/// Watches a long check. Called from many threads at once; should return at once.
pub trait Watch: Sync {
    /// There are `bytes` bytes to read.
    fn planned(&self, bytes: u64) {
        let _ = bytes;
    }
    /// `bytes` more bytes were read.
    fn read(&self, bytes: u64) {
        let _ = bytes;
    }
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {}

/// One damaged place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// The shard, or another file of the dataset.
    pub file: PathBuf,
    /// The sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The sample's member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// First damaged byte, as near as the checksums tell, before compression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// What is wrong, in one line.
    pub what: String,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: ", self.file.display())?;
        let key = self.key.as_ref().map(|key| format!("key {key}"));
        let member = self
            .member
            .as_ref()
            .map(|member| format!("member {member}"));
        let offset = self.offset.map(|offset| format!("offset {offset}"));
        let place: Vec<String> = [key, member, offset].into_iter().flatten().collect();
        if !place.is_empty() {
            write!(f, "{}: ", place.join(", "))?;
        }
        f.write_str(&self.what)
    }
}

impl Damage {
    pub(crate) fn of(file: &Path, what: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            what: what.into(),
            ..Self::default()
        }
    }
    pub(crate) fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }
    pub(crate) fn member(mut self, member: &str) -> Self {
        self.member = Some(member.to_owned());
        self
    }
    pub(crate) fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }
    pub(crate) fn from_error(file: &Path, error: &kpack_formats::Error) -> Self {
        let at = error.at();
        let mut what = error.message().to_owned();
        if let Some(source) = std::error::Error::source(error) {
            what = format!("{what}: {source}");
        }
        Self {
            file: at.path.clone().unwrap_or_else(|| file.to_owned()),
            key: at.key.clone(),
            member: None,
            offset: at.offset,
            what,
        }
    }
}

/// What was looked at and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Shards read.
    pub shards: u64,
    /// Samples in them, or in the tree.
    pub samples: u64,
    /// Bytes read, manifest and indexes included.
    pub bytes: u64,
    /// What is damaged, missing or unfinished, in the order of the shards.
    pub damage: Vec<Damage>,
    /// Clips that are whole, but black, frozen or silent; with [`Options::decode`].
    pub flags: Vec<Damage>,
    /// What could not be checked, or should be known, one line each.
    pub notes: Vec<String>,
}

impl Report {
    fn add(&mut self, other: Report) {
        self.shards += other.shards;
        self.samples += other.samples;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.damage.extend(other.damage);
        self.flags.extend(other.flags);
        self.notes.extend(other.notes);
    }
    fn damaged(&mut self, damage: Damage) {
        self.damage.push(damage);
    }
    /// Whether nothing is damaged, missing or unfinished.
    pub fn is_whole(&self) -> bool {
        self.damage.is_empty()
    }
}

/// Verifies datasets, folders of shards, trees of samples and single shards. What is to be decoded is
/// decoded in this process.
///
/// # Errors
/// [`Error::Usage`] for a path that is not there, and for a folder that holds nothing, or what is not
/// verified here (MDS); [`Error::Io`] where the disk refuses.
pub fn verify(paths: &[PathBuf], options: &Options, watch: &dyn Watch) -> Result<Report> {
    verify_with(paths, options, &Workers::in_process(), watch)
}

/// As [`verify`], with all that is decoded decoded by `workers`. A file that crashes its worker, or is over
/// a limit, is one that cannot be decoded.
///
/// # Errors
/// Those of [`verify`].
pub fn verify_with(
    paths: &[PathBuf],
    options: &Options,
    workers: &Workers,
    watch: &dyn Watch,
) -> Result<Report> {
    let mut report = Report::default();
    let mut jobs = Vec::new();
    for path in paths {
        plan(path, options, &mut jobs, &mut report)?;
    }
    watch.planned(jobs.iter().map(Job::bytes).fold(0, u64::saturating_add));
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build()
        .map_err(|e| Error::usage(format!("cannot start {} threads: {e}", options.threads)))?;
    let parts: Vec<Result<Report>> = threads.install(|| {
        jobs.into_par_iter()
            .map(|job| job.run(workers, watch))
            .collect()
    });
    for part in parts {
        report.add(part?);
    }
    Ok(report)
}

/// A piece of the work: what one thread does alone.
enum Job {
    Shard(Box<shard::Shard>),
    Places(tree::Places),
    /// A tree without rows.
    Tree(tree::Tree),
}

impl Job {
    fn bytes(&self) -> u64 {
        match self {
            Job::Shard(shard) => shard.bytes(),
            Job::Places(places) => places.bytes(),
            Job::Tree(_) => 0,
        }
    }
    fn run(self, workers: &Workers, watch: &dyn Watch) -> Result<Report> {
        match self {
            Job::Shard(shard) => shard.verify(workers, watch),
            Job::Places(places) => places.verify(workers, watch),
            Job::Tree(tree) => tree.verify(workers, watch),
        }
    }
}

/// Finds out what `path` is, checks its manifest, and adds what is left to do to `jobs`.
fn plan(path: &Path, options: &Options, jobs: &mut Vec<Job>, report: &mut Report) -> Result<()> {
    if !path.exists() {
        return Err(Error::usage(format!("{}: not found", path.display())));
    }
    if path.is_dir() {
        return dataset::plan(path, options, jobs, report);
    }
    let mut shard = shard::Shard::loose(path, options);
    // A shard of a dataset is verified against its line in the manifest.
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let dataset = crate::pipeline::Dataset::read(folder.unwrap_or(Path::new(".")));
    if let (Ok(Some(dataset)), Some(name)) = (dataset, path.file_name()) {
        let record = dataset.shards.iter().find(|s| *s.name == *name);
        shard.record = record.cloned();
        shard.compression = record.and(dataset.origin.compression());
    }
    jobs.push(Job::Shard(Box::new(shard)));
    Ok(())
}
