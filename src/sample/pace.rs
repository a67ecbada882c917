//! Which frames an encoded video has, where these are not all of the source's.

use super::frames::{Cursor, Targets};
use crate::media::{self, Frame, Plane, Yuv};

/// What takes a frame and its number from 0.
type Put<'a> = &'a mut dyn FnMut(&Frame, u64) -> media::Result<()>;

/// Frames at a constant rate, chosen as pictures are: the one shown at each instant, as many as
/// [`Targets::total`] says.
///
/// The last instant passed waits until the next: only the end of the clip tells whether it counts.
pub(super) struct Rate {
    targets: Targets,
    cursor: Cursor,
    /// The frame that came last, and when it is shown.
    held: Option<(Frame, i64)>,
    /// The frame of the last instant passed.
    waiting: Option<Frame>,
    /// Frames that were put out.
    pub(super) count: u64,
}

impl Rate {
    /// For a clip that starts at `start` nanoseconds, or with its first frame.
    pub(super) fn new((num, den): (u32, u32), start: Option<i64>, half_tick: i64) -> Self {
        let targets = Targets::Rate { num, den };
        Self {
            targets,
            cursor: Cursor::new(targets, start, half_tick),
            held: None,
            waiting: None,
            count: 0,
        }
    }

    /// The next frame, shown `at` nanoseconds from the start of the source; hands out those before
    /// it that are wanted, with their number from 0.
    pub(super) fn push(&mut self, frame: &Frame, at: i64, put: Put<'_>) -> media::Result<()> {
        if let Some((held, shown)) = self.held.take() {
            for _ in 0..self.cursor.pass(shown, Some(at)) {
                self.pass(held.share()?, put)?;
            }
        }
        self.held = Some((frame.share()?, at));
        Ok(())
    }

    /// No more frames: the clip ends `end` nanoseconds from the start of the source.
    pub(super) fn finish(&mut self, end: i64, put: Put<'_>) -> media::Result<()> {
        let Some((held, shown)) = self.held.take() else {
            return Ok(());
        };
        let length = end.saturating_sub(self.cursor.start().unwrap_or(shown));
        let total = self.targets.total(length).unwrap_or(0).max(1);
        while self.count + u64::from(self.waiting.is_some()) < total {
            self.pass(held.share()?, put)?;
        }
        match self.waiting.take().filter(|_| self.count < total) {
            Some(frame) => self.put(&frame, put),
            None => Ok(()),
        }
    }

    fn pass(&mut self, frame: Frame, put: Put<'_>) -> media::Result<()> {
        match self.waiting.replace(frame) {
            Some(before) => self.put(&before, put),
            None => Ok(()),
        }
    }

    fn put(&mut self, frame: &Frame, put: Put<'_>) -> media::Result<()> {
        put(frame, self.count)?;
        self.count += 1;
        Ok(())
    }
}

/// Longest time without a frame, in nanoseconds: a picture that stands still is kept once in it.
const LONGEST: i64 = 1_000_000_000;
/// Sides of the blocks that are compared.
const BLOCK: usize = 8;
/// Pictures are the same where no block differs by more than this, as the mean of its samples. Most
/// repeated frames of videos encoded with x264's crf 18 to 23 differ by less, most that show the
/// slightest movement by more.
const DIFFERENCE: usize = 3;

/// Leaves out frames that repeat the last that was kept.
#[derive(Default)]
pub(super) struct Distinct {
    kept: Option<(Yuv, i64)>,
    /// The last frame, if it was left out.
    left_out: Option<(Yuv, i64)>,
    /// Frames that were left out.
    pub(super) dropped: u64,
}

impl Distinct {
    /// Whether the next `picture`, shown `at` nanoseconds, is kept.
    pub(super) fn keeps(&mut self, picture: &Yuv, at: i64) -> bool {
        if let Some((kept, before)) = &self.kept
            && at.saturating_sub(*before) < LONGEST
            && is_same(kept, picture)
        {
            self.left_out = Some((picture.clone(), at));
            self.dropped += 1;
            return false;
        }
        self.kept = Some((picture.clone(), at));
        self.left_out = None;
        true
    }

    /// The last frame, if it was left out: it stays, so that the video is as long as it was.
    pub(super) fn finish(&mut self) -> Option<(Yuv, i64)> {
        let last = self.left_out.take()?;
        self.dropped -= 1;
        Some(last)
    }
}

fn is_same(a: &Yuv, b: &Yuv) -> bool {
    let size = |i: usize| match i {
        0 => (a.width as usize, a.height as usize),
        _ => (a.width.div_ceil(2) as usize, a.height.div_ceil(2) as usize),
    };
    let mut planes = a.planes().iter().zip(b.planes()).enumerate();
    (a.width, a.height) == (b.width, b.height)
        && planes.all(|(i, (a, b))| is_same_plane(a, b, size(i)))
}

fn is_same_plane(a: &Plane, b: &Plane, (width, height): (usize, usize)) -> bool {
    let mut sums = vec![0; width.div_ceil(BLOCK)];
    (0..height).step_by(BLOCK).all(|top| {
        let rows = BLOCK.min(height - top);
        sums.fill(0);
        for y in top..top + rows {
            let (one, two) = (&a.row(y)[..width], &b.row(y)[..width]);
            let blocks = one.chunks(BLOCK).zip(two.chunks(BLOCK));
            for (sum, (one, two)) in sums.iter_mut().zip(blocks) {
                let off = one
                    .iter()
                    .zip(two)
                    .map(|(a, b)| usize::from(a.abs_diff(*b)));
                *sum += off.sum::<usize>();
            }
        }
        let most = |at: usize| DIFFERENCE * rows * BLOCK.min(width - at * BLOCK);
        sums.iter().enumerate().all(|(at, sum)| *sum <= most(at))
    })
}
