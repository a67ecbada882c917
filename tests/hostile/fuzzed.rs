//! The fuzz harnesses, for about a second each.

use std::path::{Path, PathBuf};

#[path = "../../fuzz/harness/annotations.rs"]
mod annotations;
#[path = "../../fuzz/harness/dataset.rs"]
mod dataset;
#[path = "../../fuzz/harness/labels.rs"]
mod labels;
#[path = "../../fuzz/harness/rows.rs"]
mod rows;
#[path = "../../formats/fuzz/harness/smoke.rs"]
mod smoke;

fn seeds(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target)
}

#[test]
fn annotation_files() {
    smoke::smoke(&seeds("annotations"), annotations::run);
}

#[test]
fn label_files() {
    smoke::smoke(&seeds("labels"), labels::run);
}

#[test]
fn rows_are_read_and_written_the_same() {
    smoke::smoke(&seeds("rows"), rows::run);
}

#[test]
fn datasets_are_verified_and_repaired() {
    smoke::smoke(&seeds("dataset"), dataset::run);
}
