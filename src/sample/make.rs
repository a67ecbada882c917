//! [`make_sample`]: one clip into one sample, in one open and one pass over its packets.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use kpack_formats::{Blob, FrameTable};

use super::audio::{self, Finished, Wanted};
use super::frames::picture_size;
use super::outlet::Outlet;
use super::pass::{Decoded, measure};
use super::waveform::MAX_PAD;
use super::{
    AudioCodec, AudioRecipe, Class, Facts, FrameChoice, ImageCodec, Made, NoAudio, Recipe,
    SampleError, Stage, VideoRecipe, container, sample_of, video,
};
use crate::Time;
use crate::media::{self, ImageEncoder, Input, Track, frame_table};
use crate::pulse;
use crate::source::Clip;
use crate::stopwatch::{self, Step};

/// What one thread keeps from clip to clip.
#[derive(Default)]
pub struct Tools {
    images: Option<(ImageCodec, u8, ImageEncoder)>,
    /// Where pictures go; `None` where they stay in the sample.
    outlet: Option<Box<dyn Outlet>>,
}

impl std::fmt::Debug for Tools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tools")
    }
}

impl Tools {
    /// Tools whose pictures go to `outlet`.
    pub(crate) fn with_outlet(outlet: Box<dyn Outlet>) -> Self {
        let (images, outlet) = (None, Some(outlet));
        Self { images, outlet }
    }

    /// What makes pictures, and what takes them.
    pub(super) fn images(
        &mut self,
        codec: ImageCodec,
        quality: u8,
    ) -> media::Result<(&mut ImageEncoder, Option<&mut dyn Outlet>)> {
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
        let outlet = self.outlet.as_mut();
        let outlet = outlet.map(|outlet| &mut **outlet as &mut dyn Outlet);
        Ok((&mut self.images.insert(slot).2, outlet))
    }

