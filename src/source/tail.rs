//! [`Tail`]: a reader that remembers how its input ended.

use std::io::{BufRead, Read};

/// Passes bytes on and remembers the last one that is no line break.
pub(super) struct Tail<'a> {
    from: &'a mut dyn BufRead,
    last: Option<u8>,
}

impl<'a> Tail<'a> {
    pub(super) fn new(from: &'a mut dyn BufRead) -> Self {
        Self { from, last: None }
    }

    /// The last byte read that is neither CR nor LF.
    pub(super) fn last(&self) -> Option<u8> {
        self.last
    }
}

impl Read for Tail<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let got = self.from.read(buffer)?;
        let read = buffer.get(..got).unwrap_or_default();
        let last = read.iter().rev().find(|b| !matches!(b, b'\r' | b'\n'));
        self.last = last.copied().or(self.last);
        Ok(got)
    }
}
