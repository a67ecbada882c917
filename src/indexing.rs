//! The index files that other readers want, beside shards that are there: see
//! [`kpack_formats::indexes`] for their bytes.

mod energon;
mod lookup;
mod media;
mod prepared;
mod splits;
mod wids;
mod words;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use kpack_formats::ReadOptions;
use kpack_formats::atomic::write_atomic;
use kpack_formats::indexes::{self, Listed};
use kpack_formats::tfrecord::RecordReader;
use kpack_formats::webdataset::MemberReader;
use md5::{Digest, Md5};
use rayon::prelude::*;

use crate::convert::Found;
use crate::mmap::{Walk, map};
use crate::{Error, Result};

/// Who reads an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consumer {
    /// NVIDIA DALI: wds2idx v1.2 for tars, tfrecord2idx for records; `NAME.idx`.
    Dali,
    /// wids: `shardindex.json` for all shards of a folder.
    Wids,
    /// Megatron-Energon: `SHARD.tar.idx` and `.nv-meta/`, with the table by which it finds a sample by
    /// its key.
    Energon,
    /// The tfrecord package: `NAME.index`.
    Tfrecord,
}

/// Files that were written.
#[derive(Debug, Default)]
pub struct Written {
    /// In order of the shards.
    pub files: Vec<PathBuf>,
    /// Shards that are indexed: those given, and the others of a dataset that Energon knows already.
    pub shards: usize,
    /// Samples (records) of all shards.
    pub samples: u64,
    /// What the user should know, one line each.
    pub notes: Vec<String>,
}

/// How indexes are written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// Folder of the indexes; beside the shards if there is none.
    pub out: Option<&'a Path>,
    /// Threads that read; 0 takes one per core.
    pub threads: usize,
    /// For Energon: makes what `.nv-meta` says of shards and splits anew, of the shards given. Otherwise a
    /// dataset that has it is indexed whole, and its splits are added to.
    pub overwrite: bool,
}

/// What one shard gives.
struct Part {
    /// The index of the shard alone.
    own: Option<(PathBuf, Vec<u8>)>,
    samples: u64,
    /// MD5 of the file, where it is asked for.
    md5: String,
    bytes: u64,
    /// What the user should know, one line each.
    notes: Vec<String>,
}

/// Writes the index files of `shards` for `consumer`.
///
/// # Errors
/// [`Error::Usage`] for a shard that the consumer cannot read, two indexes of one name, a key that
/// comes twice where the consumer finds samples by key (Energon), or a shard that Energon's index
/// names and that is gone; [`Error::Input`] for lists of Energon that cannot be read;
/// [`Error::Format`] for a damaged shard; [`Error::Io`].
pub fn write(shards: &[Found], consumer: Consumer, options: &Options) -> Result<Written> {
    let Options { out, threads, .. } = *options;
    check(shards, consumer, out)?;
    if let Some(out) = out {
        fs::create_dir_all(out).map_err(Error::io("cannot create folder", out))?;
    }
    if consumer == Consumer::Energon {
        return energon::write(shards, options);
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|e| Error::usage(format!("cannot start {threads} threads: {e}")))?;
    let part = |shard: &Found| index(shard, consumer, out);
    let parts: Result<Vec<Part>> = pool.install(|| shards.par_iter().map(part).collect());
    let parts = parts?;
    let mut written = Written {
        shards: shards.len(),
        ..Written::default()
    };
    for part in &parts {
        written.samples += part.samples;
        written.notes.extend(part.notes.iter().cloned());
        let Some((path, bytes)) = &part.own else {
            continue;
        };
        write_atomic(path, bytes)?;
        if consumer == Consumer::Tfrecord && part.samples == 1 {
            written.notes.push(format!(
                "{}: the tfrecord package cannot load an index of one record; read this shard \
                 without it",
                path.display()
            ));
        }
        written.files.push(path.clone());
    }
    if consumer == Consumer::Wids {
        written.files.push(wids::write(shards, &parts, out)?);
    }
    Ok(written)
}

/// Refuses what would not be read, or would overwrite itself.
fn check(shards: &[Found], consumer: Consumer, out: Option<&Path>) -> Result<()> {
    let mut paths = BTreeMap::new();
    for shard in shards {
        let wrong = |what: &str| {
            let path = shard.path.display();
            Err(Error::usage(format!("{path}: {what}")))
        };
        let tar = shard.format.name == "webdataset";
        match consumer {
            _ if shard.is_tree() => return wrong("a folder of samples has no index"),
            Consumer::Tfrecord if tar => return wrong("a tar is not for the tfrecord package"),
            Consumer::Wids | Consumer::Energon if !tar => {
                return wrong(
                    "is no tar, and this reader takes nothing else: kpack convert --to webdataset",
                );
            }
            _ => {}
        }
        if let Some(path) = own_path(shard, consumer, out)
            && let Some(other) = paths.insert(path.clone(), &shard.path)
        {
            let (other, path) = (other.display(), path.display());
            return wrong(&format!(
                "its index would be {path}, as that of {other}: rename one"
            ));
        }
    }
    Ok(())
}

