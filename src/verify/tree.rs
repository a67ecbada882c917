//! Samples in files of their own.

use std::collections::HashSet;
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use kpack_formats::framedir::{self, Listed};
use kpack_formats::{ReadOptions, crc32c_join};
use rustix::fs::{Dir, FileType, Mode, OFlags, RawDir};

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
        let stem = place.rsplit('/').next().unwrap_or(place);
        let inside = Inside::open(folder, stem);
        let (mut crc, mut length) = (0, 0_u64);
        for file in &listed.files {
            let record = (file.bytes, file.crc32c);
            let checked = match inside.as_ref().and_then(|inside| inside.file(&file.file)) {
                Some(opened) => check(opened, record, buffer),
                None => check_file(&folder.join(&file.file), record, buffer),
            };
            if let Err(what) = checked {
                let damage = Damage::of(&folder.join(&file.file), what).key(&row.key);
                report.damaged(damage.member(&file.name));
            }
            report.bytes = report.bytes.saturating_add(file.bytes);
            crc = crc32c_join(crc, file.crc32c, file.bytes);
            length = length.saturating_add(file.bytes);
        }
        if let Some(inside) = inside {
            inside.unlisted(folder, &listed, row, report);
        }
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

/// The folder of a sample's frames. Its files are opened by their names in it: the way to it is gone
/// once.
struct Inside<'a> {
    stem: &'a str,
    folder: OwnedFd,
}

impl<'a> Inside<'a> {
    /// The folder `stem` in `folder`; `None` where it cannot be opened.
    fn open(folder: &Path, stem: &'a str) -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(folder.join(stem), flags, Mode::empty()).ok()?;
        Some(Self { stem, folder })
    }

    /// A file that the JSON lists, if it lies in here.
    fn file(&self, listed: &str) -> Option<io::Result<File>> {
        let name = listed.strip_prefix(self.stem)?.strip_prefix('/')?;
        // A pipe would wait for somebody to write.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let opened = rustix::fs::openat(&self.folder, name, flags, Mode::empty());
        Some(opened.map(File::from).map_err(io::Error::from))
    }

    /// How many entries it has.
    fn count(&self) -> usize {
        let mut buffer = [MaybeUninit::uninit(); 16 << 10];
        let mut entries = RawDir::new(&self.folder, &mut buffer);
        let mut count = 0;
        while let Some(Ok(entry)) = entries.next() {
            count += usize::from(!is_dots(entry.file_name()));
        }
        count
    }

    /// Files among the frames that the JSON does not know: loaders that count files would count them.
    fn unlisted(self, folder: &Path, listed: &Listed, row: &Expected, report: &mut Report) {
        let is_inside = |file: &&str| {
            let inside = file.strip_prefix(self.stem);
            inside.is_some_and(|file| file.starts_with('/'))
        };
        let files = || listed.files.iter().map(|file| file.file.as_str());
        // The listed ones were all opened.
        if self.count() <= files().filter(is_inside).count() {
            return;
        }
        let Ok(mut entries) = Dir::new(self.folder) else {
            return;
        };
        entries.rewind();
        let mut names = Vec::new();
        while let Some(Ok(entry)) = entries.read() {
            if !is_dots(entry.file_name()) {
                names.push(entry);
            }
        }
        let known: HashSet<&str> = files().collect();
        let folder = folder.join(self.stem);
        let mut strange: Vec<PathBuf> = names
            .into_iter()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| !known.contains(format!("{}/{name}", self.stem).as_str()))
            .map(|name| folder.join(name))
            .filter(|path| path.symlink_metadata().is_ok_and(|meta| meta.is_file()))
            .collect();
        strange.sort();
        for path in strange {
            report.damaged(Damage::of(&path, UNLISTED).key(&row.key));
        }
    }
}

/// Whether an entry is the folder itself or the one above.
fn is_dots(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

fn json_of(dir: &Path, place: &str) -> PathBuf {
    dir.join(format!("{place}.json"))
}

/// Compares a file with its length and checksum; what is wrong is said.
pub(crate) fn check_file(path: &Path, record: (u64, u32), buffer: &mut [u8]) -> Result<(), String> {
    check(bounded::open(path), record, buffer)
}

/// As [`check_file`], of a file that was opened, if it could be.
fn check(
    opened: io::Result<File>,
    (length, crc32c): (u64, u32),
    buffer: &mut [u8],
) -> Result<(), String> {
    let unreadable = |e: io::Error| format!("cannot be read: {e}");
    let mut file = opened.map_err(|e| match e.kind() {
        ErrorKind::NotFound => "the file is missing".to_owned(),
        _ => format!("cannot be opened: {e}"),
    })?;
    let meta = rustix::fs::fstat(&file).map_err(|e| unreadable(e.into()))?;
    if !FileType::from_raw_mode(meta.st_mode).is_file() {
        return Err("cannot be opened: is no regular file".to_owned());
    }
    let (mut found, mut crc) = (0_u64, 0);
    // Of a file that is as long as it should be nothing is read behind its end.
    while u64::try_from(meta.st_size) != Ok(length) || found < length {
        match file.read(buffer) {
            Ok(0) => break,
            Ok(n) => {
                found += n as u64;
                crc = kpack_formats::crc32c_append(crc, &buffer[..n]);
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(unreadable(e)),
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
