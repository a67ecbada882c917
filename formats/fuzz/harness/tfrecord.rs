//! Any bytes as a TFRecord file.

use kpack_formats::{ReadOptions, format};

/// A record whose checksums are `FFFF` gets right ones, or little would be reached.
pub(crate) fn sealed(data: &[u8]) -> Vec<u8> {
    let (mut data, mut at) = (data.to_vec(), 0);
    while let Some(Ok(length)) = data.get(at..at + 8).map(<[u8; 8]>::try_from) {
        let length = usize::try_from(u64::from_le_bytes(length)).unwrap_or(usize::MAX);
        if data.get(at + 8..at + 12) == Some(b"FFFF") {
            let head = kpack_formats::tfrecord::record_header(length as u64);
            data[at..at + 12].copy_from_slice(&head);
        }
        let end = at.saturating_add(12).saturating_add(length);
        if end.saturating_add(4) > data.len() {
            break;
        }
        if &data[end..end + 4] == b"FFFF" {
            let crc = crc32c::crc32c(&data[at + 12..end]);
            let foot = kpack_formats::tfrecord::record_footer(crc);
            data[end..end + 4].copy_from_slice(&foot);
        }
        at = end + 4;
    }
    data
}

#[allow(dead_code, reason = "another target takes `sealed` alone")]
pub(crate) fn run(data: &[u8]) {
    let Some(read) = format("tfrecord").and_then(|f| f.read) else {
        return;
    };
    let bytes = sealed(data).into();
    let mut reader = read(bytes, "fuzz".as_ref(), &ReadOptions::default());
    while let Ok(Some(_)) = reader.next_sample() {}
}
