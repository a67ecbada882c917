//! `kpack convert --to mds`, read back by its layout.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cli::kpack;

const CLASSES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/classes");

fn number(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// Every sample's columns, by `index.json`.
fn read(dir: &Path) -> Vec<Vec<(String, Vec<u8>)>> {
    let index: Value = serde_json::from_slice(&fs::read(dir.join("index.json")).unwrap()).unwrap();
    let mut samples = Vec::new();
    for shard in index["shards"].as_array().unwrap() {
        let bytes = fs::read(dir.join(shard["raw_data"]["basename"].as_str().unwrap())).unwrap();
        assert_eq!(shard["raw_data"]["bytes"], bytes.len());
        let count = number(&bytes, 0);
        assert_eq!(shard["samples"], count);
        for i in 0..count {
            let mut at = number(&bytes, 4 + 4 * i);
            let names = shard["column_names"].as_array().unwrap();
            let sizes = shard["column_sizes"].as_array().unwrap();
            let mut lengths = Vec::new();
            for size in sizes {
                lengths.push(size.as_u64().map_or_else(
                    || {
                        at += 4;
                        number(&bytes, at - 4)
                    },
                    |size| size as usize,
                ));
            }
            let mut columns = Vec::new();
            for (name, length) in names.iter().zip(lengths) {
                columns.push((
                    name.as_str().unwrap().to_owned(),
                    bytes[at..at + length].to_vec(),
                ));
                at += length;
            }
            assert_eq!(at, number(&bytes, 8 + 4 * i));
            samples.push(columns);
        }
    }
    samples
}

fn column<'a>(sample: &'a [(String, Vec<u8>)], name: &str) -> &'a [u8] {
    &sample.iter().find(|(n, _)| n == name).unwrap().1
}

#[test]
fn samples_become_columns_of_mds() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let packed = kpack([
        "tfrecord",
        CLASSES,
        "-o",
        &path("out"),
        "--video",
        "copy",
        "--compress",
        "gzip",
    ]);
    assert_eq!(packed.code, 0, "{}", packed.err);
    let run = [
        "convert",
        &path("out"),
        "-o",
        &path("mds"),
        "--to",
        "mds",
        "--shard-samples",
        "4",
    ];
    let ended = kpack(run);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("6 samples in 2 shards"), "{}", ended.err);
    let samples = read(&dir.path().join("mds"));
    assert_eq!(samples.len(), 6);
    let second = &samples[1];
    assert_eq!(column(second, "key"), b"bouncing_ball/first_try");
    assert_eq!(column(second, "label"), b"bouncing ball");
    assert_eq!(column(second, "cls"), 0_i64.to_le_bytes());
    let video = fs::read(Path::new(CLASSES).join("bouncing ball/first try.mp4")).unwrap();
    assert_eq!(column(second, "mp4"), video);
    let meta: Value = serde_json::from_slice(column(second, "json")).unwrap();
    assert_eq!(meta["frames"], 75);
    assert!(!dir.path().join("mds/.kpack").exists());

    let again = kpack(run);
    assert_eq!(again.code, 0, "{}", again.err);
    assert!(again.err.contains("nothing was written"), "{}", again.err);
    let shuffled = kpack(run.iter().chain(&["--shuffle", "1"]));
    assert_eq!(shuffled.code, 2, "{}", shuffled.err);
    assert!(shuffled.err.contains("another dataset"), "{}", shuffled.err);
    for wrong in [
        &["--compress", "gzip"][..],
        &["--shards", "2"],
        &["--overwrite"],
        &["--part", "0/2"],
    ] {
        let other = path("other");
        let run = ["convert", &path("out"), "-o", &other, "--to", "mds"];
        let ended = kpack(run.iter().chain(wrong));
        assert_eq!(ended.code, 2, "{wrong:?}: {}", ended.err);
    }
}

#[test]
fn frames_are_one_column_and_splits_are_folders() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let list: String = ["train", "val"]
        .map(|split| format!("{CLASSES}/spinning wheel/wheel-2.mp4,{split}\n"))
        .concat();
    let list = list.replacen("wheel-2.mp4", "slow turn.mp4", 1);
    fs::write(path("list.csv"), format!("path,split\n{list}")).unwrap();
    let packed = kpack([
        "webdataset",
        &path("list.csv"),
        "-o",
        &path("out"),
        "--frames",
        "count:3",
    ]);
    assert_eq!(packed.code, 0, "{}", packed.err);
    let ended = kpack([
        "convert",
        &path("out"),
        "-o",
        &path("mds"),
        "--to",
        "mds",
        "--drop",
        "json",
    ]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    for split in ["train", "val"] {
        let samples = read(&dir.path().join("mds").join(split));
        assert_eq!(samples.len(), 1);
        let names: Vec<_> = samples[0].iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["frames", "key"]);
        let frames = column(&samples[0], "frames");
        assert_eq!(number(frames, 0), 3);
        let lengths: usize = (1..4).map(|i| number(frames, 4 * i)).sum();
        assert_eq!(frames.len(), 16 + lengths);
        assert_eq!(frames[16..18], [0xff, 0xd8]);
    }
    // The same samples as frame directories become the same shards.
    let tree = [("out", "tree", "frames"), ("tree", "again", "mds")];
    for (from, to, kind) in tree {
        let drop: &[&str] = if kind == "mds" {
            &["--drop", "json"]
        } else {
            &[]
        };
        let (from, to) = (path(from), path(to));
        let run = ["convert", &from, "-o", &to, "--to", kind];
        let ended = kpack(run.iter().chain(drop));
        assert_eq!(ended.code, 0, "{}", ended.err);
    }
    for split in ["train", "val"] {
        for name in ["shard.00000.mds", "index.json"] {
            let bytes = |dir: &str| fs::read(Path::new(&path(dir)).join(split).join(name)).unwrap();
            assert!(bytes("again") == bytes("mds"), "{split}/{name}");
        }
    }
}
