//! Decodes what samples hold, and compares it with what their rows say.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use kpack_formats::framedir::Listed;
use kpack_formats::{Blob, Format, Kind, Meta, ReadOptions, Sample, frame_number, npy};

use super::picture::{Glance, Looks};
use super::sound::{Heard, WatchMedia};
use super::{Damage, Report};
use crate::Result;
use crate::pipeline::OutcomeRow;
use crate::worker::{self, Workers};

/// Bytes of pictures that are decoded together.
const TOGETHER: u64 = 32 << 20;

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
    workers: &Workers,
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
                sample(path, &item, (Some(offset), row), workers, report);
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
    (row, workers): (&Expected, &Workers),
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
    sample(json, &item, (None, Some(row)), workers, report);
}

/// Decodes one sample.
pub(crate) fn sample(
    file: &Path,
    item: &Sample,
    (offset, row): (Option<u64>, Option<&Expected>),
    workers: &Workers,
    report: &mut Report,
) {
    let own = Expected::of_meta(&item.key, &item.meta);
    let mut look = Look {
        file,
        offset,
        row: row.unwrap_or(&own),
        looks: Looks::default(),
        waiting: Vec::new(),
        pictures: 0,
        workers,
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
    /// Pictures that are decoded together.
    waiting: Vec<(&'a str, &'a Blob)>,
    pictures: u64,
    workers: &'a Workers,
    report: &'a mut Report,
}

impl<'a> Look<'a> {
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

    fn blob(&mut self, name: &'a str, blob: &'a Blob) {
        let extension = name.rsplit('.').next().unwrap_or(name);
        if matches!(extension, "jpg" | "jpeg" | "png" | "webp") {
            return self.waiting.push((name, blob));
        }
        self.glance();
        match extension {
            "npy" => self.array(name, blob),
            "wav" | "flac" | "mp3" | "m4a" | "ogg" | "opus" | "aac" | "mka" | "mp2" | "ac3"
            | "eac3" => self.media(name, blob, false),
            "mp4" | "mkv" | "webm" | "avi" | "mov" | "ts" | "mpg" | "m4v" => {
                self.media(name, blob, true);
            }
            _ => {}
        }
    }

    /// Decodes the pictures that wait.
    fn glance(&mut self) {
        let mut rest = std::mem::take(&mut self.waiting);
        while !rest.is_empty() {
            let mut bytes = 0;
            let most = rest.iter().position(|(_, blob)| {
                bytes += blob.len();
                bytes > TOGETHER
            });
            let behind = rest.split_off(most.unwrap_or(rest.len()).max(1));
            self.glance_at(&rest);
            rest = behind;
        }
    }

    fn glance_at(&mut self, pictures: &[(&str, &Blob)]) {
        let mut there = Vec::with_capacity(pictures.len());
        let mut loaded = Vec::with_capacity(pictures.len());
        for (name, blob) in pictures {
            match blob.load() {
                Ok(bytes) => {
                    there.push((*name, *blob));
                    loaded.push(bytes);
                }
                Err(e) => self.broken(name, &e.to_string()),
            }
        }
        let counts = there.iter().map(|(name, _)| frame_number(name).is_some());
        let lengths = loaded.iter().map(|bytes| bytes.len() as u64);
        let task = Glance {
            pictures: lengths.zip(counts).collect(),
        };
        let file = worker::handed(&loaded).map_err(no_file);
        let asked = file.and_then(|file| {
            let asked = self.workers.ask(&self.row.key, &file, &task);
            asked.map_err(|problem| problem.reason)
        });
        match asked {
            Ok((glanced, _)) => {
                for (i, e) in &glanced.broken {
                    if let Some((name, _)) = there.get(*i) {
                        self.broken(name, e);
                    }
                }
                self.pictures += glanced.looks.pictures();
                self.looks.join(glanced.looks);
            }
            // One of them is at fault: which?
            Err(_) if there.len() > 1 => there.iter().for_each(|one| self.glance_at(&[*one])),
            Err(e) => there.iter().for_each(|(name, _)| self.broken(name, &e)),
        }
    }

    fn broken(&mut self, name: &str, e: &str) {
        self.damaged(Some(name), format!("the picture cannot be decoded: {e}"));
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
        let seen = open(blob).and_then(|file| {
            let asked = self.workers.ask(&self.row.key, &file, &WatchMedia);
            asked.map_err(|problem| problem.reason)
        });
        let seen = match seen {
            Ok((seen, _)) => seen,
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
        self.glance();
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
    worker::handed(&[bytes]).map_err(no_file)
}

fn no_file(e: std::io::Error) -> String {
    format!("no temporary file can be written: {e}")
}
