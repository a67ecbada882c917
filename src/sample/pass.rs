//! The pass over a clip's packets: frames and sound from one reading of the file.

use std::collections::BTreeMap;
use std::sync::Arc;

use kpack_formats::{Blob, FrameTable};

use super::audio::{Finished, Sound};
use super::choose::Chooser;
use super::frames::{Picker, Targets, half_tick, picture_size};
use super::make::{Maker, Tools};
use super::parts::{FramesPart, Range, SOUND_LEAD, Seen, SoundPart};
use super::{Class, FrameChoice, FrameRecipe, SampleError, Stage, sound_file};
use crate::Time;
use crate::media::{self, Decoder, Input, Track};

/// A range that ends so many nanoseconds before its source does, as the header says, ends inside.
const SURE: i64 = 1_000_000_000;

/// What one pass over the packets gave.
#[derive(Default)]
pub(super) struct Decoded {
    pub(super) blobs: BTreeMap<String, Blob>,
    pub(super) tables: BTreeMap<String, Arc<FrameTable>>,
    pub(super) times: Vec<Time>,
    pub(super) sound: Option<Finished>,
    /// Where the first frame inside the clip is shown, in nanoseconds.
    pub(super) first: Option<i64>,
    /// Until when the last frame inside the clip is shown.
    pub(super) end: i64,
    pub(super) errors: u64,
    pub(super) notes: Vec<String>,
}

