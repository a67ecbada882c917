//! One picture for each class.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use serde::{Deserialize, Serialize};

use super::{Record, State, StatsOptions, lost};
use crate::media::{Frame, ImageEncoder, Track};
use crate::probe::{frame_at, input, open};
use crate::sample::{Class, ImageCodec, Stage};
use crate::source::Problem;
use crate::worker::{Task, Workers};
use crate::{Error, Result, Time};

/// A picture of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumb {
    /// The class; empty for clips without one.
    pub class: String,
    /// Key of the clip.
    pub key: String,
    /// A JPEG; empty where no clip of the class could be decoded.
    pub jpeg: Vec<u8>,
}

/// Height in pixels of a picture.
const HEIGHT: u32 = 108;
/// Most pictures that are made.
const MOST: usize = 2000;
/// Clips of a class that are tried.
const TRIES: usize = 3;

/// The middle frame of the first clip of each class that can be decoded; a clip on which a worker was
/// lost is told in `notes`.
///
/// # Errors
/// [`Error::Usage`] if the threads cannot be started.
pub fn thumbs(
    records: &[Record],
    options: &StatsOptions,
    notes: &mut Vec<String>,
) -> Result<Vec<Thumb>> {
    let threads = options.threads;
    let mut classes: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in records {
        let class = record.labels.first().map_or("", String::as_str);
        let usable = matches!(record.state, State::Found | State::Short)
            && record.media.is_some()
            && record.video_codec.is_some();
        let clips = classes.entry(class).or_default();
        if usable && clips.len() < TRIES {
            clips.push(record);
        }
    }
    let workers = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.max(1))
        .build()
        .map_err(|e| Error::usage(format!("cannot start {threads} threads: {e}")))?;
    let classes: Vec<_> = classes.into_iter().take(MOST).collect();
    let make = |(class, clips): (&str, Vec<&Record>)| {
        let mut notes = Vec::new();
        let found = clips
            .iter()
            .find_map(|clip| match draw(clip, &options.workers) {
                Ok(jpeg) => Some((clip, jpeg)),
                Err(problem) => {
                    notes.extend(lost(clip, &problem));
                    None
                }
            });
        let (key, jpeg) = match found {
            Some((clip, jpeg)) => (clip.key.clone(), jpeg),
            None => Default::default(),
        };
        let class = class.to_owned();
        (Thumb { class, key, jpeg }, notes)
    };
    let made: Vec<_> = workers.install(|| classes.into_par_iter().map(make).collect());
    let (thumbs, lost): (Vec<Thumb>, Vec<Vec<String>>) = made.into_iter().unzip();
    notes.extend(lost.into_iter().flatten());
    Ok(thumbs)
}

fn draw(record: &Record, workers: &Workers) -> Result<Vec<u8>, Problem> {
    let file = open(record.media.as_deref().unwrap_or(Path::new("")))?;
    let middle = record.start + record.duration.unwrap_or(0.0) / 2.0;
    let drawn = workers.ask(&record.key, &file, &Draw { at: middle });
    drawn.map(|((), jpeg)| jpeg.to_vec())
}

/// Draws the frame at a time as a small JPEG, or else the first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Draw {
    /// In seconds.
    at: f64,
}

impl Task for Draw {
    type Answer = ();

    fn run(&self, file: &Arc<File>, jpeg: &mut Vec<u8>) -> Result<(), Problem> {
        let mut input = input(file)?;
        let found = frame_at(&mut input, Time::from_secs(self.at));
        let found = found.or_else(|| frame_at(&mut input, Time::ZERO));
        let coded = found.and_then(|(frame, track)| small(&frame, &track));
        let coded = coded.ok_or_else(|| Problem {
            stage: Stage::Decode,
            class: Class::Corrupt,
            reason: "no frame comes out of it".to_owned(),
        })?;
        jpeg.extend_from_slice(&coded);
        Ok(())
    }

    fn fits(&self, (): &(), _: u64) -> bool {
        true
    }
}

fn small(frame: &Frame, track: &Track) -> Option<Bytes> {
    let (width, height) = frame.upright(track.rotation);
    let width = u64::from(width) * u64::from(HEIGHT) / u64::from(height.max(1));
    let width = u32::try_from(width.clamp(8, u64::from(HEIGHT) * 4)).ok()?;
    let mut encoder = ImageEncoder::new(ImageCodec::Jpeg, 80).ok()?;
    let coded = encoder.encode(frame, (width, HEIGHT), track.rotation);
    coded.ok().map(|(jpeg, _)| jpeg)
}
