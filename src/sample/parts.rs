//! The two ways through a pass: packets of the video to pictures, packets of the sound to a
//! waveform.

use super::FrameRecipe;
use super::audio::Sound;
use super::choose::{Chooser, Stamp, Todo};
use super::frames::{Picker, picture_name};
use super::pass::Decoded;
use crate::Time;
use crate::media::{self, Decoder, Frame, FrameTimes, Input, Packet, Track};

/// Sound is decoded from this many nanoseconds before the clip on: codecs need a run-up.
pub(super) const SOUND_LEAD: i64 = 200_000_000;

/// The clip's range in nanoseconds from the start of the source.
#[derive(Clone, Copy)]
pub(super) struct Range {
    pub(super) start: Option<i64>,
    pub(super) end: Option<i64>,
}

impl Range {
    fn holds(&self, at: i64) -> bool {
        self.start.is_none_or(|s| at >= s) && self.end.is_none_or(|e| at < e)
    }
}

/// The first and the last two times inside a clip.
#[derive(Default, Clone, Copy)]
pub(super) struct Seen {
    pub(super) first: Option<i64>,
    before_last: Option<i64>,
    last: Option<i64>,
}

impl Seen {
    pub(super) fn add(&mut self, at: i64) {
        self.first = Some(self.first.map_or(at, |t| t.min(at)));
        if self.last.is_none_or(|last| at > last) {
            self.before_last = self.last.replace(at);
        } else if self.last != Some(at) {
            self.before_last = self.before_last.max(Some(at));
        }
    }

    /// Until when the last frame is shown: as long as the one before it.
    pub(super) fn end(&self, usual: i64) -> i64 {
        let Some(last) = self.last else {
            return 0;
        };
        last + self.before_last.map_or(usual, |t| last - t)
    }
}

/// What takes the frames of a decoder.
type Take<'a> = &'a mut dyn FnMut(&Frame) -> media::Result<()>;

/// The video's way through a pass: packets to pictures.
pub(super) struct FramesPart<'a> {
    picker: Picker<'a>,
    decoder: Decoder,
    /// Decides which packets are decoded; without it all are.
    chooser: Option<Chooser>,
    pub(super) track: &'a Track,
    origin: i64,
    range: Range,
    times: FrameTimes,
    /// Frames that came out of the decoder.
    seen: Seen,
    /// Packets, where frames are chosen.
    packets: Seen,
    /// Whether the source goes on after the range.
    goes_on: bool,
    /// Packets of the video, also outside the range.
    count: u64,
    /// Whether packets were left out since the last that was decoded.
    gap: bool,
    /// Whether a packet did not say when its frame is shown.
    hopeless: bool,
}

impl<'a> FramesPart<'a> {
    pub(super) fn new(
        input: &Input,
        track: &'a Track,
        picker: Picker<'a>,
        chooser: Option<Chooser>,
        range: Range,
    ) -> media::Result<Self> {
        Ok(Self {
            picker,
            decoder: Decoder::new(input, track)?,
            chooser,
            track,
            origin: input.origin_nanos(),
            range,
            times: FrameTimes::new(input),
            seen: Seen::default(),
            packets: Seen::default(),
            goes_on: false,
            count: 0,
            gap: false,
            hopeless: false,
        })
    }

    /// Takes the next packet; whether none after it is needed.
    pub(super) fn push(&mut self, packet: Packet) -> media::Result<bool> {
        let at = |ticks: Option<i64>| ticks.map(|t| self.track.nanos(t) - self.origin);
        let (shown, stored) = (at(packet.pts()), at(packet.dts()));
        let beyond = |at: Option<i64>| at.zip(self.range.end).is_some_and(|(t, end)| t >= end);
        let done = beyond(stored);
        self.goes_on |= beyond(shown.or(stored)) && !media::is_hidden(&packet);
        self.count += 1;
        let Some(chooser) = &mut self.chooser else {
            let shown = shown.or(stored);
            let wanted = shown.is_none_or(|t| self.range.holds(t));
            self.decode(&packet, wanted)?;
            return Ok(done);
        };
        let (Some(shown), Some(stored)) = (shown, stored) else {
            self.hopeless = true;
            return Ok(true);
        };
        let inside = self.range.holds(shown) && !media::is_hidden(&packet);
        if inside {
            self.packets.add(shown);
        }
        let key = packet.is_key();
        chooser.push(
            packet,
            Stamp {
                shown,
                stored,
                key,
                inside,
            },
        );
        self.follow()?;
        Ok(done)
    }

    /// Packets that the index of a whole mp4 file promises and that are not there: it was cut off.
    pub(super) fn missing(&self, input: &Input) -> u64 {
        let whole = self.range.start.is_none() && self.range.end.is_none();
        if whole && input.container().contains("mp4") {
            self.track.frames.saturating_sub(self.count)
        } else {
            0
        }
    }

