//! `kpack webdataset`: clips into tar shards.

use clap::Args;

use super::pack::args::{InOut, Pictures, Run, Shards, Sound, Video};
use super::pack::{Job, SHARDS, Shape};
use super::{Common, Exit, exit};

const HELP: &str = "\
Examples:
  kpack webdataset videos -o out                        the videos as they are, in tar shards
  kpack webdataset videos -o out --frames 5 --short-side 256 --audio wav
  kpack webdataset val.csv --media-dir videos -o out --labels labels.txt --shards 16
  kpack webdataset val.csv --fetch --media-dir cache -o out --discard-media

A sample's tar members are KEY.mp4, KEY.000001.jpg .., KEY.wav, KEY.json, KEY.cls. Names that begin
with a dash go behind `--`, or are written ./-name.";

/// Pack clips into tar shards (WebDataset)
#[derive(Debug, Args)]
#[command(after_help = format!("{HELP}\n\n{}", exit::PACK_CODES))]
pub(crate) struct Webdataset {
    #[command(flatten)]
    io: InOut,
    #[command(flatten)]
    video: Video,
    #[command(flatten)]
    pictures: Pictures,
    #[command(flatten)]
    sound: Sound,
    #[command(flatten)]
    shards: Shards,
    #[command(flatten)]
    run: Run,
}

impl Webdataset {
    pub(crate) fn run(&self, common: &Common) -> anyhow::Result<Exit> {
        let shape = Shape {
            video: Some(&self.video),
            pictures: Some(&self.pictures),
            sound: Some(&self.sound),
            schema: None,
        };
        Job::new(&self.io, &self.run, &shape, SHARDS)?.shards("webdataset", &self.shards, common)
    }
}
