//! Boxes of an mp4 file that is fetched in parts.

use std::ops::Range;

use super::super::Halt;
use super::super::parts::Parts;
use crate::media::Mp4Box;

/// Boxes of one parent.
const CHILDREN: usize = 256;
/// Longest box that is fetched whole; what is longer and unknown is unusual.
const SMALL: u64 = 256 << 10;

/// A box and where it lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) kind: [u8; 4],
    pub(super) at: u64,
    /// Where its content begins.
    pub(super) body: u64,
    pub(super) end: u64,
}

impl Found {
    /// Bytes of its content.
    pub(super) fn len(&self) -> u64 {
        self.end - self.body
    }

    /// All of its content, if it is small.
    pub(super) fn read(&self, parts: &mut Parts<'_, '_>) -> Result<Vec<u8>, Halt> {
        if self.len() > SMALL {
            return Err(Halt::Whole);
        }
        parts.bytes(self.body..self.end)
    }

    /// Fetches all of it, if it is small; true.
    pub(super) fn keep(&self, parts: &mut Parts<'_, '_>) -> Result<bool, Halt> {
        match self.len() > SMALL {
            true => Err(Halt::Whole),
            false => parts.fetch(self.at..self.end).map(|()| true),
        }
    }
}

/// The box at `at`, which ends before `end`.
pub(super) fn head(parts: &mut Parts<'_, '_>, at: u64, end: u64) -> Result<Found, Halt> {
    let left = end.saturating_sub(at).min(Mp4Box::LONGEST as u64);
    let bytes = parts.peek(at, left as usize)?;
    let found = Mp4Box::parse(&bytes).ok_or(Halt::Whole)?;
    let size = found.size.filter(|size| *size >= found.head);
    let last = size.and_then(|size| at.checked_add(size));
    let last = last.filter(|last| *last <= end).ok_or(Halt::Whole)?;
    Ok(Found {
        kind: found.kind,
        at,
        body: at + found.head,
        end: last,
    })
}

/// The box behind another one in `range`; `None` at its end.
pub(super) fn next(
    parts: &mut Parts<'_, '_>,
    range: &Range<u64>,
    before: Option<Found>,
) -> Result<Option<Found>, Halt> {
    let at = before.map_or(range.start, |found| found.end);
    // QuickTime ends a list of boxes with four zero bytes.
    match range.end.saturating_sub(at) < 8 {
        true => Ok(None),
        false => head(parts, at, range.end).map(Some),
    }
}

/// Calls `visit` for each box in the content of `parent`, as long as it says so.
pub(super) fn each(
    parts: &mut Parts<'_, '_>,
    parent: &Found,
    mut visit: impl FnMut(&mut Parts<'_, '_>, Found) -> Result<bool, Halt>,
) -> Result<(), Halt> {
    let range = parent.body..parent.end;
    let mut last = None;
    for _ in 0..CHILDREN {
        last = next(parts, &range, last)?;
        match last {
            Some(found) if visit(parts, found)? => {}
            _ => return Ok(()),
        }
    }
    Err(Halt::Whole)
}

/// The big-endian number at `at` of a content.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Result<u32, Halt> {
    let number = bytes.get(at..).and_then(|rest| rest.first_chunk());
    number.map(|n| u32::from_be_bytes(*n)).ok_or(Halt::Whole)
}

/// The long big-endian number at `at` of a content.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> Result<u64, Halt> {
    let number = bytes.get(at..).and_then(|rest| rest.first_chunk());
    number.map(|n| u64::from_be_bytes(*n)).ok_or(Halt::Whole)
}
