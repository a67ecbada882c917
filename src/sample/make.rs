//! [`make_sample`]: one clip into one sample, in one open and one pass over its packets.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use kpack_formats::{Blob, Sample};

use super::audio::{self, Finished, Sound};
use super::frames::{Picker, Targets, picture_name, picture_size};
use super::{
    AudioCodec, AudioRecipe, Class, Facts, FrameChoice, ImageCodec, Made, NoAudio, Recipe,
    SampleError, Stage, VideoRecipe, meta, video,
};
use crate::Time;
use crate::media::{self, Decoder, ImageEncoder, Input, Track};
use crate::source::Clip;

/// What one thread keeps from clip to clip.
#[derive(Default)]
pub struct Tools {
    images: Option<(ImageCodec, u8, ImageEncoder)>,
}

impl std::fmt::Debug for Tools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tools")
    }
}

impl Tools {
    fn images(&mut self, codec: ImageCodec, quality: u8) -> media::Result<&mut ImageEncoder> {
        let fits = self
            .images
            .as_ref()
            .is_some_and(|(c, q, _)| (*c, *q) == (codec, quality));
        if !fits {
            self.images = None;
        }
        let slot = match self.images.take() {
            Some(kept) => kept,
            None => (codec, quality, ImageEncoder::new(codec, quality)?),
        };
        Ok(&mut self.images.insert(slot).2)
    }
}

/// Makes the sample of `clip` from its open media `file`, as `recipe` says.
///
/// # Errors
/// A [`SampleError`] ends this clip only. Damage that leaves something to decode is no error: it
/// is counted in [`Facts::decode_errors`].
pub fn make_sample(
    clip: &Clip,
    file: &Arc<File>,
    recipe: &Recipe,
    tools: &mut Tools,
) -> Result<Made, SampleError> {
    Maker { clip, file, recipe }.make(tools)
}

struct Maker<'a> {
    clip: &'a Clip,
    file: &'a Arc<File>,
    recipe: &'a Recipe,
}

/// What one pass over the packets gave.
#[derive(Default)]
struct Decoded {
    blobs: BTreeMap<String, Blob>,
    times: Vec<Time>,
    sound: Option<Finished>,
    first: Option<i64>,
    end: i64,
    frames: u64,
    errors: u64,
    notes: Vec<String>,
}

