//! Tracks of an index, and the parts of their tables that clips need.

use std::ops::Range;

use super::super::Halt;
use super::super::parts::{Parts, merged};
use super::boxes::{self, Found, u32_at};
use super::place::{Clock, Edit};
use super::runs;
use crate::Time;
use crate::source::Span;

/// Most tracks.
const TRACKS: usize = 16;
/// Most samples or chunks of a track: six days of pictures at 60 a second.
const SAMPLES: u32 = 1 << 25;
/// Tables that are no longer are fetched whole.
const SHORT: u64 = 8 << 10;
/// How much more of the tables is fetched than is thought to be needed, in nanoseconds: what is
/// decoded for a clip, and what the estimate of where the source begins may be wrong by.
const MARGIN: i64 = 1_000_000_000;
/// Bytes of each table's beginning that are always fetched: by the first samples libav finds where
/// the source begins.
const FRONT: u64 = 512;

/// What an index says of one track of pictures or sound.
#[derive(Debug, Default)]
pub(super) struct Tables {
    clock: Clock,
    /// Whether it is pictures or sound, once that is known.
    is_wanted: Option<bool>,
    /// Key frames, by numbers from 1 on; `None` where each sample is one.
    keys: Option<Vec<u32>>,
    pub(super) samples: u32,
    pub(super) chunks: u32,
    /// `ctts`: how much later than it is decoded each sample is shown.
    pub(super) delays: Option<Found>,
    /// `stsc`: how many samples each chunk has.
    pub(super) chunk_runs: Option<Found>,
    /// `stsz`, where the samples differ in length.
    pub(super) sizes: Option<Found>,
    /// `stco`, `co64`: where the chunks lie, and the bytes of an entry.
    offsets: Option<(Found, u64)>,
    /// `sdtp`: on which others each sample depends.
    dependencies: Option<Found>,
}

/// Fetches what of the index `moov` the clips with these ranges need.
pub(super) fn thin(parts: &mut Parts<'_, '_>, moov: &Found, spans: &[Span]) -> Result<(), Halt> {
    let (mut tracks, mut scale) = (Vec::new(), 0);
    boxes::each(parts, moov, |parts, found| {
        match &found.kind {
            b"mvhd" => {
                let bytes = found.read(parts)?;
                scale = u32_at(&bytes, if bytes.first() == Some(&1) { 20 } else { 12 })?;
            }
            b"trak" if tracks.len() < TRACKS => {
                let mut tables = Tables::default();
                tables.read(parts, &found, scale)?;
                if tables.is_wanted == Some(true) {
                    tracks.push(tables);
                } else {
                    // To libav it is not there.
                    parts.put(found.at + 4, b"free".to_vec())?;
                }
            }
            b"free" | b"skip" => {}
            b"trak" | b"mvex" | b"cmov" => return Err(Halt::Whole),
            _ => return found.keep(parts),
        }
        Ok(true)
    })?;
    for tables in &mut tracks {
        tables.check(parts)?;
    }
    let begins = tracks.iter().map(|tables| tables.clock.begin());
    let origin = begins.min().ok_or(Halt::Whole)?;
    let times = spans.iter().map(|span| {
        let at = |time: Time| time.nanos().saturating_add(origin);
        let start = at(span.start).saturating_sub(MARGIN);
        let keys = tracks.iter().filter_map(|tables| tables.key_before(start));
        let from = keys.min().unwrap_or(start).min(start);
        let to = span.end.map_or(i64::MAX, at);
        from.saturating_sub(MARGIN)..to.saturating_add(MARGIN)
    });
    let times: Vec<Range<i64>> = times.collect();
    let mut entries = Vec::new();
    for tables in &tracks {
        entries.extend(tables.entries(parts, &times)?);
    }
    parts.fetch_all(entries)
}

impl Tables {
    /// Reads a `trak` box until it is known to be of another kind.
    fn read(&mut self, parts: &mut Parts<'_, '_>, trak: &Found, scale: u32) -> Result<(), Halt> {
        boxes::each(parts, trak, |parts, found| {
            match &found.kind {
                b"edts" => boxes::each(parts, &found, |parts, found| {
                    if found.kind == *b"elst" {
                        self.clock.edit = Edit::parse(&found.read(parts)?, scale)?;
                    }
                    found.keep(parts)
                })?,
                b"mdia" => self.media(parts, &found)?,
                _ => return found.keep(parts),
            }
            Ok(self.is_wanted != Some(false))
        })
    }

    fn media(&mut self, parts: &mut Parts<'_, '_>, mdia: &Found) -> Result<(), Halt> {
        boxes::each(parts, mdia, |parts, found| {
            match &found.kind {
                b"mdhd" => {
                    let bytes = found.read(parts)?;
                    let at = if bytes.first() == Some(&1) { 20 } else { 12 };
                    self.clock.scale = u32_at(&bytes, at)?;
                }
                b"hdlr" => {
                    let bytes = found.read(parts)?;
                    let kind = bytes.get(8..12).ok_or(Halt::Whole)?;
                    self.is_wanted = Some(matches!(kind, b"vide" | b"soun"));
                }
                b"minf" if self.is_wanted.is_none() => return Err(Halt::Whole),
                b"minf" => boxes::each(parts, &found, |parts, found| match &found.kind {
                    b"stbl" => {
                        boxes::each(parts, &found, |parts, found| self.table(parts, found))?;
                        Ok(true)
                    }
                    _ => found.keep(parts),
                })?,
                _ => return found.keep(parts),
            }
            Ok(self.is_wanted != Some(false))
        })
    }

