//! `kpack index`: files for other readers. Their bytes are compared with those of the readers' own
//! tools in tests/conformance.

use std::fs;
use std::path::Path;

use super::{kpack, put};

fn packed(dir: &Path, kind: &str, more: &[&str]) -> String {
    let classes = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/classes");
    let out = dir.join(kind);
    let (classes, text) = (classes.to_str().unwrap(), out.to_str().unwrap());
    let args = [kind, classes, "-o", text, "--shards", "2"];
    let ended = kpack(args.into_iter().chain(more.iter().copied()));
    assert_eq!(ended.code, 0, "{}", ended.err);
    text.to_owned()
}

#[test]
fn every_consumer_gets_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let tars = packed(dir.path(), "webdataset", &[]);
    let records = packed(dir.path(), "tfrecord", &[]);
    for (out, consumer, names) in [
        (&tars, "dali", &["data-000000.idx", "data-000001.idx"][..]),
        (&tars, "wids", &["shardindex.json"]),
        (
            &tars,
            "energon",
            &[
                "data-000001.tar.idx",
                ".nv-meta/.info.json",
                ".nv-meta/split.yaml",
            ],
        ),
        (&records, "dali", &["data-00000-of-00002.idx"]),
        (&records, "tfrecord-index", &["data-00001-of-00002.index"]),
    ] {
        let ended = kpack(["index", out, "--for", consumer]);
        assert_eq!(ended.code, 0, "{consumer}: {}", ended.err);
        for name in names {
            assert!(Path::new(out).join(name).is_file(), "{consumer} {name}");
        }
    }
    let text = fs::read_to_string(Path::new(&tars).join("data-000000.idx")).unwrap();
    assert!(text.starts_with("v1.2 3\n"), "{text}");
    let yaml = fs::read_to_string(Path::new(&tars).join(".nv-meta/split.yaml")).unwrap();
    assert!(
        yaml.contains("  train:\n  - data-000000.tar\n  - data-000001.tar\n"),
        "{yaml}"
    );
    // A dataset.yaml says how its user cooks samples.
    put(Path::new(&tars), ".nv-meta/dataset.yaml", "mine");
    assert_eq!(kpack(["index", &tars, "--for", "energon", "-q"]).code, 0);
    let kept = fs::read_to_string(Path::new(&tars).join(".nv-meta/dataset.yaml")).unwrap();
    assert_eq!(kept, "mine");
}

#[test]
fn what_a_consumer_cannot_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let gzip = packed(dir.path(), "webdataset", &["--compress", "gzip"]);
    let records = packed(dir.path(), "tfrecord", &[]);
    for (out, consumer, says) in [
        (&gzip, "dali", "compressed"),
        (&records, "wids", "no tar"),
        (&gzip, "tfrecord-index", "not for the tfrecord package"),
    ] {
        let ended = kpack(["index", out, "--for", consumer]);
        assert_eq!(ended.code, 2, "{consumer}: {}", ended.err);
        assert!(ended.err.contains(says), "{}", ended.err);
    }
}

#[test]
fn reading_is_measured_in_every_order() {
    let dir = tempfile::tempdir().unwrap();
    for kind in ["webdataset", "tfrecord"] {
        let out = packed(dir.path(), kind, &[]);
        let ended = kpack([
            "bench",
            "read",
            &out,
            "--cache",
            "both",
            "--repeats",
            "2",
            "-j",
            "2",
            "--json",
        ]);
        assert_eq!(ended.code, 0, "{}", ended.err);
        let report: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
        assert_eq!(report["dataset"]["samples"], 6);
        let results = report["results"].as_array().unwrap();
        // A plain loop, and three orders and clips with and without checksums; warm and cold.
        assert_eq!(results.len(), 18);
        for one in results {
            let samples = if one["mode"] == "clips" { 200 } else { 6 };
            assert_eq!(one["samples"], samples);
            assert_eq!(one["seconds"].as_array().unwrap().len(), 2);
            assert!(one["mb_per_s"].as_f64().unwrap() > 0.0);
        }
    }
}

#[test]
fn measuring_with_checksums_finds_damage() {
    let dir = tempfile::tempdir().unwrap();
    let out = packed(dir.path(), "webdataset", &[]);
    let path = Path::new(&out).join("data-000001.tar");
    let mut bytes = fs::read(&path).unwrap();
    bytes[5000] ^= 1;
    fs::write(&path, bytes).unwrap();
    let args = ["bench", "read", &out, "--repeats", "1", "--mode", "random"];
    assert_eq!(kpack(args.into_iter().chain(["--crc", "no"])).code, 0);
    let ended = kpack(args);
    assert_eq!(ended.code, 4, "{}", ended.err);
    assert!(ended.err.contains("checksum of its index"), "{}", ended.err);
}
