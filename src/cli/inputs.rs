//! Errors of inputs: who names a list that is wrong has typed a wrong command.

use std::io::ErrorKind;

use kpack::Error;

/// An error of [`kpack::source::read`], so that it ends with the exit code for usage where the input
/// itself is at fault.
pub(super) fn fault(error: Error) -> Error {
    let absent = |kind| matches!(kind, ErrorKind::NotFound | ErrorKind::PermissionDenied);
    match error {
        Error::Input { .. } => Error::usage(error.to_string()),
        Error::Io { ref source, .. } if absent(source.kind()) => {
            Error::usage(format!("{error}: {source}"))
        }
        other => other,
    }
}
