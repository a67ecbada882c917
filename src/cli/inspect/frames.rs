//! Frames of a packed video, decoded when they are asked for.

use anyhow::{anyhow, bail};
use kpack::access::{self, Form, FrameRange, Picture};
use kpack::sample::Stage;
use kpack::worker::Workers;
use kpack_formats::Sample;

/// Decodes the frames of `range` of the video in `sample`, of which there is at least one.
pub(super) fn of(
    sample: &Sample,
    range: FrameRange,
    form: Form,
    workers: &Workers,
) -> anyhow::Result<Vec<Picture>> {
    let key = &sample.key;
    let frames = access::frames(sample, range, form, workers).map_err(|problem| {
        let what = match problem.stage {
            Stage::Probe => "open",
            _ => "decode",
        };
        anyhow!(
            "cannot {what} the video of sample {key}: {}",
            problem.reason
        )
    })?;
    let Some(frames) = frames else {
        let names: Vec<&str> = sample.blobs.keys().map(String::as_str).collect();
        bail!(
            "sample {key} has no video to decode (it has {})",
            names.join(", ")
        );
    };
    let name = &frames.blob;
    match (frames.pictures.is_empty(), frames.of) {
        (false, _) => Ok(frames.pictures),
        (true, Some(of)) => {
            bail!("{name} of sample {key} has {of} frames, numbered from 0: none is in the range")
        }
        (true, None) => bail!("{name} of sample {key} has no frame in the range"),
    }
}
