//! Every pair of formats, forth and back.

use std::path::Path;

use kpack_formats::{Blob, Label, Meta, Sample, WriteOptions, npy};
use serde_json::json;

use super::{converted, kpack, samples, shard, shards};

const TARGETS: &[&[&str]] = &[
    &["webdataset"],
    &["tfrecord"],
    &["tfrecord", "--schema", "dmvr"],
    &["frames"],
    &[
        "frames",
        "--layout",
        "flat",
        "--frame-name",
        "f{}.jpg",
        "--frame-start",
        "0",
    ],
];

fn label(index: Option<i64>, text: Option<&str>) -> Label {
    Label {
        index,
        text: text.map(str::to_owned),
    }
}

fn meta(value: serde_json::Value) -> Meta {
    value.as_object().cloned().unwrap()
}

/// Samples with all that formats disagree about.
fn odd() -> Vec<Sample> {
    let floats = [
        0.1_f32,
        -0.0,
        f32::MIN_POSITIVE,
        f32::NAN,
        f32::INFINITY,
        1e-42,
    ];
    let blob = |bytes: &[u8]| Blob::from(bytes.to_vec());
    let frames = ["000001.jpg", "000002.jpg", "000010.jpg"];
    let frames = frames.map(|n| (n.to_owned(), blob(n.as_bytes())));
    let sample = |key: &str, blobs: &[(&str, Blob)], labels: &[Label], m| Sample {
        key: key.to_owned(),
        blobs: blobs
            .iter()
            .map(|(n, b)| ((*n).to_owned(), b.clone()))
            .collect(),
        labels: labels.to_vec(),
        meta: meta(m),
        ..Sample::default()
    };
    let mut all = vec![
        sample(
            "class/video",
            &[
                ("mp4", blob(b"video")),
                ("wav", blob(b"sound")),
                ("seg.json", blob(b"{ }")),
            ],
            &[label(Some(3), Some("a class"))],
            json!({"source": "a b.mp4", "start": 1.5, "end": 0.1 + 0.2, "fps": 30000.0 / 1001.0, "key": "class/video"}),
        ),
        sample(
            "sound",
            &[("npy", Blob::from(npy::encode(&floats, 1)))],
            &[],
            json!({"sample_rate": 16000, "deep": {"list": [1, 2.5, null, "ü\n"]}, "big": 9_007_199_254_740_993_u64}),
        ),
        sample(
            "two",
            &[
                ("mkv", blob(b"x")),
                ("txt", blob(b"a caption\n")),
                ("empty", blob(b"")),
            ],
            &[label(Some(1), Some("one")), label(Some(7), None)],
            json!({"z": 1, "a": 2}),
        ),
        sample(
            "feature",
            &[
                ("feature.int64.x-2fy", blob(&7_i64.to_le_bytes())),
                ("bin", blob(&[0; 70_000])),
            ],
            &[label(None, Some("text only"))],
            json!({}),
        ),
        sample(
            "plain",
            &[("mp4", blob(b"v"))],
            &[label(Some(-5), None)],
            json!({}),
        ),
        sample(
            "json",
            &[
                ("mp4", blob(b"v")),
                (
                    "json",
                    blob(b"{\n  \"caption\": \"as json.dump writes it\", \"x\": 1.0e3\n}"),
                ),
            ],
            &[label(Some(2), None)],
            json!({}),
        ),
    ];
    let mut with_frames = sample(
        "frames",
        &[("flac", blob(b"f"))],
        &[label(Some(0), Some("k"))],
        json!({"source": "f.mp4", "frame_times": [0.0, 0.033_366_7, 0.1], "width": 340, "height": 256}),
    );
    with_frames.blobs.extend(frames);
    all.push(with_frames);
    all
}

/// Converts `from` into every target and back into its own kind; all must stay as it was.
fn there_and_back(from: &Path, kind: &[&str], dir: &Path) {
    let before = samples(from);
    assert!(!before.is_empty());
    for (i, target) in TARGETS.iter().enumerate() {
        let there = converted(from, &dir.join(format!("{i}-there")), target);
        assert_eq!(samples(&there), before, "{kind:?} to {target:?}");
        let back = converted(&there, &dir.join(format!("{i}-back")), kind);
        assert_eq!(samples(&back), before, "{kind:?} to {target:?} and back");
    }
}

#[test]
fn odd_samples_survive_every_pair_of_formats() {
    let dir = tempfile::tempdir().unwrap();
    let first = dir.path().join("first");
    shard(
        &first.join("odd.tar"),
        "webdataset",
        &WriteOptions::default(),
        &odd(),
    );
    for (i, kind) in TARGETS.iter().enumerate() {
        let work = dir.path().join(format!("from{i}"));
        let start = converted(&first, &work.join("start"), kind);
        assert_eq!(samples(&start), samples(&first), "{kind:?}");
        there_and_back(&start, kind, &work);
    }
}

#[test]
fn packed_clips_survive_and_come_back_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let classes = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/classes");
    let packed = dir.path().join("packed");
    let (classes, out) = (classes.to_str().unwrap(), packed.to_str().unwrap());
    let pack = [
        "webdataset",
        classes,
        "-o",
        out,
        "--frames",
        "5",
        "--audio",
        "wav",
    ];
    let ended = kpack(pack.into_iter().chain(["--video", "copy", "--shards", "2"]));
    assert_eq!(ended.code, 0, "{}", ended.err);
    there_and_back(&packed, &["webdataset"], dir.path());
    for (i, target) in TARGETS.iter().enumerate() {
        let there = dir.path().join(format!("{i}-there"));
        let again = converted(
            &there,
            &dir.path().join(format!("{i}-2")),
            &["webdataset", "--shards", "2"],
        );
        for (a, b) in shards(&packed).iter().zip(shards(&again)) {
            // A tree is read in order of its folders, which are named by class here.
            if target[0] != "frames" {
                assert!(
                    std::fs::read(a).unwrap() == std::fs::read(b).unwrap(),
                    "{:?}",
                    target
                );
            }
        }
        let labels = |dir: &Path| std::fs::read(dir.join("labels.txt")).unwrap();
        assert_eq!(labels(&packed), labels(&again));
    }
}

#[test]
fn every_clip_at_hand_survives() {
    let clips = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/clips");
    if !clips.is_dir() {
        println!("skipped: ../shared/clips is not there");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let packed = dir.path().join("packed");
    let (clips, out) = (clips.to_str().unwrap(), packed.to_str().unwrap());
    let what = [
        "--frames",
        "2",
        "--short-side",
        "64",
        "--audio",
        "f32",
        "--video",
        "copy",
    ];
    let ended = kpack(["webdataset", clips, "-o", out].into_iter().chain(what));
    assert_eq!(ended.code, 3, "some of them are damaged: {}", ended.err);
    there_and_back(&packed, &["webdataset"], dir.path());
}
