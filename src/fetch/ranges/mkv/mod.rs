//! What clips need of a WebM or Matroska file: what stands before its first cluster, the cues, and
//! the clusters from the key frame before a clip to the one after it.
//!
//! ```text
//! SeekHead Info Tracks .. | first blocks | Void ........ | clusters of a clip | Void ........ | Cues
//! ```
//!
//! Each hole is one Void element, so the file is whole to libav. By the first blocks of each track it
//! finds where the source begins; of the pictures among them only the heads are fetched.

mod ebml;
mod layout;

use std::ops::Range;

use super::Halt;
use super::parts::{Parts, merged};
use crate::source::Span;
use ebml::{Element, number, uint};
use layout::{Cue, Layout};

/// Elements of one parent that are looked at.
const ELEMENTS: usize = 4096;
/// More clusters than end after a clip's end are fetched where the sound lags: so many.
const LAG: usize = 2;

/// Bytes of a block in which its track and time stand.
const HEAD: u64 = 32;

const TIMESTAMP: u32 = 0xe7;
const SIMPLE_BLOCK: u32 = 0xa3;
const BLOCK_GROUP: u32 = 0xa0;
const BLOCK: u32 = 0xa1;

/// Fetches what cutting `spans` needs.
pub(super) fn fill(parts: &mut Parts<'_, '_>, spans: &[Span]) -> Result<(), Halt> {
    let layout = Layout::read(parts)?;
    let (origin, first) = beginning(parts, &layout)?;
    let mut wanted = Vec::new();
    for span in spans {
        wanted.push(clusters(parts, &layout, *span, origin)?);
    }
    let wanted = merged(wanted, 0);
    let bytes: u64 = wanted.iter().map(|range| range.end - range.start).sum();
    if bytes > parts.total / 2 {
        return Err(Halt::Whole);
    }
    parts.fetch_all(wanted.clone())?;
    // Voids: behind the first blocks, behind the first cluster, behind each run of clusters.
    let mut at = layout.first.end;
    if wanted
        .first()
        .is_none_or(|range| range.start > layout.first.at)
    {
        void(parts, first..layout.first.end)?;
    } else {
        at = layout.first.at;
    }
    for range in wanted {
        if range.start < at {
            return Err(Halt::Whole);
        }
        void(parts, at..range.start)?;
        at = range.end;
    }
    void(parts, at..layout.behind)
}

fn void(parts: &mut Parts<'_, '_>, hole: Range<u64>) -> Result<(), Halt> {
    let length = hole.end.checked_sub(hole.start).ok_or(Halt::Whole)?;
    let bytes = ebml::void(length).ok_or(Halt::Whole)?;
    match bytes.is_empty() {
        true => Ok(()),
        false => parts.put(hole.start, bytes),
    }
}

/// A block of a track, and when it is shown, in nanoseconds.
struct Block {
    track: u64,
    time: i64,
}

/// The block that an element holds, by the first bytes of the element's content.
fn block(layout: &Layout, id: u32, mut bytes: &[u8], cluster: u64) -> Option<Block> {
    if id == BLOCK_GROUP {
        // The block is the first that stands in it, and may be longer than these bytes.
        let (id, rest) = bytes.split_first()?;
        let (_, width) = number(rest, 8)?;
        bytes = rest.get(width..).filter(|_| u32::from(*id) == BLOCK)?;
    }
    let (number, width) = number(bytes, 8)?;
    let track = number & !(1 << (7 * width));
    let time = bytes.get(width..)?.first_chunk::<2>()?;
    let time = i128::from(cluster) + i128::from(i16::from_be_bytes(*time));
    let time = i64::try_from(time * i128::from(layout.scale)).ok()?;
    Some(Block { track, time })
}

/// Where the source begins, in nanoseconds, and where its first blocks end: those of each track by
/// which libav finds the beginning.
fn beginning(parts: &mut Parts<'_, '_>, layout: &Layout) -> Result<(i64, u64), Halt> {
    let cluster = &layout.first;
    let mut timestamp = None;
    let mut seen = vec![0_usize; layout.tracks.len()];
    let (mut at, mut origin) = (cluster.body, i64::MAX);
    for _ in 0..ELEMENTS {
        // A first packet of Vorbis gives no sound.
        let known = |(i, track): (usize, &layout::Track)| {
            seen.get(i)
                .is_some_and(|n| *n >= if track.is_video { 1 } else { 2 })
        };
        if layout.tracks.iter().enumerate().all(known) || at == cluster.end {
            return Ok((if origin == i64::MAX { 0 } else { origin }, at));
        }
        let element = Element::at(parts, at, cluster.end)?;
        let some = element.end.min(element.body + HEAD);
        let head = parts.bytes(element.body..some)?;
        match element.id {
            TIMESTAMP => timestamp = Some(uint(&head)),
            SIMPLE_BLOCK | BLOCK_GROUP => {
                let block = block(layout, element.id, &head, timestamp.ok_or(Halt::Whole)?);
                let block = block.ok_or(Halt::Whole)?;
                let track = layout.tracks.iter().position(|t| t.number == block.track);
                if let Some(i) = track {
                    seen.iter_mut().skip(i).take(1).for_each(|n| *n += 1);
                    origin = origin.min(block.time);
                }
                let is_video = track.and_then(|i| layout.tracks.get(i));
                if !is_video.is_some_and(|track| track.is_video) {
                    parts.fetch(element.at..element.end)?;
                }
            }
            _ => parts.fetch(element.at..element.end)?,
        }
        at = element.end;
    }
    Err(Halt::Whole)
}

