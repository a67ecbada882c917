//! The video blob: copied whole, cut at key frames, or encoded anew.

use std::path::Path;

use kpack_formats::Blob;

use super::reencode::encode;
use super::smart::{self, Smart};
use super::{Recipe, Trim, VideoRecipe};
use crate::Time;
use crate::media::{self, Coding, Input, Muxer, Packet, Track, VideoCodec};
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
    /// Frames that were encoded, where others were copied.
    pub(super) encoded: Option<u64>,
    /// Frames a second, where these are not the source's.
    pub(super) fps: Option<f64>,
    /// Frames that were left out because they repeat the one before, if that was asked for.
    pub(super) dropped: Option<u64>,
    /// What the user may not expect.
    pub(super) notes: Vec<String>,
}

/// Whether the blob is the source's own file, byte for byte.
pub(super) fn is_whole_file(clip: &Clip, recipe: &Recipe) -> bool {
    recipe.video == VideoRecipe::Copy && (clip.span.is_none() || recipe.trim == Trim::None)
}

/// Cuts or encodes the clip's video, with its sound, into mp4 (WebM for VP9, Matroska where mp4
/// cannot hold copied packets). `None` where no frame lies in the range.
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
    let mut note = None;
    if recipe.trim == Trim::Smart && recipe.video == VideoRecipe::Copy {
        match smart::cut(input, &track, span)? {
            Smart::Video(video) => return Ok(Some(*video)),
            Smart::Nothing => {}
            Smart::Never(reason) => {
                note = Some(format!(
                    "all of it is encoded, as --trim exact does: {reason}"
                ));
            }
        }
    }
    let coding = recipe.video.coding().unwrap_or(Coding {
        codec: VideoCodec::H264,
        crf: 23,
        preset: "medium",
        gop: None,
    });
    let made = encode(input, &track, span, clip.span.is_some(), recipe, coding)?;
    Ok(made.map(|mut video| {
        video.notes.extend(note);
        video
    }))
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
    let mut muxer = Muxer::new(format)?;
    let video = muxer.add_copy(input, track)?;
    let sound = input.audio().cloned();
    let audio = sound
        .as_ref()
        .map(|t| muxer.add_copy(input, t))
        .transpose()?;
    muxer.begin()?;
    let mut cut = Cut {
        span,
        origin: input.origin_nanos(),
        video: (track, video),
        sound: sound.as_ref().zip(audio),
        muxer,
        first: None,
        last: 0,
        frames: 0,
    };
    // What came since the last key frame at or before the start.
    let mut group: Vec<Packet> = Vec::new();
    while let Some(packet) = input.next_packet()? {
        let Some((is_video, shown, stored)) = cut.place(&packet) else {
            continue;
        };
        if is_video && span.end.is_some_and(|e| stored >= e.nanos()) {
            break;
        }
        if is_video && group.is_empty() && cut.first.is_none() {
            check_told(&packet)?;
        }
        if is_video && packet.is_key() && shown <= span.start.nanos() {
            group.clear();
        }
        group.push(packet);
        if is_video && shown >= span.start.nanos() {
            for packet in group.drain(..) {
                cut.write(packet, input)?;
            }
        }
    }
    cut.finish(name)
}

/// An error where a packet has no time at all: it would be taken for one of the beginning.
fn check_told(packet: &Packet) -> media::Result<()> {
    if packet.pts().or(packet.dts()).is_none() {
        let reason = "its packets do not say when they are shown: cut it with --trim exact";
        return Err(media::Error::Unsupported(reason.to_owned()));
    }
    Ok(())
}

/// The packets of a cut on their way into the muxer.
struct Cut<'a> {
    span: Span,
    origin: i64,
    /// The tracks and their streams in the muxer.
    video: (&'a Track, usize),
    sound: Option<(&'a Track, usize)>,
    muxer: Muxer,
    /// Time of the first frame, once it is written.
    first: Option<i64>,
    /// Until when the last frame is shown.
    last: i64,
    frames: u64,
}

impl Cut<'_> {
    fn track(&self, packet: &Packet) -> Option<(&Track, usize)> {
        let is_video = packet.stream() == self.video.0.index;
        let track = if is_video {
            Some(self.video)
        } else {
            self.sound
        };
        track.filter(|(track, _)| track.index == packet.stream())
    }

    /// Whether a packet is of the video, and its presentation and decoding time in nanoseconds.
    fn place(&self, packet: &Packet) -> Option<(bool, i64, i64)> {
        let (track, _) = self.track(packet)?;
        let at = |ticks: Option<i64>| ticks.map_or(0, |t| track.nanos(t) - self.origin);
        let shown = at(packet.pts().or(packet.dts()));
        let stored = at(packet.dts().or(packet.pts()));
        Some((packet.stream() == self.video.0.index, shown, stored))
    }

    fn write(&mut self, mut packet: Packet, input: &Input) -> media::Result<()> {
        let (Some((is_video, shown, _)), Some((track, stream))) =
            (self.place(&packet), self.track(&packet))
        else {
            return Ok(());
        };
        let ticks = |begin: i64| track.ticks_floor(begin + self.origin);
        let begin = match self.first {
            Some(begin) => begin,
            None if is_video && packet.is_key() => {
                packet = input.beginning_with(track, packet)?;
                shown
            }
            None => return Ok(()),
        };
        let by = ticks(begin);
        if is_video && packet.duration() <= 0 {
            // The container ends with its last frame: one that took no time would be beyond the end.
            packet.set_duration(track.ticks_floor(track.usual_step()).max(1));
        }
        let duration = track.nanos(packet.duration().max(0));
        self.first = Some(begin);
        let beyond = !is_video && self.span.end.is_some_and(|e| shown >= e.nanos());
        if shown < begin || beyond {
            return Ok(());
        }
        if is_video {
            self.frames += 1;
            self.last = self.last.max(shown + duration);
        }
        self.muxer.write(shift(packet, by), stream)
    }

    /// What was cut; `None` where nothing was.
    fn finish(self, name: &str) -> media::Result<Option<Video>> {
        let Some(begin) = self.first else {
            return Ok(None);
        };
        let track = self.video.0;
        Ok(Some(Video {
            name: name.to_owned(),
            blob: self.muxer.finish()?.into(),
            got_start: Time::from_nanos(begin),
            got_end: Time::from_nanos(self.last),
            frames: self.frames,
            size: (track.shown_width(), track.shown_height()),
            errors: 0,
            encoded: None,
            fps: None,
            dropped: None,
            notes: Vec::new(),
        }))
    }
}

/// A packet that comes `by` ticks earlier.
pub(super) fn shift(mut packet: Packet, by: i64) -> Packet {
    let (pts, dts) = (packet.pts(), packet.dts());
    packet.set_pts(pts.map(|t| t - by));
    packet.set_dts(dts.map(|t| t - by));
    packet
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
