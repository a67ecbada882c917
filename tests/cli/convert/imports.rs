//! Shards that other people's tools write.

use std::fs;
use std::path::Path;

use kpack_formats::tfrecord::proto::{
    BytesList, Example, Feature, Features, FloatList, Int64List, Kind,
};
use prost::Message as _;
use serde_json::json;

use super::{convert, converted, samples};

/// A tar header block as GNU tar and Python write it.
pub(in crate::cli) fn header(name: &str, size: usize, kind: u8, magic: &[u8; 8]) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[100..108].copy_from_slice(b"0000444\0");
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[136..148].copy_from_slice(b"14700000000\0");
    block[156] = kind;
    block[257..265].copy_from_slice(magic);
    block[148..156].copy_from_slice(b"        ");
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

pub(in crate::cli) fn member(tar: &mut Vec<u8>, head: Vec<u8>, data: &[u8]) {
    tar.extend(head);
    tar.extend(data);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

pub(in crate::cli) const USTAR: &[u8; 8] = b"ustar\x0000";
pub(in crate::cli) const GNU: &[u8; 8] = b"ustar  \0";

/// As webdataset's TarWriter does: a PAX header with a fractional time before every member.
fn pax(tar: &mut Vec<u8>, name: &str, data: &[u8]) {
    let record = b"28 mtime=1700000000.1234567\n";
    member(
        tar,
        header("././@PaxHeader", record.len(), b'x', USTAR),
        record,
    );
    member(tar, header(name, data.len(), b'0', USTAR), data);
}

#[test]
fn a_folder_of_video2dataset_comes_in_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    let src = dir.path().join("src");
    fs::create_dir_all(&src).unwrap();
    let text = b"{\n    \"url\": \"https://x/v.mp4\",\n    \"key\": \"000000000\",\n    \"status\": \"success\"\n}";
    for shard in 0..2 {
        let mut tar = Vec::new();
        for i in 0..3 {
            let key = format!("{:09}", shard * 10000 + i);
            pax(&mut tar, &format!("{key}.json"), text);
            pax(
                &mut tar,
                &format!("{key}.mp4"),
                format!("video {key}").as_bytes(),
            );
            pax(&mut tar, &format!("{key}.txt"), "caption ü".as_bytes());
        }
        tar.resize(tar.len() + 1024, 0);
        fs::write(src.join(format!("{shard:05}.tar")), tar).unwrap();
        fs::write(src.join(format!("{shard:05}_stats.json")), "{}").unwrap();
        fs::write(src.join(format!("{shard:05}.parquet")), "PAR1").unwrap();
    }
    for target in ["webdataset", "tfrecord", "frames"] {
        let out = dir.path().join(target);
        let ended = convert(&src, &out, &[target]);
        assert_eq!(ended.code, 0, "{}", ended.err);
        let told = "passed over: 4 files beside the shards, for example ";
        assert!(ended.err.contains(told), "{}", ended.err);
        let all = samples(&out);
        assert_eq!(all.len(), 6);
        let one = &all["000010002"];
        assert_eq!(
            one.blobs["json"],
            (text.len() as u64, crc32c::crc32c(text)),
            "{target}"
        );
        assert_eq!(one.blobs["mp4"].1, crc32c::crc32c(b"video 000010002"));
        assert!(one.blobs.contains_key("txt"));
    }
}

#[test]
fn gnu_tars_with_long_names_repeated_keys_and_strange_ones_come_in() {
    let dir = tempfile::tempdir().unwrap();
    let src = dir.path().join("src");
    fs::create_dir_all(&src).unwrap();
    let long = format!("{}/clip.mp4", "folder".repeat(30));
    for shard in ["a", "b"] {
        let mut tar = Vec::new();
        member(&mut tar, header("./", 0, b'5', GNU), b"");
        member(&mut tar, header("./with space.mp4", 1, b'0', GNU), b"v");
        let name = format!("{long}\0");
        member(
            &mut tar,
            header("././@LongLink", name.len(), b'L', GNU),
            name.as_bytes(),
        );
        member(&mut tar, header(&long[..100], 2, b'0', GNU), b"vv");
        tar.resize(tar.len().next_multiple_of(10240), 0);
        // As `cat a.tar b.tar` leaves it.
        member(
            &mut tar,
            header(&format!("{shard}.cls"), 1, b'0', GNU),
            b"4",
        );
        tar.resize(tar.len() + 1024, 0);
        fs::write(src.join(format!("{shard}.tar")), tar).unwrap();
    }
    let out = converted(&src, &dir.path().join("out"), &["tfrecord"]);
    let all = samples(&out);
    assert_eq!(all.len(), 6);
    assert!(all.contains_key("with_space") && all.contains_key(&long[..long.len() - 4]));
    assert_eq!(all["a"].labels[0].index, Some(4));
    let hashed = all.keys().filter(|k| k.starts_with("with_space-")).count();
    assert_eq!(hashed, 1);
}

