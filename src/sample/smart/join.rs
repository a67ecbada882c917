//! The packets of a cut, with their times, and the proof that they decode.

use std::ops::Range;

use crate::media::{self, Decoder, Input, Packet, Track};

/// Copied packets beyond which only those next to the edges are decoded to be sure.
const ALL: usize = 3000;

/// The packets of a cut in decoding order, and what decodes them.
pub(super) struct Joined {
    pub(super) packets: Vec<Packet>,
    pub(super) record: Vec<u8>,
    /// Frames that were encoded.
    pub(super) encoded: u64,
    /// Nanoseconds from the start of the source.
    pub(super) got_start: i64,
    pub(super) got_end: i64,
}

impl Joined {
    /// Gives packets that say when they are shown their decoding times and durations: each is
    /// decoded when the frame is shown that stands as many places before it as the deepest
    /// reordering needs. The last lasts `step` ticks.
    pub(super) fn new(mut packets: Vec<Packet>, record: Vec<u8>, step: i64) -> Self {
        let times: Vec<i64> = packets.iter().map(|p| p.pts().unwrap_or(0)).collect();
        let mut sorted = times.clone();
        sorted.sort_unstable();
        let rank = |at: &i64| sorted.partition_point(|t| t < at);
        let late = times
            .iter()
            .enumerate()
            .map(|(i, at)| i.saturating_sub(rank(at)));
        let delay = late.max().unwrap_or(0);
        let first = sorted.first().copied().unwrap_or(0);
        for (i, (packet, at)) in packets.iter_mut().zip(&times).enumerate() {
            let decoded = match i.checked_sub(delay) {
                Some(i) => sorted.get(i).copied().unwrap_or(first),
                None => first - step * (delay - i) as i64,
            };
            let next = sorted.get(rank(at) + 1).map_or(step, |next| next - at);
            packet.set_dts(Some(decoded));
            packet.set_duration(next.max(1));
        }
        Self {
            packets,
            record,
            encoded: 0,
            got_start: 0,
            got_end: 0,
        }
    }
}

/// Decodes what was joined: each packet must give its frame, without errors, in order. Of many copied
/// packets those in groups that do not touch an edge are passed over.
pub(super) fn verify(
    input: &Input,
    track: &Track,
    joined: &Joined,
    copied: Range<usize>,
) -> media::Result<()> {
    let packets = &joined.packets;
    let mut ranges: Vec<Range<usize>> = std::iter::once(0..packets.len()).collect();
    if copied.len() > ALL {
        let inner = packets.get(copied.clone()).unwrap_or_default();
        let key = |packet: &Packet| packet.is_key();
        let after = inner
            .iter()
            .skip(1)
            .position(key)
            .map(|at| copied.start + 1 + at);
        let before = inner.iter().rposition(key).map(|at| copied.start + at);
        if let (Some(after), Some(before)) = (after, before)
            && after < before
        {
            ranges = vec![0..after, before..packets.len()];
        }
    }
    let mut decoder = Decoder::with_extradata(input, track, &joined.record)?;
    for range in ranges {
        let packets = packets.get(range).unwrap_or_default();
        let mut wanted: Vec<Option<i64>> = packets.iter().map(Packet::pts).collect();
        wanted.sort_unstable();
        let mut got = Vec::with_capacity(wanted.len());
        let mut take = |frame: &media::Frame| -> media::Result<()> {
            got.push(frame.pts());
            Ok(())
        };
        for packet in packets {
            decoder.feed(packet, &mut take)?;
        }
        decoder.drain(&mut take)?;
        if got != wanted || decoder.errors() > 0 {
            let reason = "what was joined does not decode cleanly".to_owned();
            return Err(media::Error::Unsupported(reason));
        }
    }
    Ok(())
}
