//! `kpack verify`: is every byte still what was written?

use std::path::PathBuf;

use clap::Args;
use kpack::verify::{Options, Report, verify_with};
use kpack::worker::Workers;

use super::out::{bytes, count};
use super::pack::args::WorkerLimits;
use super::reading::Reading;
use super::{Common, Exit, out, worker};

const HELP: &str = "\
Examples:
  kpack verify out                       a dataset: shards, indexes, manifest, rows, labels
  kpack verify out/train-000007.tar      one shard, by the manifest or the index beside it
  kpack verify out --decode              decode everything besides; name black, frozen, silent clips

With --decode all is decoded in child processes that have given up files and network: what crashes its
decoder, hangs or eats memory is one damage.

Each damage is a line on standard output: shard, key, member, offset, what. DALI's index beside a shard is
held against it. MDS folders are not verified, and a folder that holds nothing is an error.

Exit codes:
  0    every byte is what was written
  1    cannot be read
  2    the command cannot be understood
  4    damage was found, or the dataset is unfinished";

/// Verify every byte of a dataset or of shards against their checksums
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Verify {
    /// Folders that were packed, or single shards
    #[arg(required = true, value_name = "DIR|SHARD")]
    paths: Vec<PathBuf>,
    /// Decode all pictures, sound and video, and compare counts and durations with the rows
    #[arg(long)]
    decode: bool,
    #[command(flatten)]
    limits: WorkerLimits,
}

impl Verify {
    pub(crate) fn run(&self, common: &Common) -> anyhow::Result<Exit> {
        let options = Options {
            threads: common.threads(),
            decode: self.decode,
        };
        let reading = Reading::new(common);
        let workers = match self.decode {
            true => worker::workers(self.limits.of_clip(), common.quiet),
            false => Workers::in_process(),
        };
        let report = verify_with(&self.paths, &options, &workers, &reading);
        reading.end();
        let report = report?;
        if common.json {
            let mut value = serde_json::to_value(&report)?;
            if let Some(map) = value.as_object_mut() {
                map.insert("whole".to_owned(), report.is_whole().into());
            }
            out::print_json(&value)?;
        } else {
            out::print(|out| {
                let mut lines = report.damage.iter();
                lines.try_for_each(|damage| writeln!(out, "{damage}"))
            })?;
        }
        if !common.quiet {
            self.summary(&report, &reading, common.json);
        }
        Ok(match report.is_whole() {
            true => Exit::Done,
            false => Exit::Damage,
        })
    }

    fn summary(&self, report: &Report, reading: &Reading, json: bool) {
        for flag in report.flags.iter().filter(|_| !json) {
            out::say(format_args!("note: {flag}"));
        }
        for note in &report.notes {
            out::say(format_args!("note: {note}"));
        }
        let mut what = count(report.samples, "sample");
        if report.shards > 0 {
            what = format!("{what} in {}", count(report.shards, "shard"));
        }
        let found = match report.damage.len() {
            0 => "every byte is what was written".to_owned(),
            1 => "1 damage found".to_owned(),
            n => format!("{n} damages found"),
        };
        let (size, seconds) = (bytes(report.bytes), reading.seconds());
        let rate = bytes((report.bytes as f64 / seconds.max(0.001)) as u64);
        out::say(format_args!("{what}, {size} read at {rate}/s: {found}"));
    }
}
