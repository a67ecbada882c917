//! [`Outlet`]: pictures leave while the sample is still being made.

use bytes::Bytes;
use kpack_formats::Blob;

/// Takes the pictures of a sample away as they are made, so that they never all stand in the memory
/// of the process that makes them. What goes wrong with that is told when the sample is handed on.
pub(crate) trait Outlet: Send {
    /// What was taken so far is not part of the sample: its pictures begin anew.
    fn restart(&mut self);

    /// Takes a picture. The blob that stands for it has its length, and none of its bytes.
    fn take(&mut self, picture: Bytes) -> Blob;
}
