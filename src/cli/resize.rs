//! `kpack resize`: one video file per clip, encoded anew or only cut.

use clap::{Args, ValueEnum};
use kpack::sample::{Pace, Size, VideoSound};

use super::pack::args::{Files, FrameNames, InOut, Pictures, Run, Video, VideoKind};
use super::pack::{Defaults, Job, Shape};
use super::{Common, Exit, exit, values};

const HELP: &str = "\
Examples:
  kpack resize videos -o small --short-side 256                  out/CLASS/KEY.mp4, H.264 and AAC
  kpack resize videos -o small --size 340x256 --gop 16           a key frame at least each 16 frames
  kpack resize videos -o small --short-side 256 --fps 10         ten frames a second
  kpack resize videos -o small --codec vp9 --audio none          out/CLASS/KEY.webm, without sound
  kpack resize val.csv --media-dir videos -o clips --video copy  only cut: see --trim

Sides are even, as 4:2:0 video demands: the shorter side is as asked, the other keeps the ratio.
Nothing is enlarged without --upscale. Sound is kept, as AAC in mp4 and Opus in webm. Each encoder has
one thread: the same input and libraries give the same bytes, whatever -j.";

/// Encode clips anew in another size, one video file each
#[derive(Debug, Args)]
#[command(after_help = format!("{HELP}\n\n{}", exit::PACK_CODES))]
pub(crate) struct Resize {
    #[command(flatten)]
    io: InOut,
    /// Resize so that the shorter side has N pixels
    #[arg(long, value_name = "N", value_parser = values::side, conflicts_with = "size")]
    short_side: Option<u32>,
    /// Resize to exactly this, whatever the ratio
    #[arg(long, value_name = "WxH", value_parser = values::exact_size)]
    size: Option<Size>,
    /// Enlarge too
    #[arg(long)]
    upscale: bool,
    /// So many frames a second (5, 12.5, 30000/1001), each the one that is shown then, as --frames
    /// of other commands chooses; the sound stays [default: the frames of the source]
    #[arg(long, value_name = "F", value_parser = values::fps, conflicts_with = "drop_duplicates")]
    fps: Option<(u32, u32)>,
    /// Leave out frames that repeat the one before; the others keep their times. One a second and
    /// the last stay. samples.jsonl has their number, dropped_frames
    #[arg(long)]
    drop_duplicates: bool,
    /// The sound of the videos [default: encode]
    #[arg(long, value_enum)]
    audio: Option<SoundKind>,
    #[command(flatten)]
    video: Video,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    run: Run,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SoundKind {
    /// As AAC in mp4, as Opus in webm
    Encode,
    /// The source's own packets where the container takes them, else as encode; not for time ranges
    Copy,
    /// No sound
    None,
}

impl Resize {
    pub(crate) fn run(&self, common: &Common) -> anyhow::Result<Exit> {
        if self.short_side.is_some_and(|side| side % 2 == 1) {
            let message = "an encoded video has even sides: change --short-side";
            return Err(kpack::Error::usage(message).into());
        }
        let video = Video {
            video: Some(self.video.video.unwrap_or(VideoKind::H264)),
            ..self.video.clone()
        };
        self.refuse_copied(&video)?;
        let pictures = Pictures {
            short_side: self.short_side,
            size: self.size,
            upscale: self.upscale,
            ..Pictures::default()
        };
        let shape = Shape {
            video: Some(&video),
            pictures: Some(&pictures),
            ..Shape::default()
        };
        let defaults = Defaults {
            frames: None,
            audio: None,
            video: true,
        };
        let job = Job::new(&self.io, &self.run, &shape, defaults)?;
        let job = job.encoding(self.pace(), self.sound())?;
        job.tree(&self.files, &FrameNames::default(), common)
    }

    fn pace(&self) -> Pace {
        match self.fps {
            Some((num, den)) => Pace::Rate { num, den },
            None if self.drop_duplicates => Pace::Distinct,
            None => Pace::Source,
        }
    }

    fn sound(&self) -> VideoSound {
        match self.audio {
            None | Some(SoundKind::Encode) => VideoSound::Encode,
            Some(SoundKind::Copy) => VideoSound::Copy,
            Some(SoundKind::None) => VideoSound::None,
        }
    }

    /// Options that need a video that is encoded.
    fn refuse_copied(&self, video: &Video) -> kpack::Result<()> {
        let given = [
            ("--fps", self.fps.is_some()),
            ("--drop-duplicates", self.drop_duplicates),
            ("--audio", self.audio.is_some()),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((option, _)) if video.video == Some(VideoKind::Copy) => {
                Err(kpack::Error::usage(format!(
                    "--video copy keeps the packets as they are, so {option} cannot apply: use \
                     --video h264 to re-encode"
                )))
            }
            _ => Ok(()),
        }
    }
}