    /// Does what the chooser decided.
    fn follow(&mut self) -> media::Result<()> {
        while let Some((packet, todo)) = self.chooser.as_mut().and_then(Chooser::next) {
            if todo == Todo::Skip {
                self.gap = true;
                continue;
            }
            if std::mem::take(&mut self.gap) {
                self.drain()?;
            }
            self.decode(&packet, todo == Todo::Take)?;
        }
        Ok(())
    }

    pub(super) fn end(&mut self) -> media::Result<()> {
        if let Some(chooser) = &mut self.chooser {
            chooser.end();
            self.follow()?;
        }
        self.drain()
    }

    fn decode(&mut self, packet: &Packet, wanted: bool) -> media::Result<()> {
        self.decoder.set_wanted(wanted);
        self.with_decoder(|decoder, frames| decoder.feed(packet, frames))
    }

    fn drain(&mut self) -> media::Result<()> {
        self.with_decoder(|decoder, frames| decoder.drain(frames))
    }

    /// Runs the decoder; every frame inside the clip goes to the picker.
    fn with_decoder(
        &mut self,
        run: impl FnOnce(&mut Decoder, Take<'_>) -> media::Result<()>,
    ) -> media::Result<()> {
        let Self {
            picker,
            decoder,
            chooser,
            track,
            seen,
            times,
            ..
        } = self;
        let range = self.range;
        run(decoder, &mut |frame| {
            let at = times.of(frame, track);
            if !range.holds(at) {
                return Ok(());
            }
            seen.add(at);
            if let Some(chooser) = chooser {
                chooser.got(at);
            }
            picker.push(frame, at)
        })
    }

    /// Moves the pictures to `out`; `false` where there is none, or where the chosen frames are
    /// not known to be those that decoding all would give.
    pub(super) fn finish(mut self, recipe: &FrameRecipe, out: &mut Decoded) -> media::Result<bool> {
        out.errors += self.decoder.errors();
        let mut seen = self.seen;
        if let Some(chooser) = &self.chooser {
            let as_decoded = chooser.is_settled() && !self.hopeless && out.errors == 0;
            if !as_decoded {
                return Ok(false);
            }
            seen = self.packets;
        }
        if self.seen.first.is_none() {
            return Ok(false);
        }
        let shown_until = seen.end(self.track.usual_step());
        out.end = match self.range.end {
            Some(end) if self.goes_on => end,
            Some(end) => end.min(shown_until),
            None => shown_until,
        };
        out.first = seen.first;
        self.picker.finish(out.end)?;
        if self.picker.color.is_some_and(|c| c.high_dynamic_range) {
            let note = "high dynamic range: the tone curve is kept, not mapped";
            out.notes.push(note.to_owned());
        }
        for (k, picture) in self.picker.pictures.into_iter().enumerate() {
            out.times.push(picture.time);
            let name = picture_name(k, recipe);
            out.blobs.insert(name, picture.blob);
        }
        Ok(true)
    }
}

/// The sound's way through a pass.
pub(super) struct SoundPart<'a> {
    pub(super) sound: Sound,
    pub(super) decoder: Decoder,
    pub(super) track: &'a Track,
    origin: i64,
}

impl<'a> SoundPart<'a> {
    pub(super) fn new(sound: Sound, input: &Input, track: &'a Track) -> media::Result<Self> {
        Ok(Self {
            sound,
            decoder: Decoder::new(input, track)?,
            track,
            origin: input.origin_nanos(),
        })
    }

    /// Takes the next packet; whether none after it is needed.
    pub(super) fn push(&mut self, packet: &Packet) -> media::Result<bool> {
        let begins = packet.pts().map(|t| self.track.nanos(t) - self.origin);
        let done = begins.is_some_and(|t| self.sound.is_full(t));
        self.with_decoder(|decoder, frames| decoder.feed(packet, frames))?;
        Ok(done)
    }

    /// Whether a packet ends before what is decoded for a clip from `start` on begins.
    pub(super) fn is_early(&self, packet: &Packet, start: Time) -> bool {
        let length = packet.duration();
        let end = packet.pts().filter(|_| length > 0);
        end.is_some_and(|pts| {
            let end = self.track.nanos(pts.saturating_add(length));
            end.saturating_sub(self.origin) < start.nanos().saturating_sub(SOUND_LEAD)
        })
    }

    pub(super) fn end(&mut self) -> media::Result<()> {
        self.with_decoder(|decoder, frames| decoder.drain(frames))
    }

    fn with_decoder(
        &mut self,
        run: impl FnOnce(&mut Decoder, Take<'_>) -> media::Result<()>,
    ) -> media::Result<()> {
        let Self {
            sound,
            decoder,
            track,
            origin,
        } = self;
        run(decoder, &mut |frame| {
            let at = frame.pts().map(|t| track.sound_nanos(t, frame.samples()));
            sound.push(frame, at.map(|t| t - *origin), track)
        })
    }
}
