//! Selection, edits, shards, order, damage.

use std::fs;
use std::path::Path;

use kpack_formats::{Blob, Label, Sample, WriteOptions};

use super::{convert, converted, samples, shard, shards};

/// Two splits with `n` samples each, of two classes.
fn source(dir: &Path, n: usize) {
    for split in ["train", "val"] {
        let sample = |i: usize| Sample {
            key: format!("{split}/k{i:03}"),
            blobs: [("mp4", b"video".to_vec()), ("wav", vec![i as u8; 100 * i])]
                .map(|(n, b)| (n.to_owned(), Blob::from(b)))
                .into(),
            labels: vec![Label {
                index: Some((i % 2) as i64),
                text: Some(["playing piano", "running"][i % 2].to_owned()),
            }],
            ..Sample::default()
        };
        let all: Vec<Sample> = (0..n).map(sample).collect();
        let path = dir.join(format!("{split}-000000.tar"));
        shard(&path, "webdataset", &WriteOptions::default(), &all);
    }
}

fn count(dir: &Path) -> usize {
    samples(dir).len()
}

#[test]
fn samples_are_chosen_by_key_class_and_split() {
    let dir = tempfile::tempdir().unwrap();
    let src = dir.path().join("src");
    source(&src, 10);
    for (i, (args, expected)) in [
        (vec!["--split", "val"], 10),
        (vec!["--class", "playing_piano"], 10),
        (vec!["--class", "run*", "--class", "0"], 20),
        (vec!["--key", "*/k00[123]"], 6),
        (vec!["--key", "train/*", "--class", "1"], 5),
    ]
    .into_iter()
    .enumerate()
    {
        let args: Vec<&str> = ["tfrecord"].into_iter().chain(args).collect();
        let out = converted(&src, &dir.path().join(format!("o{i}")), &args);
        assert_eq!(count(&out), expected, "{args:?}");
    }
    let none = convert(
        &src,
        &dir.path().join("none"),
        &["webdataset", "--key", "x"],
    );
    assert_eq!(none.code, 2);
    assert!(none.err.contains("none of the 20 samples"), "{}", none.err);
}

