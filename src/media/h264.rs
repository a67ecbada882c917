//! H.264 as bytes: units, parameter sets, and the `avcC` record that holds these. Pure and safe.
//!
//! ```text
//! Annex B    00 00 01 [unit] 00 00 01 [unit] ..             transport streams, x264
//! lengths    [length, 1 to 4 bytes][unit] ..                mp4, Matroska, with avcC:
//! avcC       1 profile compat level 1:6|length-1:2 1:3|count:5 ([length 2][SPS]).. count ([length 2][PPS]).. more
//! ```

use super::av::{Error, Result};

/// Unit types.
const IDR: u8 = 5;
const SPS: u8 = 7;
const PPS: u8 = 8;

/// How units follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    AnnexB,
    /// Behind their length in so many bytes.
    Length(usize),
}

impl Framing {
    /// Of the packets of a track with these extradata.
    pub(super) fn of(extradata: &[u8]) -> Self {
        match extradata {
            [1, _, _, _, sizes, ..] => Self::Length(usize::from(sizes & 3) + 1),
            _ => Self::AnnexB,
        }
    }

    /// A unit as it stands in packets; `None` where it is too long for its length.
    pub(super) fn framed(self, unit: &[u8]) -> Option<Vec<u8>> {
        let length = u32::try_from(unit.len()).ok()?.to_be_bytes();
        let before = match self {
            Self::AnnexB => &[0, 0, 0, 1],
            Self::Length(size) => {
                let (zeros, length) = length.split_at_checked(4_usize.checked_sub(size)?)?;
                zeros.iter().all(|b| *b == 0).then_some(length)?
            }
        };
        Some([before, unit].concat())
    }
}

/// The parameter sets of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) framing: Framing,
    pub(super) sps: Vec<Vec<u8>>,
    pub(super) pps: Vec<Vec<u8>>,
}

/// What a sequence parameter set says, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sequence {
    pub(super) profile: u8,
    pub(super) id: u32,
    /// 1 is 4:2:0.
    pub(super) chroma: u32,
    /// The larger of luma's and chroma's.
    pub(super) bits: u32,
    /// Whether there are frames only, no fields.
    pub(super) progressive: bool,
}

fn broken() -> Error {
    Error::Unsupported("its H.264 parameter sets cannot be read".to_owned())
}

impl Parameters {
    /// Of a track's extradata: an `avcC` record, or units in Annex B.
    pub(super) fn parse(extradata: &[u8]) -> Result<Self> {
        let parsed = match extradata.first() {
            Some(1) => Self::of_avcc(extradata),
            _ => Some(Self::of_units(
                Framing::AnnexB,
                units(Framing::AnnexB, extradata)?,
            )),
        };
        let parsed = parsed.filter(|p| !p.sps.is_empty() && !p.pps.is_empty());
        parsed.ok_or_else(broken)
    }

    fn of_units(framing: Framing, units: Vec<&[u8]>) -> Self {
        let of = |kind: u8| {
            let found = units.iter().filter(|unit| kind_of(unit) == kind);
            found.map(|unit| unit.to_vec()).collect()
        };
        Self {
            framing,
            sps: of(SPS),
            pps: of(PPS),
        }
    }

    fn of_avcc(record: &[u8]) -> Option<Self> {
        let framing = Framing::of(record);
        let (mut sets, mut at) = ([Vec::new(), Vec::new()], 5);
        for (i, set) in sets.iter_mut().enumerate() {
            let count = *record.get(at)? & if i == 0 { 31 } else { 255 };
            at += 1;
            for _ in 0..count {
                let length = u16::from_be_bytes(*record.get(at..)?.first_chunk()?);
                let end = at + 2 + usize::from(length);
                set.push(record.get(at + 2..end)?.to_vec());
                at = end;
            }
        }
        let [sps, pps] = sets;
        Some(Self { framing, sps, pps })
    }

    /// What the only sequence parameter set says; an error where there are several.
    pub(super) fn sequence(&self) -> Result<Sequence> {
        match self.sps.as_slice() {
            [sps] => sequence(sps).ok_or_else(broken),
            _ => Err(Error::Unsupported(
                "it has several sequence parameter sets".to_owned(),
            )),
        }
    }

