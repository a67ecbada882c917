//! The parts of a sample, and the small features that follow from them.

use std::borrow::Cow;

use serde_json::Value as Json;

use super::super::encode::{Data, List, Record, Steps, Value};
use super::super::read_npy_header;
use crate::names::frame_number;
use crate::{Blob, Meta, Result, Sample, npy};

const MEDIA: &[&str] = &[
    "mp4", "mkv", "avi", "mov", "webm", "m4v", "mpg", "mpeg", "ts", "flv", "wmv", "ogv", "3gp",
    "h264", "mjpeg",
];

/// Whether a blob of this name may be the sample's video.
pub(super) fn is_media(name: &str) -> bool {
    MEDIA.contains(&name)
}

type Named<'a> = (&'a str, &'a Blob);

/// A sample's blobs by what becomes of them.
#[derive(Debug, Default)]
pub(super) struct Parts<'a> {
    /// In order of their numbers.
    pub(super) frames: Vec<Named<'a>>,
    pub(super) array: Option<npy::Array>,
    pub(super) media: Option<Named<'a>>,
    pub(super) others: Vec<Named<'a>>,
}

impl<'a> Parts<'a> {
    pub(super) fn of(sample: &'a Sample) -> Result<Self> {
        let mut parts = Self::default();
        for (name, blob) in &sample.blobs {
            let named = (name.as_str(), blob);
            if frame_number(name).is_some() {
                parts.frames.push(named);
            } else if is_media(name) && parts.media.is_none() {
                parts.media = Some(named);
            } else {
                if name == "npy" {
                    parts.array = read_npy_header(blob)?;
                }
                if parts.array.is_none() || name != "npy" {
                    parts.others.push(named);
                }
            }
        }
        parts.frames.sort_by_key(|(name, _)| frame_number(name));
        Ok(parts)
    }

    /// What `image/format` says of the frames, and the extension that this gives them.
    fn format(&self) -> Option<(&'static str, &'static str)> {
        let (_, extension) = frame_number(self.frames.first()?.0)?;
        Some(match extension {
            "png" => ("png", "png"),
            "webp" => ("webp", "webp"),
            _ => ("jpeg", "jpg"),
        })
    }

    /// Whether the frames' names are those that a reader gives them anyway.
    fn plain_names(&self, extension: &str) -> bool {
        let mut named = self.frames.iter().zip(1..);
        named.all(|((name, _), number)| frame_number(name) == Some((number, extension)))
    }
}

fn number(meta: &Meta, name: &str) -> Option<f64> {
    meta.get(name).and_then(Json::as_f64)
}

/// Seconds to whole microseconds.
fn micros(seconds: f64) -> Option<i64> {
    let us = (seconds * 1e6).round();
    (us.abs() < 9e15).then_some(us as i64)
}

/// What follows from the metadata and the parts, without the key, the labels and the payloads.
pub(super) fn facts<'a>(sample: &'a Sample, parts: &Parts<'a>) -> Record<'a> {
    let mut record = Record::default();
    let meta = &sample.meta;
    if let Some(source) = meta.get("source").and_then(Json::as_str) {
        record.text("video/filename", source);
        record.text("clip/data_path", source);
    }
    for (key, asked, got) in [
        ("clip/start/timestamp", "start", "got_start"),
        ("clip/end/timestamp", "end", "got_end"),
    ] {
        let seconds = number(meta, asked).or_else(|| number(meta, got));
        seconds
            .and_then(micros)
            .into_iter()
            .for_each(|us| record.ints(key, [us]));
    }
    picture(&mut record, meta, parts);
    if let Some(array) = &parts.array {
        if let Some(rate) = number(meta, "sample_rate") {
            record.float("WAVEFORM/feature/sample_rate", rate as f32);
        }
        record.ints("WAVEFORM/feature/num_channels", [array.channels as i64]);
        record.ints("WAVEFORM/feature/num_samples", [array.frames as i64]);
    }
    if let Some((name, _)) = parts.media {
        record.text("kpack/media_name", name);
    }
    record
}

fn picture<'a>(record: &mut Record<'a>, meta: &Meta, parts: &Parts<'a>) {
    let int = |name| meta.get(name).and_then(Json::as_i64);
    if let (Some(height), Some(width)) = (int("height"), int("width")) {
        record.ints("image/height", [height]);
        record.ints("image/width", [width]);
        record.ints("image/channels", [3]);
    }
    if let Some(fps) = number(meta, "fps") {
        record.float("image/frame_rate", fps as f32);
    }
    let Some((format, extension)) = parts.format() else {
        return;
    };
    record.text("image/format", format);
    if !parts.plain_names(extension) {
        let names = parts.frames.iter().map(|(name, _)| Data::text(name));
        record.put("kpack/frame_names", Value::Many(names.collect()));
    }
    if let Some(Json::Array(times)) = meta.get("frame_times") {
        let times: Option<Vec<i64>> = times.iter().map(|t| t.as_f64().and_then(micros)).collect();
        if let Some(times) = times.filter(|t| t.len() == parts.frames.len()) {
            let steps = times
                .into_iter()
                .map(|us| (Value::Ints(vec![us]), None))
                .collect();
            let key = Cow::Borrowed("image/timestamp");
            record.lists.push(List {
                key,
                steps: Steps::Values(steps),
            });
        }
    }
}
