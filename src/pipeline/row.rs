//! [`OutcomeRow`]: one line of `samples.jsonl`, what became of one input clip.

use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use kpack_formats::{Extent, Label, Meta};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::sample::{Class, Facts, SampleError, Stage};
use crate::source::{Clip, NamedBy, Problem, Row, Span};
use crate::{Time, bounded};

/// How a clip ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Its sample is written.
    Done,
    /// It gave no sample.
    #[default]
    Failed,
    /// Left out by the user's own rule.
    Skipped,
}

/// What became of one input clip. Fields stand in the order of the lines; absent ones are left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(
    missing_docs,
    reason = "the fields are those of the row; those of `Facts` are documented there"
)]
pub struct OutcomeRow {
    pub key: String,
    /// As the input names it.
    pub source: String,
    pub outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// Of a failure, or why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// In the plan; absent for a row that took no place in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Where it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// The file used (lossy where its name is not UTF-8).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decode_errors: Option<u64>,
    /// Name of the shard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
    /// In a tree: where the files lie, below OUT and without an extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// First byte in the shard, before compression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Bytes in the shard, before compression, padding included; in a tree of all files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// Of those bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crc32c: Option<u32>,
    /// Names of the classes: a text, or a list if there are several.
    #[serde(skip_serializing_if = "Vec::is_empty", with = "one_or_many")]
    pub label: Vec<String>,
    /// Their indexes: a number, or a list.
    #[serde(skip_serializing_if = "Vec::is_empty", with = "one_or_many")]
    pub label_index: Vec<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Asked, in seconds from the start of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Time>,
    /// Asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub got_start: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub got_end: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoded_frames: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped_frames: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_samples: Option<u64>,
    /// Of all blobs together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_codec: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_codec: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_audio: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_start: Option<Time>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Where the media file is a cut of the source already: what is cut out of it, as start and end
    /// in seconds; nothing is `[]`. Absent where `start` and `end` say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<Vec<Time>>,
    /// The row's other columns.
    #[serde(skip_serializing_if = "Meta::is_empty")]
    pub columns: Meta,
}

impl OutcomeRow {
    /// Reads `samples.jsonl` line by line; `path` serves messages. Behind a line that is too long
    /// nothing more is read.
    pub fn read_all(file: File, path: &Path) -> impl Iterator<Item = crate::Result<OutcomeRow>> {
        let (path, mut line) = (path.to_owned(), Vec::new());
        let mut source = BufReader::with_capacity(1 << 18, file);
        let (mut number, mut end, mut ended) = (0_u64, 0_u64, false);
        std::iter::from_fn(move || {
            line.clear();
            let begin = end;
            number += 1;
            let wrong = |what: String| crate::Error::Input {
                path: path.clone(),
                message: format!("line {number} (at byte {begin}): {what}"),
            };
            match bounded::line(&mut source, &mut line, bounded::ROW) {
                _ if ended => None,
                Ok(0) => None,
                Ok(got) => {
                    end += got as u64;
                    let row = serde_json::from_slice(&line);
                    Some(row.map_err(|e| wrong(format!("not an outcome: {e}"))))
                }
                Err(e) if e.kind() == ErrorKind::FileTooLarge => {
                    ended = true;
                    Some(Err(wrong(e.to_string())))
                }
                Err(e) => {
                    ended = true;
                    Some(Err(crate::Error::io("cannot read", &path)(e)))
                }
            }
        })
    }

    /// The row of a clip that failed or was skipped before it was planned.
    pub(crate) fn problem(clip: &Clip, problem: &Problem) -> Self {
        let mut row = Self::of(clip, None);
        row.outcome = Outcome::Failed;
        row.class = Some(problem.class);
        row.stage = Some(problem.stage);
        row.reason = Some(problem.reason.replace(['\n', '\r'], " "));
        row
    }
    pub(crate) fn failed(clip: &Clip, index: u32, error: &SampleError) -> Self {
        let mut row = Self::of(clip, Some(index));
        row.outcome = Outcome::Failed;
        row.class = Some(error.class);
        row.stage = Some(error.stage);
        row.reason = Some(error.full_reason());
        row
    }
    pub(crate) fn skipped(clip: &Clip, index: u32, reason: &str) -> Self {
        let mut row = Self::of(clip, Some(index));
        row.outcome = Outcome::Skipped;
        row.reason = Some(reason.replace(['\n', '\r'], " "));
        row
    }
    pub(crate) fn done(clip: &Clip, index: u32, extent: &Extent, bytes: u64, facts: Facts) -> Self {
        let mut row = Self::of(clip, Some(index));
        row.outcome = Outcome::Done;
        row.length = Some(extent.length);
        row.crc32c = Some(extent.crc32c);
        row.bytes = Some(bytes);
        row.learn(facts);
        row
    }