fn framed(payload: &[u8]) -> Vec<u8> {
    let mask = |bytes: &[u8]| {
        crc32c::crc32c(bytes)
            .rotate_right(15)
            .wrapping_add(0xA282_EAD8)
    };
    let length = (payload.len() as u64).to_le_bytes();
    let crc = mask(&length).to_le_bytes();
    [&length[..], &crc, payload, &mask(payload).to_le_bytes()].concat()
}

fn records(path: &Path, examples: &[Example]) {
    let all: Vec<u8> = examples
        .iter()
        .flat_map(|e| framed(&e.encode_to_vec()))
        .collect();
    fs::write(path, all).unwrap();
}

fn bytes(text: &[u8]) -> Feature {
    let value = vec![bytes::Bytes::copy_from_slice(text)];
    let kind = Some(Kind::Bytes(BytesList { value }));
    Feature { kind }
}

fn example(features: Vec<(&str, Feature)>) -> Example {
    let feature = features
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v))
        .collect();
    Example {
        features: Some(Features { feature }),
    }
}

#[test]
fn records_of_others_keep_every_feature_through_a_tar() {
    let dir = tempfile::tempdir().unwrap();
    let src = dir.path().join("src");
    fs::create_dir_all(&src).unwrap();
    let floats = |value: Vec<f32>| Feature {
        kind: Some(Kind::Float(FloatList { value })),
    };
    let ints = |value: Vec<i64>| Feature {
        kind: Some(Kind::Int64(Int64List { value })),
    };
    let one = |i: u8| {
        example(vec![
            ("video/encoded", bytes(&[i; 9])),
            ("Scores", floats(vec![0.1, f32::from(i)])),
            ("clip/frames", ints(vec![-1, i64::MAX])),
            ("caption", bytes("ein schöner Tag".as_bytes())),
            ("nothing", Feature { kind: None }),
        ])
    };
    records(
        &src.join("fake-train.tfrecord-00000-of-00001"),
        &[one(1), one(2)],
    );
    let tar = converted(&src, &dir.path().join("tar"), &["webdataset"]);
    assert_eq!(
        samples(&tar).keys().collect::<Vec<_>>(),
        ["fake-train-000000", "fake-train-000001"]
    );
    let back = converted(&tar, &dir.path().join("back"), &["tfrecord"]);
    assert_eq!(samples(&back), samples(&tar));
    let path = back.join("train-00000-of-00001.tfrecord");
    let options = kpack_formats::ReadOptions::default();
    let mut reader = kpack_formats::tfrecord::RecordReader::open(&path, &options).unwrap();
    let payload = reader.next_record().unwrap().unwrap();
    let got: Example = Example::decode(payload).unwrap();
    let mut features = got.features.unwrap().feature;
    // Only the key is new.
    assert!(features.remove("key").is_some());
    assert_eq!(features, one(1).features.unwrap().feature);
}

#[test]
fn sound_records_become_arrays() {
    let dir = tempfile::tempdir().unwrap();
    let src = dir.path().join("src");
    fs::create_dir_all(&src).unwrap();
    let raw: Vec<u8> = [0.5_f32, -0.25]
        .iter()
        .flat_map(|f| f.to_le_bytes())
        .collect();
    let int = |i| Feature {
        kind: Some(Kind::Int64(Int64List { value: vec![i] })),
    };
    let sound = example(vec![
        ("path", bytes(b"train_sound/singing/abc.mp3")),
        ("length", int(2)),
        ("sound_raw", bytes(&raw)),
        ("cls_id", int(7)),
    ]);
    records(&src.join("train.tfrecord"), std::slice::from_ref(&sound));
    let tar = converted(&src, &dir.path().join("tar"), &["webdataset"]);
    let all = samples(&tar);
    let one = &all["train_sound/singing/abc"];
    assert_eq!(one.labels[0].index, Some(7));
    assert_eq!(one.meta, json!({"source": "train_sound/singing/abc.mp3"}));
    let back = converted(
        &tar,
        &dir.path().join("back"),
        &["tfrecord", "--schema", "sound"],
    );
    let written = fs::read(back.join("train-00000-of-00001.tfrecord")).unwrap();
    assert_eq!(written, framed(&sound.encode_to_vec()));
}

