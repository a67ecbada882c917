//! The video blob: copied whole, cut at key frames, or encoded anew.

use std::path::Path;

use kpack_formats::Blob;

use super::audio::Sound;
use super::frames::picture_size;
use super::{AudioCodec, AudioRecipe, NoAudio, Preset, Recipe, Trim, VideoRecipe};
use crate::Time;
use crate::media::{
    self, AudioEncoder, ColorInfo, Decoder, Frame, Input, Muxer, Packet, Scaler, Track,
    VideoEncoder, X264, Yuv,
};
use crate::source::{Clip, Span};

/// A video blob that was made, and what it holds.
pub(super) struct Video {
    pub(super) name: String,
    pub(super) blob: Blob,
    pub(super) got_start: Time,
    pub(super) got_end: Time,
    pub(super) frames: u64,
    pub(super) size: (u32, u32),
    pub(super) errors: u64,
}

/// Whether the blob is the source's own file, byte for byte.
pub(super) fn is_whole_file(clip: &Clip, recipe: &Recipe) -> bool {
    recipe.video == VideoRecipe::Copy && (clip.span.is_none() || recipe.trim == Trim::None)
}

/// Cuts or encodes the clip's video, with its sound, into mp4 (or Matroska where mp4 cannot hold
/// the codecs). `None` where no frame lies in the range.
pub(super) fn make(
    input: &mut Input,
    clip: &Clip,
    recipe: &Recipe,
) -> media::Result<Option<Video>> {
    let Some(track) = input.video().cloned() else {
        return Ok(None);
    };
    let span = clip.span.filter(|_| recipe.trim != Trim::None);
    let span = span.unwrap_or(Span {
        start: Time::ZERO,
        end: None,
    });
    if recipe.trim == Trim::Copy && recipe.video == VideoRecipe::Copy {
        return cut(input, &track, span);
    }
    let settings = match recipe.video {
        VideoRecipe::H264 { crf, preset, gop } => X264 {
            crf,
            preset: preset_name(preset),
            gop,
        },
        _ => X264 {
            crf: 23,
            preset: "medium",
            gop: None,
        },
    };
    encode(input, &track, span, clip.span.is_some(), recipe, settings)
}

const fn preset_name(preset: Preset) -> &'static str {
    match preset {
        Preset::Ultrafast => "ultrafast",
        Preset::Superfast => "superfast",
        Preset::Veryfast => "veryfast",
        Preset::Faster => "faster",
        Preset::Fast => "fast",
        Preset::Medium => "medium",
        Preset::Slow => "slow",
        Preset::Slower => "slower",
        Preset::Veryslow => "veryslow",
    }
}

/// Whole packets from the key frame at or before the start, in a container that takes them.
fn cut(input: &mut Input, track: &Track, span: Span) -> media::Result<Option<Video>> {
    let containers: &[(&str, &str)] = match input.container().contains("matroska") {
        true => &[("matroska", "mkv")],
        false => &[("mp4", "mp4"), ("matroska", "mkv")],
    };
    let mut result = Ok(None);
    for (format, name) in containers {
        input.rewind()?;
        result = cut_into(input, track, span, format, name);
        if result.is_ok() {
            break;
        }
    }
    result
}

fn cut_into(
    input: &mut Input,
    track: &Track,
    span: Span,
    format: &str,
    name: &str,
) -> media::Result<Option<Video>> {
    input.seek(track, span.start)?;
    let origin = input.origin_nanos();
    let mut muxer = Muxer::new(format)?;
    let video = muxer.add_copy(input, track)?;
    let sound = input.audio().cloned();
    let audio = sound
        .as_ref()
        .map(|t| muxer.add_copy(input, t))
        .transpose()?;
    muxer.begin()?;
    let mut group: Vec<Packet> = Vec::new();
    let mut first = None;
    let (mut last, mut frames) = (0, 0);
    while let Some(packet) = input.next_packet()? {
        let is_video = packet.stream() == track.index;
        let own = if is_video {
            Some(track)
        } else {
            sound.as_ref()
        };
        let Some(own) = own else { continue };
        let shown = packet
            .pts()
            .or(packet.dts())
            .map_or(0, |t| own.nanos(t) - origin);
        let stored = packet
            .dts()
            .or(packet.pts())
            .map_or(0, |t| own.nanos(t) - origin);
        if is_video && span.end.is_some_and(|e| stored >= e.nanos()) {
            break;
        }
        if is_video && packet.is_key() && shown <= span.start.nanos() {
            group.clear();
        }
        group.push(packet);
        if is_video && shown >= span.start.nanos() {
            for packet in group.drain(..) {
                let is_video = packet.stream() == track.index;
                let own = if is_video {
                    track
                } else {
                    sound.as_ref().unwrap_or(track)
                };
                let shown = packet
                    .pts()
                    .or(packet.dts())
                    .map_or(0, |t| own.nanos(t) - origin);
                if first.is_none() && !(is_video && packet.is_key()) {
                    continue;
                }
                let begin = *first.get_or_insert(shown);
                if shown < begin || (!is_video && span.end.is_some_and(|e| shown >= e.nanos())) {
                    continue;
                }
                if is_video {
                    frames += 1;
                    last = last.max(shown + own.nanos(packet.duration().max(0)));
                }
                let shifted = shift(packet, own.ticks_floor(begin + origin));
                muxer.write(
                    shifted,
                    if is_video {
                        video
                    } else {
                        audio.unwrap_or(video)
                    },
                )?;
            }
        }
    }
    let Some(begin) = first else { return Ok(None) };
    Ok(Some(Video {
        name: name.to_owned(),
        blob: muxer.finish()?.into(),
        got_start: Time::from_nanos(begin),
        got_end: Time::from_nanos(last),
        frames,
        size: (track.shown_width(), track.shown_height()),
        errors: 0,
    }))
}

