#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "a test")]
use kpack_formats::*;
#[test]
fn smoke() {
    let dir = tempfile::tempdir().unwrap();
    for f in FORMATS {
        for schema in [Schema::Example, Schema::Dmvr] {
            let Layout::Log { create } = f.layout else {
                continue;
            };
            let path = dir.path().join(format!("x{schema:?}.{}", f.extensions[0]));
            let file = std::fs::File::create(&path).unwrap();
            let mut w = create(file, 0, &WriteOptions { schema }).unwrap();
            let mut extents = vec![];
            for i in 0..5 {
                let mut s = Sample {
                    key: format!("c/k{i}"),
                    ..Default::default()
                };
                s.blobs
                    .insert("000001.jpg".into(), Blob::from(vec![1u8; 30000]));
                s.blobs
                    .insert("000002.jpg".into(), Blob::from(vec![2u8; 10]));
                s.blobs.insert("mp4".into(), Blob::from(vec![3u8; 3 << 20]));
                s.blobs
                    .insert("npy".into(), npy::encode(&[1.0, 2.0], 2).into());
                s.blobs.insert("wav".into(), Blob::from(vec![]));
                s.meta.insert("fps".into(), 25.5.into());
                s.meta.insert("source".into(), "x.mp4".into());
                s.meta.insert("label".into(), "run".into());
                s.meta.insert("label_index".into(), 4.into());
                s.labels.push(Label {
                    index: Some(4),
                    text: Some("run".into()),
                });
                extents.push((w.append(&s).unwrap(), s));
            }
            let info = w.finish().unwrap();
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!(info.bytes, bytes.len() as u64);
            let mut r = open(&path, &ReadOptions::default()).unwrap();
            for (e, s) in &extents {
                let part = &bytes[e.offset as usize..][..e.length as usize];
                assert_eq!(crc32c::crc32c(part), e.crc32c);
                for m in &e.members {
                    let part = &bytes[m.offset as usize..][..m.length as usize];
                    assert_eq!(crc32c::crc32c(part), m.crc32c, "{}", m.name);
                }
                let got = r.next_sample().unwrap().unwrap();
                assert_eq!(r.position(), (e.offset, e.length));
                assert_eq!(got.key, s.key);
                assert_eq!(got.labels, s.labels);
                assert_eq!(got.meta, s.meta);
                assert_eq!(
                    got.blobs.keys().collect::<Vec<_>>(),
                    s.blobs.keys().collect::<Vec<_>>(),
                    "{} {schema:?}",
                    f.name
                );
                for (n, b) in &s.blobs {
                    assert_eq!(got.blobs[n].load().unwrap(), b.load().unwrap(), "{n}");
                }
            }
            assert!(r.next_sample().unwrap().is_none());
        }
    }
}
