//! [`X264`]: the version of x264 that an H.264 track was made with.
//!
//! Some old versions broke the standard. libav decodes what they made as it was meant, but only if it
//! knows the version, and that stands in one unit (SEI) of the first packet. Who begins at a later key
//! frame must be told, and a cut must bring the unit along.
//!
//! ```text
//! first packet   [SPS] [PPS] [SEI "x264 - core 142 ..."] [picture]
//! later packets  [picture]
//! ```

use std::ops::Range;

use ffmpeg_the_third::ffi;
use ffmpeg_the_third::packet::{Mut as _, Packet, Ref as _};

use super::av::{Result, check};
use super::h264::{Framing, Parameters, first_units};
use super::input::Input;
use super::track::{Track, TrackKind};

/// Bytes of a packet in which the unit is looked for. It has about 700.
pub(super) const HEAD: usize = 4 << 10;
/// From this version on pictures in 4:4:4 or without loss are as the standard says.
const RIGHT_444: u32 = 151;
/// From this version on all else is.
const RIGHT: u32 = 34;
/// Type of the unit.
const SEI: u8 = 6;
/// The last byte of a whole unit of this type.
const STOP: u8 = 0x80;

/// What the first packet says.
pub(super) struct X264 {
    version: u32,
    /// The unit as it stands in packets, where decoding depends on the version.
    unit: Option<Vec<u8>>,
}

impl X264 {
    /// Of an H.264 track with these extradata, by the beginning of its first packet.
    pub(super) fn new(extradata: &[u8], first: &[u8]) -> Option<Self> {
        let framing = Framing::of(extradata);
        let units = first_units(framing, first.get(..HEAD).unwrap_or(first));
        let told = |unit: &&[u8]| unit.first().is_some_and(|head| head & 31 == SEI);
        let mut told = units.into_iter().filter(told);
        let (unit, version) = told.find_map(|unit| Some((unit, version(unit)?)))?;
        let is_444 = || Parameters::parse(extradata).is_ok_and(|sets| sets.is_high_444());
        let matters = version < RIGHT || version < RIGHT_444 && is_444();
        let unit = (matters && unit.last() == Some(&STOP)).then(|| framing.framed(unit));
        Some(Self {
            version,
            unit: unit.flatten(),
        })
    }

    pub(super) fn version(&self) -> u32 {
        self.version
    }
}

/// The version that a unit tells.
fn version(unit: &[u8]) -> Option<u32> {
    const BEFORE: &[u8] = b"x264 - core ";
    let at = unit.windows(BEFORE.len()).position(|w| w == BEFORE)?;
    let text = unit.get(at + BEFORE.len()..)?;
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).take(9);
    let version = digits.fold(0, |n, digit| n * 10 + u32::from(digit - b'0'));
    match version {
        0 => None,
        // Builds that did not know their version, as libav takes them.
        1 if text.starts_with(b"0000") => Some(67),
        version => Some(version),
    }
}

impl Input {
    /// Takes note of what the first of the packets read ahead tells.
    pub(super) fn find_x264(&mut self) {
        let h264 = self.video().filter(|track| track.codec == "h264");
        let first = h264.and_then(|track| {
            let mut ahead = self.ahead.iter();
            let first = ahead.find(|packet| packet.stream() == track.index)?;
            X264::new(self.extradata(track), first.data()?)
        });
        self.x264 = first;
    }

    /// What the first packet of `track` tells.
    pub(super) fn x264(&self, track: &Track) -> Option<&X264> {
        let x264 = self.x264.as_ref();
        x264.filter(|_| track.kind == TrackKind::Video)
    }

    /// Whether `track` can be decoded from later key frames on only with what its first packet says.
    pub fn needs_first(&self, track: &Track) -> bool {
        self.x264(track).is_some_and(|x264| x264.unit.is_some())
    }

    /// The bytes of the file in which a decoder that begins at a later key frame of `track` finds what
    /// it must know; `None` where the header tells that it must know nothing.
    pub fn to_be_known(&self, track: &Track) -> Option<Range<u64>> {
        let sets = Parameters::parse(self.extradata(track)).ok()?;
        let is_due = track.codec == "h264" && sets.is_high_444();
        let first = is_due.then(|| self.index(track).into_iter().next());
        let (_, _, range) = first.flatten()?;
        Some(range.start..range.end.min(range.start.saturating_add(HEAD as u64)))
    }

    /// A packet of `track` as it must be to begin a file with: with what only the source's first packet
    /// says and decoders need.
    ///
    /// # Errors
    /// No memory.
    pub fn beginning_with(&self, track: &Track, packet: Packet) -> Result<Packet> {
        let unit = self.x264(track).and_then(|x264| x264.unit.as_ref());
        let (Some(unit), Some(data)) = (unit, packet.data()) else {
            return Ok(packet);
        };
        if X264::new(self.extradata(track), data).is_some() {
            return Ok(packet);
        }
        let mut whole = Packet::copy(&[unit, data].concat());
        // SAFETY: both packets are valid; times, flags and side data are copied.
        let code = unsafe { ffi::av_packet_copy_props(whole.as_mut_ptr(), packet.as_ptr()) };
        check("cannot copy a packet", code)?;
        Ok(whole)
    }
}

#[cfg(test)]
mod tests;
