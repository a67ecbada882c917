//! The worked examples of the byte contract.

use std::collections::BTreeMap;

use bytes::Bytes;
use kpack_formats::tfrecord::RecordReader;
use kpack_formats::tfrecord::proto::{
    BytesList, Example, Feature, Features, FloatList, Int64List, Kind, SequenceExample,
};
use kpack_formats::{Blob, Label, ReadOptions, Sample, Schema};
use prost::Message;

use crate::support::{Case, clip, file, record, sample, write};

fn hex(text: &str) -> Vec<u8> {
    text.split_whitespace()
        .map(|b| u8::from_str_radix(b, 16).unwrap())
        .collect()
}

#[test]
fn framing_of_hello_and_the_empty_record() {
    let bytes = hex(
        "05 00 00 00 00 00 00 00 ea b2 04 3e 68 65 6c 6c 6f bb 1f 1c 19
         00 00 00 00 00 00 00 00 29 03 98 07 d8 ea 82 a2",
    );
    assert_eq!([record(b"hello"), record(b"")].concat(), bytes);
    let (_dir, path) = file("tfrecord", &bytes);
    let mut reader = RecordReader::open(&path, &ReadOptions::default()).unwrap();
    assert_eq!(reader.next_record().unwrap().unwrap(), "hello");
    assert_eq!(reader.position(), (0, 21));
    assert_eq!(reader.next_record().unwrap().unwrap(), "");
    assert_eq!(reader.position(), (21, 16));
    assert!(reader.next_record().unwrap().is_none());
}

fn example(name: &str, kind: Option<Kind>) -> Example {
    let feature = BTreeMap::from([(name.to_owned(), Feature { kind })]);
    Example {
        features: Some(Features { feature }),
    }
}

#[test]
fn encoded_examples() {
    let bytes = Kind::Bytes(BytesList {
        value: vec![Bytes::from_static(b"x")],
    });
    let float = Kind::Float(FloatList {
        value: vec![1.5, 2.0],
    });
    let int64 = Kind::Int64(Int64List {
        value: vec![1, 300, -1],
    });
    let empty = Kind::Int64(Int64List { value: vec![] });
    for (example, expected) in [
        (
            example("a", Some(bytes)),
            "0a 0c 0a 0a 0a 01 61 12 05 0a 03 0a 01 78",
        ),
        (
            example("f", Some(float)),
            "0a 13 0a 11 0a 01 66 12 0c 12 0a 0a 08 00 00 c0 3f 00 00 00 40",
        ),
        (
            example("i", Some(int64)),
            "0a 18 0a 16 0a 01 69 12 11 1a 0f 0a 0d 01 ac 02 ff ff ff ff ff ff ff ff ff 01",
        ),
        (
            example("e", Some(empty)),
            "0a 09 0a 07 0a 01 65 12 02 1a 00",
        ),
    ] {
        assert_eq!(example.encode_to_vec(), hex(expected));
        assert_eq!(Example::decode(&hex(expected)[..]).unwrap(), example);
    }
    let unset = hex("0a 07 0a 05 0a 01 75 12 00");
    assert_eq!(Example::decode(&unset[..]).unwrap(), example("u", None));
}

/// Features of other kinds, read from these very bytes, are written as these bytes again.
#[test]
fn our_encoder_writes_the_worked_examples_too() {
    for text in [
        "0a 13 0a 11 0a 01 66 12 0c 12 0a 0a 08 00 00 c0 3f 00 00 00 40",
        "0a 18 0a 16 0a 01 69 12 11 1a 0f 0a 0d 01 ac 02 ff ff ff ff ff ff ff ff ff 01",
        "0a 09 0a 07 0a 01 65 12 02 1a 00",
        "0a 07 0a 05 0a 01 75 12 00",
    ] {
        let payload = hex(text);
        let shard = record(&payload);
        let (samples, error) = crate::support::read(Case::EXAMPLE, &shard);
        assert!(error.is_none(), "{error:?}");
        assert_eq!(
            samples[0].key, "shard-000000",
            "a record without a key gets one"
        );
        let (again, _) = write(Case::EXAMPLE, &samples);
        let feature = &payload[2..];
        assert!(again.windows(feature.len()).any(|w| w == feature), "{text}");
    }
}

