//! Any bytes as the JSON beside a frame directory: no file that it lists leaves the folder.

use std::path::{Component, Path};

use kpack_formats::framedir::{is_sample_json, listed};

pub(crate) fn run(data: &[u8]) {
    let ours = is_sample_json(data);
    let Ok(Some(listed)) = listed(data) else {
        return;
    };
    for file in &listed.files {
        let inside = |part| matches!(part, Component::Normal(_));
        assert!(Path::new(&file.file).components().all(inside), "{file:?}");
    }
    // What the quick reader takes, the one that explains takes too, or says what else is wrong.
    assert!(!matches!(ours, Ok(false)), "{listed:?}");
}
