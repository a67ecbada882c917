//! [`Tail`]: a reader that remembers how its input ended, and lets no row take too much of it.

use std::io::{BufRead, Error, ErrorKind, Read};

use crate::bounded;

/// Passes bytes on and remembers the last one that is no line break.
pub(super) struct Tail<'a> {
    from: &'a mut dyn BufRead,
    last: Option<u8>,
    /// All bytes passed on.
    passed: u64,
    /// Whether the last of them is an LF.
    lf: bool,
    /// Bytes passed on since the last row was complete.
    since: u64,
}

impl<'a> Tail<'a> {
    pub(super) fn new(from: &'a mut dyn BufRead) -> Self {
        Self {
            from,
            last: None,
            passed: 0,
            lf: false,
            since: 0,
        }
    }

    /// The last byte read that is neither CR nor LF.
    pub(super) fn last(&self) -> Option<u8> {
        self.last
    }

    /// Whether the row that ends before byte `at` has an LF at its end: all but the last have.
    pub(super) fn has_lf(&self, at: u64) -> bool {
        at < self.passed || self.lf
    }

    /// A row is complete.
    pub(super) fn row(&mut self) {
        self.since = 0;
    }
}

impl Read for Tail<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.since > bounded::LINE {
            return Err(Error::new(ErrorKind::FileTooLarge, "the row is too long"));
        }
        let got = self.from.read(buffer)?;
        self.since += got as u64;
        self.passed += got as u64;
        let read = buffer.get(..got).unwrap_or_default();
        self.lf = read.last().map_or(self.lf, |b| *b == b'\n');
        let last = read.iter().rev().find(|b| !matches!(b, b'\r' | b'\n'));
        self.last = last.copied().or(self.last);
        Ok(got)
    }
}