    /// The row of a clip of which nothing more is known.
    pub(crate) fn of(clip: &Clip, index: Option<u32>) -> Self {
        Self {
            key: clip.key.clone(),
            source: clip.source.clone(),
            index,
            media: clip
                .media
                .as_ref()
                .map(|path| path.to_string_lossy().into_owned()),
            label: clip
                .labels
                .iter()
                .filter_map(|label| label.text.clone())
                .collect(),
            label_index: clip.labels.iter().filter_map(|label| label.index).collect(),
            split: clip.split.clone(),
            start: clip.asked().map(|span| span.start),
            end: clip.asked().and_then(|span| span.end),
            cut: clip.asked.map(|_| {
                let span = clip.span.iter();
                span.flat_map(|span| [Some(span.start), span.end])
                    .flatten()
                    .collect()
            }),
            columns: clip.columns.clone(),
            ..Self::default()
        }
    }

    /// The clip and its problem, as they were planned. Media whose names are not UTF-8, and clips
    /// some of whose labels have no text or no index, do not come back as they were.
    pub(crate) fn to_row(&self) -> Row {
        let asked = self.start.map(|start| Span {
            start,
            end: self.end,
        });
        let cut = self.cut.as_deref().map(|cut| {
            let start = cut.first().copied();
            start.map(|start| Span {
                start,
                end: cut.get(1).copied(),
            })
        });
        let count = self.label.len().max(self.label_index.len());
        let label = |i: usize| Label {
            index: self.label_index.get(i).copied(),
            text: self.label.get(i).cloned(),
        };
        let planned = self.index.is_some();
        let problem = (!planned).then(|| Problem {
            stage: self.stage.unwrap_or(Stage::Plan),
            class: self.class.unwrap_or(Class::Internal),
            reason: self.reason.clone().unwrap_or_default(),
        });
        let clip = Clip {
            key: self.key.clone(),
            source: self.source.clone(),
            named_by: NamedBy::default(),
            media: self.media.as_ref().map(PathBuf::from),
            span: cut.unwrap_or(asked),
            asked: cut.and(asked),
            split: self.split.clone(),
            labels: (0..count).map(label).collect(),
            columns: self.columns.clone(),
        };
        Row { clip, problem }
    }

    /// Takes over what was found out, but for the times of single frames, which are in the sample.
    pub(crate) fn learn(&mut self, facts: Facts) {
        // Without `..`, so that a new fact cannot be forgotten here.
        let Facts {
            got_start,
            got_end,
            frames,
            encoded_frames,
            dropped_frames,
            width,
            height,
            fps,
            frame_times: _,
            video_codec,
            audio_codec,
            has_audio,
            sample_rate,
            channels,
            audio_samples,
            audio_start,
            decode_errors,
            notes,
        } = facts;
        (self.got_start, self.got_end, self.frames) = (got_start, got_end, frames);
        self.encoded_frames = encoded_frames;
        self.dropped_frames = dropped_frames;
        (self.width, self.height, self.fps) = (width, height, fps);
        (self.video_codec, self.audio_codec, self.has_audio) =
            (video_codec, audio_codec, has_audio);
        (self.sample_rate, self.channels) = (sample_rate, channels);
        (self.audio_samples, self.audio_start) = (audio_samples, audio_start);
        (self.decode_errors, self.notes) = (decode_errors, notes);
    }
}

/// A list that is written as its only element where it has one.
mod one_or_many {
    use super::*;

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum OneOrMany<T> {
        One(T),
        Many(Vec<T>),
    }

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        items: &[T],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match items {
            [one] => one.serialize(to),
            many => many.serialize(to),
        }
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<T>, D::Error> {
        Ok(match OneOrMany::deserialize(from)? {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        })
    }
}
