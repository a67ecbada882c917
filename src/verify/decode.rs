//! Decodes what samples hold, and compares it with what their rows say.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use kpack_formats::framedir::Listed;
use kpack_formats::{Blob, Format, Kind, Meta, ReadOptions, Sample, frame_number, npy};

use super::picture::{self, Looks};
use super::sound::{Heard, Seen};
use super::{Damage, Report};
use crate::Result;
use crate::pipeline::OutcomeRow;
use crate::worker::{Worker, Workers};

/// What decodes media: in this process, or in children.
pub(crate) struct Eyes<'a> {
    workers: &'a Workers,
    /// Those that no thread uses at the moment.
    idle: Mutex<Vec<Worker>>,
}

impl<'a> Eyes<'a> {
    pub(crate) fn new(workers: &'a Workers) -> Self {
        Self {
            workers,
            idle: Mutex::default(),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Worker>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is seen and heard of the media `file` of the sample `key`.
    fn look(&self, key: &str, file: &Arc<File>) -> Result<Seen, String> {
        let mut worker = self.idle().pop().unwrap_or_default();
        let seen = self.workers.look(key, file, &mut worker);
        self.idle().push(worker);
        seen
    }
}

/// What a row says of its sample.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expected {
    pub(crate) key: String,
    /// Offset, length, CRC-32C.
    pub(crate) extent: Option<(u64, u64, u32)>,
    frames: Option<u64>,
    audio_samples: Option<u64>,
    seconds: Option<f64>,
    /// Whether it is known not to decode cleanly.
    errors: bool,
}

impl Expected {
    pub(crate) fn of(row: &OutcomeRow) -> Self {
        let span = row.got_start.zip(row.got_end);
        let extent = row.length.zip(row.crc32c);
        Self {
            key: row.key.clone(),
            extent: extent.map(|(length, crc)| (row.offset.unwrap_or(0), length, crc)),
            frames: row.frames,
            audio_samples: row.audio_samples,
            seconds: span.map(|(start, end)| end.since(start).secs()),
            errors: row.decode_errors.is_some_and(|n| n > 0),
        }
    }

    /// From a sample's own metadata.
    fn of_meta(key: &str, meta: &Meta) -> Self {
        let number = |name: &str| meta.get(name).and_then(serde_json::Value::as_u64);
        let seconds = |name: &str| meta.get(name).and_then(serde_json::Value::as_f64);
        Self {
            key: key.to_owned(),
            extent: None,
            frames: number("frames"),
            audio_samples: number("audio_samples"),
            seconds: seconds("got_end")
                .zip(seconds("got_start"))
                .map(|(e, s)| e - s),
            errors: number("decode_errors").is_some_and(|n| n > 0),
        }
    }
}

/// Decodes all samples of a shard that can be read.
pub(crate) fn shard(
    path: &Path,
    format: &Format,
    rows: Option<&[Expected]>,
    eyes: &Eyes<'_>,
    report: &mut Report,
) -> Result<()> {
    // What cannot be read is told by the checksums already.
    let Ok(mut reader) = (format.open)(path, &ReadOptions::default()) else {
        return Ok(());
    };
    let by_offset: BTreeMap<u64, &Expected> = rows
        .unwrap_or_default()
        .iter()
        .filter_map(|row| Some((row.extent?.0, row)))
        .collect();
    let mut failed = None;
    loop {
        match reader.next_sample() {
            Ok(None) => return Ok(()),
            Ok(Some(item)) => {
                let (offset, _) = reader.position();
                let row = by_offset.get(&offset).copied();
                let row = row.filter(|row| row.key == item.key);
                sample(path, &item, (Some(offset), row), eyes, report);
            }
            Err(e) if e.kind() == Kind::Io || failed >= Some(e.at().offset) => return Ok(()),
            Err(e) => failed = Some(e.at().offset),
        }
    }
}

/// Decodes the files of a sample in a tree.
pub(crate) fn files(
    folder: &Path,
    json: &Path,
    listed: &Listed,
    (row, eyes): (&Expected, &Eyes<'_>),
    report: &mut Report,
) {
    let mut item = Sample {
        key: listed.key.clone(),
        ..Sample::default()
    };
    for file in &listed.files {
        let path = folder.join(&file.file);
        if let Ok(open) = File::open(&path) {
            let blob = Blob::File {
                file: Arc::new(open),
                path: Arc::from(path),
                offset: 0,
                length: file.bytes,
            };
            item.blobs.insert(file.name.clone(), blob);
        }
    }
    sample(json, &item, (None, Some(row)), eyes, report);
}

/// Decodes one sample.
pub(crate) fn sample(
    file: &Path,
    item: &Sample,
    (offset, row): (Option<u64>, Option<&Expected>),
    eyes: &Eyes<'_>,
    report: &mut Report,
) {
    let own = Expected::of_meta(&item.key, &item.meta);
    let mut look = Look {
        file,
        offset,
        row: row.unwrap_or(&own),
        looks: Looks::default(),
        pictures: 0,
        eyes,
        report,
    };
    for (name, blob) in &item.blobs {
        look.blob(name, blob);
    }
    look.end();
}

/// One sample being looked at.
struct Look<'a> {
    file: &'a Path,
    offset: Option<u64>,
    row: &'a Expected,
    looks: Looks,
    pictures: u64,
    eyes: &'a Eyes<'a>,
    report: &'a mut Report,
}

impl Look<'_> {
    fn place(&self, member: Option<&str>, what: impl Into<String>) -> Damage {
        let mut damage = Damage::of(self.file, what).key(&self.row.key);
        damage.offset = self.offset;
        damage.member = member.map(str::to_owned);
        damage
    }
    fn damaged(&mut self, member: Option<&str>, what: impl Into<String>) {
        let damage = self.place(member, what);
        self.report.damaged(damage);
    }
    fn flag(&mut self, member: Option<&str>, what: &str) {
        let flag = self.place(member, what);
        self.report.flags.push(flag);
    }