impl Maker<'_> {
    /// Decodes what the recipe asks for: only the frames that are wanted where the packets tell
    /// which these are, else all of them.
    fn decode(&self, input: &mut Input, tools: &mut Tools) -> Result<Decoded, SampleError> {
        let failed = |e| self.decode_failure(e);
        if let Some(decoded) = self.sound_file(input).map_err(failed)? {
            return Ok(decoded);
        }
        let length = self.counted_length(input).map_err(failed)?;
        if self.can_choose(input) {
            let chosen = self.pass(input, tools, length, true);
            if let Some(decoded) = chosen.map_err(failed)? {
                return Ok(decoded);
            }
            input.rewind().map_err(failed)?;
            tools.restart();
        }
        let decoded = self.pass(input, tools, length, false).map_err(failed)?;
        decoded.ok_or_else(|| self.no_frames())
    }

    /// `decode`, and an error where it gave no picture although they are wanted.
    pub(super) fn decode_some(
        &self,
        input: &mut Input,
        tools: &mut Tools,
    ) -> Result<Decoded, SampleError> {
        let decoded = self.decode(input, tools)?;
        if self.recipe.frames.is_some() && decoded.times.is_empty() {
            let reason = "the clip is too short for a picture at this rate, or has no key frame";
            return Err(self.fail(Stage::Decode, Class::TooShort, reason));
        }
        Ok(decoded)
    }

    /// What symphonia makes of a plain sound file.
    fn sound_file(&self, input: &Input) -> media::Result<Option<Decoded>> {
        let (Some(recipe), Some(track)) = (self.decoded_sound(), input.audio()) else {
            return Ok(None);
        };
        let wanted = self.wanted_sound(recipe);
        if !sound_file::serves(input, &wanted) {
            return Ok(None);
        }
        let Some(sound) = sound_file::decode(self.file, track, wanted)? else {
            return Ok(None);
        };
        Ok(Some(Decoded {
            sound: sound.finish()?,
            ..Decoded::default()
        }))
    }

    /// Whether a part of the frames is wanted, and packets say when their frames are shown.
    fn can_choose(&self, input: &Input) -> bool {
        let (Some(recipe), Some(track)) = (self.recipe.frames, input.video()) else {
            return false;
        };
        let fewer = match recipe.choice {
            FrameChoice::All => false,
            FrameChoice::Rate { num, den } => f64::from(num) / f64::from(den) < track.fps,
            FrameChoice::Count(_) | FrameChoice::Keyframes => true,
        };
        fewer && input.packets_have_pts()
    }

    /// One pass over the packets. `None` where no frame came out, or where frames were chosen and
    /// the decoder did not give just those, without damage.
    pub(super) fn pass(
        &self,
        input: &mut Input,
        tools: &mut Tools,
        length: Length,
        choose: bool,
    ) -> media::Result<Option<Decoded>> {
        let (video, audio) = (input.video().cloned(), input.audio().cloned());
        let start = self.clip.span.map(|s| s.start.nanos());
        if let (Some(start), Some(track)) = (start, video.as_ref().or(audio.as_ref())) {
            let lead = self.decoded_sound().map_or(0, |_| SOUND_LEAD);
            input.seek(track, Time::from_nanos((start - lead).max(0)))?;
        }
        let mut notes = Vec::new();
        let mut frames = match (self.recipe.frames, &video) {
            (Some(recipe), Some(track)) => {
                let chosen = (recipe, length, choose);
                Some(self.frames(input, track, tools, chosen, &mut notes)?)
            }
            _ => None,
        };
        let mut sound = match (self.decoded_sound(), &audio) {
            (Some(recipe), Some(track)) => {
                let sound = Sound::new(self.wanted_sound(recipe));
                Some(SoundPart::new(sound, input, track)?)
            }
            _ => None,
        };
        let mut out = Decoded {
            errors: read(input, &mut frames, &mut sound)?,
            notes,
            ..Decoded::default()
        };
        if let (Some(frames), Some(recipe)) = (frames, self.recipe.frames)
            && !frames.finish(&recipe, &mut out)?
        {
            return Ok(None);
        }
        if let Some(sound) = sound {
            out.errors += sound.decoder.errors();
            out.sound = sound.sound.finish()?;
        }
        Ok(Some(out))
    }

    fn frames<'a>(
        &self,
        input: &Input,
        track: &'a Track,
        tools: &'a mut Tools,
        (recipe, length, choose): (FrameRecipe, Length, bool),
        notes: &mut Vec<String>,
    ) -> media::Result<FramesPart<'a>> {
        let tools = tools.images(recipe.image, recipe.quality)?;
        let shown = (track.shown_width(), track.shown_height());
        let (size, kept) = picture_size(shown, self.recipe.size, self.recipe.upscale);
        let note = "smaller than asked, kept at its size; --upscale enlarges";
        let targets = Targets::new(recipe.choice, length.duration);
        let chooser = choose.then(|| Chooser::new(targets, length.start, half_tick(track)));
        let span = self.clip.span;
        let range = Range {
            start: span.map(|s| s.start.nanos()),
            end: span.and_then(|s| s.end).map(Time::nanos),
        };
        let picker = Picker::new(targets, length.start, track, size, tools);
        if kept {
            notes.push(note.to_owned());
        }
        FramesPart::new(input, track, picker, chooser, range)
    }

    /// Where the clip starts and how long it is, as far as the choice of frames needs it
    /// beforehand.
    pub(super) fn counted_length(&self, input: &mut Input) -> media::Result<Length> {
        let start = self.clip.span.map(|s| s.start.nanos());
        let duration = 0;
        let counts = |f: FrameRecipe| matches!(f.choice, FrameChoice::Count(_));
        let (true, Some(track)) = (
            self.recipe.frames.is_some_and(counts),
            input.video().cloned(),
        ) else {
            return Ok(Length { start, duration });
        };
        let end = self.clip.span.and_then(|s| s.end).map(Time::nanos);
        if let (Some(start), Some(end)) = (start, end)
            && track.duration.is_some_and(|d| end < d.nanos() - SURE)
        {
            let (start, duration) = (Some(start), end - start);
            return Ok(Length { start, duration });
        }
        // Parts of the time that the source has, where the range ends after it.
        let (first, until) = measure(input, &track)?;
        let start = start.unwrap_or(first);
        let end = end.map_or(until, |end| end.min(until));
        Ok(Length {
            start: Some(start),
            duration: (end - start).max(0),
        })
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

    /// The failure of a clip of which only sound is wanted, and that has none where it should be.
    pub(super) fn nothing_heard(&self, damaged: bool) -> SampleError {
        match self.clip.span {
            Some(span) if !damaged => self.fail(
                Stage::Decode,
                Class::TooShort,
                format!("no sound at or after {} s; it ends earlier", span.start),
            ),
            _ => self.fail(Stage::Decode, Class::Corrupt, "nothing could be decoded"),
        }
    }

    /// Frames of the video inside the clip's range, by their packets; `None` where these do not tell.
    pub(super) fn frames_in_range(&self, input: &mut Input) -> Option<u64> {
        let (track, span) = (input.video()?.clone(), self.clip.span?);
        if !input.packets_have_pts() {
            return None;
        }
        input.seek(&track, span.start).ok()?;
        let (origin, end) = (input.origin_nanos(), span.end.map(Time::nanos));
        let inside = |at: i64| at >= span.start.nanos() && end.is_none_or(|end| at < end);
        let mut frames = 0;
        while let Ok(Some(packet)) = input.next_packet() {
            if packet.stream() != track.index {
                continue;
            }
            let at = |ticks: Option<i64>| ticks.map(|t| track.nanos(t) - origin);
            if at(packet.dts()).zip(end).is_some_and(|(at, end)| at >= end) {
                break;
            }
            frames += u64::from(!media::is_hidden(&packet) && at(packet.pts()).is_some_and(inside));
        }
        Some(frames)
    }

    pub(super) fn decode_failure(&self, e: media::Error) -> SampleError {
        if e.is_encoding() {
            return self
                .fail(Stage::Encode, Class::Internal, "cannot encode")
                .because(e);
        }
        let (class, stage) = match &e {
            media::Error::Limit(_) => (Class::TooLarge, Stage::Decode),
            media::Error::Alloc(_) => (Class::Memory, Stage::Decode),
            _ => (Class::Corrupt, Stage::Decode),
        };
        self.fail(stage, class, "cannot decode").because(e)
    }
}

