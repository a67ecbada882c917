//! Samples in files of their own.

use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use kpack_formats::framedir::{self, Listed};
use kpack_formats::{ReadOptions, crc32c_join};

use super::decode::{self, Expected};
use super::{Damage, Report, Unwatched, Watch};
use crate::pipeline::OutcomeRow;
use crate::worker::Workers;
use crate::{Result, bounded};

const CHUNK: usize = 256 << 10;
const UNLISTED: &str = "the sample's JSON does not list this file";

/// Some samples of a tree, by their rows.
pub(crate) struct Places {
    pub(crate) dir: PathBuf,
    /// Each with its path below `dir`.
    pub(crate) rows: Vec<(String, Expected)>,
    pub(crate) decode: bool,
}

/// A tree of samples without rows.
pub(crate) struct Tree {
    pub(crate) dir: PathBuf,
    pub(crate) decode: bool,
}

impl Places {
    pub(crate) fn bytes(&self) -> u64 {
        let length = |(_, row): &(String, Expected)| row.extent.map_or(0, |(_, length, _)| length);
        self.rows.iter().map(length).fold(0, u64::saturating_add)
    }

    pub(crate) fn verify(self, workers: &Workers, watch: &dyn Watch) -> Result<Report> {
        let (mut report, mut buffer) = (Report::default(), vec![0; CHUNK]);
        for (place, row) in &self.rows {
            let before = report.damage.len();
            let listed = self.place(place, row, &mut buffer, &mut report);
            report.samples += 1;
            watch.read(row.extent.map_or(0, |(_, length, _)| length));
            if let (true, Some(listed)) = (self.decode && report.damage.len() == before, listed) {
                let json = json_of(&self.dir, place);
                let folder = json.parent().unwrap_or(&self.dir);
                decode::files(folder, &json, &listed, (row, workers), &mut report);
            }
        }
        Ok(report)
    }

    /// Compares the files of one sample with its JSON, and both with its row.
    fn place(
        &self,
        place: &str,
        row: &Expected,
        buffer: &mut [u8],
        report: &mut Report,
    ) -> Option<Listed> {
        let json = json_of(&self.dir, place);
        let wrong = |what: String| Damage::of(&json, what).key(&row.key);
        let bytes = match bounded::read(&json, bounded::BESIDE) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == ErrorKind::NotFound => {
                report.damaged(wrong("the sample's JSON is missing".into()));
                return None;
            }
            Err(e) => {
                report.damaged(wrong(format!("cannot be read: {e}")));
                return None;
            }
        };
        report.bytes += bytes.len() as u64;
        let listed = match framedir::listed(&bytes) {
            Ok(Some(listed)) => listed,
            Ok(None) => {
                report.damaged(wrong("is not the JSON of a sample".into()));
                return None;
            }
            Err(e) => {
                report.damaged(Damage::from_error(&json, &e).key(&row.key));
                return None;
            }
        };
        let before = report.damage.len();
        let folder = json.parent().unwrap_or(&self.dir);
        let (mut crc, mut length) = (0, 0_u64);
        for file in &listed.files {
            let path = folder.join(&file.file);
            if let Err(what) = check_file(&path, (file.bytes, file.crc32c), buffer) {
                let damage = Damage::of(&path, what).key(&row.key);
                report.damaged(damage.member(&file.name));
            }
            report.bytes = report.bytes.saturating_add(file.bytes);
            crc = crc32c_join(crc, file.crc32c, file.bytes);
            length = length.saturating_add(file.bytes);
        }
        unlisted(folder, place, &listed, row, report);
        crc = kpack_formats::crc32c_append(crc, &bytes);
        length = length.saturating_add(bytes.len() as u64);
        let same = row.extent.is_none_or(|(_, l, c)| (l, c) == (length, crc));
        if report.damage.len() == before && !(same && listed.key == row.key) {
            report.damaged(wrong("the JSON does not match the sample's row".into()));
        }
        Some(listed)
    }
}

/// Whether the files at `place` are those that `row` tells of.
pub(crate) fn is_whole(dir: &Path, place: &str, row: &OutcomeRow) -> bool {
    let places = Places {
        dir: dir.to_owned(),
        rows: vec![(place.to_owned(), Expected::of(row))],
        decode: false,
    };
    let workers = Workers::in_process();
    let report = places.verify(&workers, &Unwatched);
    report.is_ok_and(|report| report.damage.iter().all(|damage| damage.what == UNLISTED))
}

/// Files among the frames that the JSON does not know: loaders that count files would count them.
fn unlisted(folder: &Path, place: &str, listed: &Listed, row: &Expected, report: &mut Report) {
    let stem = place.rsplit('/').next().unwrap_or(place);
    let Ok(entries) = fs::read_dir(folder.join(stem)) else {
        return;
    };
    let inside = format!("{stem}/");
    let listed_inside = listed.files.iter();
    let count = listed_inside
        .filter(|file| file.file.starts_with(&inside))
        .count();
    let entries: Vec<fs::DirEntry> = entries.flatten().collect();
    // The listed ones were all opened.
    if entries.len() <= count {
        return;
    }
    let known: std::collections::HashSet<&str> =
        listed.files.iter().map(|file| file.file.as_str()).collect();
    let mut names: Vec<String> = entries
        .into_iter()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !known.contains(format!("{stem}/{name}").as_str()))
        .collect();
    names.sort();
    for name in names {
        let path = folder.join(stem).join(name);
        report.damaged(Damage::of(&path, UNLISTED).key(&row.key));
    }
}

fn json_of(dir: &Path, place: &str) -> PathBuf {
    dir.join(format!("{place}.json"))
}

/// Compares a file with its length and checksum; what is wrong is said.
pub(crate) fn check_file(
    path: &Path,
    (length, crc32c): (u64, u32),
    buffer: &mut [u8],
) -> Result<(), String> {
    let mut file = bounded::open(path).map_err(|e| match e.kind() {
        ErrorKind::NotFound => "the file is missing".to_owned(),
        _ => format!("cannot be opened: {e}"),
    })?;
    let (mut found, mut crc) = (0_u64, 0);
    loop {
        match file.read(buffer) {
            Ok(0) => break,
            Ok(n) => {
                found += n as u64;
                crc = kpack_formats::crc32c_append(crc, &buffer[..n]);
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(format!("cannot be read: {e}")),
        }
    }
    if found != length {
        return Err(format!("the file has {found} bytes, {length} were written"));
    }
    if crc != crc32c {
        return Err(format!(
            "the file's {length} bytes do not match their checksum"
        ));
    }
    Ok(())
}

impl Tree {
    pub(crate) fn verify(self, workers: &Workers, watch: &dyn Watch) -> Result<Report> {
        let mut report = Report::default();
        let format = kpack_formats::sniff(&self.dir)?;
        let mut reader = (format.open)(&self.dir, &ReadOptions::default())?;
        loop {
            match reader.next_sample() {
                Ok(None) => return Ok(report),
                Ok(Some(sample)) => {
                    report.samples += 1;
                    report.bytes += sample.blob_bytes();
                    watch.read(sample.blob_bytes());
                    if self.decode {
                        decode::sample(&self.dir, &sample, (None, None), workers, &mut report);
                    }
                }
                Err(e) => report.damaged(Damage::from_error(&self.dir, &e)),
            }
        }
    }
}
