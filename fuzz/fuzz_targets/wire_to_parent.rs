//! Any bytes as what comes to the parent on a worker's wire; the harness stands in `src/worker/hostile.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kpack::worker::hostile::to_parent(data));
