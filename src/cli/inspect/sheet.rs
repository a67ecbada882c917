//! A contact sheet: the frames of a sample as one picture.

use std::io::Cursor;
use std::path::Path;

use anyhow::{Context as _, bail};
use image::{ImageFormat, ImageReader, RgbImage, imageops};
use kpack_formats::{Blob, Sample, frame_number};

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
        let names: Vec<&str> = sample.blobs.keys().map(String::as_str).collect();
        let (key, names) = (&sample.key, names.join(", "));
        bail!("sample {key} has no frames to draw (it has {names}): pack with --frames");
    }
    let count = frames.len().min(MOST);
    let mut pictures = Vec::with_capacity(count);
    for i in 0..count {
        if let Some((name, blob)) = frames.get(i * frames.len() / count) {
            let key = &sample.key;
            pictures.push(thumbnail(blob).with_context(|| format!("sample {key}, member {name}"))?);
        }
    }
    let sheet = arrange(&pictures);
    let shown = path.display();
    sheet
        .save_with_format(path, ImageFormat::Png)
        .with_context(|| format!("cannot write {shown}"))?;
    Ok(count)
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
    let height = u64::from(picture.height()) * u64::from(WIDTH);
    let height = height / u64::from(picture.width().max(1));
    let height = u32::try_from(height.clamp(1, u64::from(WIDTH) * 4))?;
    Ok(picture.thumbnail_exact(WIDTH, height).to_rgb8())
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
