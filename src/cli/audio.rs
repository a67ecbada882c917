//! `kpack audio`: one sound file per clip.

use clap::Args;
use kpack::sample::AudioCodec;

use super::pack::args::{Files, FrameNames, InOut, Run, Sound};
use super::pack::{Defaults, Job, Shape};
use super::{Common, Exit, exit};

const HELP: &str = "\
Examples:
  kpack audio videos -o out --sample-rate 16000 --channels 1     out/CLASS/KEY.wav
  kpack audio videos -o out --audio copy                         the sound as it is
  kpack audio list.csv --media-dir videos -o out --audio flac --no-audio skip

Names that begin with a dash go behind `--`, or are written ./-name.";

/// Extract the sound of clips, one file each
#[derive(Debug, Args)]
#[command(after_help = format!("{HELP}\n\n{}", exit::PACK_CODES))]
pub(crate) struct Audio {
    #[command(flatten)]
    io: InOut,
    #[command(flatten)]
    sound: Sound,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    run: Run,
}

impl Audio {
    pub(crate) fn run(&self, common: &Common) -> anyhow::Result<Exit> {
        let shape = Shape {
            sound: Some(&self.sound),
            ..Shape::default()
        };
        let defaults = Defaults {
            frames: None,
            audio: Some(AudioCodec::Wav),
            video: false,
        };
        let job = Job::new(&self.io, &self.run, &shape, defaults)?;
        job.tree(&self.files, &FrameNames::default(), common)
    }
}