/// Where the clusters of a clip lie, fetched up to where all tracks are past its end.
fn clusters(
    parts: &mut Parts<'_, '_>,
    layout: &Layout,
    span: Span,
    origin: i64,
) -> Result<Range<u64>, Halt> {
    /// Sound needs a run-up.
    const LEAD: i64 = 300_000_000;
    const TAIL: i64 = 200_000_000;
    let from = span.start.nanos().saturating_add(origin);
    let to = span.end.map_or(i64::MAX, |end| end.nanos());
    let to = to.saturating_add(origin);
    let early = |cue: &Cue| cue.time <= from.saturating_sub(LEAD);
    let before = layout.cues.partition_point(early);
    let begin = before.checked_sub(1).and_then(|i| layout.cues.get(i));
    let begin = begin.map_or(layout.first.at, |cue| cue.cluster);
    let late = |cue: &Cue| cue.time <= to.saturating_add(TAIL);
    let mut behind = layout.cues.partition_point(late);
    for _ in 0..=LAG {
        let end = loop {
            let Some(cue) = layout.cues.get(behind) else {
                return Ok(begin..layout.behind);
            };
            behind += 1;
            if cue.cluster > begin && begins(parts, layout, cue)? {
                break cue.cluster;
            }
        };
        if end - begin > parts.total / 2 {
            return Err(Halt::Whole);
        }
        parts.fetch(begin..end)?;
        if is_past(parts, layout, begin..end, to)? {
            return Ok(begin..end);
        }
    }
    Err(Halt::Whole)
}

/// Whether a cue's key frame is the first picture of its cluster.
fn begins(parts: &mut Parts<'_, '_>, layout: &Layout, cue: &Cue) -> Result<bool, Halt> {
    /// Elements that stand before it: the cluster's time, a few blocks of sound.
    const BEFORE: usize = 16;
    let cluster = Element::at(parts, cue.cluster, layout.behind)?;
    let (mut timestamp, mut at) = (0, cluster.body);
    for _ in 0..BEFORE {
        let element = Element::at(parts, at, cluster.end)?;
        at = element.end;
        let head = parts.bytes(element.body..element.end.min(element.body + HEAD))?;
        match element.id {
            TIMESTAMP => timestamp = uint(&head),
            SIMPLE_BLOCK | BLOCK_GROUP => {
                let block = block(layout, element.id, &head, timestamp).ok_or(Halt::Whole)?;
                let is_video = |t: &layout::Track| t.is_video && t.number == block.track;
                if layout.tracks.iter().any(is_video) {
                    return Ok(block.time == cue.time);
                }
            }
            _ => {}
        }
    }
    Ok(false)
}

/// Whether in these clusters all tracks come to `time`.
fn is_past(
    parts: &mut Parts<'_, '_>,
    layout: &Layout,
    clusters: Range<u64>,
    time: i64,
) -> Result<bool, Halt> {
    let mut past = vec![false; layout.tracks.len()];
    let mut at = clusters.start;
    while at < clusters.end {
        let cluster = Element::at(parts, at, clusters.end)?;
        at = cluster.end;
        if cluster.id != layout::CLUSTER {
            continue;
        }
        let (mut timestamp, mut inner) = (0, cluster.body);
        while inner < cluster.end {
            let element = Element::at(parts, inner, cluster.end)?;
            inner = element.end;
            if !matches!(element.id, TIMESTAMP | SIMPLE_BLOCK | BLOCK_GROUP) {
                continue;
            }
            let head = parts.bytes(element.body..element.end.min(element.body + HEAD))?;
            if element.id == TIMESTAMP {
                timestamp = uint(&head);
                continue;
            }
            let block = block(layout, element.id, &head, timestamp).ok_or(Halt::Whole)?;
            for (track, past) in layout.tracks.iter().zip(&mut past) {
                *past |= track.number == block.track && block.time >= time;
            }
        }
    }
    Ok(past.into_iter().all(|past| past))
}
