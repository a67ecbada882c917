//! [`Video`]: a few frames of a packed video, without the rest of it.

use std::str::FromStr;
use std::sync::Arc;

use kpack_formats::{Blob, FrameTable, Sample};
use serde::{Deserialize, Serialize};

use crate::Time;
use crate::media::{
    self, Decoder, Frame, FrameTimes, Input, Packed, Rgb, Scaler, Track, frame_table, is_hidden,
};

/// Frames `start..stop`, each `step`-th, numbered from 0 as they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameRange {
    /// The first.
    pub start: u64,
    /// Before this one; `None` for all that follow.
    pub stop: Option<u64>,
    /// From one to the next, at least 1.
    pub step: u64,
}

impl FrameRange {
    fn asks(&self, number: u64) -> bool {
        let inside = number >= self.start && self.stop.is_none_or(|stop| number < stop);
        inside && (number - self.start).is_multiple_of(self.step.max(1))
    }

    /// Numbers of the frames, of as many as there are.
    pub(crate) fn numbers(&self, of: u64) -> impl Iterator<Item = u64> + use<> {
        let stop = self.stop.unwrap_or(u64::MAX).min(of);
        let step = usize::try_from(self.step.max(1)).unwrap_or(usize::MAX);
        (self.start.min(stop)..stop).step_by(step)
    }
}

impl FromStr for FrameRange {
    type Err = String;

    /// `START..STOP`, `START..STOP:STEP`, with each number left out where it is 0, the end, or 1; and
    /// one number for one frame.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no range of frames: write START..STOP or START..STOP:STEP");
        let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
        let Some((start, rest)) = text.split_once("..") else {
            let start = number(text)?;
            let stop = Some(start.saturating_add(1));
            return Ok(Self {
                start,
                stop,
                step: 1,
            });
        };
        let (stop, step) = rest.split_once(':').unwrap_or((rest, "1"));
        let range = Self {
            start: if start.is_empty() { 0 } else { number(start)? },
            stop: (!stop.is_empty()).then(|| number(stop)).transpose()?,
            step: number(step)?,
        };
        if range.step == 0 {
            return Err(format!("`{text}` has a step of 0: the least is 1"));
        }
        Ok(range)
    }
}

/// Decodes frames of one packed video, in this process: [`frames`](super::frames) does so in another.
///
/// With a frame table (from the index, or made here from the packets of a container that says when
/// each is shown) only the groups of pictures are read that the frames need. Of other containers all
/// is decoded up to the last frame asked for.
pub struct Video {
    ways: Ways,
    scaler: Scaler,
}

enum Ways {
    Table {
        packed: Box<Packed>,
        table: Arc<FrameTable>,
        /// Numbers of the frames in storage order, as they are shown.
        shown: Vec<u32>,
    },
    /// The blob, for every call anew.
    Whole { blob: Blob, track: Box<Track> },
}

impl Video {
    /// Opens the media file that `blob` is, with its frame table where that is known.
    ///
    /// # Errors
    /// If libav cannot open it, or it holds no video.
    pub fn open(blob: &Blob, table: Option<&Arc<FrameTable>>) -> media::Result<Self> {
        let fitting = table.filter(|table| table.fits(blob.len())).cloned();
        let table = match fitting {
            Some(table) => Some(table),
            None => frame_table(&mut Input::open_blob(blob.clone())?)?.map(Arc::new),
        };
        let ways = match table {
            Some(table) => Ways::Table {
                packed: Box::new(Packed::open(blob, &table)?),
                shown: table.shown(),
                table,
            },
            None => {
                let input = Input::open_blob(blob.clone())?;
                let none = || media::Error::Unsupported("has no video track".to_owned());
                let track = input.video().cloned().ok_or_else(none)?;
                Ways::Whole {
                    blob: blob.clone(),
                    track: Box::new(track),
                }
            }
        };
        Ok(Self {
            ways,
            scaler: Scaler::quick(),
        })
    }

