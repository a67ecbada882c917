//! `kpack index`: files for other readers. Their bytes are compared with those of the readers' own
//! tools in tests/conformance.

use std::fs;
use std::path::Path;

use super::convert::imports::{USTAR, header, member};
use super::energon::{Name, tar};
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

/// The urls and sample counts that wids is told.
fn wids_list(folder: &Path) -> Vec<(String, u64)> {
    let text = fs::read_to_string(folder.join("shardindex.json")).unwrap();
    let list: serde_json::Value = serde_json::from_str(&text).unwrap();
    let one = |shard: &serde_json::Value| {
        let url = shard["url"].as_str().unwrap().to_owned();
        (url, shard["nsamples"].as_u64().unwrap())
    };
    list["shardlist"]
        .as_array()
        .unwrap()
        .iter()
        .map(one)
        .collect()
}

#[test]
fn the_paths_that_wids_is_told_lead_to_the_shards() {
    let dir = tempfile::tempdir().unwrap();
    let tars = packed(dir.path(), "webdataset", &[]);
    let list = |out: &str| {
        let out = dir.path().join(out);
        let ended = kpack([
            "index",
            &tars,
            "--for",
            "wids",
            "-o",
            out.to_str().unwrap(),
            "-q",
        ]);
        assert_eq!(ended.code, 0, "{}", ended.err);
        let list = wids_list(&out);
        for (url, samples) in &list {
            assert!(out.join(url).is_file(), "{url}");
            assert_eq!(*samples, 3);
        }
        list[0].0.clone()
    };
    let in_temporary = dir.path().canonicalize().unwrap() == dir.path();
    let beside = list("lists/wids");
    assert!(
        !in_temporary || beside == "../../webdataset/data-000000.tar",
        "{beside}"
    );
    assert_eq!(list(""), "webdataset/data-000000.tar");
    assert_eq!(list("webdataset"), "data-000000.tar");
    // wids would take the .. behind a link for the folder of the link.
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("lists/wids", dir.path().join("link")).unwrap();
        assert!(Path::new(&list("link")).is_absolute());
    }
}

#[test]
fn wids_is_told_the_samples_that_it_reads() {
    let dir = tempfile::tempdir().unwrap();
    let tar = |names: &[&str]| {
        let kind = |name: &str| match name.len() > 100 {
            true => Name::Gnu,
            false => Name::Plain,
        };
        let members = names.iter().map(|name| (kind(name), *name, &b"x"[..]));
        tar(&members.collect::<Vec<_>>())
    };
    let long = format!("{}.jpg", "l".repeat(120));
    for (names, samples, says) in [
        (&["a.jpg", "a.cls", "b.jpg"][..], Some(2), "2 samples"),
        (
            &["a.jpg", "b.jpg", "a.jpg", "b.jpg"],
            Some(2),
            "never reads the last 2 members",
        ),
        (&["a.jpg", &long], Some(1), "1 members have other names"),
        (&[&long], None, "wids sees no sample"),
        (
            &["a.jpg", "a.jpg", "b.jpg"],
            None,
            "has the name of one before it",
        ),
    ] {
        let shard = put(dir.path(), "s.tar", tar(names));
        let ended = kpack(["index", shard.to_str().unwrap(), "--for", "wids"]);
        assert_eq!(ended.code == 0, samples.is_some(), "{}", ended.err);
        assert!(ended.err.contains(says), "{}", ended.err);
        if let Some(samples) = samples {
            assert_eq!(wids_list(dir.path()), [("s.tar".to_owned(), samples)]);
        }
    }
}