impl Maker<'_> {
    fn make(&self, tools: &mut Tools) -> Result<Made, SampleError> {
        if self.file.metadata().is_ok_and(|m| m.len() == 0) {
            return Err(self.fail(
                Stage::Probe,
                Class::NotAVideo,
                "the file is empty (0 bytes)",
            ));
        }
        let mut input = Input::open(self.file.clone()).map_err(|e| self.not_media(e))?;
        let (video, audio) = (input.video().cloned(), input.audio().cloned());
        let wants_video = self.recipe.frames.is_some() || self.recipe.video != VideoRecipe::None;
        if wants_video && video.is_none() {
            return Err(self.fail(Stage::Probe, Class::NoVideo, "has no video track"));
        }
        if self
            .recipe
            .audio
            .is_some_and(|a| a.no_audio == NoAudio::Skip)
            && audio.is_none()
        {
            return Ok(Made::Skipped("has no sound (--no-audio skip)".to_owned()));
        }
        let mut decoded = Decoded::default();
        if self.recipe.frames.is_some() || self.decoded_sound().is_some() {
            decoded = self.decode(&mut input, video.as_ref(), audio.as_ref(), tools)?;
        }
        let mut facts = self.facts(video.as_ref(), audio.as_ref(), &mut decoded);
        self.add_sound(&mut decoded, &mut input, &mut facts)?;
        self.add_video(&mut decoded, &mut input, &mut facts)?;
        let mut sample = Sample {
            key: self.clip.key.clone(),
            blobs: decoded.blobs,
            labels: self.clip.labels.clone(),
            meta: meta::of(self.clip, &facts),
        };
        if self.recipe.video == VideoRecipe::None && sample.blobs.is_empty() && audio.is_some() {
            return Err(self.fail(Stage::Decode, Class::Corrupt, "nothing could be decoded"));
        }
        sample.blobs.retain(|_, blob| !blob.is_empty());
        Ok(Made::Sample(Box::new(sample), Box::new(facts)))
    }

    fn fail(&self, stage: Stage, class: Class, reason: impl Into<String>) -> SampleError {
        SampleError::new(&self.clip.key, stage, class, reason)
    }

    fn not_media(&self, e: media::Error) -> SampleError {
        let class = if self.looks_like_media() {
            Class::Corrupt
        } else {
            Class::NotAVideo
        };
        let reason = match class {
            Class::Corrupt => "the file is damaged: its header or index is missing or cut off",
            _ => "the content is no media that this libav can open",
        };
        self.fail(Stage::Probe, class, reason).because(e)
    }

    /// Whether the first bytes are those of a container, so that the file must be damaged.
    fn looks_like_media(&self) -> bool {
        use std::os::unix::fs::FileExt;
        let mut head = [0; 12];
        let known = self.file.read_exact_at(&mut head, 0).is_ok();
        let matroska = head.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]);
        known
            && (&head[4..8] == b"ftyp"
                || &head[4..8] == b"moov"
                || matroska
                || head.starts_with(b"RIFF"))
    }

    fn decode(
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
            let lead = if self.recipe.audio.is_some() {
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

    fn no_frames(&self) -> SampleError {
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

    fn decode_failure(&self, e: media::Error) -> SampleError {
        let (class, stage) = match &e {
            media::Error::Limit(_) => (Class::TooLarge, Stage::Decode),
            media::Error::Image(_) => (Class::Internal, Stage::Encode),
            media::Error::Alloc(_) => (Class::Memory, Stage::Decode),
            _ => (Class::Corrupt, Stage::Decode),
        };
        self.fail(stage, class, "cannot decode").because(e)
    }

    fn facts(&self, video: Option<&Track>, audio: Option<&Track>, out: &mut Decoded) -> Facts {
        let mut facts = Facts {
            video_codec: video.map(|t| t.codec.clone()),
            audio_codec: audio.map(|t| t.codec.clone()),
            decode_errors: (out.errors > 0).then_some(out.errors),
            notes: std::mem::take(&mut out.notes),
            ..Facts::default()
        };
        if let Some(track) = video {
            let shown = (track.shown_width(), track.shown_height());
            let size = match self.recipe.frames {
                Some(_) => picture_size(shown, self.recipe.size, self.recipe.upscale).0,
                None => shown,
            };
            (facts.width, facts.height) = (Some(size.0), Some(size.1));
            facts.fps = (track.fps > 0.0).then(|| round_fps(track.fps));
            facts.frames = (track.frames > 0).then_some(track.frames);
        }
        if let Some(recipe) = self.recipe.frames {
            facts.frames = Some(out.times.len() as u64);
            let length = (out.end - out.first.unwrap_or(0)) as f64 / 1e9;
            facts.fps = match recipe.choice {
                FrameChoice::Rate { num, den } => Some(round_fps(f64::from(num) / f64::from(den))),
                _ if length > 0.0 => Some(round_fps(out.times.len() as f64 / length)),
                _ => facts.fps,
            };
            facts.got_start = out.first.map(Time::from_nanos);
            facts.got_end = Some(Time::from_nanos(out.end));
            facts.frame_times = std::mem::take(&mut out.times);
        }
        facts
    }

    fn add_sound(
        &self,
        out: &mut Decoded,
        input: &mut Input,
        facts: &mut Facts,
    ) -> Result<(), SampleError> {
        let Some(recipe) = self.recipe.audio else {
            return Ok(());
        };
        facts.has_audio = Some(input.audio().is_some());
        if recipe.codec == AudioCodec::Copy {
            self.copy_sound(out, input, facts)?;
        }
        if out.sound.is_none() && recipe.no_audio == NoAudio::Silence {
            let seconds = match self.clip.span.and_then(|s| Some((s.start, s.end?))) {
                Some((start, end)) => end.since(start).secs(),
                None => (out.end - out.first.unwrap_or(0)) as f64 / 1e9,
            };
            let start = self.clip.span.map(|s| s.start).unwrap_or_default();
            out.sound = Some(audio::silence(&recipe, start, seconds));
        }
        let Some(sound) = &out.sound else {
            return Ok(());
        };
        facts.sample_rate = Some(sound.rate);
        facts.channels = Some(sound.channels);
        facts.audio_samples = Some(sound.len());
        facts.audio_start = Some(sound.begins);
        if facts.got_start.is_none() {
            let length = Time::from_secs(sound.len() as f64 / f64::from(sound.rate));
            facts.got_start = Some(sound.begins);
            facts.got_end = Some(sound.begins.after(length));
        }
        let encode = |codec| {
            audio::blob(sound, codec).map_err(|e| self.fail(Stage::Encode, Class::Internal, e))
        };
        if recipe.codec != AudioCodec::Copy {
            let (name, blob) = encode(recipe.codec)?;
            out.blobs.insert(name.to_owned(), blob);
        }
        if self.recipe.waveform {
            let (name, blob) = encode(AudioCodec::F32)?;
            out.blobs.insert(name.to_owned(), blob);
        }
        Ok(())
    }

    /// Adds the sound track's own packets.
    fn copy_sound(
        &self,
        out: &mut Decoded,
        input: &mut Input,
        facts: &mut Facts,
    ) -> Result<(), SampleError> {
        if self.clip.span.is_some() {
            return Err(self.fail(
                Stage::Encode,
                Class::Internal,
                "packets of sound cannot be cut to a time range: use --audio wav, flac or f32",
            ));
        }
        let copied = video::copy_sound(input).map_err(|e| self.decode_failure(e))?;
        if let (Some((name, blob)), Some(track)) = (copied, input.audio()) {
            out.blobs.insert(name.to_owned(), blob);
            facts.sample_rate = Some(track.sample_rate);
            facts.channels = Some(track.channels);
        }
        Ok(())
    }

    /// The sound that must be decoded, as opposed to copied.
    fn decoded_sound(&self) -> Option<AudioRecipe> {
        let copied = |a: &AudioRecipe| a.codec == AudioCodec::Copy && !self.recipe.waveform;
        self.recipe.audio.filter(|a| !copied(a))
    }

    /// Adds the video blob, and what it says of itself where no pictures do.
    fn add_video(
        &self,
        out: &mut Decoded,
        input: &mut Input,
        facts: &mut Facts,
    ) -> Result<(), SampleError> {
        if self.recipe.video == VideoRecipe::None {
            return Ok(());
        }
        if video::is_whole_file(self.clip, self.recipe) {
            return self.add_file(out, input);
        }
        let made =
            video::make(input, self.clip, self.recipe).map_err(|e| self.decode_failure(e))?;
        let Some(made) = made else {
            return Err(self.no_frames());
        };
        out.blobs.insert(made.name, made.blob);
        if self.recipe.frames.is_none() {
            facts.got_start = Some(made.got_start);
            facts.got_end = Some(made.got_end);
            facts.frames = Some(made.frames);
            (facts.width, facts.height) = (Some(made.size.0), Some(made.size.1));
            if made.errors > 0 {
                facts.decode_errors = Some(made.errors);
            }
        }
        Ok(())
    }

    /// Adds the whole file as it is: a range of it, so that it never stands in memory.
    fn add_file(&self, out: &mut Decoded, input: &Input) -> Result<(), SampleError> {
        let path = self.clip.media.as_deref().unwrap_or(Path::new(""));
        let examined = self.file.metadata();
        let length = examined.map(|m| m.len()).map_err(|e| {
            self.fail(Stage::Probe, Class::Corrupt, "cannot be examined")
                .because(e)
        })?;
        let blob = Blob::File {
            file: self.file.clone(),
            path: path.into(),
            offset: 0,
            length,
        };
        out.blobs.insert(video::file_name(path, input), blob);
        Ok(())
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

fn round_fps(fps: f64) -> f64 {
    (fps * 1e6).round() / 1e6
}
