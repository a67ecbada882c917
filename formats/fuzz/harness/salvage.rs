//! Any bytes as a damaged shard: what is called whole lies in it, in order, and can be read.

use std::path::Path;

use kpack_formats::{Blob, ReadOptions, Stretch, format, tfrecord, webdataset};

#[path = "tfrecord.rs"]
mod records;
#[path = "webdataset.rs"]
mod tar;

pub(crate) fn run(data: &[u8]) {
    let records = records::sealed(data);
    let found = tfrecord::salvage(&Blob::from(records.clone()), 0, "fuzz");
    check(
        "tfrecord",
        &records,
        &found.expect("bytes in memory can be read"),
    );
    let tar = tar::sealed(data);
    let found = webdataset::salvage(&Blob::from(tar.clone()), 0, Path::new("fuzz"));
    check(
        "webdataset",
        &tar,
        &found.expect("bytes in memory can be read"),
    );
}

fn check(name: &str, bytes: &[u8], found: &[Stretch]) {
    let read = format(name)
        .and_then(|f| f.read)
        .expect("a format in memory");
    let mut end = 0;
    for stretch in found {
        assert!(stretch.offset >= end, "{name}: {found:?} overlap");
        end = stretch.offset + stretch.length;
        assert!(
            end <= bytes.len() as u64,
            "{name}: {stretch:?} ends behind the shard"
        );
        if let (None, Some(key)) = (&stretch.lost, &stretch.key) {
            let part = bytes[stretch.offset as usize..end as usize].to_vec();
            let mut reader = read(part.into(), "fuzz".as_ref(), &ReadOptions::default());
            // A record without a key of its own is named for its number.
            match reader.next_sample() {
                Ok(Some(sample)) if name == "webdataset" => assert_eq!(sample.key, *key),
                Ok(Some(_)) => {}
                // A member twice, say: whole as bytes, and refused as a sample.
                Ok(None) | Err(_) => {}
            }
        }
    }
}
