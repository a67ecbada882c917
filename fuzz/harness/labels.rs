//! Any bytes as the file of `--labels` and of `--categories`.

use kpack::source::{class_names, select::Groups};

pub(crate) fn run(data: &[u8]) {
    let path = scratch().join("labels");
    std::fs::write(&path, data).expect("a temporary file");
    match class_names(&path) {
        Ok(names) => assert!(names.len() <= 1_000_000 && !names.is_empty()),
        Err(e) => brief(&e.to_string()),
    }
    if let Err(e) = Groups::read(&path) {
        brief(&e.to_string());
    }
}

fn brief(text: &str) {
    assert!(!text.contains(['\n', '\r']), "{text:?}");
    assert!(text.len() < 2000, "{} bytes: {:.300}..", text.len(), text);
}

/// A folder that goes with the thread.
fn scratch() -> std::path::PathBuf {
    thread_local! {
        static DIR: tempfile::TempDir = tempfile::tempdir().expect("a temporary folder");
    }
    DIR.with(|dir| dir.path().to_owned())
}
