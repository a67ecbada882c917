//! One clip into one sample: opens the file, and hands it on to a worker.

use std::fs::File;
use std::io::ErrorKind;
use std::sync::Arc;

use kpack::sample::{Class, Made, Recipe, SampleError, Stage};
use kpack::source::{Clip, Span};
use kpack::worker::{Worker, Workers};

/// Makes the sample of `clip`.
pub(super) fn make(
    clip: &Clip,
    recipe: &Recipe,
    workers: &Workers,
    worker: &mut Worker,
) -> Result<Made, SampleError> {
    workers.make(clip, &open(clip)?, recipe, worker)
}

fn open(clip: &Clip) -> Result<Arc<File>, SampleError> {
    let failed = |class, reason: &str| SampleError::new(&clip.key, Stage::Probe, class, reason);
    let Some(path) = &clip.media else {
        return Err(failed(Class::Missing, "has no media file"));
    };
    let file = File::open(path).map_err(|error| {
        let reason = match error.kind() {
            ErrorKind::NotFound => "is gone since the plan was made",
            _ => "cannot be opened",
        };
        failed(Class::Missing, reason).because(error)
    })?;
    match file.metadata() {
        Ok(meta) if meta.is_file() => Ok(Arc::new(file)),
        Ok(_) => Err(failed(Class::NotAVideo, "is no regular file")),
        Err(error) => Err(failed(Class::Missing, "cannot be examined").because(error)),
    }
}

/// Expected size of a clip's sample, in proportion to those of others.
pub(super) fn weight(clip: &Clip) -> u64 {
    /// Bytes of a second of a usual video.
    const SECOND: f64 = 200_000.0;
    let of = |span: Option<Span>| {
        let (span, end) = span.and_then(|span| Some((span, span.end?)))?;
        Some((end.since(span.start).secs() * SECOND) as u64)
    };
    let file = || {
        let meta = clip.media.as_ref().and_then(|path| path.metadata().ok());
        meta.map(|meta| meta.len())
    };
    // A clip that is still to be fetched has no file.
    of(clip.span)
        .or_else(file)
        .or_else(|| of(clip.asked))
        .unwrap_or(0)
}
