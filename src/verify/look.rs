//! Finding things: shards in a folder, the first broken line of a file.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use kpack_formats::{FORMATS, Layout};

use crate::pipeline::{OutcomeRow, SAMPLES};
use crate::{Error, Result, bounded};

/// The shards in `dir`, by their names, in order.
pub(crate) fn shards_in(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).map_err(Error::io("cannot read folder", dir))?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| is_shard_name(path) && path.is_file())
        .collect();
    files.sort_unstable();
    Ok(files)
}

/// Whether a file is named as a shard: a format's extension, perhaps compressed.
fn is_shard_name(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|n| n.to_str()) else {
        return false;
    };
    let name = [".gz", ".zst", ".zlib", ".zz"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .unwrap_or(name);
    let logs = FORMATS
        .iter()
        .filter(|f| matches!(f.layout, Layout::Log { .. }));
    let mut extensions = logs.flat_map(|format| format.extensions);
    !name.starts_with('.')
        && extensions.any(|e| name.strip_suffix(e).is_some_and(|stem| stem.ends_with('.')))
}

/// Whether `dir`, or a folder in it, holds the list of shards of MosaicML streaming.
pub(crate) fn is_mds(dir: &Path) -> bool {
    let inside = fs::read_dir(dir).into_iter().flatten().flatten();
    let folders = inside
        .map(|entry| entry.path())
        .filter(|path| path.is_dir());
    folders.chain([dir.to_owned()]).any(|folder| {
        let text = bounded::read(&folder.join("index.json"), bounded::MANIFEST);
        let list = text
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok());
        list.is_some_and(|list: serde_json::Value| {
            list.get("version").is_some() && list.get("shards").is_some_and(|s| s.is_array())
        })
    })
}

/// Where the first line begins that cannot be read, in a file of rows.
pub(crate) fn broken_line(path: &Path, name: &str) -> Option<u64> {
    if name != SAMPLES {
        return None;
    }
    let (mut source, mut at, mut line) = (BufReader::new(File::open(path).ok()?), 0, Vec::new());
    loop {
        line.clear();
        let n = bounded::line(&mut source, &mut line, bounded::ROW).ok()?;
        if n == 0 {
            return None;
        }
        if serde_json::from_slice::<OutcomeRow>(&line).is_err() {
            return Some(at);
        }
        at += n as u64;
    }
}