#[test]
fn splits_stay_apart_and_labels_are_listed() {
    let dir = tempfile::tempdir().unwrap();
    let src = dir.path().join("src");
    source(&src, 10);
    let args = ["webdataset", "--shard-samples", "4"];
    let out = converted(&src, &dir.path().join("out"), &args);
    let names: Vec<String> = shards(&out)
        .iter()
        .map(|p| p.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    let of = |split: &str| {
        (0..3)
            .map(|i| format!("{split}-00000{i}.tar"))
            .collect::<Vec<_>>()
    };
    assert_eq!(names, [of("train"), of("val")].concat());
    let labels = fs::read_to_string(out.join("labels.txt")).unwrap();
    assert_eq!(labels, "playing piano\nrunning\n");
    let rows = fs::read_to_string(out.join("samples.jsonl")).unwrap();
    assert_eq!(rows.lines().count(), 20);
    assert!(rows.contains(r#""split":"val""#) && rows.contains(r#""label":"running""#));
}

#[test]
fn blobs_are_dropped_and_renamed() {
    let dir = tempfile::tempdir().unwrap();
    let src = dir.path().join("src");
    source(&src, 2);
    let args = ["webdataset", "--drop", "w*", "--rename", "mp4=clip.mp4"];
    let out = converted(&src, &dir.path().join("out"), &args);
    for one in samples(&out).values() {
        assert_eq!(one.blobs.keys().collect::<Vec<_>>(), ["clip.mp4"]);
    }
    // Another edit is another dataset.
    let other = convert(&src, &out, &["webdataset", "--drop", "mp4"]);
    assert_eq!(other.code, 2, "{}", other.err);
    let clash = convert(
        &src,
        &dir.path().join("x"),
        &["webdataset", "--rename", "mp4=wav"],
    );
    assert_eq!(clash.code, 3, "{}", clash.err);
    assert!(
        clash.err.contains("two blobs would be named wav"),
        "{}",
        clash.err
    );
}

/// Metadata and label can be given another name too, and what finds nothing is said.
#[test]
fn metadata_is_renamed_and_edits_without_effect_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("one.tar");
    let mut one = Sample {
        key: "a".to_owned(),
        meta: serde_json::json!({"frames": 2, "frame_times": [0.0, 0.5], "note": "x"})
            .as_object()
            .cloned()
            .unwrap(),
        ..Sample::default()
    };
    for name in ["mp4", "000001.jpg", "000002.jpg"] {
        one.blobs
            .insert(name.to_owned(), Blob::from(b"data".to_vec()));
    }
    shard(&path, "webdataset", &WriteOptions::default(), &[one]);
    let args = [
        "webdataset",
        "--rename",
        "json=info.json",
        "--rename",
        "nosuch=x",
        "--drop",
        "wav",
    ];
    let ended = convert(&path, &dir.path().join("renamed"), &args);
    assert_eq!(ended.code, 0, "{}", ended.err);
    for said in ["--rename nosuch finds no blob", "--drop wav finds no blob"] {
        assert!(ended.err.contains(said), "{}", ended.err);
    }
    assert!(!ended.err.contains("json finds"), "{}", ended.err);
    let all = samples(&dir.path().join("renamed"));
    assert!(all["a"].blobs.contains_key("info.json"));
    assert_eq!(all["a"].meta, serde_json::json!({}));

    // Without its frames a sample tells nothing of them.
    let args = ["webdataset", "--drop", "*.jpg"];
    let out = converted(&path, &dir.path().join("dropped"), &args);
    assert_eq!(samples(&out)["a"].meta, serde_json::json!({"note": "x"}));
    let rows = fs::read_to_string(out.join("samples.jsonl")).unwrap();
    assert!(!rows.contains("\"frames\""), "{rows}");
}

/// Rows have the checksums too, where an index is gone or of another shard.
#[test]
fn damage_is_found_by_the_rows_where_the_index_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let src = dir.path().join("src");
    source(&src, 4);
    let set = converted(&src, &dir.path().join("set"), &["webdataset"]);
    let path = shards(&set).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(300).position(|w| w == [3; 300]).unwrap();
    bytes[at + 7] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let index = format!("{}.kidx", path.display());
    let whole = fs::read(&index).unwrap();
    let other = fs::read(format!("{}.kidx", shards(&set)[1].display())).unwrap();
    for (n, index_bytes) in [
        whole.clone(),
        whole[..whole.len() / 2].to_vec(),
        other,
        Vec::new(),
    ]
    .into_iter()
    .enumerate()
    {
        fs::write(&index, index_bytes).unwrap();
        let out = dir.path().join(format!("out{n}"));
        let ended = convert(&set, &out, &["tfrecord"]);
        assert_eq!(ended.code, 3, "{n}: {}", ended.err);
        assert_eq!(count(&out), 7, "{n}");
        assert!(ended.err.contains("corrupt"), "{}", ended.err);
    }
}

#[test]
fn order_is_shuffled_by_seed_for_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let src = dir.path().join("src");
    source(&src, 40);
    let run = |name: &str, seed: &str, threads: &str| {
        let args = [
            "tfrecord",
            "--shuffle",
            seed,
            "-j",
            threads,
            "--shard-size",
            "20k",
            "--compress",
            "gzip",
        ];
        let out = converted(&src, &dir.path().join(name), &args);
        let all = shards(&out);
        assert!(all.len() > 4);
        all.iter()
            .flat_map(|p| fs::read(p).unwrap())
            .collect::<Vec<u8>>()
    };
    let one = run("a", "5", "1");
    assert!(one == run("b", "5", "3"));
    assert!(one != run("c", "6", "2"));
    // Compressed shards come in too, in another order, and go back into theirs.
    let back = converted(
        &dir.path().join("a"),
        &dir.path().join("back"),
        &["webdataset", "--shuffle", "1"],
    );
    assert_eq!(samples(&back), samples(&src));
}

#[test]
fn a_damaged_record_fails_alone_and_a_torn_shard_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let src = dir.path().join("src");
    source(&src, 10);
    let records = converted(
        &src,
        &dir.path().join("records"),
        &["tfrecord", "--split", "train"],
    );
    let path = shards(&records).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let out = dir.path().join("out");
    let ended = convert(&records, &out, &["webdataset"]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert!(ended.err.contains("corrupt"), "{}", ended.err);
    assert_eq!(count(&out), 9);
    fs::write(&path, &bytes[..middle]).unwrap();
    let torn = convert(&path, &dir.path().join("torn"), &["webdataset"]);
    assert_ne!(torn.code, 0);
    assert!(torn.err.contains("kpack repair"), "{}", torn.err);
    assert!(!dir.path().join("torn").join("data-000000.tar").exists());
}

#[test]
fn a_finished_conversion_is_not_repeated_and_its_own_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let src = dir.path().join("src");
    source(&src, 4);
    let out = converted(&src, &dir.path().join("out"), &["frames"]);
    let again = convert(&src, &out, &["frames"]);
    assert_eq!(again.code, 0, "{}", again.err);
    let own = convert(&src, &src, &["webdataset"]);
    assert_eq!(own.code, 2);
    assert!(own.err.contains("into its own folder"), "{}", own.err);
}
