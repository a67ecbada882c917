//! [`handed`]: bytes that are not a file of their own, as a file that a child can be handed.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;

use bytes::Bytes;

/// More bytes than this are put on the disk.
const IN_MEMORY: usize = 64 << 20;

/// A file without a name that holds `parts` one behind the other.
pub(crate) fn handed(parts: &[Bytes]) -> io::Result<Arc<File>> {
    let length: usize = parts.iter().map(Bytes::len).sum();
    let mut file = match length <= IN_MEMORY {
        true => in_memory().map_or_else(|_| tempfile::tempfile(), Ok),
        false => tempfile::tempfile(),
    }?;
    for part in parts {
        file.write_all(part)?;
    }
    Ok(Arc::new(file))
}

#[cfg(target_os = "linux")]
fn in_memory() -> io::Result<File> {
    use rustix::fs::{MemfdFlags, memfd_create};
    Ok(memfd_create("kpack", MemfdFlags::CLOEXEC)?.into())
}

#[cfg(not(target_os = "linux"))]
fn in_memory() -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}