#[test]
fn the_index_of_dali_has_what_its_tool_lists() {
    let dir = tempfile::tempdir().unwrap();
    let mut tar = Vec::new();
    for (name, kind) in [("é.jpg", b'0'), ("cont.jpg", b'7'), ("z.jpg", b'0')] {
        member(&mut tar, header(name, 1, kind, USTAR), b"x");
    }
    tar.resize(tar.len() + 1024, 0);
    let shard = put(dir.path(), "s.tar", tar);
    let ended = kpack(["index", shard.to_str().unwrap(), "--for", "dali", "-q"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let text = fs::read_to_string(dir.path().join("s.idx")).unwrap();
    assert_eq!(text, "v1.2 2\njpg 512 1 é.jpg\njpg 2560 1 z.jpg\n");
}

/// Indexes of tars that DALI refuses, or dies of; made of one that is good, of three samples.
fn broken_of_tar(good: &str) -> Vec<(String, &'static str)> {
    let (begin, last) = good.trim_end().rsplit_once('\n').unwrap();
    let line = |at: usize, with: &str| {
        let mut words: Vec<&str> = last.split(' ').collect();
        words[at] = with;
        format!("{begin}\n{}\n", words.join(" "))
    };
    vec![
        (line(2, "99999999"), "line 4: offset"),
        (
            line(1, "99999999999999999999"),
            "line 4: offset or size is no number",
        ),
        (line(1, "513"), "line 4: the shard has no member"),
        (format!("{begin}\n\n"), "line 4: does not have"),
        (format!("{begin}\n"), "line 1: says 3 samples, and 2 follow"),
        (good.replace("v1.2 3", "v1.2 4"), "line 1: says 4"),
        (good.replace("v1.2 3", "v1.2 0"), "line 1: says no number"),
        (good.replace("v1.2", "v2.0"), "line 1: does not say v1.2"),
    ]
}

fn broken_of_records(good: &str) -> Vec<(String, &'static str)> {
    let (begin, _) = good.trim_end().rsplit_once(' ').unwrap();
    vec![
        (format!("{begin} 99999999\n"), "end behind the"),
        (
            format!("{good}0 1\n"),
            "the shard has no record of 1 bytes at offset 0",
        ),
        (format!("{good}0\n"), "is not the offset and size"),
        (String::new(), "holds nothing"),
    ]
}

/// The index of a tar as wds2idx wrote it before it knew names.
fn older(good: &str) -> String {
    let lines = good.lines().skip(1).map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let members = words.chunks(4).map(|member| member[..3].join(" "));
        members.collect::<Vec<_>>().join(" ")
    });
    format!("v1.1 3\n{}", lines.collect::<Vec<_>>().join("\n"))
}

#[test]
fn an_index_that_would_crash_dali_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    for (kind, index) in [
        ("webdataset", "data-000000.idx"),
        ("tfrecord", "data-00000-of-00002.idx"),
    ] {
        let out = packed(dir.path(), kind, &[]);
        assert_eq!(kpack(["index", &out, "--for", "dali", "-q"]).code, 0);
        let path = Path::new(&out).join(index);
        let good = fs::read_to_string(&path).unwrap();
        let (broken, other) = match kind {
            "webdataset" => (broken_of_tar(&good), older(&good)),
            _ => (broken_of_records(&good), format!("{good}\n")),
        };
        for (text, says) in broken {
            fs::write(&path, text).unwrap();
            let ended = kpack(["verify", &out, "-q"]);
            assert_eq!((ended.code, ended.out.lines().count()), (4, 1), "{says}");
            let named = ended.out.contains(index) && ended.out.contains(says);
            assert!(named, "{says}: {}", ended.out);
        }
        for text in [good.clone(), good.replace('\n', "\r\n"), other] {
            fs::write(&path, text).unwrap();
            let ended = kpack(["verify", &out, "-q"]);
            assert_eq!((ended.code, &*ended.out), (0, ""), "{}", ended.err);
        }
    }
}

#[test]
fn the_index_of_a_larger_shard_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let out = packed(dir.path(), "webdataset", &[]);
    assert_eq!(kpack(["index", &out, "--for", "dali", "-q"]).code, 0);
    let file = |name: &str| Path::new(&out).join(name);
    let whole = fs::read(file("data-000000.tar")).unwrap();
    let alone = put(dir.path(), "alone/a.tar", &whole[..2048]);
    fs::copy(file("data-000000.idx"), alone.with_extension("idx")).unwrap();
    let ended = kpack(["verify", alone.to_str().unwrap(), "-q"]);
    assert_eq!(ended.code, 4);
    assert!(ended.out.contains("a.idx: line 2"), "{}", ended.out);
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
