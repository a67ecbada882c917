//! [`FrameTable`]: where the frames of one video blob lie in it, and when they are shown.

use serde::{Deserialize, Serialize};

/// The frames of one video blob, so that a few of them can be read without the rest.
///
/// Made for containers that say when each packet is shown: mp4, mov, Matroska, WebM.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameTable {
    /// Seconds per tick: numerator and denominator, both positive.
    pub time_base: (u32, u32),
    /// Nanoseconds from the container's own zero to the instant that is time 0 of the blob: where
    /// the first of its tracks begins to show or sound.
    pub origin: i64,
    /// In the order in which they are stored, which is that of decoding.
    pub frames: Vec<FrameEntry>,
}

/// One frame of a [`FrameTable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(i64, u64, u32, u8)", into = "(i64, u64, u32, u8)")]
pub struct FrameEntry {
    /// Presentation time in ticks from the container's own zero.
    pub pts: i64,
    /// First byte of its packet, counted from the start of the blob.
    pub offset: u64,
    /// Bytes of its packet, at least 1.
    pub length: u32,
    /// Whether decoding can begin with it.
    pub key: bool,
    /// Whether it is decoded and not shown (an edit list hides it).
    pub hidden: bool,
}

impl From<(i64, u64, u32, u8)> for FrameEntry {
    fn from((pts, offset, length, flags): (i64, u64, u32, u8)) -> Self {
        Self {
            pts,
            offset,
            length,
            key: flags & 1 != 0,
            hidden: flags & 2 != 0,
        }
    }
}

impl From<FrameEntry> for (i64, u64, u32, u8) {
    fn from(frame: FrameEntry) -> Self {
        let flags = u8::from(frame.key) | u8::from(frame.hidden) << 1;
        (frame.pts, frame.offset, frame.length, flags)
    }
}

impl FrameTable {
    /// Whether it can be the table of a blob of `length` bytes: every packet lies inside, and the
    /// first can be decoded.
    pub fn fits(&self, length: u64) -> bool {
        let inside = |frame: &FrameEntry| {
            let end = frame.offset.checked_add(u64::from(frame.length));
            (1..=i32::MAX as u32).contains(&frame.length) && end.is_some_and(|end| end <= length)
        };
        let (num, den) = self.time_base;
        let base = [num, den].iter().all(|n| (1..=i32::MAX as u32).contains(n));
        base && self.frames.first().is_some_and(|frame| frame.key) && self.frames.iter().all(inside)
    }

    /// Numbers, in [`FrameTable::frames`], of the frames that are shown, in the order in which they
    /// are shown.
    pub fn shown(&self) -> Vec<u32> {
        let visible = (0..).zip(&self.frames).filter(|(_, frame)| !frame.hidden);
        let mut shown: Vec<(i64, u32)> = visible.map(|(i, frame)| (frame.pts, i)).collect();
        shown.sort_unstable();
        shown.into_iter().map(|(_, i)| i).collect()
    }

    /// Number of key frames.
    pub fn keys(&self) -> usize {
        self.frames.iter().filter(|frame| frame.key).count()
    }

    /// A frame's presentation time in nanoseconds from time 0 of the blob, to nearest.
    pub fn nanos(&self, frame: &FrameEntry) -> i64 {
        let (num, den) = (i128::from(self.time_base.0), i128::from(self.time_base.1));
        let scaled = i128::from(frame.pts) * num * 1_000_000_000;
        let nanos = (scaled + den / 2).div_euclid(den.max(1)) - i128::from(self.origin);
        nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
    }
}
