//! The index files that other readers want, beside shards that are there: see
//! [`kpack_formats::indexes`] for their bytes.

mod energon;
mod lookup;
mod media;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use kpack_formats::ReadOptions;
use kpack_formats::atomic::write_atomic;
use kpack_formats::indexes::{self, Listed, WidsShard};
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
    /// Samples (records) of all shards.
    pub samples: u64,
    /// What the user should know, one line each.
    pub notes: Vec<String>,
}

/// What one shard gives.
struct Part {
    /// The index of the shard alone.
    own: Option<(PathBuf, Vec<u8>)>,
    samples: u64,
    /// MD5 of the file, where it is asked for.
    md5: String,
    bytes: u64,
}

/// Writes the index files of `shards` for `consumer`, beside them or into `out`, on `threads`
/// threads.
///
/// # Errors
/// [`Error::Usage`] for a shard that the consumer cannot read, two indexes of one name, or a key that
/// comes twice where the consumer finds samples by key (Energon); [`Error::Format`] for a damaged
/// shard; [`Error::Io`].
pub fn write(
    shards: &[Found],
    consumer: Consumer,
    out: Option<&Path>,
    threads: usize,
) -> Result<Written> {
    check(shards, consumer, out)?;
    if let Some(out) = out {
        fs::create_dir_all(out).map_err(Error::io("cannot create folder", out))?;
    }
    if consumer == Consumer::Energon {
        return energon::write(shards, out, threads);
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|e| Error::usage(format!("cannot start {threads} threads: {e}")))?;
    let part = |shard: &Found| index(shard, consumer, out);
    let parts: Result<Vec<Part>> = pool.install(|| shards.par_iter().map(part).collect());
    let (parts, mut written) = (parts?, Written::default());
    for part in &parts {
        written.samples += part.samples;
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
        wids(shards, &parts, out, &mut written)?;
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
    let (bytes, options) = (plain(shard)?, options());
    let place = |e: kpack_formats::Error| e.path(&shard.path);
    let (content, samples) = if shard.format.name == "tfrecord" {
        let reader = RecordReader::of_bytes(bytes.clone(), &shard.path, &options);
        let (text, records) = indexes::tfrecord2idx(reader)?;
        (text.into_bytes(), records)
    } else {
        let members = members(&bytes, shard, &options)?;
        match consumer {
            Consumer::Wids => (Vec::new(), indexes::wids_samples(&members)),
            Consumer::Dali | Consumer::Energon | Consumer::Tfrecord => {
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
fn options() -> ReadOptions {
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

fn wids(shards: &[Found], parts: &[Part], out: Option<&Path>, written: &mut Written) -> Result<()> {
    let (root, names) = relative(shards, out)?;
    let shard = |(url, part): (String, &Part)| WidsShard {
        url,
        md5sum: part.md5.clone(),
        nsamples: part.samples,
        filesize: part.bytes,
    };
    let list: Vec<WidsShard> = names.into_iter().zip(parts).map(shard).collect();
    let path = root.join("shardindex.json");
    write_atomic(&path, indexes::wids(&list)?.as_bytes())?;
    written.files.push(path);
    Ok(())
}
