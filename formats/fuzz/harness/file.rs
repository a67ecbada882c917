//! Any bytes as a file of any format and compression. A bomb meets the limits.

use kpack_formats::{Limits, ReadOptions, inflate_file, open};

pub(crate) fn run(data: &[u8]) {
    let names = ["a.tar", "a.tfrecord", "a.tar.gz", "a.bin"];
    let name = names[usize::from(data.first().copied().unwrap_or(0)) % names.len()];
    let path = scratch().join(name);
    std::fs::write(&path, data.get(1..).unwrap_or_default()).expect("a temporary file");
    let limits = Limits {
        record_bytes: 1 << 20,
        sample_bytes: 4 << 20,
        members: 1000,
        header_bytes: 4096,
    };
    let options = ReadOptions {
        limits,
        ..ReadOptions::default()
    };
    if let Ok(mut reader) = open(&path, &options) {
        while let Ok(Some(sample)) = reader.next_sample() {
            assert!(sample.blob_bytes() <= limits.sample_bytes, "{}", sample.key);
        }
    }
    let to = tempfile::tempfile().expect("a temporary file");
    if data.len() < 4096 {
        let _ = inflate_file(&path, to);
    }
}

/// A folder that goes with the thread.
fn scratch() -> std::path::PathBuf {
    thread_local! {
        static DIR: tempfile::TempDir = tempfile::tempdir().expect("a temporary folder");
    }
    DIR.with(|dir| dir.path().to_owned())
}
