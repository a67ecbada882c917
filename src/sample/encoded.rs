//! [`Encoded`]: the video file that frames and sound are encoded into.

use super::reencode::{SoundWay, sound_part};
use super::video::shift;
use super::{Pace, Recipe, VideoSound};
use crate::media::{
    self, AudioEncoder, Coding, ColorInfo, Frame, Input, Muxed, Muxer, Rotation, Scaler,
    StreamLike, Track, VideoEncoder, Yuv,
};
use crate::source::Span;

/// Times were rounded to nanoseconds once; this brings them back to their tick.
const HALF_TICK: i64 = 500;
/// Parts of the distance of two frames in which the first is placed, at a constant rate.
const PARTS: i64 = 1000;

/// The file that is made. The video is its first stream; it is opened with the first frame, whose
/// tags say what the colours mean.
pub(super) struct Encoded<'a> {
    coding: Coding<'a>,
    pub(super) size: (u32, u32),
    rotation: Rotation,
    /// Seconds per tick, and about how many frames come each second.
    base: (i64, i64),
    fps: f64,
    /// Frames a second, where they come at a constant rate; then ticks from one to the next, and of
    /// the first, once it is known.
    rate: Option<(i64, i64)>,
    step: i64,
    begins: Option<i64>,
    muxer: Muxer,
    encoder: Option<VideoEncoder>,
    sound: Option<SoundOut>,
    scaler: Scaler,
    /// The frame that was scaled last.
    pub(super) picture: Yuv,
    color: Option<ColorInfo>,
    /// Frames that were put in.
    pub(super) frames: u64,
    pub(super) notes: Vec<String>,
}

/// The sound's place in the file.
enum SoundOut {
    /// Encoded at this rate in Hz, in so many channels; with its encoder, once it is open.
    Encode((u32, u32), Option<AudioEncoder>),
    /// A stream like the source's, once it is added.
    Copy(StreamLike, Option<usize>),
}

impl<'a> Encoded<'a> {
    /// A file for upright pictures of `size`, frames of `track`.
    pub(super) fn new(
        track: &Track,
        size: (u32, u32),
        coding: Coding<'a>,
        pace: Pace,
    ) -> media::Result<Self> {
        let rate = match pace {
            Pace::Rate { num, den } => Some((i64::from(num.max(1)), i64::from(den.max(1)))),
            Pace::Source | Pace::Distinct => None,
        };
        Ok(Self {
            coding,
            size,
            rotation: track.rotation,
            base: rate.map_or(track.time_base, |(num, den)| (den, num)),
            fps: rate.map_or(track.fps, |(num, den)| num as f64 / den as f64),
            rate,
            step: 1,
            begins: None,
            muxer: Muxer::new(coding.codec.container())?,
            encoder: None,
            sound: None,
            scaler: Scaler::default(),
            picture: Yuv::default(),
            color: None,
            frames: 0,
            notes: Vec::new(),
        })
    }

