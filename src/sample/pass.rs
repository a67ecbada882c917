//! The pass over a clip's packets: frames and sound from one reading of the file.

use std::collections::BTreeMap;

use kpack_formats::Blob;

use super::audio::{Finished, Sound};
use super::frames::{Picker, Targets, picture_name, picture_size};
use super::make::{Maker, Tools};
use super::{Class, FrameChoice, SampleError, Stage};
use crate::Time;
use crate::media::{self, Decoder, Input, Track};

/// What one pass over the packets gave.
#[derive(Default)]
pub(super) struct Decoded {
    pub(super) blobs: BTreeMap<String, Blob>,
    pub(super) times: Vec<Time>,
    pub(super) sound: Option<Finished>,
    pub(super) first: Option<i64>,
    pub(super) end: i64,
    pub(super) frames: u64,
    pub(super) errors: u64,
    pub(super) notes: Vec<String>,
}

impl Maker<'_> {
    pub(super) fn decode(
        &self,
        input: &mut Input,
        video: Option<&Track>,
        audio: Option<&Track>,
        tools: &mut Tools,
    ) -> Result<Decoded, SampleError> {
        let failed = |e: media::Error| self.decode_failure(e);
        let mut out = Decoded::default();
        let start = self.clip.span.map(|s| s.start);
        let end = self.clip.span.and_then(|s| s.end);
        let frames = self.recipe.frames.and_then(|f| video.map(|v| (f, v)));
        if let (Some((recipe, track)), None) = (frames, end)
            && matches!(recipe.choice, FrameChoice::Count(_))
        {
            self.scan(input, track, &mut out).map_err(failed)?;
            input.rewind().map_err(failed)?;
        }
        if let (Some(start), Some(track)) = (start, video.or(audio)) {
            let lead = if self.decoded_sound().is_some() {
                200_000_000
            } else {
                0
            };
            let from = Time::from_nanos((start.nanos() - lead).max(0));
            input.seek(track, from).map_err(failed)?;
        }
        let mut sound = match (self.decoded_sound(), audio) {
            (Some(recipe), Some(track)) => {
                let range = start.map(|s| {
                    let end = end.map_or_else(|| self.media_end(input, video, audio), Time::nanos);
                    (s.nanos(), end.max(s.nanos()))
                });
                let decoder = Decoder::new(input, track).map_err(failed)?;
                Some((Sound::new(&recipe, range), decoder, track))
            }
            _ => None,
        };
        let mut picker = None;
        if let Some((recipe, track)) = frames {
            let encoder = tools.images(recipe.image, recipe.quality).map_err(failed)?;
            let shown = (track.shown_width(), track.shown_height());
            let (size, kept) = picture_size(shown, self.recipe.size, self.recipe.upscale);
            if kept {
                out.notes
                    .push("smaller than asked, kept at its size; --upscale enlarges".into());
            }
            let length = match (start, end) {
                (s, Some(e)) => e.since(s.unwrap_or_default()).nanos(),
                _ => out.end - out.first.unwrap_or(0),
            };
            let targets = Targets::new(recipe.choice, length);
            let decoder = Decoder::new(input, track).map_err(failed)?;
            picker = Some((Picker::new(targets, start, track, size, encoder), decoder));
        }
        (out.first, out.end) = (None, 0);
        let mut span = Span {
            start: start.map(Time::nanos),
            end: end.map(Time::nanos),
            last: None,
            step: 0,
        };
        self.pass(input, &mut picker, &mut sound, &mut span, &mut out)
            .map_err(failed)?;
        if let Some((mut picker, decoder)) = picker {
            let step = span.step.max(0);
            let shown_until = span.last.map_or(0, |t| t + step);
            out.end = end.map_or(shown_until, |e| e.nanos().min(shown_until));
            if out.frames == 0 {
                return Err(self.no_frames());
            }
            picker.finish(out.end).map_err(failed)?;
            out.errors += decoder.errors();
            if let (Some((recipe, _)), color) = (frames, picker.color) {
                if color.is_some_and(|c| c.high_dynamic_range) {
                    out.notes
                        .push("high dynamic range: the tone curve is kept, not mapped".into());
                }
                for (k, picture) in picker.pictures.into_iter().enumerate() {
                    out.times.push(picture.time);
                    out.blobs
                        .insert(picture_name(k, &recipe), picture.bytes.into());
                }
            }
        }
        if let Some((sound, decoder, _)) = sound {
            out.errors += decoder.errors();
            out.sound = sound.finish().map_err(failed)?;
        }
        Ok(out)
    }

    /// One pass over the packets, to the picker and the sound.
    fn pass(
        &self,
        input: &mut Input,
        picker: &mut Option<(Picker<'_>, Decoder)>,
        sound: &mut Option<(Sound, Decoder, &Track)>,
        span: &mut Span,
        out: &mut Decoded,
    ) -> media::Result<()> {
        let (video, audio) = (input.video().cloned(), input.audio().cloned());
        let origin = input.origin_nanos();
        let (mut video_done, mut audio_done) = (picker.is_none(), sound.is_none());
        while !(video_done && audio_done) {
            let packet = match input.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => break,
                // What was read so far is kept; the damage is counted.
                Err(_) => {
                    out.errors += 1;
                    break;
                }
            };
            let is = |t: &Option<Track>| t.as_ref().is_some_and(|t| t.index == packet.stream());
            if let (true, Some((picker, decoder)), Some(track)) =
                (is(&video), picker.as_mut(), &video)
            {
                let at = |ticks: Option<i64>| ticks.map(|t| track.nanos(t) - origin);
                let shown = at(packet.pts().or(packet.dts()));
                decoder.set_wanted(shown.is_none_or(|t| span.holds(t)));
                decoder.feed(&packet, |frame| {
                    span.push(frame, track, origin, picker, out)
                })?;
                video_done = at(packet.dts())
                    .zip(span.end)
                    .is_some_and(|(t, end)| t >= end);
            } else if let (true, Some((sound, decoder, track))) = (is(&audio), sound.as_mut()) {
                if let Some(t) = packet.pts().map(|t| track.nanos(t) - origin) {
                    audio_done = sound.is_full(t);
                }
                decoder.feed(&packet, |frame| {
                    sound.push(
                        frame,
                        frame.pts().map_or(0, |t| track.nanos(t) - origin),
                        track,
                    )
                })?;
            }
        }
        if let (Some((picker, decoder)), Some(track)) = (picker.as_mut(), &video) {
            decoder.drain(|frame| span.push(frame, track, origin, picker, out))?;
        }
        if let Some((sound, decoder, track)) = sound.as_mut() {
            decoder.drain(|frame| {
                sound.push(
                    frame,
                    frame.pts().map_or(0, |t| track.nanos(t) - origin),
                    track,
                )
            })?;
        }
        Ok(())
    }

    /// Finds where the video begins and ends by reading its packets.
    fn scan(&self, input: &mut Input, track: &Track, out: &mut Decoded) -> media::Result<()> {
        let origin = input.origin_nanos();
        let from = self.clip.span.map_or(i64::MIN, |s| s.start.nanos());
        while let Some(packet) = input.next_packet()? {
            if packet.stream() != track.index {
                continue;
            }
            let Some(at) = packet
                .pts()
                .or(packet.dts())
                .map(|t| track.nanos(t) - origin)
            else {
                continue;
            };
            if at >= from {
                out.first = Some(out.first.map_or(at, |f| f.min(at)));
                out.end = out.end.max(at + track.nanos(packet.duration().max(0)));
            }
        }
        if self.clip.span.is_some() {
            out.first = Some(from);
        }
        Ok(())
    }

    fn media_end(&self, input: &Input, video: Option<&Track>, audio: Option<&Track>) -> i64 {
        let _ = input;
        [video, audio]
            .into_iter()
            .flatten()
            .filter_map(|t| t.duration)
            .max()
            .map_or(0, Time::nanos)
    }

    pub(super) fn no_frames(&self) -> SampleError {
        match self.clip.span {
            Some(span) => self.fail(
                Stage::Decode,
                Class::TooShort,
                format!(
                    "no frame at or after {} s; the source ends earlier",
                    span.start
                ),
            ),
            None => self.fail(Stage::Decode, Class::Corrupt, "no frame could be decoded"),
        }
    }

    pub(super) fn decode_failure(&self, e: media::Error) -> SampleError {
        let (class, stage) = match &e {
            media::Error::Limit(_) => (Class::TooLarge, Stage::Decode),
            media::Error::Image(_) => (Class::Internal, Stage::Encode),
            media::Error::Alloc(_) => (Class::Memory, Stage::Decode),
            _ => (Class::Corrupt, Stage::Decode),
        };
        self.fail(stage, class, "cannot decode").because(e)
    }
}

/// The range of a clip, and what of its video came by.
struct Span {
    start: Option<i64>,
    end: Option<i64>,
    last: Option<i64>,
    step: i64,
}

impl Span {
    fn holds(&self, at: i64) -> bool {
        self.start.is_none_or(|s| at >= s) && self.end.is_none_or(|e| at < e)
    }

    fn push(
        &mut self,
        frame: &media::Frame,
        track: &Track,
        origin: i64,
        picker: &mut Picker<'_>,
        out: &mut Decoded,
    ) -> media::Result<()> {
        let usual = if track.fps > 0.0 {
            (1e9 / track.fps) as i64
        } else {
            40_000_000
        };
        let guess = self.last.map_or(0, |t| t + usual);
        let at = frame.pts().map_or(guess, |t| track.nanos(t) - origin);
        if !self.holds(at) {
            return Ok(());
        }
        self.step = self.last.map_or(usual, |last| (at - last).max(0));
        self.last = Some(at);
        out.first.get_or_insert(at);
        out.frames += 1;
        picker.push(frame, at)
    }
}
