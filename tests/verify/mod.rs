//! `verify`: what is whole is called so, and one changed byte is found and named.

mod flips;
mod manifest;
mod repair;

use std::fs;
use std::path::{Path, PathBuf};

use kpack::verify::{Damage, Options, Report, Unwatched, verify};

/// Verifies with two threads.
pub(crate) fn check(path: &Path) -> Report {
    let options = Options {
        threads: 2,
        decode: false,
    };
    verify(&[path.to_owned()], &options, &Unwatched).unwrap()
}

/// The only damage that is found.
#[track_caller]
pub(crate) fn only(path: &Path) -> Damage {
    let report = check(path);
    match &report.damage[..] {
        [one] => one.clone(),
        list => panic!("not one damage but {}: {list:#?}", list.len()),
    }
}

/// Changes one bit or more of the byte at `at`.
pub(crate) fn flip(path: &Path, at: u64, with: u8) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at as usize] ^= with.max(1);
    fs::write(path, bytes).unwrap();
}

/// The shards of a dataset, in order.
pub(crate) fn shards(out: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(out)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name.contains(".tar") || name.contains(".tfrecord")) && !name.ends_with(".kidx")
        })
        .collect();
    files.sort();
    files
}
