#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::Label;

fn sample(key: &str, index: Option<i64>) -> Sample {
    let mut sample = Sample {
        key: key.to_owned(),
        labels: index
            .map(|index| Label {
                index: Some(index),
                text: None,
            })
            .into_iter()
            .collect(),
        ..Sample::default()
    };
    sample.meta.insert("a".to_owned(), 0.into());
    sample
}

#[test]
fn a_shard_has_the_bytes_that_the_reference_writes() {
    let samples = [sample("k0", Some(0)), sample("k1", None)];
    let mut holdings = Holdings::default();
    samples.iter().for_each(|sample| holdings.add(sample));
    let columns = MdsColumns::new(&holdings, Some(1 << 26)).unwrap();
    let mut shard = columns.shard();
    for sample in &samples {
        shard.push(columns.encode(sample).unwrap());
    }
    let mut bytes = Vec::new();
    shard.write(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, shard.info().bytes);
    let config = r#"{"column_encodings": ["int", "json", "str"], "column_names": ["cls", "json", "key"], "column_sizes": [8, null, null], "compression": null, "format": "mds", "hashes": [], "size_limit": 67108864, "version": 2}"#;
    let first = 16 + config.len() as u32;
    let mut expected = Vec::new();
    for number in [2, first, first + 25, first + 50] {
        expected.extend_from_slice(&u32::to_le_bytes(number));
    }
    expected.extend_from_slice(config.as_bytes());
    for (index, key) in [(0_i64, "k0"), (-1, "k1")] {
        expected.extend_from_slice(&[7, 0, 0, 0, 2, 0, 0, 0]);
        expected.extend_from_slice(&index.to_le_bytes());
        expected.extend_from_slice(br#"{"a":0}"#);
        expected.extend_from_slice(key.as_bytes());
    }
    assert_eq!(bytes, expected);
    let index = columns.index(&[shard.info()]);
    let read: serde_json::Value = serde_json::from_str(&index).unwrap();
    assert_eq!(read["shards"][0]["raw_data"]["bytes"], bytes.len());
    assert_eq!(read["shards"][0]["samples"], 2);
}

#[test]
fn what_no_column_can_hold_is_refused() {
    let mut one = sample("k", None);
    one.blobs.insert("key".into(), Blob::from(vec![1]));
    let mut holdings = Holdings::default();
    holdings.add(&one);
    assert!(MdsColumns::new(&holdings, None).is_err());
    let mut framed = Holdings {
        frames: true,
        ..Holdings::default()
    };
    framed.add(&sample("k", None));
    let columns = MdsColumns::new(&framed, None).unwrap();
    assert!(columns.encode(&sample("k", None)).is_err(), "no frames");
    assert!(columns.encode(&one).is_err(), "no column");
}

#[test]
fn a_shard_ends_before_the_sample_that_would_pass_its_limit() {
    let one = sample("k", None);
    let mut holdings = Holdings::default();
    holdings.add(&one);
    // The limit stands in the head: all of these have three digits.
    let any = MdsColumns::new(&holdings, Some(999)).unwrap();
    let each = any.encode(&one).unwrap().bytes() + 4;
    let room = any.shard().info().bytes + 3 * each;
    assert!((101..1000).contains(&room), "{room}");
    for (limit, fits) in [(room, 3), (room - 1, 2), (100, 1)] {
        let columns = MdsColumns::new(&holdings, Some(limit)).unwrap();
        let mut shard = columns.shard();
        for _ in 0..fits {
            let encoded = columns.encode(&one).unwrap();
            assert!(!shard.is_full_for(&encoded), "limit {limit}");
            shard.push(encoded);
        }
        assert!(
            shard.is_full_for(&columns.encode(&one).unwrap()),
            "limit {limit}"
        );
    }
}