    /// Pictures made before are of no use.
    pub(super) fn restart(&mut self) {
        if let Some(outlet) = &mut self.outlet {
            outlet.restart();
        }
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
    let _step = stopwatch::enter(Step::Other);
    tools.restart();
    Maker { clip, file, recipe }.make(tools)
}

pub(super) struct Maker<'a> {
    pub(super) clip: &'a Clip,
    pub(super) file: &'a Arc<File>,
    pub(super) recipe: &'a Recipe,
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
        pulse::length(input.duration());
        let (video, audio) = (input.video().cloned(), input.audio().cloned());
        let wants_video = self.recipe.frames.is_some() || self.recipe.video != VideoRecipe::None;
        if wants_video && video.is_none() {
            if container::is_cut_off(self.file) {
                let reason = "the file is cut off inside its index, and has no video track left";
                return Err(self.fail(Stage::Probe, Class::Corrupt, reason));
            }
            return Err(self.fail(Stage::Probe, Class::NoVideo, "has no video track"));
        }
        if video.is_none() && audio.is_none() {
            let reason =
                "has no track of video or sound; its content is damaged or of another kind";
            return Err(self.fail(Stage::Probe, Class::NotAVideo, reason));
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
            decoded = self.decode_some(&mut input, tools)?;
        }
        let mut facts = self.facts(video.as_ref(), audio.as_ref(), &mut decoded);
        self.add_sound(&mut decoded, &mut input, &mut facts)?;
        self.add_video(&mut decoded, &mut input, &mut facts)?;
        if !wants_video && self.clip.span.is_some() {
            facts.frames = self.frames_in_range(&mut input);
        }
        let mut sample = sample_of(self.clip, decoded.blobs, &facts);
        sample.frame_tables = decoded.tables;
        if self.recipe.video == VideoRecipe::None && sample.blobs.is_empty() && audio.is_some() {
            return Err(self.nothing_heard(facts.decode_errors.is_some()));
        }
        sample.blobs.retain(|_, blob| !blob.is_empty());
        Ok(Made::Sample(Box::new(sample), Box::new(facts)))
    }

    pub(super) fn fail(
        &self,
        stage: Stage,
        class: Class,
        reason: impl Into<String>,
    ) -> SampleError {
        SampleError::new(&self.clip.key, stage, class, reason)
    }

    fn not_media(&self, e: media::Error) -> SampleError {
        let class = if container::is_known(self.file) {
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
            let range = self.clip.span.and_then(|s| Some((s.start, s.end?)));
            let nanos = match (range, out.first) {
                (Some((start, end)), _) => end.since(start).nanos(),
                (None, Some(first)) => out.end - first,
                (None, None) => self.length_of_video(input)?,
            };
            let seconds = nanos as f64 / 1e9;
            let start = self.clip.span.map(|s| s.start).unwrap_or_default();
            let silence = audio::silence(&self.wanted_sound(recipe), start, seconds);
            out.sound = Some(silence.map_err(|e| self.decode_failure(e))?);
        }
        let Some(finished) = out.sound.take() else {
            return Ok(());
        };
        let Finished {
            waveform,
            begins,
            missing,
        } = finished;
        facts.notes.extend(filled_up(missing, waveform.rate));
        facts.sample_rate = Some(waveform.rate);
        facts.channels = Some(waveform.channels);
        facts.audio_samples = Some(waveform.len());
        facts.audio_start = Some(begins);
        if facts.got_start.is_none() {
            let heard = waveform.len().saturating_sub(missing);
            let length = heard as f64 / f64::from(waveform.rate);
            facts.got_start = Some(begins);
            facts.got_end = Some(begins.after(Time::from_secs(length)));
        }
        if self.recipe.waveform
            && let Some((name, blob)) = waveform.npy()
        {
            out.blobs.insert(name.to_owned(), blob);
        }
        let copied = recipe.codec == AudioCodec::Copy && facts.has_audio == Some(true);
        if !copied {
            let (name, blob) = waveform
                .into_blob(recipe.codec)
                .map_err(|e| self.decode_failure(e))?;
            out.blobs.insert(name.to_owned(), blob);
        }
        Ok(())
    }

    fn length_of_video(&self, input: &mut Input) -> Result<i64, SampleError> {
        let Some(track) = input.video().cloned() else {
            return Ok(0);
        };
        let measured = measure(input, &track).map_err(|e| self.decode_failure(e))?;
        Ok(measured.1 - measured.0)
    }

    /// What the sound's blobs need.
    pub(super) fn wanted_sound(&self, recipe: AudioRecipe) -> Wanted {
        let range = self.clip.span;
        Wanted {
            recipe,
            float: self.recipe.waveform,
            range: range.map(|s| (s.start.nanos(), s.end.map(Time::nanos))),
        }
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
    pub(super) fn decoded_sound(&self) -> Option<AudioRecipe> {
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
        let packed = Input::open_blob(made.blob.clone()).and_then(|mut i| frame_table(&mut i));
        put_video(out, made.name, made.blob, packed);
        facts.encoded_frames = made.encoded;
        facts.dropped_frames = made.dropped;
        facts.notes.extend(made.notes);
        if self.recipe.frames.is_none() {
            facts.fps = made.fps.map(round_fps).or(facts.fps);
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
    fn add_file(&self, out: &mut Decoded, input: &mut Input) -> Result<(), SampleError> {
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
        let packed = frame_table(input);
        put_video(out, video::file_name(path, input), blob, packed);
        Ok(())
    }
}

/// What is said of sound that ends before the range does, where that is more than half a second.
fn filled_up(missing: u64, rate: u32) -> Option<String> {
    let seconds = missing as f64 / f64::from(rate.max(1));
    match seconds {
        s if s <= 0.5 => None,
        s if missing <= MAX_PAD * u64::from(rate) => Some(format!(
            "the sound ends {s:.1} s before the range does: silence stands for the rest"
        )),
        _ => Some(format!(
            "the range ends long after the sound: it is filled up by {MAX_PAD} s only"
        )),
    }
}

fn round_fps(fps: f64) -> f64 {
    (fps * 1e6).round() / 1e6
}

/// Adds the video blob beside a sound blob that may have the same name, as in Ogg; and its frame
/// table, which is no reason to fail.
fn put_video(
    out: &mut Decoded,
    name: String,
    blob: Blob,
    table: media::Result<Option<FrameTable>>,
) {
    let name = match out.blobs.contains_key(&name) {
        true => format!("video.{name}"),
        false => name,
    };
    if let Ok(Some(table)) = table {
        out.tables.insert(name.clone(), Arc::new(table));
    }
    out.blobs.insert(name, blob);
}
