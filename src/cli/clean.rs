//! `kpack clean`: what interrupted runs left behind.

use std::path::PathBuf;

use clap::Args;
use kpack::pipeline::{clean, leftovers};

use super::out::{bytes, count};
use super::{Common, Exit, out};

const HELP: &str = "\
Examples:
  kpack clean out            list what interrupted runs left behind
  kpack clean out --yes      and delete it

Whole shards, samples and the manifest are never touched. An unfinished dataset can no longer be
continued once its leftovers are gone.

Exit codes:
  0    done
  1    cannot be read or deleted
  2    the command cannot be understood, or another process is packing there";

/// List, and with --yes delete, what interrupted runs left behind
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Clean {
    /// A folder that was packed
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Delete what is listed
    #[arg(long)]
    yes: bool,
}

impl Clean {
    pub(crate) fn run(&self, common: &Common) -> anyhow::Result<Exit> {
        let left = match self.yes {
            true => clean(&self.dir)?,
            false => leftovers(&self.dir)?,
        };
        if common.json {
            let mut value = serde_json::to_value(&left)?;
            if let Some(map) = value.as_object_mut() {
                map.insert("deleted".to_owned(), self.yes.into());
            }
            out::print_json(&value)?;
        } else {
            out::print(|out| {
                let mut files = left.files.iter();
                files.try_for_each(|(path, n)| writeln!(out, "{}  {}", path.display(), bytes(*n)))
            })?;
        }
        if !common.quiet {
            if let Some(unfinished) = left.unfinished.filter(|_| !self.yes) {
                out::say(format_args!("note: {unfinished}; --yes gives that up"));
            }
            let total = left.files.iter().map(|(_, n)| n).sum();
            let what = match (left.files.len(), self.yes) {
                (0, _) => "nothing is left behind".to_owned(),
                (n, true) => format!("{} deleted, {}", count(n as u64, "file"), bytes(total)),
                (n, false) => {
                    let files = count(n as u64, "file");
                    format!("{files}, {}; --yes deletes", bytes(total))
                }
            };
            out::say(what);
        }
        Ok(Exit::Done)
    }
}
