//! Every fuzz harness of this crate, for about a second each.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a harness fails by panicking, and tells what it ran"
)]
#![allow(
    clippy::duplicate_mod,
    reason = "each harness is a program of its own, with what it takes of others"
)]

use std::path::{Path, PathBuf};

#[path = "../fuzz/harness/example.rs"]
mod example;
#[path = "../fuzz/harness/file.rs"]
mod file;
#[path = "../fuzz/harness/index.rs"]
mod index;
#[path = "../fuzz/harness/salvage.rs"]
mod salvage;
#[path = "../fuzz/harness/sample_json.rs"]
mod sample_json;
#[path = "../fuzz/harness/smoke.rs"]
mod smoke;
#[path = "../fuzz/harness/tfrecord.rs"]
mod tfrecord;
#[path = "../fuzz/harness/webdataset.rs"]
mod webdataset;

fn seeds(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target)
}

#[test]
fn a_record_is_read_and_written_the_same() {
    smoke::smoke(&seeds("example"), example::run);
}

#[test]
fn a_file_of_any_format_and_compression() {
    smoke::smoke(&seeds("file"), file::run);
}

#[test]
fn an_index_is_read_and_written_the_same() {
    smoke::smoke(&seeds("index"), index::run);
}

#[test]
fn what_is_salvaged_is_whole() {
    smoke::smoke(&seeds("salvage"), salvage::run);
}

#[test]
fn a_samples_json_names_no_file_outside() {
    smoke::smoke(&seeds("sample_json"), sample_json::run);
}

#[test]
fn records() {
    smoke::smoke(&seeds("tfrecord"), tfrecord::run);
}

#[test]
fn members() {
    smoke::smoke(&seeds("webdataset"), webdataset::run);
}