/// The writer's own encoding is what prost makes of the same message.
#[test]
fn both_encoders_agree() {
    let mut odd = clip(300);
    odd.labels = vec![
        Label {
            index: Some(-1),
            text: Some("a".into()),
        },
        Label::default(),
    ];
    odd.blobs
        .insert("json".into(), Blob::from(b"not json".to_vec()));
    odd.blobs
        .insert("000009.png".into(), Blob::from(vec![7; 70_000]));
    let bare = sample("bare", &[]);
    for schema in [Schema::Example, Schema::Dmvr] {
        for sample in [clip(1), odd.clone(), bare.clone()] {
            let (shard, _) = write(
                Case {
                    schema,
                    ..Case::EXAMPLE
                },
                &[sample],
            );
            let payload = &shard[12..shard.len() - 4];
            let decoded = SequenceExample::decode(payload).unwrap();
            assert_eq!(decoded.encode_to_vec(), payload, "{schema:?}");
        }
    }
}

#[test]
fn keys_of_features_are_in_byte_order_shorter_first() {
    let (shard, _) = write(
        Case::EXAMPLE,
        &[sample("k", &[("ab", b""), ("a", b""), ("a.b", b"")])],
    );
    let decoded = Example::decode(&shard[12..shard.len() - 4]).unwrap();
    let keys: Vec<String> = decoded.features.unwrap().feature.into_keys().collect();
    assert_eq!(keys, ["a", "a.b", "ab", "key"]);
}

#[test]
fn dmvr_and_mediasequence_keys_are_there() {
    let (shard, _) = write(Case::DMVR, &[clip(3)]);
    let decoded = SequenceExample::decode(&shard[12..shard.len() - 4]).unwrap();
    let context = decoded.context.unwrap().feature;
    let lists = decoded.feature_lists.unwrap().feature_list;
    let int = |name: &str| context[name].one_int().unwrap();
    let text = |name: &str| context[name].one_text().unwrap().to_owned();
    assert_eq!(text("example/id"), "run/clip-0003");
    assert_eq!(int("clip/label/index"), 3);
    assert_eq!(
        (text("clip/label/text"), text("clip/label/string")),
        ("run".into(), "run".into())
    );
    assert_eq!(text("video/filename"), "dump/x y.mp4");
    assert_eq!(text("clip/data_path"), "dump/x y.mp4");
    assert_eq!(
        (int("clip/start/timestamp"), int("clip/end/timestamp")),
        (1_500_000, 2_250_000)
    );
    assert_eq!(
        (
            int("image/width"),
            int("image/height"),
            int("image/channels")
        ),
        (340, 256, 3)
    );
    assert_eq!(text("image/format"), "jpeg");
    assert_eq!(context["image/frame_rate"].one_float(), Some(29.97));
    assert_eq!(
        context["WAVEFORM/feature/sample_rate"].one_float(),
        Some(16000.0)
    );
    assert_eq!(int("WAVEFORM/feature/num_channels"), 1);
    assert_eq!(int("WAVEFORM/feature/num_samples"), 3);
    assert_eq!(
        context["clip/encoded_media_bytes"].one_bytes().unwrap(),
        "a video"
    );
    assert_eq!(lists["image/encoded"].feature.len(), 2);
    assert_eq!(lists["image/timestamp"].feature[1].one_int(), Some(33_300));
    assert_eq!(
        lists["WAVEFORM/feature/floats"].feature[0].floats(),
        Some(&[0.5, -0.5, 3.0][..])
    );
    assert!(
        !context.contains_key("kpack/frame_names"),
        "plain names are not stored"
    );
}

#[test]
fn a_tar_is_plain_ustar_in_order_with_two_zero_blocks() {
    let (shard, _) = write(Case::TAR, &[clip(3), clip(4)]);
    assert_eq!(&shard[shard.len() - 1024..], [0; 1024]);
    let mut archive = tar::Archive::new(&shard[..]);
    let mut names = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let header = entry.header();
        assert!(header.as_ustar().is_some());
        assert_eq!(
            (header.mtime().unwrap(), header.mode().unwrap()),
            (0, 0o644)
        );
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
        let name = entry.path().unwrap().display().to_string();
        let mut data = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut data).unwrap();
        if name == "run/clip-0003.cls" {
            assert_eq!(data, b"3");
        }
        names.push(name);
    }
    assert_eq!(names.len(), 14);
    assert!(names.is_sorted());
    assert_eq!(names[0], "run/clip-0003.000001.jpg");
}

#[test]
fn a_label_without_metadata_is_told_in_the_json() {
    let label = Label {
        index: Some(4),
        text: Some("run".into()),
    };
    let sample = Sample {
        labels: vec![label.clone()],
        ..sample("k", &[("txt", b"x")])
    };
    for case in [Case::TAR, Case::EXAMPLE, Case::DMVR] {
        let (shard, _) = write(case, std::slice::from_ref(&sample));
        let (got, _) = crate::support::read(case, &shard);
        assert_eq!(got[0].labels.first(), Some(&label), "{case:?}");
    }
}