    /// The video of `sample`: the first blob with a frame table, else the first that is named as
    /// video; with its name. `None` where the sample has none.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn of_sample(sample: &Sample) -> media::Result<Option<(&str, Self)>> {
        let Some((name, blob)) = video_of(sample) else {
            return Ok(None);
        };
        let video = Self::open(blob, sample.frame_tables.get(name))?;
        Ok(Some((name, video)))
    }

    /// Number of frames, where it is known without decoding.
    pub fn frames(&self) -> Option<u64> {
        match &self.ways {
            Ways::Table { shown, .. } => Some(shown.len() as u64),
            Ways::Whole { .. } => None,
        }
    }

    /// Its track: size, rotation, codec.
    pub fn track(&self) -> &Track {
        match &self.ways {
            Ways::Table { packed, .. } => packed.track(),
            Ways::Whole { track, .. } => track,
        }
    }

    /// Decodes the frames of `range` and hands each to `take` with its number and presentation time,
    /// as they are shown. Gives how many there were; a frame that damage takes away is missing.
    ///
    /// # Errors
    /// What `take` gives; a blob that cannot be read.
    pub fn decode(
        &mut self,
        range: FrameRange,
        mut take: impl FnMut(u64, Time, &Frame) -> media::Result<()>,
    ) -> media::Result<u64> {
        match &mut self.ways {
            Ways::Table {
                packed,
                table,
                shown,
            } => by_table(packed, table, shown, range, &mut take),
            Ways::Whole { blob, track } => from_the_start(blob, track, range, &mut take),
        }
    }

    /// The frames of `range` as upright RGB pictures of their own size, by [`Scaler::quick`].
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn rgb(&mut self, range: FrameRange) -> media::Result<Vec<Rgb>> {
        let (mut scaler, rotation) = (std::mem::take(&mut self.scaler), self.track().rotation);
        let mut pictures = Vec::new();
        let done = self.decode(range, |_, _, frame| {
            let mut picture = Rgb::default();
            scaler.rgb(frame, frame.upright(rotation), rotation, &mut picture)?;
            pictures.push(picture);
            Ok(())
        });
        self.scaler = scaler;
        done.map(|_| pictures)
    }
}

/// The blob that is a sample's video, with its name.
pub(super) fn video_of(sample: &Sample) -> Option<(&str, &Blob)> {
    let known = sample.frame_tables.keys();
    let named = sample.blobs.keys().filter(|name| is_video_name(name));
    let mut blobs = known
        .chain(named)
        .filter_map(|name| sample.blobs.get_key_value(name));
    blobs.next().map(|(name, blob)| (name.as_str(), blob))
}

fn is_video_name(name: &str) -> bool {
    let extension = name.rsplit('.').next().unwrap_or_default();
    let known = [
        "mp4", "m4v", "mov", "mkv", "webm", "avi", "ts", "mpg", "mpeg", "wmv", "flv", "ogv", "3gp",
    ];
    known.contains(&extension)
}

type Take<'a> = &'a mut dyn FnMut(u64, Time, &Frame) -> media::Result<()>;

fn by_table(
    packed: &mut Packed,
    table: &FrameTable,
    shown: &[u32],
    range: FrameRange,
    take: Take<'_>,
) -> media::Result<u64> {
    let numbers: Vec<u64> = range.numbers(shown.len() as u64).collect();
    let of = |number: &u64| shown.get(*number as usize).copied();
    let mut wanted: Vec<u32> = numbers.iter().filter_map(of).collect();
    wanted.sort_unstable();
    // Those that come out, told by their times.
    let time = |i: u32| table.frames.get(i as usize).map(|frame| (frame.pts, frame));
    let mut due = numbers.iter().filter_map(|n| Some((*n, time(of(n)?)?)));
    let mut next = due.next();
    let mut taken = 0;
    packed.decode(table, &wanted, |frame| {
        let Some(pts) = frame.pts() else {
            return Ok(());
        };
        while let Some((number, (wanted, entry))) = next {
            if wanted > pts {
                break;
            }
            next = due.next();
            if wanted == pts {
                taken += 1;
                return take(number, Time::from_nanos(table.nanos(entry)), frame);
            }
        }
        media::Result::Ok(())
    })?;
    Ok(taken)
}

fn from_the_start(
    blob: &Blob,
    track: &Track,
    range: FrameRange,
    take: Take<'_>,
) -> media::Result<u64> {
    let mut input = Input::open_blob(blob.clone())?;
    let mut decoder = Decoder::new(&input, track)?;
    let (mut number, mut taken) = (0, 0);
    let mut times = FrameTimes::new(&input);
    let mut one = |frame: &Frame| {
        let at = times.of(frame, track);
        if range.asks(number) {
            take(number, Time::from_nanos(at), frame)?;
            taken += 1;
        }
        number += 1;
        media::Result::Ok(())
    };
    let mut fed = 0;
    while let Ok(Some(packet)) = input.next_packet() {
        // No more frames come out than packets went in.
        if range
            .stop
            .is_some_and(|stop| fed >= stop.saturating_add(SLACK))
        {
            break;
        }
        if packet.stream() == track.index {
            fed += u64::from(!is_hidden(&packet));
            decoder.feed(&packet, &mut one)?;
        }
    }
    decoder.drain(&mut one)?;
    Ok(taken)
}

/// Frames that decoders may hold back, and packets that give none.
const SLACK: u64 = 64;
