//! What a media file is, without packing it: header, first frame, or every frame.
//!
//! [`probe`] opens a hostile file in this process; what the commands of kpack probe, they probe in
//! child processes.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::media::{Decoder, Frame, Input, Track};
use crate::sample::{Class, Stage};
use crate::source::{Problem, is_media_head};
use crate::worker::{Task, Workers};
use crate::{Time, pulse};

/// How far a file is looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Depth {
    /// The header alone.
    Header,
    /// Up to the first frame (or sound) that can be decoded.
    First,
    /// Every frame of the video, or of the sound where there is no video.
    All,
}

/// What was found out of a media file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Probed {
    /// FFmpeg's name of the container.
    pub container: String,
    /// Codec of the video track in FFmpeg's spelling.
    pub video_codec: Option<String>,
    /// Width in pixels of the upright picture.
    pub width: Option<u32>,
    /// Height in pixels of the upright picture.
    pub height: Option<u32>,
    /// Average frames per second.
    pub fps: Option<f64>,
    /// Frames: decoded with [`Depth::All`], else as the container counts them.
    pub frames: Option<u64>,
    /// Codec of the sound track in FFmpeg's spelling.
    pub audio_codec: Option<String>,
    /// Sample rate in Hz.
    pub sample_rate: Option<u32>,
    /// Channels of the sound.
    pub channels: Option<u32>,
    /// Duration as the container says.
    pub duration: Option<Time>,
    /// Length of the file.
    pub bytes: u64,
    /// Packets and frames with errors among those decoded.
    pub decode_errors: u64,
}

/// Looks into the file at `path`, in this process.
///
/// # Errors
/// A [`Problem`] with the class that packing the file would give.
pub fn probe(path: &Path, depth: Depth) -> Result<Probed, Problem> {
    probe_with(path, depth, &Workers::in_process())
}

/// As [`probe`], by `workers`. A file that crashes its worker, or is over a limit, has the class of that.
///
/// # Errors
/// Those of [`probe`].
pub fn probe_with(path: &Path, depth: Depth, workers: &Workers) -> Result<Probed, Problem> {
    let file = open(path)?;
    let probed = workers.ask(&path.to_string_lossy(), &file, &Probe { depth });
    probed.map(|(probed, _)| probed)
}

/// Opens the file at `path`.
pub(crate) fn open(path: &Path) -> Result<Arc<File>, Problem> {
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
    let (meta, file) = opened.map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => problem(Stage::Plan, Class::Missing, "not found"),
        _ => problem(
            Stage::Probe,
            Class::Corrupt,
            format!("cannot be opened: {e}"),
        ),
    })?;
    match meta.is_dir() {
        true => Err(problem(Stage::Probe, Class::NotAVideo, "is a folder")),
        false => Ok(Arc::new(file)),
    }
}

/// Looks into a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Probe {
    pub(crate) depth: Depth,
}

impl Task for Probe {
    type Answer = Probed;

    fn run(&self, file: &Arc<File>, _: &mut Vec<u8>) -> Result<Probed, Problem> {
        let mut input = input(file)?;
        let mut probed = describe(&input);
        probed.bytes = file.metadata().map_or(0, |meta| meta.len());
        if self.depth > Depth::Header {
            decode(&mut input, self.depth, &mut probed)?;
        }
        Ok(probed)
    }
}

/// Reads the header of a file.
pub(crate) fn input(file: &Arc<File>) -> Result<Input, Problem> {
    let wrong = |class, reason| problem(Stage::Probe, class, reason);
    if file.metadata().is_ok_and(|meta| meta.len() == 0) {
        return Err(wrong(
            Class::NotAVideo,
            "the file is empty (0 bytes)".to_owned(),
        ));
    }
    let input = Input::open(Arc::clone(file)).map_err(|e| match is_media(file) {
        true => wrong(
            Class::Corrupt,
            format!("its header or index is missing or cut off: {e}"),
        ),
        false => wrong(
            Class::NotAVideo,
            format!("the content is no media that this libav can open: {e}"),
        ),
    })?;
    pulse::length(input.duration());
    Ok(input)
}

/// Goes to `time` and gives the first frame shown there or later.
pub(crate) fn frame_at(input: &mut Input, time: Time) -> Option<(Frame, Track)> {
    let track = input.video()?.clone();
    input.seek(&track, time).ok()?;
    let mut decoder = Decoder::new(input, &track).ok()?;
    let (origin, mut found) = (input.origin_nanos(), None);
    let mut take = |frame: &Frame| {
        let shown = frame.pts().map_or(i64::MAX, |t| track.nanos(t) - origin);
        if found.is_none() && shown >= time.nanos() {
            found = frame.share().ok();
        }
        match found {
            Some(_) => Err(()),
            None => Ok(()),
        }
    };
    while let Ok(Some(packet)) = input.next_packet() {
        if packet.stream() == track.index && decoder.feed(&packet, &mut take).is_err() {
            break;
        }
    }
    let _ = decoder.drain(&mut take);
    found.map(|frame| (frame, track))
}

fn describe(input: &Input) -> Probed {
    let mut probed = Probed {
        container: input.container(),
        duration: input.duration(),
        ..Probed::default()
    };
    if let Some(track) = input.video() {
        probed.video_codec = Some(track.codec.clone());
        probed.width = Some(track.shown_width());
        probed.height = Some(track.shown_height());
        probed.fps = (track.fps > 0.0).then_some(track.fps);
        probed.frames = (track.frames > 0).then_some(track.frames);
    }
    if let Some(track) = input.audio() {
        probed.audio_codec = Some(track.codec.clone());
        probed.sample_rate = (track.sample_rate > 0).then_some(track.sample_rate);
        probed.channels = (track.channels > 0).then_some(track.channels);
    }
    probed
}

/// Decodes the video, or the sound of a file without video.
fn decode(input: &mut Input, depth: Depth, probed: &mut Probed) -> Result<(), Problem> {
    let nothing = || problem(Stage::Decode, Class::Corrupt, "no frame comes out of it");
    let failed = |e: crate::media::Error| {
        problem(
            Stage::Decode,
            Class::Corrupt,
            format!("cannot be decoded: {e}"),
        )
    };
    let Some(track) = input.video().or(input.audio()).cloned() else {
        let reason = "has neither a video nor a sound track";
        return Err(problem(Stage::Probe, Class::NoVideo, reason));
    };
    let mut decoder = Decoder::new(input, &track).map_err(failed)?;
    let mut frames = 0_u64;
    let mut broken = false;
    // An error ends the decoding: enough was seen.
    let mut take = |_: &Frame| {
        frames += 1;
        match depth {
            Depth::All => Ok(()),
            _ => Err(()),
        }
    };
    let mut enough = false;
    while !enough {
        match input.next_packet() {
            Ok(Some(packet)) if packet.stream() == track.index => {
                enough = decoder.feed(&packet, &mut take).is_err();
            }
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(_) => {
                broken = true;
                break;
            }
        }
    }
    if !enough {
        let _ = decoder.drain(&mut take);
    }
    if frames == 0 {
        return Err(nothing());
    }
    probed.decode_errors = decoder.errors() + u64::from(broken);
    if depth == Depth::All && input.video().is_some() {
        probed.frames = Some(frames);
    }
    Ok(())
}

fn is_media(file: &File) -> bool {
    let mut head = [0; 1024];
    let read = file.read_at(&mut head, 0);
    read.is_ok_and(|n| is_media_head(&head[..n]))
}

fn problem(stage: Stage, class: Class, reason: impl Into<String>) -> Problem {
    Problem {
        stage,
        class,
        reason: reason.into(),
    }
}
