//! Random clips: some frames of a random sample from a random place in it, decoded to RGB.

use kpack_formats::{Blob, Sample, frame_number};

use super::Pass;
use super::modes::spread;
use crate::access::{FrameRange, Video};
use crate::loader::{Dataset, Order};
use crate::media::{Frame, Jpeg, Rgb, Scaler};
use crate::{Error, Result};

/// What is taken of a clip.
#[derive(Debug, Clone, Copy)]
pub struct Take {
    /// Clips of one repetition; of a smaller dataset, each comes again.
    pub clips: u64,
    /// Frames of a clip, at least 1.
    pub frames: u64,
    /// From one frame to the next, at least 1.
    pub stride: u64,
}

impl Default for Take {
    fn default() -> Self {
        Self {
            clips: 200,
            frames: 16,
            stride: 4,
        }
    }
}

/// What a thread keeps from clip to clip.
#[derive(Default)]
struct Tools {
    scaler: Scaler,
    rgb: Rgb,
    jpeg: Option<Jpeg>,
}

/// Takes clips from random samples; those without video or pictures are passed over.
pub(super) fn random(
    dataset: &Dataset,
    take: Take,
    threads: usize,
    crc: bool,
    seed: u64,
) -> Result<Pass> {
    let order = Order::new(dataset.len(), seed);
    /// Clips that a thread takes at a time.
    const STEP: u64 = 4;
    let steps = take.clips.div_ceil(STEP) as usize;
    let pass = spread(steps, threads, |step, pass| {
        let mut tools = Tools {
            scaler: Scaler::quick(),
            ..Tools::default()
        };
        let begin = step as u64 * STEP;
        for clip in begin..(begin + STEP).min(take.clips) {
            let begun = std::time::Instant::now();
            let number = order.item(clip % dataset.len());
            let sample = dataset.get(number, !crc)?;
            let chance = place(clip, seed);
            let frames = one(&sample, take, chance, &mut tools).map_err(|e| {
                Error::Format(kpack_formats::Error::corrupt(e.to_string()).key(&sample.key))
            })?;
            if frames > 0 {
                pass.frames += frames;
                super::modes::count(pass, sample.blob_bytes(), begun);
            }
        }
        Ok(())
    })?;
    match pass.samples {
        0 => Err(Error::usage("no sample has a video or pictures to decode")),
        _ => Ok(pass),
    }
}

/// Where in its sample clip `clip` begins: from 0 to 1, spread evenly however few there are, so that
/// two programs that take as many clips decode about as many frames.
fn place(clip: u64, seed: u64) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    (clip as f64 * GOLDEN + (seed % 1000) as f64 / 1000.0).fract()
}

/// Decodes a clip's frames and gives their number; 0 where there is nothing to decode.
fn one(sample: &Sample, take: Take, chance: f64, tools: &mut Tools) -> crate::media::Result<u64> {
    let range = |frames: u64| {
        let span = (take.frames.max(1) - 1) * take.stride.max(1) + 1;
        let start = (frames.saturating_sub(span) as f64 * chance) as u64;
        FrameRange {
            start,
            stop: Some(start + span),
            step: take.stride.max(1),
        }
    };
    if let Some((_, mut video)) = Video::of_sample(sample)? {
        let range = range(video.frames().unwrap_or(0));
        let rotation = video.track().rotation;
        return video.decode(range, |_, _, frame: &Frame| {
            let size = frame.upright(rotation);
            tools.scaler.rgb(frame, size, rotation, &mut tools.rgb)?;
            std::hint::black_box(&tools.rgb);
            Ok(())
        });
    }
    let is_jpeg = |name: &str| frame_number(name).is_some() && name.ends_with("jpg");
    let pictures: Vec<&Blob> = (sample.blobs.iter())
        .filter_map(|(name, blob)| is_jpeg(name).then_some(blob))
        .collect();
    let range = range(pictures.len() as u64);
    let mut frames = 0;
    for number in range.numbers(pictures.len() as u64) {
        let (Some(Blob::Bytes(bytes)), jpeg) = (pictures.get(number as usize), &mut tools.jpeg)
        else {
            continue;
        };
        let jpeg = match jpeg {
            Some(jpeg) => jpeg,
            None => jpeg.insert(Jpeg::new()?),
        };
        jpeg.decode(bytes, &mut tools.rgb)?;
        std::hint::black_box(&tools.rgb);
        frames += 1;
    }
    Ok(frames)
}
