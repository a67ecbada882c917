//! Whose error is it: the sample's, which becomes a row, or the run's, which ends it?

use std::path::Path;

use kpack_formats::{Blob, Error as FormatError, Kind, Sample};

use crate::Error;
use crate::sample::{Class, SampleError, Stage};

/// Sorts an error of writing `sample`. The disk's errors end the run, but for those of the file
/// that one of the sample's blobs is read from.
pub(crate) fn write_failure(sample: &Sample, e: FormatError) -> Result<SampleError, Error> {
    let class = match e.kind() {
        Kind::Io if reads_from(sample, e.at().path.as_deref()) => Class::Corrupt,
        Kind::Io => return Err(e.into()),
        Kind::Limit => Class::TooLarge,
        Kind::Corrupt | Kind::Unsupported | Kind::Usage => Class::Internal,
    };
    let reason = e.message().to_owned();
    let mut failure = SampleError::new(&sample.key, Stage::Write, class, reason);
    if let Some(source) = std::error::Error::source(&e) {
        failure = failure.because(source.to_string());
    }
    Ok(failure)
}

fn reads_from(sample: &Sample, at: Option<&Path>) -> bool {
    sample.blobs.values().any(|blob| match blob {
        Blob::File { path, .. } => at == Some(&**path),
        Blob::Bytes(_) => false,
    })
}
