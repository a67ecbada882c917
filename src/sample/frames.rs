//! Which frames become pictures, and the pictures.
//!
//! The picture *shown* at an instant is the last frame whose presentation time is not after it.
//! Times in files are rounded to their track's tick, so an instant is compared with half a tick of
//! tolerance: in a file with millisecond ticks the frame stored at 67 ms is the one for 2/30 s.
//! Before the first frame of the clip its first frame is shown.

use kpack_formats::Blob;

use super::outlet::Outlet;
use crate::Time;
use crate::media::{self, ColorInfo, Frame, ImageEncoder, Track};
use crate::pulse;
use crate::sample::{FrameChoice, FrameRecipe, Size};

/// One picture of a sample.
#[derive(Debug, Clone)]
pub(super) struct Picture {
    pub(super) blob: Blob,
    /// Presentation time of its frame from the start of the source.
    pub(super) time: Time,
}

/// The instants for which pictures are wanted, in nanoseconds from the start of the source.
#[derive(Debug, Clone, Copy)]
pub(super) enum Targets {
    /// No instants: every frame, or every key frame.
    Frames { keys_only: bool },
    /// `start + k * den / num` seconds; as many as `round(duration * num / den)`.
    Rate { num: u32, den: u32 },
    /// The centres of `count` equal parts of `duration` nanoseconds.
    Count { count: u32, duration: i64 },
}

impl Targets {
    pub(super) fn new(choice: FrameChoice, duration: i64) -> Self {
        match choice {
            FrameChoice::All => Targets::Frames { keys_only: false },
            FrameChoice::Keyframes => Targets::Frames { keys_only: true },
            FrameChoice::Rate { num, den } => Targets::Rate { num, den },
            FrameChoice::Count(count) => Targets::Count { count, duration },
        }
    }

    /// How many pictures a clip of `duration` nanoseconds has; `None` where frames decide.
    pub(super) fn total(self, duration: i64) -> Option<u64> {
        match self {
            Targets::Frames { .. } => None,
            Targets::Count { count, .. } => Some(u64::from(count)),
            Targets::Rate { num, den } => {
                let scaled = i128::from(duration) * i128::from(num);
                let unit = i128::from(den) * 1_000_000_000;
                Some(u64::try_from((scaled + unit / 2).div_euclid(unit)).unwrap_or(0))
            }
        }
    }

    /// Instant of picture `k` from the clip's start, in nanoseconds, rounded down.
    fn instant(self, k: u64) -> i64 {
        let k = i128::from(k);
        let nanos = match self {
            Targets::Frames { .. } => 0,
            Targets::Rate { num, den } => {
                k * i128::from(den) * 1_000_000_000 / i128::from(num.max(1))
            }
            Targets::Count { count, duration } => {
                (2 * k + 1) * i128::from(duration) / (2 * i128::from(count.max(1)))
            }
        };
        i64::try_from(nanos).unwrap_or(i64::MAX)
    }
}

/// Walks over the instants of a clip: which frame is shown at which.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor {
    targets: Targets,
    /// Start of the clip; of a whole source, known with its first frame.
    start: Option<i64>,
    half_tick: i64,
    /// Instants passed.
    taken: u64,
}

impl Cursor {
    /// For a clip that starts at `start` nanoseconds, or with its first frame.
    pub(super) fn new(targets: Targets, start: Option<i64>, half_tick: i64) -> Self {
        Self {
            targets,
            start,
            half_tick,
            taken: 0,
        }
    }

    /// Passes the instants at which a frame is shown that gives way to another `until`
    /// nanoseconds from the start of the source, and counts them.
    pub(super) fn pass(&mut self, shown: i64, until: Option<i64>) -> u64 {
        let start = *self.start.get_or_insert(shown);
        let limit = match self.targets {
            Targets::Count { count, .. } => u64::from(count),
            _ => u64::MAX,
        };
        let Some(until) = until else {
            return 0;
        };
        let until = until.saturating_sub(start).saturating_sub(self.half_tick);
        let before = self.taken;
        while self.taken < limit && self.targets.instant(self.taken) < until {
            self.taken += 1;
        }
        self.taken - before
    }

    /// The start of the clip, once it is known.
    pub(super) fn start(&self) -> Option<i64> {
        self.start
    }

    /// Whether any instant asks for the frame `shown` then, which gives way to another at `until`
    /// (`None`: to none).
    pub(super) fn asks(&mut self, shown: i64, until: Option<i64>) -> bool {
        self.pass(shown, until) > 0 || until.is_none()
    }
}

/// Takes frames in presentation order and keeps the pictures that are wanted.
pub(super) struct Picker<'a> {
    targets: Targets,
    cursor: Cursor,
    track: &'a Track,
    size: (u32, u32),
    encoder: &'a mut ImageEncoder,
    outlet: Option<&'a mut dyn Outlet>,
    held: Option<(Frame, i64)>,
    /// The held frame's picture, once coded: one frame may be shown at several instants.
    coded: Option<Blob>,
    pub(super) pictures: Vec<Picture>,
    pub(super) color: Option<ColorInfo>,
}

