//! Decoding a clip's range and encoding it again as H.264 and AAC.

use super::audio::{Sound, Wanted};
use super::frames::picture_size;
use super::parts::{SOUND_LEAD, SoundPart, usual_step};
use super::video::Video;
use super::{AudioCodec, AudioRecipe, NoAudio, Recipe};
use crate::Time;
use crate::media::{
    self, AudioEncoder, ColorInfo, Decoder, Frame, Input, Muxer, Packet, Scaler, Track,
    VideoEncoder, X264, Yuv,
};
use crate::source::Span;

/// Decodes the range and encodes it again as H.264 and AAC.
pub(super) fn encode(
    input: &mut Input,
    track: &Track,
    span: Span,
    ranged: bool,
    recipe: &Recipe,
    settings: X264<'_>,
) -> media::Result<Option<Video>> {
    input.rewind()?;
    let sound_track = input.audio().cloned();
    if ranged {
        let lead = if sound_track.is_some() { SOUND_LEAD } else { 0 };
        input.seek(track, Time::from_nanos((span.start.nanos() - lead).max(0)))?;
    }
    let shown = (track.shown_width(), track.shown_height());
    let (size, _) = picture_size(shown, recipe.size, recipe.upscale);
    // H.264 with 4:2:0 chroma has even sides.
    let size = ((size.0 & !1).max(2), (size.1 & !1).max(2));
    let mut pass = Reencoder {
        origin: input.origin_nanos(),
        span,
        size,
        settings,
        muxer: Muxer::new("mp4")?,
        encoder: None,
        sound_shape: None,
        sound_encoder: None,
        scaler: Scaler::default(),
        picture: Yuv::default(),
        first: None,
        last: None,
        step: 0,
        frames: 0,
        errors: 0,
    };
    let mut decoder = Decoder::new(input, track)?;
    let mut sound = match &sound_track {
        Some(t) => {
            let (part, shape) = sound_part(input, t, span)?;
            pass.sound_shape = shape;
            Some(part)
        }
        None => None,
    };
    pass.run(input, track, &mut decoder, &mut sound)?;
    let Some(first) = pass.first else {
        return Ok(None);
    };
    let mut muxer = pass.muxer;
    if let Some(encoder) = &mut pass.encoder {
        encoder.finish(&mut muxer)?;
    }
    let mut errors = pass.errors + decoder.errors();
    if let Some(part) = sound {
        errors += part.decoder.errors();
        if let (Some(done), Some(encoder)) = (part.sound.finish()?, &mut pass.sound_encoder) {
            done.waveform.encode(encoder, &mut muxer)?;
        }
    }
    let last = pass.last.unwrap_or(first) + pass.step;
    Ok(Some(Video {
        name: "mp4".to_owned(),
        blob: muxer.finish()?.into(),
        got_start: Time::from_nanos(first),
        got_end: Time::from_nanos(span.end.map_or(last, |e| e.nanos().min(last))),
        frames: pass.frames,
        size,
        errors,
        encoded: None,
        note: None,
    }))
}

/// Sound for a video that is encoded: its way through a pass, and its rate and channels.
pub(super) fn sound_part<'a>(
    input: &Input,
    track: &'a Track,
    span: Span,
) -> media::Result<(SoundPart<'a>, Option<(u32, u32)>)> {
    let recipe = whole_sound(track);
    let shape = recipe.sample_rate.zip(recipe.channels);
    let wanted = Wanted {
        recipe,
        float: false,
        // Also of a whole source, so that sound that begins late stays late.
        range: Some((span.start.nanos(), span.end.map(Time::nanos))),
    };
    Ok((SoundPart::new(Sound::new(wanted), input, track)?, shape))
}

/// The state of decoding and encoding a clip.
struct Reencoder<'a> {
    origin: i64,
    span: Span,
    size: (u32, u32),
    settings: X264<'a>,
    muxer: Muxer,
    encoder: Option<VideoEncoder>,
    /// Rate in Hz and channels of the sound, where there is any.
    sound_shape: Option<(u32, u32)>,
    sound_encoder: Option<AudioEncoder>,
    scaler: Scaler,
    picture: Yuv,
    first: Option<i64>,
    last: Option<i64>,
    step: i64,
    frames: u64,
    errors: u64,
}

