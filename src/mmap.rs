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
    /// Front to back, all of it: the system reads far ahead.
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
    let file = File::open(path)?;
    let mapping = mapping(&file, walk)?;
    let shared = mapping.clone().map(Shared);
    let ahead = Ahead {
        file: Some(file),
        mapping,
        asked: 0,
    };
    Ok((shared.map_or_else(Bytes::new, Bytes::from_owner), ahead))
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
    #[cfg(unix)]
    if walk == Walk::Whole {
        // Advice that is not taken costs speed only.
        let _ = mapping.advise(memmap2::Advice::Sequential);
    }
    #[cfg(not(unix))]
    let _ = walk;
    Ok(Some(Arc::new(mapping)))
}

/// Tells the system what of a mapped file will be wanted next, in large aligned steps, so that it is
/// read from the disk meanwhile. Pages are mapped as they are looked at, which costs less than asking
/// for it (`MADV_POPULATE_READ`).
#[derive(Debug)]
pub struct Ahead {
    file: Option<File>,
    mapping: Option<Arc<Mmap>>,
    /// Asked for from the disk up to here.
    asked: u64,
}

impl Ahead {
    /// Bytes that are asked for at a time.
    const READ: u64 = 8 << 20;

    /// The reader is at byte `position` and wants what follows, in order.
    pub fn at(&mut self, position: u64) {
        while self.asked < position.saturating_add(2 * Self::READ) {
            #[cfg(target_os = "linux")]
            {
                use rustix::fs::{Advice, fadvise};
                let step = std::num::NonZeroU64::new(Self::READ);
                // Advice that is not taken costs speed only.
                let file = self.file.as_ref();
                let _ = file.map(|file| fadvise(file, self.asked, step, Advice::WillNeed));
            }
            self.asked += Self::READ;
        }
    }

    /// Closes the file, of which one process may have few open; the mapping stays. [`at`](Self::at)
    /// then no longer reads ahead from the disk.
    pub fn close(&mut self) {
        self.file = None;
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
        let mapping = self.mapping.as_ref()?;
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
