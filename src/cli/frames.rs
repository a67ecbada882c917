//! `kpack frames`: clips into folders of pictures.

use clap::Args;
use kpack::sample::FrameChoice;

use super::pack::args::{Files, FrameNames, InOut, Pictures, Run, Sound, Video};
use super::pack::{Defaults, Job, Shape};
use super::{Common, Exit, exit};

const HELP: &str = "\
Examples:
  kpack frames videos -o out                            every frame: out/CLASS/KEY/img_00001.jpg
  kpack frames videos -o out --frames 5 --short-side 256 --audio wav
  kpack frames list.txt -o out --layout flat --frame-name 'frame_{:06}.png' --image png

Beside each folder lie KEY.json, and KEY.wav or KEY.mp4 where asked for. Names that begin with a
dash go behind `--`, or are written ./-name.";

/// Pack clips into frame directories
#[derive(Debug, Args)]
#[command(after_help = format!("{HELP}\n\n{}", exit::PACK_CODES))]
pub(crate) struct Frames {
    #[command(flatten)]
    io: InOut,
    #[command(flatten)]
    pictures: Pictures,
    #[command(flatten)]
    video: Video,
    #[command(flatten)]
    sound: Sound,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    names: FrameNames,
    #[command(flatten)]
    run: Run,
}

impl Frames {
    pub(crate) fn run(&self, common: &Common) -> anyhow::Result<Exit> {
        let shape = Shape {
            video: Some(&self.video),
            pictures: Some(&self.pictures),
            sound: Some(&self.sound),
            schema: None,
        };
        let defaults = Defaults {
            frames: Some(FrameChoice::All),
            audio: None,
            video: false,
        };
        Job::new(&self.io, &self.run, &shape, defaults)?.tree(&self.files, &self.names, common)
    }
}
