//! Mean and standard deviation of red, green and blue, from frames of some of the clips.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use serde::{Deserialize, Serialize};

use super::{Record, State, StatsOptions, lost};
use crate::media::{Rgb, Scaler};
use crate::probe::{frame_at, input, open};
use crate::source::Problem;
use crate::worker::{Task, Workers};
use crate::{Error, Result, Time};

/// Means of the colours, 0 to 1. Each frame counts alike, whatever its size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Means {
    /// Red, green, blue.
    pub mean: [f64; 3],
    /// Standard deviation of the pixels' red, green, blue.
    pub std: [f64; 3],
    /// Clips that were looked at.
    pub clips: u64,
    /// Frames that were looked at.
    pub frames: u64,
}

/// Frames of each clip, at the middles of as many equal parts.
const FRAMES: u32 = 4;

/// Sums over frames: of their means, and of the means of their squares.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Sums {
    mean: [f64; 3],
    square: [f64; 3],
    clips: u64,
    frames: u64,
}

/// Looks at four frames each of `most` clips, chosen by a hash of their keys, so that the same
/// clips give the same means. `None` where no frame could be decoded; a clip on which a worker was lost
/// is told in `notes`.
///
/// # Errors
/// [`Error::Usage`] if the threads cannot be started.
pub fn means(
    records: &[Record],
    most: usize,
    options: &StatsOptions,
    notes: &mut Vec<String>,
) -> Result<Option<Means>> {
    let threads = options.threads;
    let whole = records.iter().filter(|record| {
        record.state == State::Found && record.media.is_some() && record.size.is_some()
    });
    let hash = |record: &&Record| {
        (
            kpack_formats::crc32c(record.key.as_bytes()),
            record.key.clone(),
        )
    };
    let mut chosen: Vec<&Record> = whole.collect();
    chosen.sort_by_cached_key(hash);
    chosen.truncate(most);
    let workers = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.max(1))
        .build()
        .map_err(|e| Error::usage(format!("cannot start {threads} threads: {e}")))?;
    // Summed in one order, so that the result does not hang on the threads.
    let look = |record: &&Record| look(record, &options.workers);
    let sums: Vec<_> = workers.install(|| chosen.par_iter().map(look).collect());
    let mut all = Sums::default();
    for (record, one) in chosen.iter().zip(sums) {
        let one = one.unwrap_or_else(|problem| {
            notes.extend(lost(record, &problem));
            Sums::default()
        });
        for (to, from) in all.mean.iter_mut().zip(one.mean) {
            *to += from;
        }
        for (to, from) in all.square.iter_mut().zip(one.square) {
            *to += from;
        }
        all.clips += one.clips;
        all.frames += one.frames;
    }
    if all.frames == 0 {
        return Ok(None);
    }
    let frames = all.frames as f64;
    let mean = all.mean.map(|sum| sum / frames);
    let mut std = all.square.map(|sum| sum / frames);
    for (std, mean) in std.iter_mut().zip(mean) {
        *std = (*std - mean * mean).max(0.0).sqrt();
    }
    Ok(Some(Means {
        mean,
        std,
        clips: all.clips,
        frames: all.frames,
    }))
}

fn look(record: &Record, workers: &Workers) -> Result<Sums, Problem> {
    let length = record.duration.unwrap_or(0.0);
    let parts = (0..FRAMES).map(|k| (f64::from(k) + 0.5) / f64::from(FRAMES));
    let task = Colours {
        at: parts.map(|part| record.start + length * part).collect(),
    };
    let file = open(record.media.as_deref().unwrap_or(Path::new("")))?;
    workers.ask(&record.key, &file, &task).map(|(sums, _)| sums)
}

/// Adds up the colours of the frames at some times.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Colours {
    /// In seconds.
    at: Vec<f64>,
}

impl Task for Colours {
    type Answer = Sums;

    fn run(&self, file: &Arc<File>, _: &mut Vec<u8>) -> Result<Sums, Problem> {
        let (mut input, mut sums) = (input(file)?, Sums::default());
        let (mut scaler, mut rgb) = (Scaler::default(), Rgb::default());
        for at in &self.at {
            let Some((frame, track)) = frame_at(&mut input, Time::from_secs(*at)) else {
                continue;
            };
            // The picture need not stand upright to be measured, but the sizes have to fit.
            let size = frame.upright(track.rotation);
            if scaler.rgb(&frame, size, track.rotation, &mut rgb).is_ok() {
                add(&rgb.packed(), &mut sums);
            }
        }
        sums.clips = u64::from(sums.frames > 0);
        Ok(sums)
    }
}

fn add(pixels: &[u8], sums: &mut Sums) {
    let (mut sum, mut square) = ([0_u64; 3], [0_u64; 3]);
    for pixel in pixels.chunks_exact(3) {
        for ((value, sum), square) in pixel.iter().zip(&mut sum).zip(&mut square) {
            *sum += u64::from(*value);
            *square += u64::from(*value) * u64::from(*value);
        }
    }
    let count = (pixels.len() / 3) as f64;
    if count == 0.0 {
        return;
    }
    for (to, sum) in sums.mean.iter_mut().zip(sum) {
        *to += sum as f64 / count / 255.0;
    }
    for (to, square) in sums.square.iter_mut().zip(square) {
        *to += square as f64 / count / (255.0 * 255.0);
    }
    sums.frames += 1;
}
