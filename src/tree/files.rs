//! The files of one place: are they still there, and away with them.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use kpack_formats::{Error, Result, crc32c_join};
use serde::Deserialize;

use crate::bounded;
use crate::verify::tree::check_file;

/// What the JSON beside the files says of them.
#[derive(Deserialize)]
struct Sidecar {
    kpack: Ours,
}

#[derive(Deserialize)]
struct Ours {
    blobs: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    /// Relative to the JSON's folder.
    file: String,
    bytes: u64,
    /// Eight hex digits.
    crc32c: String,
}

/// Names of blobs that an interrupted run may have left without a JSON.
const BLOBS: &[&str] = &[
    "aac", "ac3", "avi", "eac3", "flac", "m4a", "mka", "mkv", "mov", "mp2", "mp3", "mp4", "mpg",
    "npy", "ogg", "opus", "ts", "wav", "webm",
];

/// Pictures of a frame directory.
const PICTURES: &[&str] = &["jpg", "jpeg", "png", "webp"];

fn json_of(out: &Path, place: &str) -> PathBuf {
    out.join(format!("{place}.json"))
}

/// Whether the files of `place` have the sizes that its JSON tells, and the JSON is the one that
/// was written with this length and checksum of all files joined.
pub(super) fn confirm(out: &Path, place: &str, length: u64, crc32c: u32) -> bool {
    let path = json_of(out, place);
    let Ok(bytes) = bounded::read(&path, bounded::BESIDE) else {
        return false;
    };
    let Ok(sidecar) = serde_json::from_slice::<Sidecar>(&bytes) else {
        return false;
    };
    let folder = path.parent().unwrap_or(out);
    let (mut total, mut joined) = (0_u64, 0);
    for entry in &sidecar.kpack.blobs {
        let there = fs::metadata(folder.join(&entry.file));
        let Ok(crc) = u32::from_str_radix(&entry.crc32c, 16) else {
            return false;
        };
        if !there.is_ok_and(|meta| meta.is_file() && meta.len() == entry.bytes) {
            return false;
        }
        total = total.saturating_add(entry.bytes);
        joined = crc32c_join(joined, crc, entry.bytes);
    }
    let json = bytes.len() as u64;
    joined = crc32c_join(joined, kpack_formats::crc32c(&bytes), json);
    total.saturating_add(json) == length && joined == crc32c
}

/// Whether the files that the JSON of `place` lists match their checksums, every byte.
pub(super) fn read_back(out: &Path, place: &str) -> bool {
    let path = json_of(out, place);
    let listed = bounded::read(&path, bounded::BESIDE).ok();
    let listed = listed.and_then(|bytes| serde_json::from_slice::<Sidecar>(&bytes).ok());
    let folder = path.parent().unwrap_or(out);
    let mut buffer = vec![0; 256 << 10];
    let mut matches = |entry: &Entry| {
        let crc = u32::from_str_radix(&entry.crc32c, 16);
        crc.is_ok_and(|crc| {
            let file = folder.join(&entry.file);
            check_file(&file, (entry.bytes, crc), &mut buffer).is_ok()
        })
    };
    listed.is_some_and(|sidecar| sidecar.kpack.blobs.iter().all(&mut matches))
}

/// Makes all files below `out` last through a power cut, in one request for the file system: a
/// request for each of hundreds of small files a sample would take longer than writing them.
#[cfg(target_os = "linux")]
pub(super) fn sync(out: &Path) -> Result<()> {
    let synced = File::open(out).and_then(|folder| Ok(rustix::fs::syncfs(&folder)?));
    synced.map_err(|e| Error::io("cannot sync the files below", e).path(out))
}

/// Files and folders were synced when they were written.
#[cfg(not(target_os = "linux"))]
pub(super) fn sync(_: &Path) -> Result<()> {
    Ok(())
}

/// Makes the files of a sample, and their names below `out`, last through a power cut.
#[cfg(not(target_os = "linux"))]
pub(super) fn sync_each(files: &[PathBuf], out: &Path) -> Result<()> {
    let mut all: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let folders = files.iter().flat_map(|file| file.ancestors().skip(1));
    let mut folders: Vec<&Path> = folders.filter(|folder| folder.starts_with(out)).collect();
    folders.sort_unstable();
    folders.dedup();
    all.extend(folders.into_iter().rev().filter(|_| cfg!(unix)));
    all.into_iter().try_for_each(|path| {
        let synced = File::open(path).and_then(|file| file.sync_all());
        synced.map_err(|e| Error::io("cannot sync", e).path(path))
    })
}