    /// Makes a place for the sound of `track`, and says how its packets go there.
    pub(super) fn sound<'t>(
        &mut self,
        input: &Input,
        track: &'t Track,
        span: Span,
        recipe: &Recipe,
    ) -> media::Result<SoundWay<'t>> {
        if recipe.video_sound == VideoSound::Copy {
            let like = StreamLike::new(input, track)?;
            match self.takes(&like) {
                Ok(()) => {
                    self.sound = Some(SoundOut::Copy(like, None));
                    return Ok(SoundWay::Copy(track, Vec::new()));
                }
                Err(_) => self.notes.push(format!(
                    "the sound is encoded: {} does not take {}",
                    self.extension(),
                    track.codec
                )),
            }
        }
        let encoder = self.coding.codec.sound_encoder();
        let (part, shape) = sound_part(input, track, span, encoder)?;
        self.sound = shape.map(|shape| SoundOut::Encode(shape, None));
        Ok(SoundWay::Encode(Box::new(part)))
    }

    /// Whether the container takes a stream like this.
    fn takes(&self, like: &StreamLike) -> media::Result<()> {
        let mut muxer = Muxer::new(self.coding.codec.container())?;
        muxer.add_like(like)?;
        muxer.begin()
    }

    /// Extension of the file.
    pub(super) fn extension(&self) -> &'static str {
        self.coding.codec.extension()
    }

    /// Frames a second, where they come at a constant rate.
    pub(super) fn fps(&self) -> Option<f64> {
        self.rate.map(|_| self.fps)
    }

    /// Ticks of a frame of the source that is shown `after` nanoseconds.
    pub(super) fn ticks(&self, after: i64) -> i64 {
        let (num, den) = self.base;
        let nanos = i128::from(after.saturating_add(HALF_TICK));
        let ticks = (nanos * i128::from(den)).div_euclid(i128::from(num) * 1_000_000_000);
        i64::try_from(ticks).unwrap_or(i64::MAX)
    }

    /// At a constant rate the first frame is shown `after` nanoseconds. Only the first call counts.
    pub(super) fn begin_at(&mut self, after: i64) {
        let (Some((num, _)), None) = (self.rate, self.begins) else {
            return;
        };
        if after > 0 {
            self.step = (i64::from(i32::MAX) / num).clamp(1, PARTS);
            self.base.1 = num * self.step;
        }
        self.begins = Some(self.ticks(after));
    }

    /// Puts in the frame with this number, at a constant rate.
    pub(super) fn put_number(&mut self, frame: &Frame, k: u64) -> media::Result<()> {
        self.scale(frame)?;
        let k = i64::try_from(k).unwrap_or(i64::MAX);
        let pts = k.saturating_mul(self.step) + self.begins.unwrap_or(0);
        self.put_scaled(pts)
    }

    /// Brings a frame to the size of the file, as [`Self::picture`].
    pub(super) fn scale(&mut self, frame: &Frame) -> media::Result<()> {
        let (size, rotation) = (self.size, self.rotation);
        let picture = &mut self.picture;
        let color = self.scaler.planes(frame, size, rotation, picture)?;
        self.color.get_or_insert(color);
        Ok(())
    }

    /// Puts in the frame that was scaled last.
    pub(super) fn put_scaled(&mut self, pts: i64) -> media::Result<()> {
        let picture = std::mem::take(&mut self.picture);
        let put = self.put(&picture, pts);
        self.picture = picture;
        put
    }

    /// Puts in a picture, shown at `pts` ticks.
    pub(super) fn put(&mut self, picture: &Yuv, pts: i64) -> media::Result<()> {
        if let (None, Some(color)) = (&self.encoder, self.color) {
            self.open(color)?;
        }
        let Some(encoder) = &mut self.encoder else {
            return Ok(());
        };
        self.frames += 1;
        encoder.push(picture, pts, &mut self.muxer)
    }

    fn open(&mut self, color: ColorInfo) -> media::Result<()> {
        let muxer = &mut self.muxer;
        let (size, base) = (self.size, self.base);
        let encoder = VideoEncoder::new(size, base, self.fps, color, self.coding, muxer)?;
        self.encoder = Some(encoder);
        match &mut self.sound {
            Some(SoundOut::Encode((rate, channels), encoder)) => {
                let name = self.coding.codec.sound_encoder();
                *encoder = Some(AudioEncoder::new(name, *rate, *channels, muxer)?);
            }
            Some(SoundOut::Copy(like, stream)) => *stream = Some(muxer.add_like(like)?),
            None => {}
        }
        Ok(())
    }

    /// Puts in the sound, and ends the file; also gives how much of the sound was damaged. `origin`
    /// is the start of the source in nanoseconds.
    pub(super) fn finish(
        mut self,
        sound: Option<SoundWay<'_>>,
        origin: i64,
    ) -> media::Result<(Muxed, u64)> {
        let mut errors = 0;
        if let Some(encoder) = &mut self.encoder {
            encoder.finish(&mut self.muxer)?;
        }
        match (sound, self.sound) {
            (Some(SoundWay::Encode(part)), Some(SoundOut::Encode(_, Some(mut encoder)))) => {
                errors = part.decoder.errors();
                if let Some(done) = part.sound.finish()? {
                    done.waveform.encode(&mut encoder, &mut self.muxer)?;
                }
            }
            (Some(SoundWay::Copy(track, packets)), Some(SoundOut::Copy(_, Some(stream)))) => {
                let by = track.ticks_floor(origin);
                for packet in packets {
                    self.muxer.write(shift(packet, by), stream)?;
                }
            }
            _ => {}
        }
        Ok((self.muxer.finish()?, errors))
    }
}