/// Where the index of one shard goes.
fn own_path(shard: &Found, consumer: Consumer, out: Option<&Path>) -> Option<PathBuf> {
    let name = shard.path.file_name()?.to_string_lossy().into_owned();
    let stem = name.split('.').next().unwrap_or_default();
    let own = match consumer {
        Consumer::Dali => format!("{stem}.idx"),
        Consumer::Tfrecord => format!("{stem}.index"),
        Consumer::Energon => format!("{name}.idx"),
        Consumer::Wids => return None,
    };
    let folder = out.or_else(|| shard.path.parent()).unwrap_or(Path::new(""));
    Some(folder.join(own))
}

fn index(shard: &Found, consumer: Consumer, out: Option<&Path>) -> Result<Part> {
    let (bytes, options) = (plain(shard)?, walk());
    let place = |e: kpack_formats::Error| e.path(&shard.path);
    let mut notes = Vec::new();
    let (content, samples) = if shard.format.name == "tfrecord" {
        let reader = RecordReader::of_bytes(bytes.clone(), &shard.path, &options);
        let (text, records) = indexes::tfrecord2idx(reader)?;
        (text.into_bytes(), records)
    } else {
        let mut members = members(&bytes, shard, &options)?;
        match consumer {
            Consumer::Wids => {
                let found = indexes::wids_samples(&bytes).map_err(place)?;
                notes.extend(wids::notes(shard, &bytes, &members, found));
                (Vec::new(), found.samples)
            }
            Consumer::Dali | Consumer::Energon | Consumer::Tfrecord => {
                members.retain(|member| header(&bytes, member).get(156) != Some(&b'7'));
                let text = indexes::wds2idx(&members).map_err(place)?;
                let count = text.lines().count().saturating_sub(1) as u64;
                (text.into_bytes(), count)
            }
        }
    };
    let own = own_path(shard, consumer, out).map(|path| (path, content));
    let md5 = match consumer {
        Consumer::Wids => hex(&Md5::digest(&bytes)),
        _ => String::new(),
    };
    Ok(Part {
        own,
        samples,
        md5,
        bytes: bytes.len() as u64,
        notes,
    })
}

/// The bytes of a shard that is not compressed.
fn plain(shard: &Found) -> Result<Bytes> {
    let bytes = map(&shard.path, Walk::Parts).map_err(Error::io("cannot read", &shard.path))?;
    let head = &bytes[..bytes.len().min(1024)];
    if !bytes.is_empty() && !(shard.format.sniff)(head) {
        return Err(Error::usage(format!(
            "{}: is compressed or damaged, and readers with an index seek in the plain file: kpack \
             convert writes it anew",
            shard.path.display()
        )));
    }
    Ok(bytes)
}

/// As the other readers go through a shard: up to its first end.
fn walk() -> ReadOptions {
    ReadOptions {
        concatenated: false,
        unchecked: true,
        ..ReadOptions::default()
    }
}

fn members(bytes: &Bytes, shard: &Found, options: &ReadOptions) -> Result<Vec<Listed>> {
    let reader = MemberReader::of_bytes(bytes.clone(), &shard.path, options);
    Ok(indexes::members(reader)?)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The folder that all shards lie in or below, and their paths from there.
fn relative(shards: &[Found], out: Option<&Path>) -> Result<(PathBuf, Vec<String>)> {
    let parent = |shard: &Found| shard.path.parent().map(Path::to_owned).unwrap_or_default();
    let mut root = shards.first().map(parent).unwrap_or_default();
    while !shards.iter().all(|shard| shard.path.starts_with(&root)) {
        if !root.pop() {
            break;
        }
    }
    let name = |shard: &Found| {
        let path = shard.path.strip_prefix(&root).unwrap_or(&shard.path);
        path.to_str().map(str::to_owned).ok_or_else(|| {
            let path = shard.path.display();
            Error::usage(format!(
                "{path}: the name is not UTF-8, so no list can hold it"
            ))
        })
    };
    let names: Result<Vec<String>> = shards.iter().map(name).collect();
    Ok((out.map_or(root, Path::to_owned), names?))
}

/// The header of a member, as far as it is there.
fn header<'a>(bytes: &'a Bytes, member: &Listed) -> &'a [u8] {
    let data = usize::try_from(member.data).unwrap_or(usize::MAX);
    bytes
        .get(data.saturating_sub(512)..data)
        .unwrap_or_default()
}
