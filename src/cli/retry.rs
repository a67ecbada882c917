//! `kpack retry`: failed clips, once more.

use std::path::PathBuf;

use clap::Args;
use kpack::pipeline::{Options, Retried, retry};
use kpack::sample::Class;

use super::out::{count, grouped};
use super::pack::args::WorkerLimits;
use super::pack::{self, Watch};
use super::signals::Signals;
use super::{Common, Exit, exit, libav, out};

const HELP: &str = "\
Examples:
  kpack retry out                            every failed clip once more
  kpack retry out --class timeout --timeout 3600
                                             only those that took too long, with more time

Only the shards that get a sample by it are written anew, beside the old ones, and put in their
place at the end together with samples.jsonl and dataset.json. The result is byte for byte that of
a run in which these clips had not failed. Clips whose media were missing took no place in the plan:
pack anew for them.";

/// Make the failed clips of a dataset once more
#[derive(Debug, Args)]
#[command(after_help = format!("{HELP}\n\n{}", exit::PACK_CODES))]
pub(crate) struct Retry {
    /// A folder that was packed
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Only clips that failed with these classes, as samples.jsonl has them
    #[arg(long, value_name = "CLASS,..", value_delimiter = ',', value_parser = class)]
    class: Vec<Class>,
    #[command(flatten)]
    limits: WorkerLimits,
}

fn class(name: &str) -> Result<Class, String> {
    let value = serde_json::Value::String(name.to_owned());
    serde_json::from_value(value).map_err(|_| {
        format!("`{name}` is no class of failures: use missing, corrupt, timeout, crash, ..")
    })
}

impl Retry {
    pub(crate) fn run(&self, common: &Common) -> anyhow::Result<Exit> {
        let signals = Signals::listen()?;
        let watch = Watch::new(common);
        let options = Options {
            threads: common.threads(),
            libav: libav::release(),
            estimate: Some(&pack::weight),
            ..Options::default()
        };
        let make = pack::maker(&self.limits, common);
        let stop = signals.stop();
        let retried = retry(&self.dir, &self.class, &options, make, &watch, stop);
        watch.end();
        let retried = retried?;
        if common.json {
            out::print_json(&serde_json::to_value(&retried)?)?;
        }
        if !common.quiet {
            summary(&retried);
        }
        Ok(match (retried.remaining, retried.dataset.counts.failed) {
            (0, 0) => Exit::Done,
            (0, _) => Exit::SomeFailed,
            _ => signals.exit().unwrap_or(Exit::Interrupted),
        })
    }
}

fn summary(retried: &Retried) {
    out::say(format_args!(
        "{} tried again, {} packed; {} written anew",
        count(retried.tried, "clip"),
        grouped(retried.done),
        count(retried.shards.len() as u64, "shard"),
    ));
    let failed = retried.dataset.counts.failed;
    if failed > 0 {
        let classes = retried.dataset.counts.failures.iter();
        let list: Vec<String> = classes
            .map(|(class, n)| format!("{} {}", grouped(*n), class.as_str()))
            .collect();
        let failed = count(failed, "clip");
        out::say(format_args!("{failed} failed: {}", list.join(", ")));
    }
    if retried.unplanned > 0 {
        out::say(format_args!(
            "{} without media took no place in the plan: pack anew for them",
            count(retried.unplanned, "clip")
        ));
    }
    if retried.remaining > 0 {
        out::say(format_args!(
            "{} remain: the same command again continues",
            count(retried.remaining, "clip")
        ));
    }
}
