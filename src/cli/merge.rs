//! `kpack merge`: the parts of a dataset become one.

use std::path::PathBuf;

use clap::Args;
use kpack::pipeline::merge;

use super::out::{bytes, count, grouped};
use super::{Common, Exit, exit, out};

const HELP: &str = "\
Examples:
  kpack webdataset videos -o out --part 0/2      on one machine
  kpack webdataset videos -o out --part 1/2      on another, over the same folder
  kpack merge out                                when both are done

A part that is missing or unfinished is named. Merging twice does nothing.";

/// Join the manifests of parts that were packed with --part
#[derive(Debug, Args)]
#[command(after_help = format!("{HELP}\n\n{}", exit::PACK_CODES))]
pub(crate) struct Merge {
    /// The folder that all parts were packed into
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

impl Merge {
    pub(crate) fn run(&self, common: &Common) -> anyhow::Result<Exit> {
        if !self.dir.is_dir() {
            let text = format!("{}: no such folder", self.dir.display());
            return Err(kpack::Error::usage(text).into());
        }
        let dataset = merge(&self.dir)?;
        let counts = &dataset.counts;
        if common.json {
            out::print_json(&serde_json::to_value(&dataset)?)?;
        }
        if !common.quiet {
            let shards = match dataset.shards.len() as u64 {
                0 => String::new(),
                n => format!(" in {}", count(n, "shard")),
            };
            out::say(format_args!(
                "{} of {} packed{shards}, {}; {} failed, {} skipped",
                grouped(counts.done),
                count(counts.clips, "clip"),
                bytes(counts.bytes),
                grouped(counts.failed),
                grouped(counts.skipped),
            ));
        }
        Ok(match counts.failed {
            0 => Exit::Done,
            _ => Exit::SomeFailed,
        })
    }
}
