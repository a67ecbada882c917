//! Any sample through any format, and through two one after the other.

use kpack_formats::framedir::{self, Naming};
use kpack_formats::{Blob, Label, Meta, ReadOptions, Sample};
use proptest::prelude::*;

use crate::support::{Case, contents, read, read_file, write};

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z ]{0,12}", "\\PC{0,8}", Just("\u{0}\n\"\\".to_owned())]
}

fn label() -> impl Strategy<Value = Label> {
    (
        prop::option::of(prop_oneof![any::<i64>(), 0i64..5]),
        prop::option::of(text()),
    )
        .prop_map(|(index, text)| Label { index, text })
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        text().prop_map(Into::into),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Into::into),
            prop::collection::btree_map(text(), inner, 0..3)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

fn meta() -> impl Strategy<Value = Meta> {
    let names = prop_oneof![
        Just("source"),
        Just("start"),
        Just("end"),
        Just("got_start"),
        Just("fps"),
        Just("width"),
        Just("height"),
        Just("sample_rate"),
        Just("frame_times"),
        Just("label"),
        Just("labels"),
        Just("label_index"),
        Just("note"),
        Just(""),
    ];
    prop::collection::vec((names, json()), 0..6)
        .prop_map(|list| list.into_iter().map(|(n, v)| (n.to_owned(), v)).collect())
}

fn blob_name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (1u32..4, prop_oneof![Just("jpg"), Just("png")])
            .prop_map(|(n, e)| format!("{n:06}.{e}")),
        2 => prop_oneof![Just("mp4"), Just("webm"), Just("npy"), Just("wav")].prop_map(str::to_owned),
        1 => prop_oneof![
            Just("key"), Just("label"), Just("feature.int64.x"), Just("feature.bytes.a-2fb"),
            Just("featurelist.x"), Just("kpack"), Just("000001.txt"), Just("0000001.jpg"),
        ].prop_map(str::to_owned),
        1 => "[a-z0-9_-]{1,6}(\\.[a-z0-9_-]{1,4}){0,2}"
            .prop_filter("labels and metadata have these places", |n| n != "cls" && n != "json"),
    ]
}

fn blob() -> impl Strategy<Value = Blob> {
    let sound = (prop::collection::vec(any::<f32>(), 0..6), 1u64..3).prop_map(|(s, channels)| {
        let whole = s.len() / channels as usize * channels as usize;
        kpack_formats::npy::encode(&s[..whole], channels)
    });
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        prop::collection::vec(any::<u8>(), 500..2000),
        sound,
    ]
    .prop_map(Blob::from)
}

fn any_sample() -> impl Strategy<Value = Sample> {
    (
        "[A-Za-z0-9_-]{1,20}(/[A-Za-z0-9_-]{1,60}){0,4}"
            .prop_filter("webdataset passes these over", |key| !key.starts_with("__")),
        prop::collection::btree_map(blob_name(), blob(), 1..6),
        prop::collection::vec(label(), 0..3),
        meta(),
    )
        .prop_map(|(key, blobs, labels, meta)| Sample {
            key,
            blobs,
            labels,
            meta,
            ..Sample::default()
        })
}

/// Writes and reads one sample.
fn through(case: Case, sample: &Sample) -> Sample {
    let (bytes, _) = write(case, std::slice::from_ref(sample));
    let (mut samples, error) = read(case, &bytes);
    assert!(error.is_none(), "{case:?}: {error:?}");
    assert_eq!(samples.len(), 1);
    samples.remove(0)
}

fn through_frames(sample: &Sample) -> Sample {
    let dir = tempfile::tempdir().unwrap();
    framedir::write(dir.path(), sample, &Naming::default()).unwrap();
    let (mut samples, error) = read_file(dir.path(), &ReadOptions::default());
    assert!(error.is_none(), "{error:?}");
    assert_eq!(samples.len(), 1);
    samples.remove(0)
}

/// Everything but the label fields that a format may add to the metadata.
fn essence(sample: &Sample) -> String {
    let mut sample = sample.clone();
    for name in ["label", "label_index", "labels"] {
        sample.meta.shift_remove(name);
    }
    contents(&sample)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn through_each_format(sample in any_sample()) {
        for case in [Case::TAR, Case::EXAMPLE, Case::DMVR] {
            let once = through(case, &sample);
            prop_assert_eq!(essence(&once), essence(&sample), "{:?}", case);
            prop_assert_eq!(contents(&through(case, &once)), contents(&once), "{:?}", case);
        }
        prop_assert_eq!(contents(&through_frames(&sample)), contents(&sample));
    }

    #[test]
    fn from_one_format_to_another_and_back(sample in any_sample()) {
        let cases = [Case::TAR, Case::EXAMPLE, Case::DMVR];
        for from in cases {
            let start = through(from, &sample);
            for to in cases {
                let there = through(to, &start);
                let back = through(from, &there);
                prop_assert_eq!(essence(&back), essence(&sample), "{:?} to {:?}", from, to);
                let shards = [&start, &back].map(|s| write(from, std::slice::from_ref(s)).0);
                let same_meta = contents(&start) == contents(&back);
                prop_assert_eq!(same_meta, shards[0] == shards[1]);
            }
            let back = through(from, &through_frames(&start));
            prop_assert_eq!(contents(&back), contents(&start));
        }
    }

    #[test]
    fn readers_survive_any_bytes(
        noise in prop::collection::vec(any::<u8>(), 0..600),
        at in 0usize..2000,
    ) {
        for case in [Case::TAR, Case::EXAMPLE, Case::DMVR] {
            let (mut bytes, _) = write(case, &[crate::support::clip(1)]);
            let at = at % bytes.len();
            let end = (at + noise.len()).min(bytes.len());
            bytes[at..end].copy_from_slice(&noise[..end - at]);
            read(case, &bytes);
            read(case, &noise);
            read(case, &crate::support::record(&noise));
        }
    }
}
