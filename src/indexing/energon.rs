//! Megatron-Energon: `SHARD.tar.idx` beside each shard, and `.nv-meta`, which says what shards there
//! are, of which split, and where each key lies ([`super::lookup`]).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use kpack_formats::atomic::write_atomic;
use kpack_formats::indexes::{EnergonReader, EnergonSample};
use kpack_formats::webdataset::MemberReader;
use serde_json::json;

use super::lookup::Lookup;
use super::{Consumer, Written, options, own_path, plain, relative};
use crate::convert::Found;
use crate::{Error, Result};

/// Version of Energon whose metadata is written.
const VERSION: &str = "7.4.1";

/// Rows that a shard's reader hands on at a time, but for a sample that has more, and how often it
/// does so before the rows of the shards in front of it are written.
const BATCH: usize = 4096;
const AHEAD: usize = 4;

/// What a shard's reader hands on.
enum Step {
    /// Its next samples.
    Samples(Vec<EnergonSample>),
    /// `SHARD.tar.idx`, when no sample is left.
    End(Vec<u8>),
}

/// Nothing is written unless all of it can be.
pub(super) fn write(shards: &[Found], out: Option<&Path>, threads: usize) -> Result<Written> {
    let (root, names) = relative(shards, out)?;
    let meta = root.join(".nv-meta");
    fs::create_dir_all(&meta).map_err(Error::io("cannot create folder", &meta))?;
    let written = fill(shards, &names, &meta, out, threads);
    if written.is_err() {
        // A folder that holds something stays.
        let _ = fs::remove_dir(&meta);
    }
    written
}

fn fill(
    shards: &[Found],
    names: &[String],
    meta: &Path,
    out: Option<&Path>,
    threads: usize,
) -> Result<Written> {
    let mut lookup = Lookup::create(&meta.join("index.sqlite"))?;
    let (mut indexes, mut first) = (Vec::with_capacity(shards.len()), 0);
    read(shards, threads, |shard, step| {
        match step {
            Step::Samples(samples) => {
                lookup.add(names, shard, first, &samples)?;
                first += samples.len() as u64;
            }
            Step::End(index) => {
                indexes.push((index, first));
                first = 0;
            }
        }
        Ok(())
    })?;
    let counts = indexes.iter().map(|(_, samples)| *samples);
    let info = info(names.iter().zip(counts.clone()))?;
    let splits = splits(shards, names);
    let mut written = Written {
        samples: counts.sum(),
        ..Written::default()
    };
    let lookup = lookup.finish(&[&info, &splits])?;
    if lookup.media_lost {
        written.notes.push(format!(
            "{}: the media metadata in the index before was of other samples and is left out: energon \
             prepare-media makes it anew",
            meta.display()
        ));
    }
    lookup.retire()?;
    for (shard, (index, _)) in shards.iter().zip(&indexes) {
        if let Some(path) = own_path(shard, Consumer::Energon, out) {
            write_atomic(&path, index)?;
            written.files.push(path);
        }
    }
    written.files.extend(lists(meta, &info, &splits)?);
    written.files.extend(lookup.publish()?);
    Ok(written)
}

/// Reads the shards on `threads` threads, and hands what they hold to `take` in their order. Readers
/// that are ahead wait, so that few rows exist at a time.
fn read(
    shards: &[Found],
    threads: usize,
    mut take: impl FnMut(usize, Step) -> Result<()>,
) -> Result<()> {
    let channels = shards.iter().map(|_| sync_channel(AHEAD));
    let (senders, receivers): (Vec<_>, Vec<_>) = channels.unzip();
    let work = Mutex::new(shards.iter().zip(senders));
    let next = || {
        let mut work = work.lock().unwrap_or_else(PoisonError::into_inner);
        work.next()
    };
    // Nobody takes what is sent where the run has ended.
    let reader = || {
        while let Some((shard, sender)) = next() {
            let taken = match read_one(shard, &sender) {
                Ok(taken) => taken,
                Err(e) => sender.send(Err(e)).is_ok(),
            };
            if !taken {
                break;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, shards.len().max(1)) {
            let started = std::thread::Builder::new().spawn_scoped(scope, reader);
            started.map_err(|e| Error::usage(format!("cannot start {threads} threads: {e}")))?;
        }
        for (shard, receiver) in receivers.into_iter().enumerate() {
            for step in receiver {
                take(shard, step?)?;
            }
        }
        Ok(())
    })
}

/// Hands on what a shard holds; whether it is taken.
fn read_one(shard: &Found, sender: &SyncSender<Result<Step>>) -> Result<bool> {
    let members = MemberReader::of_bytes(plain(shard)?, &shard.path, &options());
    let mut reader = EnergonReader::new(members);
    let (mut samples, mut rows) = (Vec::new(), 0);
    while let Some(sample) = reader.next_sample()? {
        rows += 1 + sample.parts.len();
        samples.push(sample);
        if rows >= BATCH {
            rows = 0;
            let step = Step::Samples(std::mem::take(&mut samples));
            if sender.send(Ok(step)).is_err() {
                return Ok(false);
            }
        }
    }
    let (index, _) = reader.finish()?;
    let last = [Step::Samples(samples), Step::End(index)];
    Ok(last.into_iter().all(|step| sender.send(Ok(step)).is_ok()))
}

/// How many samples each shard has.
fn info<'a>(counts: impl Iterator<Item = (&'a String, u64)>) -> Result<String> {
    let counts: serde_json::Map<_, _> = counts
        .map(|(name, samples)| (name.clone(), samples.into()))
        .collect();
    let info = json!({"energon_version": VERSION, "shard_counts": counts});
    serde_json::to_string_pretty(&info)
        .map_err(|e| Error::usage(format!("the shard counts cannot be written as JSON: {e}")))
}

/// Which split each shard is of.
fn splits(shards: &[Found], names: &[String]) -> String {
    let mut splits: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for split in ["train", "val", "test"] {
        splits.insert(split, Vec::new());
    }
    for (shard, name) in shards.iter().zip(names) {
        let split = shard.split.as_deref().unwrap_or("train");
        splits.entry(split).or_default().push(name);
    }
    let mut yaml = "exclude: []\nsplit_parts:\n".to_owned();
    for (split, names) in splits {
        let split = quoted(split);
        if names.is_empty() {
            yaml.push_str(&format!("  {split}: []\n"));
            continue;
        }
        yaml.push_str(&format!("  {split}:\n"));
        for name in names {
            yaml.push_str(&format!("  - {}\n", quoted(name)));
        }
    }
    yaml
}

/// Writes what stands in `.nv-meta` beside the tables. A `dataset.yaml` that is there is kept, because
/// users say in it how samples are cooked.
fn lists(meta: &Path, info: &str, splits: &str) -> Result<Vec<PathBuf>> {
    let dataset = "__module__: megatron.energon\n__class__: CrudeWebdataset\n";
    let mut files = Vec::new();
    for (name, text) in [
        (".info.json", info),
        // Read by Energon before version 7; what is JSON is YAML.
        (".info.yaml", info),
        ("split.yaml", splits),
        ("dataset.yaml", dataset),
    ] {
        let path = meta.join(name);
        let there = path.exists();
        if (name == "dataset.yaml" && there) || (name == ".info.yaml" && !there) {
            continue;
        }
        write_atomic(&path, text.as_bytes())?;
        files.push(path);
    }
    Ok(files)
}

/// A text as YAML takes it: in quotes unless it is a plain word.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/' | '.');
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(plain);
    match word {
        true => text.to_owned(),
        false => json!(text).to_string(),
    }
}
