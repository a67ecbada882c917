//! `kpack index`: the index files of other readers.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use kpack::convert::find;
use kpack::indexing::{self, Consumer};
use serde_json::json;

use super::out::{count, say};
use super::{Common, Exit, exit, out};

const HELP: &str = "\
Examples:
  kpack index out --for dali                            out/train-000000.idx beside each tar or TFRecord shard
  kpack index out/*.tar --for wids                      out/shardindex.json
  kpack index out --for energon                         out/.nv-meta/ and out/train-000000.tar.idx
  kpack index out --for tfrecord-index -o idx           idx/train-00000-of-00016.index

The bytes are those that wds2idx, tfrecord2idx and wids-index make, the offsets and rows those of energon prepare.
Energon finds samples by key: if a key comes twice, in one shard or in two, nothing is written.";

/// Write the index files that other readers want, beside the shards
#[derive(Debug, Args)]
#[command(after_help = format!("{HELP}\n\n{}", exit::LOOK_CODES))]
pub(crate) struct Index {
    /// Shards, or folders of shards
    #[arg(required = true, value_name = "SHARD")]
    shards: Vec<PathBuf>,
    /// Who reads the index
    #[arg(long = "for", value_enum, value_name = "CONSUMER")]
    consumer: ConsumerKind,
    /// Folder of the index files [default: beside each shard]
    #[arg(short, long, value_name = "OUT")]
    out: Option<PathBuf>,
}

/// Values of `--for`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ConsumerKind {
    /// NVIDIA DALI: wds2idx v1.2 of tars, tfrecord2idx of TFRecord shards
    Dali,
    /// wids: one JSON for all shards
    Wids,
    /// Megatron-Energon: .tar.idx, and .nv-meta with the table that finds samples by key
    Energon,
    /// The tfrecord package of Python
    TfrecordIndex,
}

impl Index {
    pub(crate) fn run(&self, common: &Common) -> anyhow::Result<Exit> {
        let shards = find(&self.shards)?;
        let consumer = match self.consumer {
            ConsumerKind::Dali => Consumer::Dali,
            ConsumerKind::Wids => Consumer::Wids,
            ConsumerKind::Energon => Consumer::Energon,
            ConsumerKind::TfrecordIndex => Consumer::Tfrecord,
        };
        let written = indexing::write(&shards, consumer, self.out.as_deref(), common.threads())?;
        if common.json {
            let files: Vec<String> = written
                .files
                .iter()
                .map(|p| p.display().to_string())
                .collect();
            let (samples, notes) = (written.samples, &written.notes);
            let shards = shards.len();
            let report =
                json!({ "files": files, "shards": shards, "samples": samples, "notes": notes });
            out::print_json(&report)?;
        }
        if !common.quiet {
            for note in &written.notes {
                say(format_args!("note: {note}"));
            }
            let first = written.files.first().map(|path| path.display().to_string());
            let more = match written.files.len() {
                0 | 1 => String::new(),
                n => format!(" and {} more", n - 1),
            };
            say(format_args!(
                "{} in {} indexed: {}{more}",
                count(written.samples, "sample"),
                count(shards.len() as u64, "shard"),
                first.unwrap_or_default(),
            ));
        }
        Ok(Exit::Done)
    }
}