/// Reads packets until both parts have all they need; gives the number of reads that failed.
fn read(
    input: &mut Input,
    frames: &mut Option<FramesPart<'_>>,
    sound: &mut Option<SoundPart<'_>>,
) -> media::Result<u64> {
    let (mut errors, mut ended) = (0, false);
    let (mut video_done, mut audio_done) = (frames.is_none(), sound.is_none());
    while !(video_done && audio_done) {
        let packet = match input.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => {
                ended = true;
                break;
            }
            // What was read so far is kept; the damage is counted.
            Err(_) => {
                errors += 1;
                break;
            }
        };
        match (&mut *frames, &mut *sound) {
            (Some(part), _) if part.track.index == packet.stream() => {
                video_done = part.push(packet)?;
            }
            (_, Some(part)) if part.track.index == packet.stream() => {
                audio_done = part.push(&packet)?;
            }
            _ => {}
        }
    }
    if let Some(frames) = frames {
        if ended {
            errors += frames.missing(input);
        }
        frames.end()?;
    }
    if let Some(sound) = sound {
        sound.end()?;
    }
    Ok(errors)
}

/// Finds where the video begins and ends, in nanoseconds: by its packets where they say it, else
/// by its frames. Goes back to the beginning.
pub(super) fn measure(input: &mut Input, track: &Track) -> media::Result<(i64, i64)> {
    let origin = input.origin_nanos();
    let mut seen = Seen::default();
    let mut decoder = match input.packets_have_pts() {
        true => None,
        false => Some(Decoder::new(input, track)?),
    };
    let mut add = |ticks: Option<i64>| {
        if let Some(ticks) = ticks {
            seen.add(track.nanos(ticks) - origin);
        }
        media::Result::Ok(())
    };
    while let Ok(Some(packet)) = input.next_packet() {
        if packet.stream() != track.index {
            continue;
        }
        match &mut decoder {
            Some(decoder) => decoder.feed(&packet, |frame| add(frame.pts()))?,
            None if media::is_hidden(&packet) => {}
            None => add(packet.pts().or(packet.dts()))?,
        }
    }
    if let Some(decoder) = &mut decoder {
        decoder.drain(|frame| add(frame.pts()))?;
    }
    input.rewind()?;
    Ok((seen.first.unwrap_or(0), seen.end(track.usual_step())))
}

/// A clip's start, where it is known before its frames, and its duration, where the choice of
/// frames needs it; in nanoseconds.
#[derive(Clone, Copy)]
pub(super) struct Length {
    start: Option<i64>,
    duration: i64,
}
