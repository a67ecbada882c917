//! Any bytes as a TFRecord file.
#![no_main]

use kpack_formats::{ReadOptions, format};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(read) = format("tfrecord").and_then(|f| f.read) else { return };
    let bytes = bytes::Bytes::copy_from_slice(data);
    let mut reader = read(bytes, "fuzz".as_ref(), &ReadOptions::default());
    while let Ok(Some(_)) = reader.next_sample() {}
});