    /// Whether it is of a profile for pictures in 4:4:4 or without loss.
    pub(super) fn is_high_444(&self) -> bool {
        self.sps
            .iter()
            .any(|sps| matches!(sps.get(1), Some(44 | 244)))
    }

    /// An id above 0 that no parameter set has.
    pub(super) fn free_id(&self) -> Result<u32> {
        let sps = self.sps.iter().map(|sps| sequence(sps).map(|s| s.id));
        let pps = self.pps.iter().map(|pps| Bits::new(pps.get(1..)?).golomb());
        let used: Option<Vec<u32>> = sps.chain(pps).collect();
        let used = used.ok_or_else(broken)?;
        let free = (1..32).find(|id| !used.contains(id));
        free.ok_or_else(|| Error::Unsupported("all of its parameter set ids are used".to_owned()))
    }

    /// An `avcC` record of these sets and of those of `other`, for lengths of four bytes.
    pub(super) fn joined(&self, other: &Self) -> Result<Vec<u8>> {
        let first = self.sps.first().ok_or_else(broken)?;
        let head = first.get(1..4).ok_or_else(broken)?;
        let mut record = vec![1];
        record.extend_from_slice(head);
        record.push(0xff);
        for (mine, theirs, marks) in [(&self.sps, &other.sps, 0xe0), (&self.pps, &other.pps, 0)] {
            let all: Vec<&Vec<u8>> = mine.iter().chain(theirs).collect();
            let most = if marks == 0 { 255 } else { 31 };
            let count = u8::try_from(all.len()).ok().filter(|n| *n <= most);
            record.push(count.ok_or_else(broken)? | marks);
            for set in all {
                let length = u16::try_from(set.len()).map_err(|_| broken())?;
                record.extend_from_slice(&length.to_be_bytes());
                record.extend_from_slice(set);
            }
        }
        let sequence = sequence(first).ok_or_else(broken)?;
        if matches!(sequence.profile, 100 | 110 | 122 | 144) {
            let depth = 0xf8 | (sequence.bits as u8).saturating_sub(8) & 7;
            record.extend_from_slice(&[0xfc | (sequence.chroma as u8) & 3, depth, depth, 0]);
        }
        Ok(record)
    }
}

fn kind_of(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |head| head & 31)
}

/// The units in `data`.
pub(super) fn units(framing: Framing, data: &[u8]) -> Result<Vec<&[u8]>> {
    let split = match framing {
        Framing::AnnexB => Some(annex_b(data)),
        Framing::Length(size) => by_length(size, data),
    };
    split.ok_or_else(|| Error::Unsupported("an H.264 packet is damaged".to_owned()))
}

/// The units in the first bytes of a packet; of the last one what is there.
pub(super) fn first_units(framing: Framing, mut data: &[u8]) -> Vec<&[u8]> {
    let Framing::Length(size) = framing else {
        return annex_b(data);
    };
    let mut found = Vec::new();
    while let Some((length, rest)) = data.split_at_checked(size) {
        let length = length.iter().fold(0, |n, b| n << 8 | usize::from(*b));
        let (unit, rest) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        found.push(unit);
        data = rest;
    }
    found
}

fn by_length(size: usize, mut data: &[u8]) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    while !data.is_empty() {
        let (length, rest) = data.split_at_checked(size)?;
        let length = length.iter().fold(0, |n, b| n << 8 | usize::from(*b));
        let (unit, rest) = rest.split_at_checked(length)?;
        found.push(unit);
        data = rest;
    }
    Some(found)
}

fn annex_b(data: &[u8]) -> Vec<&[u8]> {
    let (mut found, mut begin, mut at) = (Vec::new(), None, 0);
    let mut end = |begin: Option<usize>, end: usize| {
        let unit = begin.and_then(|begin| data.get(begin..end));
        let mut unit = unit.unwrap_or_default();
        while let [rest @ .., 0] = unit {
            unit = rest;
        }
        if !unit.is_empty() {
            found.push(unit);
        }
    };
    while let Some(three) = data.get(at..at + 3) {
        if three == [0, 0, 1] {
            end(begin, at);
            at += 3;
            begin = Some(at);
        } else {
            at += 1;
        }
    }
    end(begin, data.len());
    found
}

