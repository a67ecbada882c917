//! Any bytes as a whole dataset: verified and repaired, its own checksums made right so that what
//! they say is believed. Nothing is written outside the folder that was asked for.
//!
//! ```text
//! manifest \n%%\n rows \n%%\n labels \n%%\n shard \n%%\n index
//! ```

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use kpack::pipeline::{Options, repair, repair_shards};
use kpack::progress::NoProgress;
use kpack::sample::{Class, SampleError, Stage};
use kpack::verify::{self, Unwatched, verify};
use serde_json::{Value, json};

const CUT: &[u8] = b"\n%%\n";

pub(crate) fn run(data: &[u8]) {
    let mut parts: Vec<&[u8]> = Vec::new();
    let mut rest = data;
    while let (Some(at), true) = (find(rest), parts.len() < 4) {
        parts.push(&rest[..at]);
        rest = &rest[at + CUT.len()..];
    }
    parts.push(rest);
    let root = scratch().join("root");
    let _ = fs::remove_dir_all(&root);
    let dir = root.join("in/set");
    fs::create_dir_all(&dir).expect("a temporary folder");
    let part = |i: usize| parts.get(i).copied().unwrap_or_default();
    put(&dir.join("samples.jsonl"), part(1));
    put(&dir.join("labels.txt"), part(2));
    let shard = seal_manifest(&dir, part(0), (part(1), part(2), part(3)));
    put(&dir.join(&shard), part(3));
    put(&dir.join(format!("{shard}.kidx")), part(4));
    let loose = dir.join(&shard);
    let _ = verify(
        std::slice::from_ref(&dir),
        &verify::Options::default(),
        &Unwatched,
    );
    let none = |clip: &kpack::source::Clip, _: &kpack::sample::Recipe, _: &mut ()| {
        let why = "its source is not at hand";
        Err(SampleError::new(
            &clip.key,
            Stage::Plan,
            Class::Missing,
            why,
        ))
    };
    let stop = AtomicBool::new(false);
    let options = Options::default();
    let _ = repair(
        &dir,
        &root.join("whole"),
        &options,
        none,
        &NoProgress,
        &stop,
    );
    fs::remove_file(dir.join("dataset.json")).expect("it was written");
    let _ = verify(
        std::slice::from_ref(&loose),
        &verify::Options::default(),
        &Unwatched,
    );
    let _ = repair_shards(&[loose], &root.join("loose"));
    let entries = fs::read_dir(&root).expect("a temporary folder").flatten();
    for entry in entries {
        let name = entry.file_name();
        assert!(
            ["in", "whole", "loose"].iter().any(|known| name == **known),
            "{name:?}"
        );
    }
    let inside = fs::read_dir(root.join("in"))
        .expect("a temporary folder")
        .count();
    assert_eq!(inside, 1, "only the dataset lies there");
}

fn find(bytes: &[u8]) -> Option<usize> {
    bytes.windows(CUT.len()).position(|part| part == CUT)
}

fn put(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("a temporary file");
}

/// Writes the manifest with right checksums, and gives the name of its first shard.
fn seal_manifest(dir: &Path, bytes: &[u8], (rows, labels, shard): (&[u8], &[u8], &[u8])) -> String {
    let record = |bytes: &[u8]| json!({"bytes": bytes.len(), "crc32c": crc32c::crc32c(bytes)});
    let mut name = "a.tar".to_owned();
    let path = dir.join("dataset.json");
    let Ok(Value::Object(mut manifest)) = serde_json::from_slice::<Value>(bytes) else {
        put(&path, bytes);
        return name;
    };
    let files = json!({"labels.txt": record(labels), "samples.jsonl": record(rows)});
    manifest.insert("files".to_owned(), files);
    if let Some(first) = manifest.get_mut("shards").and_then(|list| list.get_mut(0)) {
        if let Some(text) = first.get("name").and_then(Value::as_str) {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            if !text.starts_with('.')
                && text.len() < 100
                && text.chars().all(plain)
                && !text.is_empty()
            {
                name = text.to_owned();
            }
        }
        // Sometimes they are right, so that what is behind them is looked at.
        if let Some(first) = first.as_object_mut().filter(|_| shard.len() % 2 == 0) {
            first.insert("bytes".to_owned(), shard.len().into());
            first.insert("crc32c".to_owned(), crc32c::crc32c(shard).into());
        }
    }
    manifest.shift_remove("crc32c");
    let text = serde_json::to_string_pretty(&manifest).expect("JSON");
    let body = text.strip_suffix("\n}").unwrap_or(&text);
    let seal = format!(",\n  \"crc32c\": {}\n}}\n", crc32c::crc32c(body.as_bytes()));
    put(&path, format!("{body}{seal}").as_bytes());
    name
}

/// A folder that goes with the thread.
fn scratch() -> std::path::PathBuf {
    thread_local! {
        static DIR: tempfile::TempDir = tempfile::tempdir().expect("a temporary folder");
    }
    DIR.with(|dir| dir.path().to_owned())
}
