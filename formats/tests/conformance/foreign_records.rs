//! Records that others write: read as samples, and nothing of them is lost.

use std::collections::BTreeMap;

use bytes::Bytes;
use kpack_formats::tfrecord::proto::{
    BytesList, Example, Feature, FeatureList, FeatureLists, Features, FloatList, Int64List, Kind,
    SequenceExample,
};
use kpack_formats::{Label, Sample};
use prost::Message;

use crate::support::{Case, assert_same, read, record, write};

fn bytes(values: &[&[u8]]) -> Feature {
    let value = values.iter().map(|v| Bytes::copy_from_slice(v)).collect();
    Feature {
        kind: Some(Kind::Bytes(BytesList { value })),
    }
}
fn ints(value: &[i64]) -> Feature {
    Feature {
        kind: Some(Kind::Int64(Int64List {
            value: value.to_vec(),
        })),
    }
}
fn floats(value: &[f32]) -> Feature {
    Feature {
        kind: Some(Kind::Float(FloatList {
            value: value.to_vec(),
        })),
    }
}

fn features(list: &[(&str, Feature)]) -> Features {
    let feature = list
        .iter()
        .map(|(n, f)| ((*n).to_owned(), f.clone()))
        .collect();
    Features { feature }
}

fn one(case: Case, payload: &[u8]) -> Sample {
    let (samples, error) = read(case, &record(payload));
    assert!(error.is_none(), "{error:?}");
    samples.into_iter().next().unwrap()
}

/// Reads a foreign Example, writes it with schema `example`, and gives the features then.
fn again(list: &[(&str, Feature)]) -> (Sample, BTreeMap<String, Feature>) {
    let payload = Example {
        features: Some(features(list)),
    }
    .encode_to_vec();
    let sample = one(Case::EXAMPLE, &payload);
    let (shard, _) = write(Case::EXAMPLE, std::slice::from_ref(&sample));
    let example = Example::decode(&shard[12..shard.len() - 4]).unwrap();
    (sample, example.features.unwrap().feature)
}

#[test]
fn an_example_of_any_features_is_written_again_as_it_was() {
    let list = [
        ("image/encoded", bytes(&[b"jpeg"])),
        ("image/height", ints(&[256, -1])),
        ("scores", floats(&[0.5, f32::NEG_INFINITY])),
        ("words", bytes(&[b"a", b"", b"\xff"])),
        ("nothing", Feature { kind: None }),
        ("none", ints(&[])),
        ("mp4", bytes(&[b"video"])),
        ("Mixed Case", bytes(&[b"x"])),
        ("feature.bytes.x", bytes(&[b"\x0a\x01y"])),
        ("key", bytes(&[b"the-key"])),
        ("cls", ints(&[3, 4])),
        ("label", bytes(&[b"a", b"b"])),
    ];
    let (sample, features) = again(&list);
    assert_eq!(sample.key, "the-key");
    assert_eq!(
        sample.labels[1],
        Label {
            index: Some(4),
            text: Some("b".into())
        }
    );
    assert_eq!(sample.blobs["mp4"].load().unwrap(), "video");
    let expected: BTreeMap<_, _> = list
        .iter()
        .map(|(n, f)| ((*n).to_owned(), f.clone()))
        .collect();
    assert_eq!(features, expected);
}

#[test]
fn labels_that_contradict_each_other_are_kept_as_they_are() {
    let lists = [
        [("cls", ints(&[3, 4])), ("label", bytes(&[b"a"]))],
        [("cls", bytes(&[b"3"])), ("label", bytes(&[b"a"]))],
        [("cls", ints(&[])), ("label", floats(&[1.0]))],
        [("cls", ints(&[1])), ("label", bytes(&[b"\xff"]))],
    ];
    for list in lists {
        let (sample, features) = again(&list);
        assert!(sample.labels.is_empty());
        for (name, feature) in &list {
            assert_eq!(features.get(*name), Some(feature));
        }
    }
}

/// Unpacked and packed mixed, value before key, an unknown field, a key twice, two kinds.
#[test]
fn what_protobuf_accepts_is_accepted() {
    let entry = |body: &[u8]| {
        let map = [&[0x0a, body.len() as u8], body].concat();
        [&[0x0a, map.len() as u8], &map[..]].concat()
    };
    let mixed = [0x0a, 1, b'i', 0x12, 8, 0x1a, 6, 0x08, 5, 0x0a, 2, 6, 7];
    let value_first = [0x12, 5, 0x1a, 3, 0x0a, 1, 9, 0x0a, 1, b'i'];
    let unknown = [0x0a, 1, b'i', 0x12, 5, 0x1a, 3, 0x0a, 1, 4, 0x4a, 1, 0];
    let twice = [entry(&mixed), entry(&value_first)].concat();
    let two_kinds = [0x0a, 1, b'i', 0x12, 8, 0x0a, 1, 0x0a, 0x1a, 3, 0x0a, 1, 8];
    let int = |bytes: &[u8]| {
        let sample = one(Case::EXAMPLE, bytes);
        let blob = sample.blobs["feature.int64.i"].load().unwrap();
        let (words, _) = blob.as_chunks::<8>();
        words
            .iter()
            .map(|w| i64::from_le_bytes(*w))
            .collect::<Vec<_>>()
    };
    assert_eq!(int(&entry(&mixed)), [5, 6, 7]);
    assert_eq!(int(&entry(&value_first)), [9]);
    assert_eq!(int(&entry(&unknown)), [4]);
    assert_eq!(int(&twice), [9]);
    let (samples, _) = read(Case::EXAMPLE, &record(&entry(&two_kinds)));
    assert!(samples.len() <= 1, "accepted or refused, never a panic");
}

