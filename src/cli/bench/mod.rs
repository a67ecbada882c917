//! `kpack bench`: measurements.

mod pack;
mod read;

use clap::{Args, Subcommand};

use super::{Common, Exit};

/// Measure how fast datasets read, and how fast clips are packed
#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Read(read::Read),
    Pack(Box<pack::Pack>),
}

impl Bench {
    pub(crate) fn run(&self, common: &Common) -> anyhow::Result<Exit> {
        match &self.what {
            What::Read(read) => read.run(common),
            What::Pack(pack) => pack.run(common),
        }
    }
}
