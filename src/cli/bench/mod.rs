//! `kpack bench`: measurements.

mod read;

use clap::{Args, Subcommand};

use super::{Common, Exit};

/// Measure how fast datasets read
#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Read(read::Read),
}

impl Bench {
    pub(crate) fn run(&self, common: &Common) -> anyhow::Result<Exit> {
        match &self.what {
            What::Read(read) => read.run(common),
        }
    }
}