fn sequence(context: &[(&str, Feature)], lists: &[(&str, Vec<Feature>)]) -> SequenceExample {
    let list =
        |(n, f): &(&str, Vec<Feature>)| ((*n).to_owned(), FeatureList { feature: f.clone() });
    SequenceExample {
        context: Some(features(context)),
        feature_lists: Some(FeatureLists {
            feature_list: lists.iter().map(list).collect(),
        }),
    }
}

/// A sample's features after reading and writing, where each of `message` must still be.
fn assert_kept(message: &SequenceExample) -> Sample {
    let sample = one(Case::DMVR, &message.encode_to_vec());
    let (shard, _) = write(Case::DMVR, std::slice::from_ref(&sample));
    let got = SequenceExample::decode(&shard[12..shard.len() - 4]).unwrap();
    let context = got.context.unwrap_or_default().feature;
    for (name, feature) in &message.context.as_ref().unwrap().feature {
        assert_eq!(context.get(name), Some(feature), "{name}");
    }
    let lists = got.feature_lists.unwrap_or_default().feature_list;
    for (name, list) in &message.feature_lists.as_ref().unwrap().feature_list {
        assert_eq!(lists.get(name), Some(list), "{name}");
    }
    // And from then on nothing changes.
    let (settled, error) = read(Case::DMVR, &shard);
    assert!(error.is_none(), "{error:?}");
    assert_same(
        &settled,
        &read(Case::DMVR, &write(Case::DMVR, &settled).0).0,
    );
    sample
}

#[test]
fn mediasequence_records_become_clips_and_nothing_is_lost() {
    let message = sequence(
        &[
            ("example/id", bytes(&[b"id/1"])),
            ("clip/data_path", bytes(&[b"videos/a.mp4"])),
            ("clip/start/timestamp", ints(&[1_500_000])),
            ("clip/end/timestamp", ints(&[11_500_001])),
            ("clip/label/string", bytes(&[b"run", b"jump"])),
            ("clip/label/index", ints(&[3, 7])),
            ("clip/label/confidence", floats(&[0.25, 1.0])),
            ("image/format", bytes(&[b"JPEG"])),
            ("image/frame_rate", floats(&[25.0])),
            ("image/height", ints(&[256])),
            ("image/width", ints(&[340])),
            ("CAPTION/words", bytes(&[b"x", b"y"])),
        ],
        &[
            ("image/encoded", vec![bytes(&[b"one"]), bytes(&[b"two"])]),
            ("image/timestamp", vec![ints(&[0]), ints(&[40_000])]),
            ("region/bbox/xmin", vec![floats(&[0.1, 0.2]), floats(&[])]),
        ],
    );
    let sample = assert_kept(&message);
    assert_eq!(sample.key, "id/1");
    assert_eq!(sample.labels.len(), 2);
    assert_eq!(sample.blobs["000002.jpg"].load().unwrap(), "two");
    assert_eq!(sample.meta["source"], "videos/a.mp4");
    assert_eq!(sample.meta["start"], 1.5);
    assert_eq!(sample.meta["fps"], 25.0);
    assert_eq!(sample.meta["frame_times"][1], 0.04);
}

#[test]
fn malformed_or_unusual_sequences_are_kept_too() {
    let odd_lists: [(&str, Vec<Feature>); 6] = [
        ("image/encoded", vec![bytes(&[b"one"]), bytes(&[])]),
        ("image/encoded", vec![bytes(&[b"one"]), ints(&[3])]),
        ("image/encoded", vec![]),
        ("image/timestamp", vec![ints(&[1, 2])]),
        (
            "WAVEFORM/feature/floats",
            vec![floats(&[0.5]), floats(&[0.25])],
        ),
        ("WAVEFORM/feature/floats", vec![bytes(&[b"x"])]),
    ];
    for list in odd_lists {
        assert_kept(&sequence(&[("example/id", bytes(&[b"k"]))], &[list]));
    }
    for context in [
        ("WAVEFORM/feature/num_channels", ints(&[0])),
        ("WAVEFORM/feature/num_channels", ints(&[-3])),
        ("WAVEFORM/feature/num_channels", ints(&[i64::MAX])),
        ("kpack/json", bytes(&[b"{ }"])),
        ("kpack/frame_names", bytes(&[b"../x"])),
        ("kpack/media_name", bytes(&[b"/etc"])),
        ("clip/start/timestamp", ints(&[i64::MIN])),
        ("image/frame_rate", floats(&[f32::INFINITY])),
    ] {
        let list = ("WAVEFORM/feature/floats", vec![floats(&[0.5, 0.5, 0.5])]);
        let pictures = ("image/encoded", vec![bytes(&[b"\x89PNG"])]);
        assert_kept(&sequence(
            &[("example/id", bytes(&[b"k"])), context],
            &[list, pictures],
        ));
    }
}

/// Found by fuzzing: a key feature of another kind came before the sample's own key.
#[test]
fn a_key_feature_that_is_no_key_does_not_take_its_place() {
    let odd = [
        ints(&[5]),
        bytes(&[b"a", b"b"]),
        bytes(&[b"\xff"]),
        Feature { kind: None },
    ];
    for feature in odd {
        for (case, name) in [(Case::EXAMPLE, "key"), (Case::DMVR, "example/id")] {
            let payload = Example {
                features: Some(features(&[(name, feature.clone())])),
            };
            let first = one(case, &payload.encode_to_vec());
            assert_eq!((first.key.as_str(), first.blobs.len()), ("shard-000000", 1));
            let (shard, _) = write(case, std::slice::from_ref(&first));
            assert_same(&read(case, &shard).0, &[first]);
        }
    }
}