    fn blob(&mut self, name: &str, blob: &Blob) {
        let extension = name.rsplit('.').next().unwrap_or(name);
        match extension {
            "jpg" | "jpeg" | "png" | "webp" => self.picture(name, blob),
            "npy" => self.array(name, blob),
            "wav" | "flac" | "mp3" | "m4a" | "ogg" | "opus" | "aac" | "mka" | "mp2" | "ac3"
            | "eac3" => self.media(name, blob, false),
            "mp4" | "mkv" | "webm" | "avi" | "mov" | "ts" | "mpg" | "m4v" => {
                self.media(name, blob, true);
            }
            _ => {}
        }
    }

    fn picture(&mut self, name: &str, blob: &Blob) {
        let decoded = blob.load().map_err(|e| e.to_string());
        match decoded.and_then(|bytes| picture::luma(&bytes)) {
            Ok(luma) => {
                if frame_number(name).is_some() {
                    self.pictures += 1;
                    self.looks.add(luma);
                }
            }
            Err(e) => self.damaged(Some(name), format!("the picture cannot be decoded: {e}")),
        }
    }

    fn array(&mut self, name: &str, blob: &Blob) {
        let parsed = blob.load().and_then(|bytes: Bytes| npy::parse(&bytes));
        match parsed {
            Ok((array, values)) => {
                let mut heard = Heard::default();
                heard.add(&values);
                heard.samples = array.frames;
                self.sound(name, &heard, true);
            }
            Err(e) => self.damaged(Some(name), format!("the array cannot be read: {e}")),
        }
    }

    fn sound(&mut self, name: &str, heard: &Heard, counted: bool) {
        let (samples, expected) = (heard.samples, self.row.audio_samples);
        if let Some(expected) = expected.filter(|n| counted && *n != samples) {
            let what = format!("{samples} sample frames come out, {expected} were written");
            self.damaged(Some(name), what);
        }
        if heard.is_silent() {
            self.flag(Some(name), "silent");
        }
    }

    /// A video or sound file.
    fn media(&mut self, name: &str, blob: &Blob, is_video: bool) {
        let seen = open(blob).and_then(|file| self.eyes.look(&self.row.key, &file));
        let seen = match seen {
            Ok(seen) => seen,
            Err(e) => return self.damaged(Some(name), format!("cannot be decoded: {e}")),
        };
        if seen.errors > 0 && !self.row.errors {
            let what = format!("{} packets or frames do not decode cleanly", seen.errors);
            self.damaged(Some(name), what);
        }
        if let Some(heard) = &seen.heard {
            // Only sound that was coded anew has its samples counted.
            let counted = !is_video && matches!(name, "wav" | "flac");
            self.sound(name, heard, counted);
        }
        if !is_video {
            return;
        }
        if seen.pictures == 0 && seen.heard.is_none() {
            self.damaged(Some(name), "no frame comes out");
        }
        self.compare_video(name, seen.pictures, seen.seconds);
        self.flag_looks(Some(name), seen.black, seen.frozen);
    }

    /// Containers count frames that are never shown, so a few may be missing.
    fn compare_video(&mut self, name: &str, pictures: u64, seconds: f64) {
        if pictures == 0 || self.row.errors {
            return;
        }
        let expected = self.row.frames.filter(|_| self.pictures == 0);
        if let Some(expected) = expected.filter(|n| pictures.abs_diff(*n) > 2 + *n / 50) {
            let what = format!("{pictures} frames come out, the row says {expected}");
            self.damaged(Some(name), what);
        }
        let expected = self.row.seconds.filter(|_| self.pictures == 0);
        if let Some(expected) = expected.filter(|s| (seconds - s).abs() > 0.5 + s / 20.0) {
            let what = format!("it lasts {seconds:.2} s, the row says {expected:.2} s");
            self.damaged(Some(name), what);
        }
    }

    fn flag_looks(&mut self, member: Option<&str>, black: bool, frozen: bool) {
        if black {
            self.flag(member, "black");
        } else if frozen {
            self.flag(member, "frozen");
        }
    }

    fn end(mut self) {
        let (found, expected) = (self.pictures, self.row.frames);
        if found > 0 {
            if let Some(expected) = expected.filter(|n| *n != found) {
                let what = format!("{found} pictures come out, the row says {expected}");
                self.damaged(None, what);
            }
            let (black, frozen) = (self.looks.is_black(), self.looks.is_frozen());
            self.flag_looks(None, black, frozen);
        }
    }
}

/// A blob as a file of its own.
fn open(blob: &Blob) -> Result<Arc<File>, String> {
    if let Blob::File {
        file,
        offset: 0,
        length,
        ..
    } = blob
        && file.metadata().is_ok_and(|meta| meta.len() == *length)
    {
        return Ok(file.clone());
    }
    let bytes = blob.load().map_err(|e| e.to_string())?;
    let file = tempfile::tempfile().and_then(|mut file| file.write_all(&bytes).map(|()| file));
    file.map(Arc::new)
        .map_err(|e| format!("no temporary file can be written: {e}"))
}