/// The files of `place` that are there: those that its JSON lists; where that was not written yet,
/// those that an interrupted run may have left, as far as `claims` says that they may be its.
pub(super) fn of(out: &Path, place: &str, claims: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let json = json_of(out, place);
    let folder = json.parent().unwrap_or(out).to_owned();
    let stem = place.rsplit('/').next().unwrap_or(place);
    let listed = bounded::read(&json, bounded::BESIDE)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Sidecar>(&bytes).ok());
    let mut files: Vec<PathBuf> = match listed {
        Some(sidecar) => {
            let names = sidecar.kpack.blobs.into_iter().map(|entry| entry.file);
            let names = names.filter(|name| is_of(stem, name));
            names.map(|name| folder.join(name)).chain([json]).collect()
        }
        None => {
            let names = BLOBS.iter().map(|name| format!("{stem}.{name}"));
            let names = names.filter(|name| claims(name));
            names
                .map(|name| folder.join(name))
                .chain(pictures(&folder.join(stem)))
                .collect()
        }
    };
    files.extend(pictures(&folder.join(format!(".{stem}.tmp"))));
    let temporary = BLOBS.iter().chain(&["json"]);
    files.extend(temporary.map(|name| folder.join(format!(".{stem}.{name}.tmp"))));
    files.retain(|path| fs::symlink_metadata(path).is_ok());
    files
}

/// Removes the files of `place`, whole or left by an interrupted run, and nothing else.
pub(super) fn remove(out: &Path, place: &str, claims: impl Fn(&str) -> bool) -> Result<()> {
    let stem = place.rsplit('/').next().unwrap_or(place);
    for file in of(out, place, claims) {
        remove_file(&file)?;
    }
    let target = out.join(place);
    remove_empty(&target)?;
    remove_empty(&target.with_file_name(format!(".{stem}.tmp")))
}

/// Whether `file` is `STEM.NAME` or `STEM/NAME`: a JSON may say anything.
fn is_of(stem: &str, file: &str) -> bool {
    let normal = Path::new(file)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    let rest = file.strip_prefix(stem).unwrap_or_default();
    normal && rest.starts_with(['.', '/'])
}

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if !is_absent(&e) => Err(Error::io("cannot remove", e).path(path)),
        _ => Ok(()),
    }
}

/// The files of a folder that holds nothing but pictures.
fn pictures(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    let is_picture = |path: &PathBuf| {
        let extension = path.extension().and_then(|e| e.to_str());
        extension.is_some_and(|e| PICTURES.contains(&e))
    };
    match files.iter().all(is_picture) {
        true => files,
        false => Vec::new(),
    }
}

/// Removes a folder, if nothing is in it.
fn remove_empty(folder: &Path) -> Result<()> {
    match fs::remove_dir(folder) {
        Err(e) if e.kind() != ErrorKind::DirectoryNotEmpty && !is_absent(&e) => {
            Err(Error::io("cannot remove", e).path(folder))
        }
        _ => Ok(()),
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::collections::BTreeMap;

    use kpack_formats::framedir::{Naming, write_at};
    use kpack_formats::{Blob, Sample};

    use super::*;

    fn sample(blobs: &[&str]) -> Sample {
        let blob = |name: &&str| ((*name).to_owned(), Blob::from(name.as_bytes().to_vec()));
        let blobs: BTreeMap<String, Blob> = blobs.iter().map(blob).collect();
        Sample {
            key: "run/a".to_owned(),
            blobs,
            ..Sample::default()
        }
    }

    #[test]
    fn what_is_written_is_confirmed_until_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path();
        let sample = sample(&["000001.jpg", "000002.jpg", "wav"]);
        let extent = write_at(out, "x/run/a", &sample, &Naming::default()).unwrap();
        let good = |place| confirm(out, place, extent.length, extent.crc32c);
        assert!(good("x/run/a"));
        assert!(!good("x/run/b"));
        assert!(!confirm(out, "x/run/a", extent.length, extent.crc32c ^ 1));
        fs::write(out.join("x/run/a.wav"), b"other").unwrap();
        assert!(!good("x/run/a"));
    }

    #[test]
    fn only_the_files_of_the_place_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path();
        for place in ["a", "ab"] {
            write_at(
                out,
                place,
                &sample(&["000001.jpg", "wav"]),
                &Naming::default(),
            )
            .unwrap();
        }
        fs::write(out.join("a.txt"), b"mine").unwrap();
        fs::write(
            out.join("a.json"),
            br#"{"kpack":{"blobs":[{"file":"../b","bytes":1,"crc32c":"0"}]}}"#,
        )
        .unwrap();
        remove(out, "a", |_| true).unwrap();
        remove(out, "a", |_| true).unwrap();
        let mut left: Vec<_> = fs::read_dir(out)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["a.txt", "ab", "ab.json", "ab.wav"]);
    }
}
