//! [`Clock`]: which samples of a track lie at a time.

use std::ops::Range;

use super::super::Halt;
use super::boxes::{u32_at, u64_at};

/// When the samples of a track are decoded, and where it stands in the source.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// Ticks a second.
    pub(super) scale: u32,
    /// Runs of samples that last as long: how many, and how many ticks each.
    pub(super) runs: Vec<(u32, u32)>,
    pub(super) edit: Edit,
    /// When the first sample is shown, in ticks.
    pub(super) first: i64,
}

/// What an edit list says: nothing for so long, then the track from an instant on.
#[derive(Debug, Default)]
pub(super) struct Edit {
    /// In nanoseconds.
    empty: i64,
    /// In ticks of the track.
    from: i64,
}

impl Edit {
    /// Of the content of an `elst` box, whose durations have `scale` ticks a second.
    pub(super) fn parse(bytes: &[u8], scale: u32) -> Result<Self, Halt> {
        let long = bytes.first() == Some(&1);
        let count = u32_at(bytes, 4)? as usize;
        let mut edit = Self::default();
        for i in 0..count {
            let at = 8 + i.min(2) * if long { 20 } else { 12 };
            let (duration, from, rate) = match long {
                true => (
                    u64_at(bytes, at)?,
                    u64_at(bytes, at + 8)?.cast_signed(),
                    at + 16,
                ),
                false => (
                    u64::from(u32_at(bytes, at)?),
                    i64::from(u32_at(bytes, at + 4)?.cast_signed()),
                    at + 8,
                ),
            };
            let last = i + 1 == count;
            match (last, from) {
                (false, -1) if i == 0 => edit.empty = nanos(i128::from(duration), scale),
                (true, 0..) if u32_at(bytes, rate)? == 0x0001_0000 => edit.from = from,
                _ => return Err(Halt::Whole),
            }
        }
        Ok(edit)
    }
}

impl Clock {
    /// Where the track begins to show or sound, in nanoseconds.
    pub(super) fn begin(&self) -> i64 {
        let first = nanos(
            i128::from(self.first) - i128::from(self.edit.from),
            self.scale,
        );
        self.edit.empty.saturating_add(first.max(0))
    }

    /// How many samples there are.
    pub(super) fn samples(&self) -> u64 {
        self.runs.iter().map(|(count, _)| u64::from(*count)).sum()
    }

    /// When sample `i` is decoded, in ticks.
    pub(super) fn decoded(&self, i: u64) -> i64 {
        let (mut left, mut ticks) = (i, 0_i64);
        for (count, length) in &self.runs {
            let n = left.min(u64::from(*count));
            ticks = ticks.saturating_add((n * u64::from(*length)).cast_signed());
            left -= n;
        }
        ticks
    }

    /// When sample `i` is decoded, in nanoseconds of the source's presentation.
    pub(super) fn time(&self, i: u64) -> i64 {
        let ticks = i128::from(self.decoded(i)) - i128::from(self.edit.from);
        self.edit.empty.saturating_add(nanos(ticks, self.scale))
    }

    /// The samples decoded in a stretch of that time.
    pub(super) fn between(&self, times: &Range<i64>) -> Range<u64> {
        self.count_before(times.start)..self.count_before(times.end)
    }

    /// How many samples are decoded before an instant of that time.
    pub(super) fn count_before(&self, time: i64) -> u64 {
        let time = i128::from(time) - i128::from(self.edit.empty);
        let mut left = time * i128::from(self.scale) / 1_000_000_000 + i128::from(self.edit.from);
        let mut samples = 0;
        for (count, length) in &self.runs {
            if left <= 0 {
                break;
            }
            let (all, length) = (u64::from(*count), i128::from(*length).max(1));
            let n = (left + length - 1) / length;
            samples += u64::try_from(n).unwrap_or(u64::MAX).min(all);
            left -= i128::from(all) * length;
        }
        samples
    }
}

fn nanos(ticks: i128, scale: u32) -> i64 {
    let nanos = ticks * 1_000_000_000 / i128::from(scale.max(1));
    i64::try_from(nanos).unwrap_or(i64::MAX)
}
