//! Decoding a clip's range and encoding it again.

use super::audio::{Sound, Wanted};
use super::encoded::Encoded;
use super::frames::{half_tick, picture_size};
use super::held::Held;
use super::pace::{Distinct, Rate};
use super::parts::{SOUND_LEAD, Seen, SoundPart};
use super::video::Video;
use super::{AudioCodec, AudioRecipe, NoAudio, Pace, Recipe, VideoSound};
use crate::Time;
use crate::media::{self, Coding, Decoder, Frame, FrameTimes, Input, Packet, Track};
use crate::source::Span;

/// Decodes the range and encodes it again. `None` where no frame lies in it.
pub(super) fn encode(
    input: &mut Input,
    track: &Track,
    span: Span,
    ranged: bool,
    recipe: &Recipe,
    coding: Coding<'_>,
) -> media::Result<Option<Video>> {
    input.rewind()?;
    let sound_track = input.audio().cloned();
    let sound_track = sound_track.filter(|_| recipe.video_sound != VideoSound::None);
    if ranged {
        let lead = if sound_track.is_some() { SOUND_LEAD } else { 0 };
        input.seek(track, Time::from_nanos((span.start.nanos() - lead).max(0)))?;
    }
    let mut pass = Reencoder::new(input, track, span, ranged, recipe, coding)?;
    let mut decoder = Decoder::new(input, track)?;
    let mut sound = match &sound_track {
        Some(track) => Some(pass.out.sound(input, track, span, recipe)?),
        None => None,
    };
    pass.run(input, track, &mut decoder, &mut sound)?;
    pass.errors += decoder.errors();
    pass.finish(track, sound)
}

/// The way of the sound through a pass.
pub(super) enum SoundWay<'a> {
    /// It is decoded, and encoded at the end.
    Encode(Box<SoundPart<'a>>),
    /// Its packets are kept for the end.
    Copy(&'a Track, Vec<Packet>),
}

impl SoundWay<'_> {
    /// Takes the next packet of the file, for a clip from `start` on; whether none after it is needed.
    fn push(&mut self, packet: Packet, start: Time) -> media::Result<bool> {
        match self {
            SoundWay::Encode(part) if part.is_early(&packet, start) => Ok(false),
            SoundWay::Encode(part) => part.push(&packet),
            SoundWay::Copy(track, packets) => {
                if packet.stream() == track.index {
                    packets.push(packet);
                }
                Ok(false)
            }
        }
    }
}

/// Sound for a video that is encoded: its way through a pass, and its rate and channels.
pub(super) fn sound_part<'a>(
    input: &Input,
    track: &'a Track,
    span: Span,
    encoder: &str,
) -> media::Result<(SoundPart<'a>, Option<(u32, u32)>)> {
    let recipe = whole_sound(track, encoder);
    let shape = recipe.sample_rate.zip(recipe.channels);
    let wanted = Wanted {
        recipe,
        float: false,
        // Also of a whole source, so that sound that begins late stays late.
        range: Some((span.start.nanos(), span.end.map(Time::nanos))),
    };
    Ok((SoundPart::new(Sound::new(wanted), input, track)?, shape))
}

/// Which frames are encoded.
enum Pacer {
    All,
    Rate(Rate),
    Distinct(Distinct),
}

/// The state of decoding and encoding a clip.
struct Reencoder<'a> {
    origin: i64,
    span: Span,
    pacer: Pacer,
    out: Encoded<'a>,
    times: FrameTimes,
    /// Times of the frames in the range.
    seen: Seen,
    last: Option<i64>,
    /// Whether the source goes on after the range.
    goes_on: bool,
    errors: u64,
}

impl<'a> Reencoder<'a> {
    fn new(
        input: &Input,
        track: &Track,
        span: Span,
        ranged: bool,
        recipe: &Recipe,
        coding: Coding<'a>,
    ) -> media::Result<Self> {
        let shown = (track.shown_width(), track.shown_height());
        let (size, _) = picture_size(shown, recipe.size, recipe.upscale);
        // 4:2:0 chroma has even sides.
        let size = ((size.0 & !1).max(2), (size.1 & !1).max(2));
        let start = ranged.then_some(span.start.nanos());
        Ok(Self {
            origin: input.origin_nanos(),
            span,
            pacer: match recipe.pace {
                Pace::Source => Pacer::All,
                Pace::Rate { num, den } => {
                    Pacer::Rate(Rate::new((num, den), start, half_tick(track)))
                }
                Pace::Distinct => Pacer::Distinct(Distinct::default()),
            },
            out: Encoded::new(track, size, coding, recipe.pace)?,
            times: FrameTimes::new(input),
            seen: Seen::default(),
            last: None,
            goes_on: false,
            errors: 0,
        })
    }

