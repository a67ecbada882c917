//! `kpack convert`: nothing is lost between any two formats, and other people's shards come in.

pub(super) mod imports;
mod mds;
mod mds_again;
mod options;
mod pairs;
mod trees;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use kpack_formats::{
    Blob, Label, Layout, ReadOptions, Sample, ShardWriter, WriteOptions, format, open,
};
use serde_json::Value;

use super::{Ended, kpack};

/// All that a sample is, in a form that can be compared and printed.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    blobs: BTreeMap<String, (u64, u32)>,
    labels: Vec<Label>,
    meta: Value,
}

fn seen(sample: &Sample) -> Seen {
    let sum = |blob: &Blob| (blob.len(), crc32c::crc32c(&blob.load().unwrap()));
    Seen {
        blobs: sample
            .blobs
            .iter()
            .map(|(n, b)| (n.clone(), sum(b)))
            .collect(),
        labels: sample.labels.clone(),
        meta: Value::Object(sample.meta.clone()),
    }
}

/// The shards of a dataset, or the folder itself if it is a tree.
fn shards(dir: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let is_shard = |p: &PathBuf| {
        let name = p.file_name().unwrap().to_string_lossy().into_owned();
        (name.contains(".tar") || name.contains(".tfrecord")) && !name.ends_with(".kidx")
    };
    let mut shards: Vec<PathBuf> = all.filter(is_shard).collect();
    shards.sort();
    if shards.is_empty() {
        vec![dir.to_owned()]
    } else {
        shards
    }
}

/// The samples of a dataset by their keys.
fn samples(dir: &Path) -> BTreeMap<String, Seen> {
    let mut all = BTreeMap::new();
    for shard in shards(dir) {
        let mut reader = open(&shard, &ReadOptions::default()).unwrap();
        while let Some(sample) = reader.next_sample().unwrap() {
            assert!(all.insert(sample.key.clone(), seen(&sample)).is_none());
        }
    }
    all
}

/// Writes a shard by hand.
fn shard(path: &Path, kind: &str, options: &WriteOptions, samples: &[Sample]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let Layout::Log { create } = format(kind).unwrap().layout else {
        unreachable!("a log")
    };
    let mut writer: Box<dyn ShardWriter + Send> =
        create(File::create(path).unwrap(), 0, options).unwrap();
    for sample in samples {
        writer.append(sample).unwrap();
    }
    writer.finish().unwrap();
}

fn convert(from: &Path, to: &Path, args: &[&str]) -> Ended {
    let (from, to) = (from.to_str().unwrap(), to.to_str().unwrap());
    let mut all = vec!["convert", from, "-o", to, "--to"];
    all.extend(args);
    kpack(all)
}

/// Converts, and demands that nothing failed.
fn converted(from: &Path, to: &Path, args: &[&str]) -> PathBuf {
    let ended = convert(from, to, args);
    assert_eq!(ended.code, 0, "{args:?}: {}", ended.err);
    to.to_owned()
}