/// Packets of the pictures before the clip's start, until it is known which of them are needed: those
/// from the last key frame on that is shown at or before it.
struct Held {
    packets: Vec<Packet>,
    /// In nanoseconds from the start of the source; `None` once it is known.
    start: Option<i64>,
}

impl Held {
    fn new(start: Time) -> Self {
        Self {
            packets: Vec::new(),
            start: Some(start.nanos()).filter(|start| *start > 0),
        }
    }

    /// Takes the next packet, and gives those that are to be decoded now. `at` tells times of ticks.
    fn take(&mut self, packet: Packet, at: impl Fn(Option<i64>) -> Option<i64>) -> Vec<Packet> {
        let times = at(packet.pts()).zip(at(packet.dts()));
        self.start = self.start.filter(|start| {
            // What is stored behind the start is shown behind it.
            let (shown, stored) = times.unwrap_or((0, i64::MAX));
            if packet.is_key() && shown <= *start && times.is_some() {
                self.packets.clear();
            }
            stored <= *start
        });
        self.packets.push(packet);
        match self.start {
            Some(_) => Vec::new(),
            None => std::mem::take(&mut self.packets),
        }
    }
}

impl Reencoder<'_> {
    fn run(
        &mut self,
        input: &mut Input,
        track: &Track,
        decoder: &mut Decoder,
        sound: &mut Option<SoundPart<'_>>,
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
                video_done = at(packet.dts()).zip(end).is_some_and(|(t, end)| t >= end);
                for packet in held.take(packet, at) {
                    self.decode(decoder, &packet, track)?;
                }
            } else if let Some(part) = sound
                && !part.is_early(&packet, self.span.start)
            {
                audio_done = part.push(&packet)?;
            }
        }
        for packet in held.packets {
            self.decode(decoder, &packet, track)?;
        }
        decoder.drain(|frame| self.push(frame, track))?;
        sound.as_mut().map_or(Ok(()), SoundPart::end)
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

    /// Opens the encoders with the first frame, whose tags say what the colours mean. The video
    /// becomes the first stream.
    fn open(&mut self, track: &Track, color: ColorInfo) -> media::Result<()> {
        let encoder = VideoEncoder::new(
            self.size,
            track.time_base,
            track.fps,
            color,
            self.settings,
            &mut self.muxer,
        )?;
        self.encoder = Some(encoder);
        if let Some((rate, channels)) = self.sound_shape {
            self.sound_encoder = Some(AudioEncoder::new("aac", rate, channels, &mut self.muxer)?);
        }
        Ok(())
    }

    fn holds(&self, at: i64) -> bool {
        at >= self.span.start.nanos() && self.span.end.is_none_or(|e| at < e.nanos())
    }

    fn push(&mut self, frame: &Frame, track: &Track) -> media::Result<()> {
        let usual = usual_step(track);
        let guess = self.last.map_or(0, |t| t + usual);
        let at = frame.pts().map_or(guess, |t| track.nanos(t) - self.origin);
        if !self.holds(at) || self.last.is_some_and(|last| at <= last) {
            return Ok(());
        }
        let color = self
            .scaler
            .planes(frame, self.size, track.rotation, &mut self.picture)?;
        if self.encoder.is_none() {
            self.open(track, color)?;
        }
        let Some(encoder) = &mut self.encoder else {
            return Ok(());
        };
        self.step = self.last.map_or(usual, |last| at - last);
        self.last = Some(at);
        self.first.get_or_insert(at);
        self.frames += 1;
        let pts = track.ticks_floor(
            at.saturating_sub(self.span.start.nanos())
                .saturating_add(HALF_TICK),
        );
        encoder.push(&self.picture, pts, &mut self.muxer)
    }
}

/// Times were rounded to nanoseconds once; this brings them back to their tick.
const HALF_TICK: i64 = 500;

/// Sound for a re-encoded video: at the source's rate, where AAC knows it, in at most two channels.
fn whole_sound(track: &Track) -> AudioRecipe {
    const RATES: [u32; 12] = [
        8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200,
        96_000,
    ];
    let rate = if RATES.contains(&track.sample_rate) {
        track.sample_rate
    } else {
        48_000
    };
    AudioRecipe {
        codec: AudioCodec::Wav,
        sample_rate: Some(rate),
        channels: Some(track.channels.clamp(1, 2)),
        no_audio: NoAudio::Keep,
    }
}
