//! [`Buffers`]: memory of samples that were written serves for the next.
//!
//! The system hands out fresh memory page by page, which takes longer than to copy a sample into it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Bytes kept for later, at most, over all buffers.
const KEPT: usize = 128 << 20;
/// Buffers up to about this size serve samples of any length below it.
const SMALL: usize = 1 << 20;

/// Buffers that nobody uses at the moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty buffer for `length` bytes and a little more, not much larger than that.
    pub(super) fn take(&self, length: u64) -> Vec<u8> {
        let wanted = usize::try_from(length).unwrap_or(usize::MAX);
        let fits = |buffer: &Vec<u8>| {
            let capacity = buffer.capacity();
            capacity > wanted && capacity / 2 <= wanted.max(SMALL)
        };
        let mut idle = self.lock();
        match idle.iter().rposition(fits) {
            Some(i) => idle.remove(i),
            None => Vec::new(),
        }
    }

    /// The bytes of `buffer`, which comes back when the last of them is dropped. It keeps not much
    /// more memory than they need.
    pub(super) fn lend(&self, mut buffer: Vec<u8>) -> Bytes {
        let length = buffer.len();
        if buffer.capacity() / 2 > length.max(SMALL) {
            buffer.shrink_to(length);
        }
        let home = self.clone();
        Bytes::from_owner(Lent { buffer, home })
    }

    pub(super) fn give_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        if !(1..=KEPT).contains(&buffer.capacity()) {
            return;
        }
        let mut idle = self.lock();
        let mut kept = buffer.capacity() + idle.iter().map(Vec::capacity).sum::<usize>();
        while kept > KEPT {
            // The one that has been of no use for longest.
            kept -= idle.remove(0).capacity();
        }
        idle.push(buffer);
    }
}

/// A buffer whose bytes are in use.
struct Lent {
    buffer: Vec<u8>,
    home: Buffers,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.give_back(std::mem::take(&mut self.buffer));
    }
}

/// The bytes that come, in a buffer that goes back to the others.
pub(super) struct Incoming<'a> {
    pub(super) bytes: Vec<u8>,
    buffers: &'a Buffers,
}

impl<'a> Incoming<'a> {
    /// For about `usual` bytes.
    pub(super) fn new(usual: u64, buffers: &'a Buffers) -> Self {
        Self {
            bytes: buffers.take(usual),
            buffers,
        }
    }

    pub(super) fn lend(mut self) -> Bytes {
        self.buffers.lend(std::mem::take(&mut self.bytes))
    }
}

impl Drop for Incoming<'_> {
    fn drop(&mut self) {
        self.buffers.give_back(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_its_last_part_is_dropped() {
        let buffers = Buffers::default();
        let mut whole = buffers.lend(vec![7; 1000]);
        let part = whole.split_to(10);
        drop(whole);
        assert_eq!(buffers.lock().len(), 0);
        drop(part);
        let again = buffers.take(500);
        assert_eq!((again.len(), again.capacity()), (0, 1000));
    }

    /// A small sample would hold on to much more memory than the window knows of.
    #[test]
    fn a_large_buffer_does_not_serve_a_small_sample() {
        let buffers = Buffers::default();
        buffers.give_back(Vec::with_capacity(10 * SMALL));
        assert_eq!(buffers.take(100).capacity(), 0);
        assert_eq!(buffers.take(10 * SMALL as u64).capacity(), 0);
        assert_eq!(buffers.take(9 * SMALL as u64).capacity(), 10 * SMALL);
    }

    #[test]
    fn only_so_much_is_kept() {
        let buffers = Buffers::default();
        for _ in 0..5 {
            buffers.give_back(Vec::with_capacity(KEPT / 2));
        }
        assert_eq!(buffers.lock().len(), 2);
    }
}
