//! Which archives `--mirror` names: a tar, its address, or a list of such.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::super::plan::{Source, archive};
use crate::{Error, Result};

/// Longest list, in bytes.
const LONGEST: u64 = 64 << 20;

/// The archives that `named` stand for, each once, in order.
pub(in crate::fetch) fn archives(named: &[PathBuf]) -> Result<Vec<Source>> {
    let mut all: Vec<Source> = Vec::new();
    for name in named {
        let found = match name.to_str().filter(|text| is_web(text)) {
            Some(address) => vec![archive(spaceless(address), None)],
            None => of_file(name)?,
        };
        for source in found {
            if all.iter().all(|other| other.address != source.address) {
                all.push(source);
            }
        }
    }
    Ok(all)
}

/// Whether a file that begins with `head` is an archive, compressed or not.
pub(in crate::fetch) fn is_archive(head: &[u8]) -> bool {
    const GZIP: &[u8] = &[0x1f, 0x8b];
    const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
    let tar = || kpack_formats::format("webdataset").is_some_and(|tar| (tar.sniff)(head));
    head.starts_with(GZIP) || head.starts_with(ZSTD) || tar()
}

fn is_web(text: &str) -> bool {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|s| s.eq_ignore_ascii_case("http") || s.eq_ignore_ascii_case("https"))
}

/// Some lists have spaces in their addresses.
fn spaceless(address: &str) -> String {
    address.replace(' ', "%20")
}

fn of_file(path: &Path) -> Result<Vec<Source>> {
    let wrong = |text: &str| Error::usage(format!("--mirror {}: {text}", path.display()));
    let open = |e: std::io::Error| wrong(&format!("cannot be opened: {e}"));
    let mut file = File::open(path).map_err(open)?;
    if file.metadata().is_ok_and(|meta| meta.is_dir()) {
        return Err(wrong(
            "is a folder: name the tars in it, or use --media-dir of the packing commands for videos that are unpacked",
        ));
    }
    let mut bytes = Vec::new();
    let head = file.by_ref().take(1024).read_to_end(&mut bytes);
    head.map_err(Error::io("cannot read", path))?;
    if is_archive(&bytes) {
        return Ok(vec![archive(text_of(path), Some(path.to_owned()))]);
    }
    let rest = file.take(LONGEST).read_to_end(&mut bytes);
    rest.map_err(Error::io("cannot read", path))?;
    let text = String::from_utf8(bytes);
    let text =
        text.map_err(|_| wrong("is neither a tar (plain, gzip or zstd) nor a list of them"))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim().trim_start_matches('\u{feff}');
        match line {
            "" => {}
            _ if line.starts_with('#') => {}
            _ if is_web(line) => found.push(archive(spaceless(line), None)),
            _ if line.contains("://") && !line.starts_with("file://") => {
                let number = number + 1;
                return Err(wrong(&format!(
                    "line {number}: expected http, https or a path"
                )));
            }
            _ => {
                let path = folder.join(line.strip_prefix("file://").unwrap_or(line));
                found.push(archive(text_of(&path), Some(path)));
            }
        }
    }
    match found.is_empty() {
        true => Err(wrong(
            "names no archive: expected an address or a path on each line",
        )),
        false => Ok(found),
    }
}

fn text_of(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
