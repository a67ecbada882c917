//! A contact sheet: the frames of a sample as one picture.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use image::{ImageFormat, RgbImage, imageops};
use kpack::access::{Form, FrameRange, Picture, thumbnails};
use kpack::worker::Workers;
use kpack_formats::{Blob, Sample, frame_number};

use super::frames;

/// Most frames of a sheet; of more, these many are taken at equal distances.
const MOST: usize = 64;
/// Width in pixels of one frame, and the gap between two.
const WIDTH: u32 = 192;
const GAP: u32 = 4;

/// Draws the frames of `sample` and gives their number.
pub(super) fn write(path: &Path, sample: &Sample, workers: &Workers) -> anyhow::Result<usize> {
    let frames: Vec<(&String, &Blob)> = sample
        .blobs
        .iter()
        .filter(|(name, _)| is_picture(name))
        .collect();
    if frames.is_empty() {
        let all = FrameRange {
            start: 0,
            stop: None,
            step: 1,
        };
        return decoded(path, sample, all, workers);
    }
    let count = frames.len().min(MOST);
    let chosen = (0..count).filter_map(|i| frames.get(i * frames.len() / count));
    let (names, blobs): (Vec<&String>, Vec<Blob>) =
        chosen.map(|(name, blob)| (*name, (*blob).clone())).unzip();
    let small = thumbnails(&sample.key, &blobs, WIDTH, workers).map_err(|(i, problem)| {
        let (key, reason) = (&sample.key, problem.reason);
        let name = names.get(i).map_or("", |name| name.as_str());
        anyhow!("sample {key}, member {name}: cannot decode: {reason}")
    })?;
    save(path, small)
}

/// Draws the frames of `range` of the sample's video and gives their number.
pub(super) fn decoded(
    path: &Path,
    sample: &Sample,
    range: FrameRange,
    workers: &Workers,
) -> anyhow::Result<usize> {
    let form = Form::Small {
        width: WIDTH,
        most: MOST,
    };
    save(path, frames::of(sample, range, form, workers)?)
}

fn save(path: &Path, pictures: Vec<Picture>) -> anyhow::Result<usize> {
    let image = |p: Picture| RgbImage::from_raw(p.width, p.height, p.bytes.into());
    let pictures: Vec<RgbImage> = pictures.into_iter().filter_map(image).collect();
    arrange(&pictures)
        .save_with_format(path, ImageFormat::Png)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(pictures.len())
}

fn is_picture(name: &str) -> bool {
    frame_number(name).is_some() || matches!(name, "jpg" | "jpeg" | "png" | "webp")
}

fn arrange(pictures: &[RgbImage]) -> RgbImage {
    let columns = (pictures.len() as f64).sqrt().ceil().max(1.0) as u32;
    let rows = (pictures.len() as u32).div_ceil(columns);
    let height = pictures.iter().map(RgbImage::height).max().unwrap_or(1);
    let mut sheet = RgbImage::new(columns * (WIDTH + GAP) + GAP, rows * (height + GAP) + GAP);
    for (i, picture) in (0_u32..).zip(pictures) {
        let x = GAP + (i % columns) * (WIDTH + GAP);
        let y = GAP + (i / columns) * (height + GAP);
        imageops::replace(&mut sheet, picture, i64::from(x), i64::from(y));
    }
    sheet
}
