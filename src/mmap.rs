//! Shards mapped for reading: what nobody looks at is not read, and what is read is not copied.
//!
//! The only unsafe code besides [`crate::media`].

use std::fs::File;
use std::io;
use std::path::Path;

use bytes::Bytes;
use memmap2::{Advice, Mmap};

/// How a mapping will be walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    /// Front to back, all of it: the system reads far ahead.
    Whole,
    /// Here and there: the system reads little besides.
    Parts,
}

/// Maps the file at `path`. The bytes share the mapping, which lives as long as any of them.
///
/// Do not shorten the file meanwhile: the system ends a process that looks at mapped bytes which
/// are no longer there. kpack itself never rewrites a finished shard.
///
/// # Errors
/// Those of opening and mapping the file.
pub fn map(path: &Path, walk: Walk) -> io::Result<Bytes> {
    map_file(&File::open(path)?, walk)
}

/// As [`map`], of an open file.
///
/// # Errors
/// Those of mapping the file.
pub fn map_file(file: &File, walk: Walk) -> io::Result<Bytes> {
    if file.metadata()?.len() == 0 {
        return Ok(Bytes::new());
    }
    // SAFETY: the mapping is read-only and private to readers of `Bytes`, which check every length
    // they find against the mapped length. Another process that changes the file changes what is
    // read, as it would with `read`; one that shortens it is excluded by the contract above.
    #[allow(unsafe_code, reason = "mapping a file cannot be expressed safely")]
    let mapping = unsafe { Mmap::map(file)? };
    #[cfg(unix)]
    {
        let advice = match walk {
            Walk::Whole => Advice::Sequential,
            Walk::Parts => Advice::Random,
        };
        // Advice that is not taken costs speed only.
        let _ = mapping.advise(advice);
    }
    #[cfg(not(unix))]
    let _ = walk;
    Ok(Bytes::from_owner(mapping))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn mapped_bytes_are_the_file_and_an_empty_file_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shard");
        for content in [&b""[..], b"x", &[7; 70_000]] {
            std::fs::write(&path, content).unwrap();
            let bytes = map(&path, Walk::Whole).unwrap();
            assert_eq!(bytes, content);
        }
        assert!(map(&dir.path().join("none"), Walk::Parts).is_err());
    }
}
