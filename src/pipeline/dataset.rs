//! [`Dataset`]: `dataset.json`, all that is known of a finished dataset but its rows.

use std::collections::BTreeMap;
use std::path::Path;

use kpack_formats::{Compression, Meta};
use serde::{Deserialize, Serialize};

use crate::pipeline::plan::ShardRule;
use crate::pipeline::summary::Counts;
use crate::sample::Recipe;
use crate::{Error, Result, bounded};

/// Name of the file in OUT.
pub const DATASET: &str = "dataset.json";
/// Name of the file with one [`OutcomeRow`](crate::pipeline::OutcomeRow) per line.
pub const SAMPLES: &str = "samples.jsonl";
/// Name of the file with the class names, one a line, in index order.
pub const LABELS: &str = "labels.txt";

/// The class names of the dataset in `out`, in index order; none where it has no classes.
///
/// # Errors
/// [`Error::Io`].
pub fn classes(out: &Path) -> Result<Vec<String>> {
    let path = out.join(LABELS);
    match bounded::read_text(&path, bounded::CLASSES) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(Error::io("cannot read", &path)(e)),
    }
}

/// A finished dataset. It says nothing of the run that made it: no time, host, threads, folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dataset {
    /// What it was made of and with.
    #[serde(flatten)]
    pub origin: Origin,
    /// Outcomes counted.
    pub counts: Counts,
    /// The shards in plan order; none in a tree.
    pub shards: Vec<ShardRecord>,
    /// Shards that were not written because all of their samples failed.
    pub empty_shards: Vec<String>,
    /// The files beside the shards, by name: [`SAMPLES`] and, where there are classes, [`LABELS`].
    #[serde(default)]
    pub files: BTreeMap<String, FileRecord>,
}

/// A file beside the shards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Length of the file.
    pub bytes: u64,
    /// CRC-32C of the file.
    pub crc32c: u32,
}

/// What a dataset is made of and with: equal origins give equal bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Version of kpack.
    pub kpack: String,
    /// Version of libav.
    pub libav: String,
    /// Format and the options that shape its files.
    pub target: Meta,
    /// What one sample holds.
    pub recipe: Recipe,
    /// Order and shards.
    pub plan: PlanRecord,
}

/// How the plan was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRecord {
    /// [`Plan::hash`](crate::pipeline::Plan::hash) in 16 hexadecimal digits.
    pub hash: String,
    /// Cut into shards.
    pub shards: ShardRule,
    /// Seed of the order.
    pub shuffle: Option<u64>,
    /// Prefix of the names.
    pub name: Option<String>,
    /// Samples planned, by plan index from 0.
    pub samples: u32,
}

/// One shard, or the place of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardRecord {
    /// File name in OUT.
    pub name: String,
    /// Split of its samples.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub split: Option<String>,
    /// Samples in it; 0 if it was not written.
    pub samples: u64,
    /// Length of the file.
    pub bytes: u64,
    /// CRC-32C of the file.
    pub crc32c: u32,
}

impl Dataset {
    /// Reads `dataset.json` in `out`; `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Input`] for a file that is not a dataset's.
    pub fn read(out: &Path) -> Result<Option<Dataset>> {
        let path = out.join(DATASET);
        let bytes = match bounded::read(&path, bounded::MANIFEST) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io("cannot open", &path)(e)),
        };
        let wrong = |message| Error::Input {
            path: path.clone(),
            message,
        };
        let dataset: Dataset = serde_json::from_slice(&bytes)
            .map_err(|e| wrong(format!("not a kpack manifest: {e}")))?;
        if let Some(name) = dataset.names().find(|name| !is_file_name(name)) {
            return Err(wrong(format!(
                "{name:?} is no name of a file in its folder"
            )));
        }
        Ok(Some(dataset))
    }

    /// Names of files, which a hostile manifest may have chosen.
    fn names(&self) -> impl Iterator<Item = &String> {
        let shards = self.shards.iter().map(|shard| &shard.name);
        shards.chain(self.files.keys())
    }

    /// The file's bytes. Its last field, `crc32c`, is the checksum of all that stands before it.
    pub(crate) fn encode(&self) -> serde_json::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        let body = bytes.strip_suffix(b"\n}").map_or(bytes.len(), <[u8]>::len);
        bytes.truncate(body);
        let seal = seal(&bytes);
        bytes.extend_from_slice(seal.as_bytes());
        Ok(bytes)
    }
}

/// Begins the manifest's last field; no other stands at this depth under this name.
const SEAL: &str = ",\n  \"crc32c\": ";

fn seal(body: &[u8]) -> String {
    format!("{SEAL}{}\n}}\n", kpack_formats::crc32c(body))
}

/// Whether a manifest's bytes match the checksum at their end.
pub(crate) fn is_sealed(bytes: &[u8]) -> bool {
    let at = bytes
        .windows(SEAL.len())
        .rposition(|w| w == SEAL.as_bytes());
    at.is_some_and(|at| bytes[at..] == *seal(&bytes[..at]).as_bytes())
}

impl Origin {
    /// How the shards are compressed; `None` in a tree, or where that is not understood.
    pub(crate) fn compression(&self) -> Option<Compression> {
        match self.target.get("compression")?.as_str()? {
            "none" => Some(Compression::None),
            "gzip" => Some(Compression::Gzip),
            "zlib" => Some(Compression::Zlib),
            "zstd" => Some(Compression::Zstd),
            _ => None,
        }
    }
    /// What differs in `other`, in words; `None` if they are equal.
    pub(crate) fn difference(&self, other: &Origin) -> Option<String> {
        let text = |meta: &Meta| serde_json::Value::Object(meta.clone()).to_string();
        let pair = |what: &str, old: String, new: String| {
            (old != new).then(|| format!("{what} {old} there, {new} here"))
        };
        pair("kpack", self.kpack.clone(), other.kpack.clone())
            .or_else(|| pair("libav", self.libav.clone(), other.libav.clone()))
            .or_else(|| pair("format", text(&self.target), text(&other.target)))
            .or_else(|| {
                let changed = self.recipe != other.recipe;
                changed.then(|| "other options for what a sample holds".to_owned())
            })
            .or_else(|| {
                let old = &self.plan;
                let same = PlanRecord {
                    hash: old.hash.clone(),
                    ..other.plan.clone()
                };
                (*old != same).then(|| "other shards, order, names or number of samples".to_owned())
            })
            .or_else(|| {
                pair(
                    "other input: plan",
                    self.plan.hash.clone(),
                    other.plan.hash.clone(),
                )
            })
    }
}

/// Whether `name` is that of a file directly in its folder.
pub(crate) fn is_file_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    let first = parts.next();
    matches!(first, Some(std::path::Component::Normal(_))) && parts.next().is_none()
}
