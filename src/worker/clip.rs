//! The job of making a clip's sample: what goes to the child, what comes back, and what of that is
//! believed.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use kpack_formats::{Blob, FrameTable, Limits, Sample};
use serde::{Deserialize, Serialize};

use super::outgoing::Outgoing;
use super::watch::Lost;
use super::wire::Broken;
use crate::Time;
use crate::sample::{Class, Facts, Made, Recipe, SampleError, Stage, sample_of};
use crate::source::{Clip, Span};

/// A clip to be made. The rest of it stays with the parent, which puts the sample together.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ClipJob {
    /// The media file's extension, which may become a blob's name.
    extension: Option<String>,
    /// Start in nanoseconds, and the end if there is one.
    range: Option<(i64, Option<i64>)>,
    pub(super) recipe: Recipe,
}

impl ClipJob {
    pub(super) fn new(clip: &Clip, recipe: &Recipe) -> Self {
        let extension = clip.media.as_deref().and_then(Path::extension);
        let range = clip.span;
        Self {
            extension: extension.and_then(|e| e.to_str()).map(str::to_owned),
            range: range.map(|span| (span.start.nanos(), span.end.map(Time::nanos))),
            recipe: recipe.clone(),
        }
    }

    /// The clip as far as its child knows it.
    pub(super) fn clip(&self, key: &str) -> Clip {
        let extension = self.extension.as_ref();
        Clip {
            key: key.to_owned(),
            media: extension.map(|e| PathBuf::from(format!("clip.{e}"))),
            span: self.range.map(|(start, end)| Span {
                start: Time::from_nanos(start),
                end: end.map(Time::from_nanos),
            }),
            ..Clip::default()
        }
    }
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ClipAnswer {
    Sample(Box<SampleBody>),
    /// Left out by the user's own rule.
    Skipped(String),
}

/// A sample, but for its bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SampleBody {
    pub(super) blobs: Vec<BlobBody>,
    facts: Facts,
    /// By the names of blobs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    frame_tables: BTreeMap<String, FrameTable>,
}

/// A blob: where its bytes are.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct BlobBody {
    pub(super) name: String,
    pub(super) length: u64,
    place: Place,
}

/// The first byte of a blob.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Place {
    /// In the media file.
    Media(u64),
    /// In the bytes that came.
    Bytes(u64),
}

impl SampleBody {
    /// Of a sample that was made from `media`; sends its bytes on their way.
    pub(super) fn send(
        sample: &Sample,
        facts: Facts,
        media: &Arc<File>,
        outgoing: &mut Outgoing,
    ) -> Self {
        let pictures = sample.blobs.values().filter_map(|blob| match blob {
            Blob::File { file, .. } if Arc::ptr_eq(file, media) => None,
            Blob::File { offset, length, .. } => Some(offset + length),
            Blob::Bytes(_) => None,
        });
        // Some were made in vain.
        outgoing.cut(pictures.max().unwrap_or(0));
        let mut body = |(name, blob): (&String, &Blob)| BlobBody {
            name: name.clone(),
            length: blob.len(),
            place: match blob {
                Blob::Bytes(bytes) => Place::Bytes(outgoing.send(bytes.clone())),
                Blob::File { file, offset, .. } if Arc::ptr_eq(file, media) => {
                    Place::Media(*offset)
                }
                // A picture that is on its way already.
                Blob::File { offset, .. } => Place::Bytes(*offset),
            },
        };
        let tables = sample.frame_tables.iter();
        Self {
            blobs: sample.blobs.iter().map(&mut body).collect(),
            facts,
            frame_tables: tables
                .map(|(name, table)| (name.clone(), FrameTable::clone(table)))
                .collect(),
        }
    }

    /// Whether all is as it may be. `media` is the length of the media file, `came` the bytes that came.
    fn check(&self, media: u64, came: u64) -> Result<(), Broken> {
        let limits = Limits::default();
        if self.blobs.len() as u64 > limits.members {
            return Err(Broken(format!("{} blobs", self.blobs.len())));
        }
        let mut bytes = 0_u64;
        let mut last = (0_u64, 0_u64);
        for blob in &self.blobs {
            kpack_formats::check_blob_name(&blob.name).map_err(|e| Broken(e.to_string()))?;
            let ends_in = |from: u64, all: u64| from.checked_add(blob.length).filter(|e| *e <= all);
            match blob.place {
                Place::Media(from) => {
                    let outside = || Broken(format!("a range outside the file in {}", blob.name));
                    ends_in(from, media).ok_or_else(outside)?;
                }
                Place::Bytes(at) => {
                    // In order and without gaps, but that one picture may be there several times.
                    let end = ends_in(at, came).filter(|end| at == last.1 || (at, *end) == last);
                    let other = || Broken(format!("a place outside the bytes in {}", blob.name));
                    last = (at, end.ok_or_else(other)?);
                    bytes = bytes.saturating_add(blob.length);
                }
            }
        }
        // Names come in order, so that none comes twice.
        if !self.blobs.is_sorted_by(|a, b| a.name < b.name) {
            return Err(Broken("names of blobs that are not in order".to_owned()));
        }
        if last.1 != came || bytes > limits.sample_bytes {
            return Err(Broken(format!("a sample of {bytes} bytes, not {came}")));
        }
        for (name, table) in &self.frame_tables {
            let blob = self.blobs.iter().find(|blob| blob.name == *name);
            if blob.is_none_or(|blob| !table.fits(blob.length)) {
                return Err(Broken(format!("a frame table that fits no blob {name}")));
            }
        }
        Ok(())
    }

