//! Any bytes as a tar; the checksums of headers are made right, or little would be reached.
#![no_main]

use kpack_formats::{ReadOptions, format};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut data = data.to_vec();
    for block in data.chunks_exact_mut(512).filter(|b| b[148] == b'F') {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    let Some(read) = format("webdataset").and_then(|f| f.read) else { return };
    let options = ReadOptions { concatenated: true, repeated_keys: true, ..Default::default() };
    let mut reader = read(data.into(), "fuzz".as_ref(), &options);
    while let Ok(Some(_)) = reader.next_sample() {}
});