/// A packet with lengths of four bytes, without those parameter sets that `known` has; and whether it
/// begins a sequence anew (IDR). An error where it has others: they change on the way.
pub(super) fn repacked(
    framing: Framing,
    data: &[u8],
    known: &Parameters,
) -> Result<(Vec<u8>, bool)> {
    let (mut out, mut idr) = (Vec::with_capacity(data.len() + 16), false);
    for unit in units(framing, data)? {
        let is_known = |sets: &[Vec<u8>]| sets.iter().any(|set| set == unit);
        match kind_of(unit) {
            SPS | PPS if is_known(&known.sps) || is_known(&known.pps) => continue,
            SPS | PPS => {
                let reason = "its H.264 parameter sets change on the way".to_owned();
                return Err(Error::Unsupported(reason));
            }
            IDR => idr = true,
            _ => {}
        }
        let length = u32::try_from(unit.len()).map_err(|_| broken())?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(unit);
    }
    Ok((out, idr))
}

fn sequence(sps: &[u8]) -> Option<Sequence> {
    let profile = *sps.get(1)?;
    let mut bits = Bits::new(sps.get(4..)?);
    let mut found = Sequence {
        profile,
        id: bits.golomb()?,
        chroma: 1,
        bits: 8,
        progressive: false,
    };
    if matches!(
        profile,
        100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135
    ) {
        found.chroma = bits.golomb()?;
        if found.chroma == 3 {
            bits.bit()?;
        }
        found.bits = 8 + bits.golomb()?.max(bits.golomb()?).min(8);
        bits.bit()?;
        if bits.bit()? {
            let lists = if found.chroma == 3 { 12 } else { 8 };
            for list in 0..lists {
                if bits.bit()? {
                    skip_scaling(&mut bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    // log2_max_frame_num, then how the order of pictures is told.
    bits.golomb()?;
    match bits.golomb()? {
        0 => {
            bits.golomb()?;
        }
        1 => {
            bits.bit()?;
            bits.golomb()?;
            bits.golomb()?;
            for _ in 0..bits.golomb()?.min(255) {
                bits.golomb()?;
            }
        }
        _ => {}
    }
    // References, gaps allowed, width, height.
    bits.golomb()?;
    bits.bit()?;
    bits.golomb()?;
    bits.golomb()?;
    found.progressive = bits.bit()?;
    Some(found)
}

fn skip_scaling(bits: &mut Bits<'_>, size: usize) -> Option<()> {
    let (mut last, mut next) = (8_i64, 8_i64);
    for _ in 0..size {
        if next != 0 {
            let code = i64::from(bits.golomb()?);
            let delta = if code % 2 == 1 {
                (code + 1) / 2
            } else {
                -(code / 2)
            };
            next = (last + delta).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

/// Reads bits, without the bytes that keep start codes from occurring by chance.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    byte: u8,
    /// Bits left in `byte`.
    left: u32,
    zeros: u32,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let (at, byte, left, zeros) = (0, 0, 0, 0);
        Self {
            bytes,
            at,
            byte,
            left,
            zeros,
        }
    }

    fn bit(&mut self) -> Option<bool> {
        if self.left == 0 {
            let mut byte = *self.bytes.get(self.at)?;
            if byte == 3 && self.zeros >= 2 {
                self.at += 1;
                self.zeros = 0;
                byte = *self.bytes.get(self.at)?;
            }
            self.at += 1;
            self.zeros = if byte == 0 { self.zeros + 1 } else { 0 };
            (self.byte, self.left) = (byte, 8);
        }
        self.left -= 1;
        Some(self.byte >> self.left & 1 == 1)
    }

    /// An unsigned number in Exp-Golomb coding, below 2^31.
    fn golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 30 {
                return None;
            }
        }
        let mut number = 1_u32;
        for _ in 0..zeros {
            number = number << 1 | u32::from(self.bit()?);
        }
        Some(number - 1)
    }
}

#[cfg(test)]
mod tests;