fn shift(mut packet: Packet, by: i64) -> Packet {
    let (pts, dts) = (packet.pts(), packet.dts());
    packet.set_pts(pts.map(|t| t - by));
    packet.set_dts(dts.map(|t| t - by));
    packet
}

/// Decodes the range and encodes it again as H.264 and AAC.
fn encode(
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
        let lead = if sound_track.is_some() {
            200_000_000
        } else {
            0
        };
        input.seek(track, Time::from_nanos((span.start.nanos() - lead).max(0)))?;
    }
    let shown = (track.shown_width(), track.shown_height());
    let (size, _) = picture_size(shown, recipe.size, recipe.upscale);
    // H.264 with 4:2:0 chroma has even sides.
    let size = ((size.0 & !1).max(2), (size.1 & !1).max(2));
    let mut pass = Pass {
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
    let range = span.end.map(|e| (span.start.nanos(), e.nanos()));
    let mut sound = match &sound_track {
        Some(t) => {
            let recipe = whole_sound(t);
            let (rate, channels) = (
                recipe.sample_rate.unwrap_or(48_000),
                recipe.channels.unwrap_or(2),
            );
            pass.sound_shape = Some((rate, channels));
            Some((Sound::new(&recipe, range), Decoder::new(input, t)?, t))
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
    if let Some((sound, decoder, _)) = sound {
        errors += decoder.errors();
        if let (Some(done), Some(encoder)) = (sound.finish()?, &mut pass.sound_encoder) {
            encoder.encode_all(&done.samples, &mut muxer)?;
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
    }))
}

type SoundPart<'a> = Option<(Sound, Decoder, &'a Track)>;

/// The state of one pass of decoding and encoding.
struct Pass<'a> {
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

impl Pass<'_> {
    fn run(
        &mut self,
        input: &mut Input,
        track: &Track,
        decoder: &mut Decoder,
        sound: &mut SoundPart<'_>,
    ) -> media::Result<()> {
        let (mut video_done, mut audio_done) = (false, sound.is_none());
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
                let shown = at(packet.pts().or(packet.dts()));
                decoder.set_wanted(shown.is_none_or(|t| self.holds(t)));
                decoder.feed(&packet, |frame| self.push(frame, track))?;
            } else if let Some((sound, decoder, own)) = sound {
                if let Some(t) = packet.pts() {
                    audio_done = sound.is_full(own.nanos(t) - self.origin);
                }
                let origin = self.origin;
                decoder.feed(&packet, |frame| {
                    sound.push(frame, frame.pts().map_or(0, |t| own.nanos(t) - origin), own)
                })?;
            }
        }
        decoder.drain(|frame| self.push(frame, track))?;
        if let Some((sound, decoder, own)) = sound {
            let origin = self.origin;
            decoder.drain(|frame| {
                sound.push(frame, frame.pts().map_or(0, |t| own.nanos(t) - origin), own)
            })?;
        }
        Ok(())
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
        let usual = if track.fps > 0.0 {
            (1e9 / track.fps) as i64
        } else {
            40_000_000
        };
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

/// The packets of the sound track in a container of their kind, and its name; `None` without sound.
pub(super) fn copy_sound(input: &mut Input) -> media::Result<Option<(&'static str, Blob)>> {
    let Some(track) = input.audio().cloned() else {
        return Ok(None);
    };
    let (format, name) = match track.codec.as_str() {
        "aac" | "alac" => ("ipod", "m4a"),
        "mp3" => ("mp3", "mp3"),
        "flac" => ("flac", "flac"),
        "opus" | "vorbis" => ("ogg", "ogg"),
        "ac3" => ("ac3", "ac3"),
        "eac3" => ("eac3", "eac3"),
        codec if codec.starts_with("pcm_s16le") || codec.starts_with("pcm_f32le") => ("wav", "wav"),
        _ => ("matroska", "mka"),
    };
    input.rewind()?;
    let mut muxer = Muxer::new(format)?;
    let stream = muxer.add_copy(input, &track)?;
    while let Some(packet) = input.next_packet()? {
        if packet.stream() == track.index {
            muxer.write(packet, stream)?;
        }
    }
    Ok(Some((name, muxer.finish()?.into())))
}

/// The name of a copied file: its extension, or one that fits its container.
pub(super) fn file_name(path: &Path, input: &Input) -> String {
    let extension = path
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or("")
        .to_ascii_lowercase();
    let plain = extension.bytes().all(|b| b.is_ascii_alphanumeric());
    if plain && !extension.is_empty() && extension != "json" && extension != "cls" {
        return extension;
    }
    let container = input.container();
    for (part, name) in [
        ("mp4", "mp4"),
        ("matroska", "mkv"),
        ("avi", "avi"),
        ("mpegts", "ts"),
    ] {
        if container.contains(part) {
            return name.to_owned();
        }
    }
    "video".to_owned()
}
