//! Shards mapped for reading: what nobody looks at is not read, and what is read is not copied.
//!
//! The only unsafe code besides [`crate::media`].

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use memmap2::Mmap;

/// How a mapping will be walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    /// Front to back, all of it: the system reads ahead in large aligned steps.
    Whole,
    /// Here and there. The system then reads some 100 kB around what is looked at: reading only what
    /// is looked at, page by page, would cost many times as long for all but the tiniest parts.
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
    let mapping = mapping(file, walk)?;
    Ok(mapping.map_or_else(Bytes::new, |m| Bytes::from_owner(Shared(m))))
}

/// As [`map`], with what asks the system for the bytes before they are wanted.
///
/// # Errors
/// Those of opening and mapping the file.
pub fn map_ahead(path: &Path, walk: Walk) -> io::Result<(Bytes, Ahead)> {
    let mapping = mapping(&File::open(path)?, walk)?;
    let shared = mapping.clone().map(Shared);
    let bytes = shared.map_or_else(Bytes::new, Bytes::from_owner);
    Ok((bytes, Ahead(mapping)))
}

fn mapping(file: &File, walk: Walk) -> io::Result<Option<Arc<Mmap>>> {
    if file.metadata()?.len() == 0 {
        return Ok(None);
    }
    // SAFETY: the mapping is read-only and private to readers of `Bytes`, which check every length
    // they find against the mapped length. Another process that changes the file changes what is
    // read, as it would with `read`; one that shortens it is excluded by the contract above.
    #[allow(unsafe_code, reason = "mapping a file cannot be expressed safely")]
    let mapping = unsafe { Mmap::map(file)? };
    if walk == Walk::Whole {
        read_ahead(&mapping);
    }
    Ok(Some(Arc::new(mapping)))
}

/// Makes the system read ahead in large steps; advice that it does not take costs speed only.
fn read_ahead(mapping: &Mmap) {
    #[cfg(unix)]
    let _ = mapping.advise(memmap2::Advice::Sequential);
    // Linux then reads 2 MiB at a time, and 2 MiB ahead, into pages as large, however little it would
    // read ahead else. Asking for the same bytes with WILLNEED takes twice as long, and leaves them in
    // pages of 4 KiB, which cost three times as much to read from later.
    #[cfg(target_os = "linux")]
    let _ = mapping.advise(memmap2::Advice::HugePage);
    #[cfg(not(unix))]
    let _ = mapping;
}

/// Asks the system for parts of a mapped file before they are wanted.
#[derive(Debug)]
pub struct Ahead(Option<Arc<Mmap>>);

impl Ahead {
    /// All of it will be read front to back, though it was mapped for reading here and there.
    pub fn whole(&self) {
        if let Some(mapping) = &self.0 {
            read_ahead(mapping);
        }
    }

    /// Asks the system to read `length` bytes from `offset` on from the disk meanwhile.
    pub fn will_need(&self, offset: u64, length: u64) {
        #[cfg(unix)]
        if let Some((mapping, from, length)) = self.pages(offset, length) {
            // Advice that is not taken costs speed only.
            let _ = mapping.advise_range(memmap2::Advice::WillNeed, from, length);
        }
        #[cfg(not(unix))]
        let _ = (offset, length);
    }

    /// The mapping, and the bytes of it that are whole pages around these.
    #[cfg(unix)]
    fn pages(&self, offset: u64, length: u64) -> Option<(&Mmap, usize, usize)> {
        const PAGE: u64 = 4096;
        let mapping = self.0.as_ref()?;
        let from = offset / PAGE * PAGE;
        let end = (offset.saturating_add(length)).min(mapping.len() as u64);
        (from < end).then(|| (&**mapping, from as usize, (end - from) as usize))
    }
}

/// The bytes' owner.
struct Shared(Arc<Mmap>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
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
