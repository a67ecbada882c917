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
mod place;
mod runs;
mod track;

use std::ops::Range;

use super::Halt;
use super::parts::{Parts, merged};
use crate::media::Input;
use crate::sample::Trim;
use crate::source::Span;
use boxes::Found;

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
    let mut input = Input::open(parts.file.clone()).map_err(|_| Halt::Whole)?;
    let mut wanted = Vec::new();
    for span in spans {
        wanted.extend(needed(&mut input, *span, parts.trim).ok_or(Halt::Whole)?);
    }
    let is_told = |range: &Range<u64>| range.start > 0 && !range.is_empty();
    if thin && !wanted.iter().all(is_told) {
        return Err(Halt::Whole);
    }
    drop(input);
    let wanted = merged(wanted, 0);
    let bytes: u64 = wanted.iter().map(|range| range.end - range.start).sum();
    if bytes > parts.total / 2 {
        return Err(Halt::Whole);
    }
    parts.fetch_all(wanted)
}

/// The bytes of all packets that cutting `span` reads, as the index tells: from the key frame before
/// its start on, and a little sound around it. `None` where the index does not tell.
fn needed(input: &mut Input, span: Span, trim: Trim) -> Option<Vec<Range<u64>>> {
    /// Sound needs a run-up.
    const LEAD: i64 = 200_000_000;
    /// Longest packet of sound.
    const PACKET: i64 = 100_000_000;
    const TAIL: i64 = 200_000_000;
    let (video, sound) = (input.video()?.clone(), input.audio().cloned());
    let (start, end) = (span.start.nanos(), span.end?.nanos());
    let key = input.landing(&video, span.start);
    let pictures = input.index(&video);
    let key = match key {
        Some(at) => pictures
            .iter()
            .position(|(_, _, range)| range.start == at)?,
        None => 0,
    };
    let (begin, _, _) = pictures.get(key)?;
    // Whole packets are copied from the key frame on, the sound too.
    let from = match trim {
        Trim::Copy => *begin,
        _ => start - LEAD,
    };
    let from = from - PACKET;
    let sounds = sound.map(|track| input.index(&track)).unwrap_or_default();
    let sounds = sounds.into_iter().filter(|(at, _, _)| *at >= from);
    let all = pictures.into_iter().skip(key).chain(sounds);
    let all = all.filter(|(at, _, _)| *at < end + TAIL);
    Some(all.map(|(_, _, range)| range).collect())
}
