//! Frames of a packed video, decoded when they are asked for.

use anyhow::{Context as _, bail};
use image::RgbImage;
use kpack::Time;
use kpack::access::{FrameRange, Video};
use kpack::media::{Error, Rgb, Scaler};
use kpack_formats::Sample;

/// Decodes the frames of `range` of the video in `sample`; gives the video's name.
pub(super) fn each(
    sample: &Sample,
    range: FrameRange,
    mut take: impl FnMut(u64, Time, RgbImage) -> anyhow::Result<()>,
) -> anyhow::Result<&str> {
    let key = &sample.key;
    let opened =
        Video::of_sample(sample).with_context(|| format!("cannot open the video of {key}"))?;
    let Some((name, mut video)) = opened else {
        let names: Vec<&str> = sample.blobs.keys().map(String::as_str).collect();
        bail!(
            "sample {key} has no video to decode (it has {})",
            names.join(", ")
        );
    };
    let (mut scaler, mut rgb) = (Scaler::default(), Rgb::default());
    let rotation = video.track().rotation;
    let mut failed = None;
    let decoded = video.decode(range, |number, time, frame| {
        let (width, height) = (frame.width(), frame.height());
        let size = if rotation.swaps() {
            (height, width)
        } else {
            (width, height)
        };
        scaler.rgb(frame, size, rotation, &mut rgb)?;
        let picture = RgbImage::from_raw(rgb.width, rgb.height, rgb.packed());
        let picture = picture.ok_or(Error::Alloc("a picture"))?;
        take(number, time, picture).map_err(|e| {
            failed = Some(e);
            Error::Unsupported("a frame could not be taken".to_owned())
        })
    });
    match (decoded, failed) {
        (_, Some(e)) => Err(e),
        (Err(e), None) => Err(e).with_context(|| format!("cannot decode {name} of sample {key}")),
        (Ok(0), None) => match video.frames() {
            Some(frames) => bail!(
                "{name} of sample {key} has {frames} frames, numbered from 0: none is in the range"
            ),
            None => bail!("{name} of sample {key} has no frame in the range"),
        },
        (Ok(_), None) => Ok(name),
    }
}
