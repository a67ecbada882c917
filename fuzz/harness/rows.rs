//! Any bytes as `samples.jsonl`. What is read is written the same again.

use std::fs::File;

use kpack::pipeline::OutcomeRow;

pub(crate) fn run(data: &[u8]) {
    let path = scratch().join("samples.jsonl");
    std::fs::write(&path, data).expect("a temporary file");
    for row in OutcomeRow::read_all(File::open(&path).expect("a temporary file"), &path) {
        let row = match row {
            Ok(row) => row,
            Err(e) => {
                let text = e.to_string();
                assert!(text.len() < 2000, "{} bytes: {:.300}..", text.len(), text);
                return;
            }
        };
        let once = serde_json::to_string(&row).expect("a row is JSON");
        assert!(!once.contains('\n'));
        let again: OutcomeRow = serde_json::from_str(&once).expect("what was written can be read");
        assert_eq!(serde_json::to_string(&again).expect("a row is JSON"), once);
    }
}

/// A folder that goes with the thread.
fn scratch() -> std::path::PathBuf {
    thread_local! {
        static DIR: tempfile::TempDir = tempfile::tempdir().expect("a temporary folder");
    }
    DIR.with(|dir| dir.path().to_owned())
}
