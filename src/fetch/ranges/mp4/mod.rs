//! What clips need of an mp4 file: of the index the entries of their samples, and their packets.
//!
//! ```text
//! moov ─┬ trak ─┬ tkhd, edts, mdia .. stsd, stts, stss    whole: they are small
//!       │       ├ ctts, stsc    run lengths: from the nearer end up to the wanted entries
//!       │       └ stsz, stco    the wanted entries; the others stay 0
//!       └ trak of other kinds   not at all
//! ```
//!
//! What is left out of run lengths is written as runs of our own, so that the index has as many
//! samples and chunks as before, and libav reads it in its place. Where the wanted packets then have
//! no place or length, or the index is of an unusual kind, all of it is fetched.

mod boxes;
mod needed;
mod place;
mod runs;
mod track;

use super::Halt;
use super::parts::Parts;
use crate::source::Span;
use boxes::Found;
pub(crate) use needed::Needed;

/// Longest index.
const INDEX: u64 = 64 << 20;
/// Indexes that are no longer are fetched whole.
const SHORT: u64 = 64 << 10;
/// Boxes that are looked at to find the index.
const BOXES: usize = 32;

/// Fetches what cutting `spans` needs.
pub(super) fn fill(parts: &mut Parts<'_, '_>, spans: &[Span]) -> Result<(), Halt> {
    let moov = index(parts)?;
    let thin = match moov.end - moov.at > SHORT {
        true => track::thin(parts, &moov, spans),
        false => Err(Halt::Whole),
    };
    match thin.and_then(|()| packets(parts, spans, true)) {
        Err(Halt::Whole) => {
            let all = moov.at..moov.end;
            parts.undo(&all);
            parts.fetch(all)?;
            packets(parts, spans, false)
        }
        ended => ended,
    }
}

/// Where the index lies.
fn index(parts: &mut Parts<'_, '_>) -> Result<Found, Halt> {
    let mut at = 0;
    for _ in 0..BOXES {
        let found = boxes::head(parts, at, parts.total)?;
        if found.kind == *b"moov" {
            let fits = found.end - found.at <= INDEX;
            return fits.then_some(found).ok_or(Halt::Whole);
        }
        at = found.end;
    }
    Err(Halt::Whole)
}

/// The packets that cutting `spans` reads. A `thin` index must tell the place of each.
fn packets(parts: &mut Parts<'_, '_>, spans: &[Span], thin: bool) -> Result<(), Halt> {
    let task = Needed::new(spans, parts.trim, thin);
    let wanted = parts.needed(&task).ok_or(Halt::Whole)?;
    let bytes: u64 = wanted.iter().map(|range| range.end - range.start).sum();
    if bytes > parts.total / 2 {
        return Err(Halt::Whole);
    }
    parts.fetch_all(wanted)
}
