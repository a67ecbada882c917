//! Any bytes as a `.kidx`, under a right checksum. What is read is written as an equal index.
#![no_main]

use kpack_formats::{Index, Limits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut data = data.to_vec();
    data.extend_from_slice(&crc32c::crc32c(&data).to_le_bytes());
    let Ok(index) = Index::decode(&data, &Limits::default()) else { return };
    let again = index.encode().expect("what was read is in order");
    assert_eq!(Index::decode(&again, &Limits::default()).expect("our own index"), index);
});