impl<'a> Picker<'a> {
    pub(super) fn new(
        targets: Targets,
        start: Option<i64>,
        track: &'a Track,
        size: (u32, u32),
        (encoder, outlet): (&'a mut ImageEncoder, Option<&'a mut dyn Outlet>),
    ) -> Self {
        Self {
            targets,
            cursor: Cursor::new(targets, start, half_tick(track)),
            track,
            size,
            encoder,
            outlet,
            held: None,
            coded: None,
            pictures: Vec::new(),
            color: None,
        }
    }

    /// The next frame, shown `at` nanoseconds from the start of the source.
    pub(super) fn push(&mut self, frame: &Frame, at: i64) -> media::Result<()> {
        if let Targets::Frames { keys_only } = self.targets {
            if !keys_only || frame.is_key() {
                if self.pictures.len() as u64 >= MAX_PICTURES {
                    return Err(too_many());
                }
                let blob = self.encode(frame)?;
                self.pictures.push(Picture {
                    blob,
                    time: Time::from_nanos(at),
                });
            }
            return Ok(());
        }
        if let Some((_, shown)) = self.held {
            for _ in 0..self.cursor.pass(shown, Some(at)) {
                self.show()?;
            }
        }
        self.held = Some((frame.share()?, at));
        self.coded = None;
        Ok(())
    }

    /// No more frames: the clip ends `end` nanoseconds from the start of the source.
    pub(super) fn finish(&mut self, end: i64) -> media::Result<()> {
        let Some(total) = self.total(end) else {
            return Ok(());
        };
        if total > MAX_PICTURES {
            return Err(too_many());
        }
        if self.held.is_some() {
            while (self.pictures.len() as u64) < total {
                self.show()?;
            }
        }
        self.pictures
            .truncate(usize::try_from(total).unwrap_or(usize::MAX));
        Ok(())
    }

    fn total(&self, end: i64) -> Option<u64> {
        let held = self.held.as_ref().map(|(_, at)| *at);
        let start = self.cursor.start.or(held).unwrap_or(0);
        self.targets.total(end.saturating_sub(start))
    }

    fn show(&mut self) -> media::Result<()> {
        if self.pictures.len() as u64 >= MAX_PICTURES {
            return Err(too_many());
        }
        let Some((frame, at)) = self.held.take() else {
            return Ok(());
        };
        let blob = match &self.coded {
            Some(blob) => blob.clone(),
            None => self.encode(&frame)?,
        };
        self.coded = Some(blob.clone());
        self.pictures.push(Picture {
            blob,
            time: Time::from_nanos(at),
        });
        self.held = Some((frame, at));
        Ok(())
    }

    fn encode(&mut self, frame: &Frame) -> media::Result<Blob> {
        let most = kpack_formats::Limits::default().members;
        if self.pictures.len() as u64 >= most {
            let message = format!("more than {most} pictures; ask for fewer frames");
            return Err(media::Error::Limit(message));
        }
        let (bytes, color) = self.encoder.encode(frame, self.size, self.track.rotation)?;
        self.color.get_or_insert(color);
        Ok(match &mut self.outlet {
            Some(outlet) => {
                pulse::step();
                outlet.take(bytes)
            }
            None => {
                pulse::hold(bytes.len());
                bytes.into()
            }
        })
    }
}

/// Pictures of one sample: their names have six digits.
const MAX_PICTURES: u64 = 999_999;

fn too_many() -> media::Error {
    media::Error::Limit(format!(
        "asks for more than {MAX_PICTURES} pictures: take fewer, or a shorter time range"
    ))
}

/// Two nanoseconds more than half a tick: instants and times are each rounded once.
pub(super) fn half_tick(track: &Track) -> i64 {
    track.nanos(1) / 2 + 2
}

/// Size of the upright pictures of a track of `width` x `height` (upright, in pixels), and whether
/// the recipe's size was not reached because that would enlarge.
pub(super) fn picture_size(
    (width, height): (u32, u32),
    size: Size,
    upscale: bool,
) -> ((u32, u32), bool) {
    let source = (width, height);
    match size {
        Size::Source => (source, false),
        Size::Exact {
            width: w,
            height: h,
        } => {
            let enlarges = w > width || h > height;
            if enlarges && !upscale {
                (source, true)
            } else {
                ((w, h), false)
            }
        }
        Size::ShortSide(side) => {
            let short = width.min(height).max(1);
            if side > short && !upscale {
                return (source, true);
            }
            if side == short {
                return (source, false);
            }
            // The short side exactly, the other to the nearest even number.
            let long = u64::from(width.max(height)) * u64::from(side);
            let double = 2 * u64::from(short);
            let other = 2 * ((long + double / 2) / double).max(1);
            let other = u32::try_from(other).unwrap_or(u32::MAX);
            (
                if width <= height {
                    (side, other)
                } else {
                    (other, side)
                },
                false,
            )
        }
    }
}

/// The name of picture `k` (from 0): six digits from 000001.
pub(super) fn picture_name(k: usize, recipe: &FrameRecipe) -> String {
    format!("{:06}.{}", k + 1, recipe.image.extension())
}
