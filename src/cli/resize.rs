//! `kpack resize`: one video file per clip, encoded anew or only cut.

use clap::Args;
use kpack::sample::Size;

use super::pack::args::{Files, FrameNames, InOut, Pictures, Run, Video, VideoKind};
use super::pack::{Defaults, Job, Shape};
use super::{Common, Exit, exit, values};

const HELP: &str = "\
Examples:
  kpack resize videos -o small --short-side 256                  out/CLASS/KEY.mp4, H.264 and AAC
  kpack resize videos -o small --size 340x256 --gop 16           a key frame at least each 16 frames
  kpack resize val.csv --media-dir videos -o clips --video copy  only cut: see --trim

Sides are even, as H.264 demands: the shorter side is as asked, the other keeps the ratio. Nothing is
enlarged without --upscale. Sound is kept, as AAC. The same input gives the same bytes, whatever -j.";

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
    #[command(flatten)]
    video: Video,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    run: Run,
}

impl Resize {
    pub(crate) fn run(&self, common: &Common) -> anyhow::Result<Exit> {
        if self.short_side.is_some_and(|side| side % 2 == 1) {
            let message = "H.264 has even sides: change --short-side";
            return Err(kpack::Error::usage(message).into());
        }
        let video = Video {
            video: Some(self.video.video.unwrap_or(VideoKind::H264)),
            ..self.video.clone()
        };
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
        job.tree(&self.files, &FrameNames::default(), common)
    }
}
