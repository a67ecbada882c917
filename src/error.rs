//! [`Error`]: what ends a run. What ends one sample only is [`crate::sample::SampleError`].

use std::path::{Path, PathBuf};

/// Result of a kpack operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Ends the run. Display never repeats its source.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller asks for something that cannot be done, with what to do instead.
    #[error("{0}")]
    Usage(String),
    /// An input file that does not hold what its kind demands.
    #[error("{path}: {message}", path = path.display(), message = crate::bounded::brief(message))]
    Input {
        /// The input file.
        path: PathBuf,
        /// What is wrong, with line and column where known, and what was expected. Shown in part
        /// where it is long, because it may quote the file.
        message: String,
    },
    /// The disk or the operating system.
    #[error("{what} {path}", path = path.display())]
    Io {
        /// What was being done, such as "cannot create".
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A shard could not be written or read.
    #[error(transparent)]
    Format(#[from] kpack_formats::Error),
}

impl Error {
    /// For `map_err`: the system refused `what` on `path`.
    pub fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        move |source| Error::Io {
            what,
            path: path.to_owned(),
            source,
        }
    }
    /// A usage error.
    pub fn usage(message: impl Into<String>) -> Error {
        Error::Usage(message.into())
    }
}
