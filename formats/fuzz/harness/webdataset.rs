//! Any bytes as a tar.

use kpack_formats::{ReadOptions, format};

/// A header whose checksum begins with `F` gets a right one, or little would be reached.
pub(crate) fn sealed(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    for block in data.chunks_exact_mut(512).filter(|b| b[148] == b'F') {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    data
}

#[allow(dead_code, reason = "another target takes `sealed` alone")]
pub(crate) fn run(data: &[u8]) {
    let Some(read) = format("webdataset").and_then(|f| f.read) else {
        return;
    };
    let options = ReadOptions {
        concatenated: true,
        repeated_keys: true,
        ..ReadOptions::default()
    };
    let mut reader = read(sealed(data).into(), "fuzz".as_ref(), &options);
    while let Ok(Some(_)) = reader.next_sample() {}
}
