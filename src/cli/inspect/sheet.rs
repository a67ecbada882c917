//! A contact sheet: the frames of a sample as one picture.

use std::io::Cursor;
use std::path::Path;

use anyhow::Context as _;
use image::{ImageFormat, ImageReader, RgbImage, imageops};
use kpack::access::FrameRange;
use kpack_formats::{Blob, Sample, frame_number};

use super::frames;

/// Most frames of a sheet; of more, these many are taken at equal distances.
const MOST: usize = 64;
/// Width in pixels of one frame, and the gap between two.
const WIDTH: u32 = 192;
const GAP: u32 = 4;

/// Draws the frames of `sample` and gives their number.
pub(super) fn write(path: &Path, sample: &Sample) -> anyhow::Result<usize> {
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
        return decoded(path, sample, all);
    }
    let count = frames.len().min(MOST);
    let mut pictures = Vec::with_capacity(count);
    for i in 0..count {
        if let Some((name, blob)) = frames.get(i * frames.len() / count) {
            let key = &sample.key;
            pictures.push(thumbnail(blob).with_context(|| format!("sample {key}, member {name}"))?);
        }
    }
    save(path, &pictures)?;
    Ok(count)
}

/// Draws the frames of `range` of the sample's video and gives their number.
pub(super) fn decoded(path: &Path, sample: &Sample, range: FrameRange) -> anyhow::Result<usize> {
    let (mut pictures, mut apart, mut seen) = (Vec::new(), 1, 0);
    frames::each(sample, range, |_, _, picture| {
        if seen % apart == 0 {
            pictures.push(shrink(&picture)?);
        }
        seen += 1;
        if pictures.len() > MOST {
            // Every second one is enough.
            let mut keep = [true, false].into_iter().cycle();
            pictures.retain(|_| keep.next().unwrap_or(true));
            apart *= 2;
        }
        Ok(())
    })?;
    save(path, &pictures)?;
    Ok(pictures.len())
}

fn save(path: &Path, pictures: &[RgbImage]) -> anyhow::Result<()> {
    arrange(pictures)
        .save_with_format(path, ImageFormat::Png)
        .with_context(|| format!("cannot write {}", path.display()))
}

fn is_picture(name: &str) -> bool {
    frame_number(name).is_some() || matches!(name, "jpg" | "jpeg" | "png" | "webp")
}

fn thumbnail(blob: &Blob) -> anyhow::Result<RgbImage> {
    let bytes = blob.load()?;
    // The reader's own limits bound what a picture may ask for.
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let picture = reader
        .context("cannot read")?
        .decode()
        .context("cannot decode")?;
    shrink(&picture.to_rgb8())
}

fn shrink(picture: &RgbImage) -> anyhow::Result<RgbImage> {
    let height = u64::from(picture.height()) * u64::from(WIDTH);
    let height = height / u64::from(picture.width().max(1));
    let height = u32::try_from(height.clamp(1, u64::from(WIDTH) * 4))?;
    Ok(imageops::thumbnail(picture, WIDTH, height))
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
