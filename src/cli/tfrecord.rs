//! `kpack tfrecord`: clips into TFRecord shards.

use clap::Args;

use super::pack::args::{InOut, Pictures, Run, SchemaKind, Shards, Sound, Video};
use super::pack::{Job, SHARDS, Shape};
use super::{Common, Exit, exit};

const HELP: &str = "\
Examples:
  kpack tfrecord videos -o out --frames 10 --short-side 256 --audio wav --sample-rate 48000
  kpack tfrecord videos -o out --schema example         the videos as they are, one feature each
  kpack tfrecord songs -o out --schema sound --sample-rate 22050

Names that begin with a dash go behind `--`, or are written ./-name.";

/// Pack clips into TFRecord shards
#[derive(Debug, Args)]
#[command(after_help = format!("{HELP}\n\n{}", exit::PACK_CODES))]
pub(crate) struct Tfrecord {
    #[command(flatten)]
    io: InOut,
    #[command(flatten)]
    video: Video,
    #[command(flatten)]
    pictures: Pictures,
    #[command(flatten)]
    sound: Sound,
    /// Layout of the records [default: dmvr where frames are asked for, else example]
    #[arg(long, value_enum, value_name = "NAME", help_heading = "Shards")]
    schema: Option<SchemaKind>,
    #[command(flatten)]
    shards: Shards,
    #[command(flatten)]
    run: Run,
}

impl Tfrecord {
    pub(crate) fn run(&self, common: &Common) -> anyhow::Result<Exit> {
        let shape = Shape {
            video: Some(&self.video),
            pictures: Some(&self.pictures),
            sound: Some(&self.sound),
            schema: self.schema,
        };
        Job::new(&self.io, &self.run, &shape, SHARDS)?.shards("tfrecord", &self.shards, common)
    }
}
