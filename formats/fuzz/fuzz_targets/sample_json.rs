//! Any bytes as the JSON beside a frame directory.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = kpack_formats::framedir::is_sample_json(data);
});
