//! `kpack fetch` from outside, against a server that lies, stalls and breaks off.

mod clips;
mod contained;
mod layout;
mod mirror;
mod packing;
mod parts;
mod ranges;
mod server;
mod web;
mod yt_dlp;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cli::{Ended, kpack, put};

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

fn run(table: &Path, out: &Path, more: &[&str]) -> Ended {
    let (table, out) = (table.to_str().unwrap(), out.to_str().unwrap());
    let args = ["fetch", table, "-o", out];
    kpack(args.iter().chain(more))
}

/// The journal's rows.
fn journal(out: &Path) -> Vec<Value> {
    let text = fs::read_to_string(out.join("fetch.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Outcome, or class of the failure, by the last part of the source.
fn fates(out: &Path) -> HashMap<String, String> {
    let fate = |row: &Value| {
        row["class"]
            .as_str()
            .or(row["outcome"].as_str())
            .unwrap()
            .to_owned()
    };
    let name = |row: &Value| {
        let source = row["source"].as_str().unwrap();
        source.rsplit('/').next().unwrap().to_owned()
    };
    journal(out)
        .iter()
        .map(|row| (name(row), fate(row)))
        .collect()
}

/// Files below `out`, but for the journal; sorted.
fn files(out: &Path) -> Vec<String> {
    let walk = walkdir::WalkDir::new(out).into_iter().flatten();
    let files = walk.filter(|entry| entry.file_type().is_file());
    let mut names: Vec<String> = files
        .map(|entry| {
            entry
                .path()
                .strip_prefix(out)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .filter(|name| name != "fetch.jsonl")
        .collect();
    names.sort();
    names
}

fn table(dir: &Path, header: &str, rows: impl IntoIterator<Item = String>) -> std::path::PathBuf {
    let rows: Vec<String> = rows.into_iter().collect();
    put(dir, "table.csv", format!("{header}\n{}\n", rows.join("\n")))
}