/// What is wrong with one sample only costs that sample, which is a failed row.
#[test]
fn a_sample_that_cannot_be_read_is_a_row_and_the_others_come_in() {
    let dir = tempfile::tempdir().unwrap();
    let mut tar = Vec::new();
    let mut put = |name: &[u8]| {
        let mut head = header(&"x".repeat(name.len()), 3, b'0', USTAR);
        head[..name.len()].copy_from_slice(name);
        head[148..156].copy_from_slice(b"        ");
        let sum: u32 = head.iter().map(|b| u32::from(*b)).sum();
        head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        member(&mut tar, head, b"abc");
    };
    let names: [&[u8]; 10] = [
        b"a.mp4",
        b"twice.mp4",
        b"twice.mp4",
        b"twice.txt",
        b"b.mp4",
        b"caf\xe9.mp4",
        b"c.mp4",
        b"c.",
        b"c.txt",
        b"d.mp4",
    ];
    names.into_iter().for_each(&mut put);
    tar.extend([0; 1024]);
    let source = dir.path().join("odd.tar");
    fs::write(&source, tar).unwrap();
    let good = ["a", "b", "d"];
    check_odd(&source, &good, &["twice", "UTF-8", "ends in a dot"]);

    let source = dir.path().join("odd.tfrecord");
    let one = |key: &str, name: &str| {
        example(vec![("key", bytes(key.as_bytes())), (name, bytes(b"abc"))]).encode_to_vec()
    };
    let long = "X".repeat(100);
    let payloads = [
        one("a", "mp4"),
        b"no example".to_vec(),
        one("b", "mp4"),
        one("c", ""),
        one("long", &long),
        one("d", "mp4"),
    ];
    fs::write(
        &source,
        payloads.iter().flat_map(|p| framed(p)).collect::<Vec<u8>>(),
    )
    .unwrap();
    check_odd(&source, &good, &["no tf.train.Example"]);
}

/// Halves of a sample that do not stand together make no sample, and none is called done.
#[test]
fn a_tar_that_is_not_sorted_gives_no_half_samples() {
    let dir = tempfile::tempdir().unwrap();
    let mut tar = Vec::new();
    for name in ["a.mp4", "b.mp4", "c.mp4", "a.txt", "b.txt"] {
        member(&mut tar, header(name, 3, b'0', USTAR), b"abc");
    }
    tar.extend([0; 1024]);
    let source = dir.path().join("x.tar");
    fs::write(&source, tar).unwrap();
    for to in ["webdataset", "mds"] {
        let out = dir.path().join(to);
        let ended = super::convert(&source, &out, &[to]);
        assert_eq!(ended.code, 3, "{}", ended.err);
        assert!(ended.err.contains("sort the archive"), "{}", ended.err);
        if to == "webdataset" {
            assert_eq!(samples(&out).into_keys().collect::<Vec<_>>(), ["c"]);
        }
    }
}

/// A `cls` member that is no plain number stays as it is, beside JSON that tells another label.
#[test]
fn a_cls_blob_and_labels_in_json_do_not_get_in_each_others_way() {
    let dir = tempfile::tempdir().unwrap();
    let mut tar = Vec::new();
    let json = br#"{"label": "cat", "label_index": 0}"#;
    for (name, data) in [("a.cls", &b"7\n"[..]), ("a.json", json), ("a.mp4", b"abc")] {
        member(&mut tar, header(name, data.len(), b'0', USTAR), data);
    }
    tar.extend([0; 1024]);
    let source = dir.path().join("src");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("x.tar"), tar).unwrap();
    let before = samples(&source);
    let out = converted(&source, &dir.path().join("out"), &["webdataset"]);
    assert_eq!(samples(&out)["a"].blobs, before["a"].blobs);
    let args = ["webdataset", "--rename", "cls=class_id"];
    let out = converted(&source, &dir.path().join("renamed"), &args);
    assert_eq!(
        samples(&out)["a"].blobs["class_id"],
        before["a"].blobs["cls"]
    );
}

fn check_odd(source: &Path, good: &[&str], reasons: &[&str]) {
    let out = source.with_extension(format!("{}-out", good.len() + reasons.len()));
    let ended = super::convert(source, &out, &["webdataset"]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    let there: Vec<String> = samples(&out).into_keys().collect();
    assert_eq!(there, good);
    let rows = fs::read_to_string(out.join("samples.jsonl")).unwrap();
    let failed: Vec<&str> = rows
        .lines()
        .filter(|row| row.contains("\"failed\""))
        .collect();
    assert_eq!(failed.len(), 3, "{rows}");
    for reason in reasons {
        assert!(
            failed.iter().any(|row| row.contains(reason)),
            "{reason}: {rows}"
        );
    }
    let name = source.file_name().unwrap().to_str().unwrap();
    assert!(
        failed
            .iter()
            .all(|row| row.contains(name) && row.contains("byte ")),
        "{rows}"
    );
}
