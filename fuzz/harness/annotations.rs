//! Any bytes as an annotation file: the first line names a reader, or the kind is found out.

use std::collections::HashSet;

use kpack::source::{READERS, ReadOptions, read};

pub(crate) fn run(data: &[u8]) {
    let line = data.iter().position(|b| *b == b'\n').unwrap_or(0);
    let (first, rest) = data.split_at(line);
    let reader = READERS.iter().find(|r| r.name.as_bytes() == first);
    let bytes = match reader {
        Some(_) => &rest[1..],
        None => data,
    };
    let name = if reader.is_some() { "a.txt" } else { "a.csv" };
    let path = scratch().join(name);
    std::fs::write(&path, bytes).expect("a temporary file");
    let options = ReadOptions {
        annotations_only: true,
        input_format: reader.map(|r| r.name.to_owned()),
        ..ReadOptions::default()
    };
    match read(&[path], &options) {
        Ok(input) => {
            let keys: HashSet<&str> = input.rows.iter().map(|r| r.clip.key.as_str()).collect();
            assert_eq!(keys.len(), input.rows.len(), "keys are unique");
            for row in &input.rows {
                assert!(
                    kpack_formats::check_key(&row.clip.key).is_ok(),
                    "{:?}",
                    row.clip.key
                );
                if let Some(problem) = &row.problem {
                    brief(&problem.reason);
                }
            }
        }
        Err(e) => brief(&e.to_string()),
    }
}

/// What is shown to a person is one line of bearable length, whatever the file holds.
fn brief(text: &str) {
    assert!(!text.contains(['\n', '\r']), "{text:?}");
    assert!(text.len() < 4000, "{} bytes: {:.300}..", text.len(), text);
}

/// A folder that goes with the thread.
fn scratch() -> std::path::PathBuf {
    thread_local! {
        static DIR: tempfile::TempDir = tempfile::tempdir().expect("a temporary folder");
    }
    DIR.with(|dir| dir.path().to_owned())
}