    /// The sample of `clip`, with what `bytes` came and its media `file`.
    fn sample(self, clip: &Clip, file: &Arc<File>, bytes: &Bytes) -> Made {
        let path: Arc<Path> = clip.media.as_deref().unwrap_or(Path::new("")).into();
        let blob = |body: BlobBody| {
            let (length, path) = (body.length, path.clone());
            let blob = match body.place {
                Place::Media(offset) => Blob::File {
                    file: file.clone(),
                    path,
                    offset,
                    length,
                },
                // `check` has seen that all ranges are inside.
                Place::Bytes(at) => bytes.slice(at as usize..(at + length) as usize).into(),
            };
            (body.name, blob)
        };
        let blobs = self.blobs.into_iter().map(blob).collect();
        let mut sample = sample_of(clip, blobs, &self.facts);
        let tables = self.frame_tables.into_iter();
        sample.frame_tables = tables.map(|(name, table)| (name, table.into())).collect();
        Made::Sample(Box::new(sample), Box::new(self.facts))
    }
}

impl ClipAnswer {
    /// What became of `clip`, where the answer and the bytes that came make sense.
    pub(super) fn made(self, clip: &Clip, file: &Arc<File>, bytes: &Bytes) -> Result<Made, Lost> {
        match self {
            ClipAnswer::Skipped(reason) => Ok(Made::Skipped(reason)),
            ClipAnswer::Sample(body) => {
                body.check(file.metadata()?.len(), bytes.len() as u64)?;
                Ok(body.sample(clip, file, bytes))
            }
        }
    }
}

/// Refuses a sample that the parent would not take.
pub(super) fn too_large(key: &str, sample: &Sample, media: &Arc<File>) -> Result<(), SampleError> {
    let made = sample.blobs.values().filter_map(|blob| match blob {
        Blob::File { file, .. } if Arc::ptr_eq(file, media) => None,
        blob => Some(blob.len()),
    });
    let (bytes, most) = (made.sum::<u64>(), Limits::default().sample_bytes);
    if bytes <= most {
        return Ok(());
    }
    let reason = format!("a sample of {bytes} bytes is larger than {most}: ask for less of it");
    Err(SampleError::new(
        key,
        Stage::Encode,
        Class::TooLarge,
        reason,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(name: &str, length: u64, place: Place) -> BlobBody {
        let name = name.to_owned();
        BlobBody {
            name,
            length,
            place,
        }
    }

    fn check(blobs: Vec<BlobBody>) -> Result<(), Broken> {
        let body = SampleBody {
            blobs,
            facts: Facts::default(),
            frame_tables: BTreeMap::new(),
        };
        body.check(100, 50)
    }

    #[test]
    fn samples_that_lie_are_refused() {
        use Place::{Bytes, Media};
        let good = vec![
            blob("000001.jpg", 20, Bytes(0)),
            blob("000002.jpg", 20, Bytes(0)),
            blob("000003.jpg", 20, Bytes(20)),
            blob("mp4", 100, Media(0)),
            blob("wav", 10, Bytes(40)),
        ];
        assert_eq!(check(good), Ok(()));
        for bad in [
            vec![blob("../../etc/x", 50, Bytes(0))],
            vec![blob("jpg", u64::MAX, Bytes(0))],
            vec![blob("a", 50, Bytes(0)), blob("b", u64::MAX, Bytes(50))],
            vec![blob("a", 50, Bytes(0)), blob("mp4", 101, Media(0))],
            vec![blob("a", 50, Bytes(0)), blob("mp4", 1, Media(u64::MAX))],
            vec![blob("a", 50, Bytes(0)), blob("a", 50, Bytes(0))],
            vec![blob("a", 51, Bytes(0))],
            vec![blob("a", 1, Bytes(u64::MAX))],
            vec![blob("a", 49, Bytes(1))],
            vec![blob("a", 10, Bytes(0)), blob("b", 39, Bytes(11))],
            vec![blob("a", 10, Bytes(0)), blob("b", 41, Bytes(9))],
            vec![blob("b", 10, Bytes(0)), blob("a", 40, Bytes(10))],
            // Bytes that nothing names.
            vec![blob("a", 49, Bytes(0))],
            vec![],
        ] {
            let shown = format!("{bad:?}");
            assert!(check(bad).is_err(), "{shown}");
        }
    }
}