    /// Takes note of one table; fetches what is small of it.
    fn table(&mut self, parts: &mut Parts<'_, '_>, found: Found) -> Result<bool, Halt> {
        let slot = match &found.kind {
            b"stts" => {
                let bytes = found.read(parts)?;
                self.clock.runs = runs::entries(&bytes, 8)?
                    .map(|[count, length]| (count, length))
                    .collect();
                return Ok(true);
            }
            b"stss" => {
                let bytes = found.read(parts)?;
                let keys = runs::entries(&bytes, 8)?.map(|[key]| key);
                self.keys = Some(keys.collect());
                return Ok(true);
            }
            b"stsd" if u32_at(&parts.peek(found.body, 8)?, 4)? != 1 => return Err(Halt::Whole),
            b"stsz" => {
                let head = parts.peek(found.body, 12)?;
                self.samples = u32_at(&head, 8)?;
                match u32_at(&head, 4)? {
                    0 => &mut self.sizes,
                    _ => return found.keep(parts),
                }
            }
            b"stco" | b"co64" => {
                self.chunks = u32_at(&parts.peek(found.body, 8)?, 4)?;
                let width = if found.kind == *b"co64" { 8 } else { 4 };
                self.offsets = Some((found, width));
                return Ok(true);
            }
            b"ctts" => &mut self.delays,
            b"stsc" => &mut self.chunk_runs,
            b"sdtp" => &mut self.dependencies,
            // Compact lengths, and what is encrypted.
            b"stz2" | b"saiz" | b"saio" | b"senc" => return Err(Halt::Whole),
            _ => return found.keep(parts),
        };
        *slot = Some(found);
        parts.peek(found.body, FRONT.min(found.len()) as usize)?;
        match found.len() <= SHORT {
            true => found.keep(parts),
            false => Ok(true),
        }
    }

    /// Whether the tables fit each other; and reads when the first samples are shown.
    fn check(&mut self, parts: &mut Parts<'_, '_>) -> Result<(), Halt> {
        let whole = |fits: bool| fits.then_some(()).ok_or(Halt::Whole);
        let room = |table: &Option<Found>, head: u64| {
            let needed = head + u64::from(self.samples) * if head == 12 { 4 } else { 1 };
            table.is_none_or(|table| table.len() >= needed)
        };
        let (offsets, width) = self.offsets.ok_or(Halt::Whole)?;
        whole(self.samples <= SAMPLES && self.chunks <= self.samples)?;
        whole(room(&self.sizes, 12) && room(&self.dependencies, 4))?;
        whole(offsets.len() >= 8 + u64::from(self.chunks) * width)?;
        whole(self.clock.scale > 0 && self.clock.samples() == u64::from(self.samples))?;
        let mut delays = Vec::new();
        if let Some(table) = self.delays {
            let bytes = parts.bytes(table.body..table.end.min(table.body + FRONT))?;
            for [count, delay] in runs::entries(&bytes, 8)? {
                let room = 64_usize.saturating_sub(delays.len());
                delays.extend(std::iter::repeat_n(delay, room.min(count as usize)));
            }
        }
        let shown = |(i, delay): (u64, u32)| {
            let delay = i64::from(delay.cast_signed());
            self.clock.decoded(i).saturating_add(delay)
        };
        self.clock.first = (0..).zip(delays).map(shown).min().unwrap_or(0);
        Ok(())
    }

    /// When the last key frame before an instant is decoded; `None` where each sample is one.
    fn key_before(&self, time: i64) -> Option<i64> {
        let (keys, samples) = (self.keys.as_ref()?, self.clock.count_before(time));
        let before = keys.partition_point(|key| u64::from(*key) <= samples);
        let key = before
            .checked_sub(1)
            .and_then(|i| keys.get(i))
            .unwrap_or(&1);
        Some(self.clock.time(u64::from(key.saturating_sub(1))))
    }

    /// Where the entries of the samples of these times lie; fetches what tells that.
    fn entries(
        &self,
        parts: &mut Parts<'_, '_>,
        times: &[Range<i64>],
    ) -> Result<Vec<Range<u64>>, Halt> {
        let wanted = times.iter().map(|times| self.clock.between(times));
        let wanted = wanted.filter(|samples| !samples.is_empty()).collect();
        let wanted = merged(wanted, 0);
        let mut entries = Vec::new();
        let front = |table: &Found| table.body..table.end.min(table.body + FRONT);
        let (offsets, width) = self.offsets.ok_or(Halt::Whole)?;
        entries.push(front(&offsets));
        entries.extend(self.sizes.iter().map(front));
        if let (Some(first), Some(last)) = (wanted.first(), wanted.last()) {
            runs::thin_delays(parts, self, first.start..last.end)?;
            let chunks = runs::thin_chunks(parts, self, first.start..last.end)?;
            for samples in wanted {
                let (samples, chunks) = chunks.of(samples).ok_or(Halt::Whole)?;
                let range = |table: &Found, head: u64, width: u64, of: &Range<u64>| {
                    let begin = table.body + head;
                    begin + of.start * width..begin + of.end * width
                };
                entries.push(range(&offsets, 8, width, &chunks));
                let sizes = self.sizes.iter();
                entries.extend(sizes.map(|table| range(table, 12, 4, &samples)));
                let others = self.dependencies.iter();
                entries.extend(others.map(|table| range(table, 4, 1, &samples)));
            }
        }
        Ok(entries)
    }
}