    fn run(
        &mut self,
        input: &mut Input,
        track: &Track,
        decoder: &mut Decoder,
        sound: &mut Option<SoundWay<'_>>,
    ) -> media::Result<()> {
        let (mut video_done, mut audio_done) = (false, sound.is_none());
        let mut held = Held::new(self.span.start);
        while !(video_done && audio_done) {
            let packet = match input.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => break,
                // What was read so far is kept; the damage is counted.
                Err(_) => {
                    self.errors += 1;
                    break;
                }
            };
            if packet.stream() == track.index {
                let at = |ticks: Option<i64>| ticks.map(|t| track.nanos(t) - self.origin);
                let end = self.span.end.map(Time::nanos);
                let beyond = |at: Option<i64>| at.zip(end).is_some_and(|(t, end)| t >= end);
                video_done = beyond(at(packet.dts()));
                let shown = at(packet.pts().or(packet.dts()));
                self.goes_on |= beyond(shown) && !media::is_hidden(&packet);
                for packet in held.take(packet, at) {
                    self.decode(decoder, &packet, track)?;
                }
            } else if let Some(way) = sound {
                audio_done = way.push(packet, self.span.start)?;
            }
        }
        for packet in held.packets {
            self.decode(decoder, &packet, track)?;
        }
        decoder.drain(|frame| self.push(frame, track))?;
        match sound {
            Some(SoundWay::Encode(part)) => part.end(),
            _ => Ok(()),
        }
    }

    fn decode(
        &mut self,
        decoder: &mut Decoder,
        packet: &Packet,
        track: &Track,
    ) -> media::Result<()> {
        let shown = packet.pts().or(packet.dts());
        let shown = shown.map(|t| track.nanos(t) - self.origin);
        decoder.set_wanted(shown.is_none_or(|t| self.holds(t)));
        decoder.feed(packet, |frame| self.push(frame, track))
    }

    fn holds(&self, at: i64) -> bool {
        at >= self.span.start.nanos() && self.span.end.is_none_or(|e| at < e.nanos())
    }

    fn push(&mut self, frame: &Frame, track: &Track) -> media::Result<()> {
        let at = self.times.of(frame, track);
        if !self.holds(at) || self.last.is_some_and(|last| at <= last) {
            return Ok(());
        }
        self.last = Some(at);
        self.seen.add(at);
        let after = at.saturating_sub(self.span.start.nanos());
        let out = &mut self.out;
        match &mut self.pacer {
            Pacer::All => {
                out.scale(frame)?;
                out.put_scaled(out.ticks(after))
            }
            Pacer::Rate(rate) => {
                out.begin_at(after);
                rate.push(frame, at, &mut |frame, k| out.put_number(frame, k))
            }
            Pacer::Distinct(distinct) => {
                out.scale(frame)?;
                match distinct.keeps(&out.picture, at) {
                    true => out.put_scaled(out.ticks(after)),
                    false => Ok(()),
                }
            }
        }
    }

    /// No more frames.
    fn finish(
        mut self,
        track: &Track,
        sound: Option<SoundWay<'_>>,
    ) -> media::Result<Option<Video>> {
        let Some(first) = self.seen.first else {
            return Ok(None);
        };
        let (mut fps, mut dropped) = (None, None);
        let asked = self.span.end.map(Time::nanos);
        let shown_until = self.seen.end(track.usual_step());
        let mut end = asked.map_or(shown_until, |asked| asked.min(shown_until));
        let out = &mut self.out;
        match &mut self.pacer {
            Pacer::All => {}
            Pacer::Rate(rate) => {
                end = asked.filter(|_| self.goes_on).unwrap_or(end);
                rate.finish(end, &mut |frame, k| out.put_number(frame, k))?;
                fps = out.fps();
            }
            Pacer::Distinct(distinct) => {
                if let Some((picture, at)) = distinct.finish() {
                    let after = at.saturating_sub(self.span.start.nanos());
                    out.put(&picture, out.ticks(after))?;
                }
                dropped = Some(distinct.dropped);
            }
        }
        let (size, frames, name) = (out.size, out.frames, out.extension());
        let notes = std::mem::take(&mut out.notes);
        let (blob, errors) = self.out.finish(sound, self.origin)?;
        Ok(Some(Video {
            name: name.to_owned(),
            blob: blob.into(),
            got_start: Time::from_nanos(first),
            got_end: Time::from_nanos(end),
            frames,
            size,
            errors: self.errors + errors,
            encoded: None,
            fps,
            dropped,
            notes,
        }))
    }
}

/// Sound for an encoded video: at the source's rate, where its encoder knows it, in at most two
/// channels.
fn whole_sound(track: &Track, encoder: &str) -> AudioRecipe {
    const AAC: &[u32] = &[
        8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200,
        96_000,
    ];
    const OPUS: &[u32] = &[8000, 12_000, 16_000, 24_000, 48_000];
    let rates = match encoder {
        "libopus" => OPUS,
        _ => AAC,
    };
    let rate = match rates.contains(&track.sample_rate) {
        true => track.sample_rate,
        false => 48_000,
    };
    AudioRecipe {
        codec: AudioCodec::Wav,
        sample_rate: Some(rate),
        channels: Some(track.channels.clamp(1, 2)),
        no_audio: NoAudio::Keep,
    }
}
