//! `kpack list`: what is there, as the list that a dataloader reads.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use kpack::lists::{GatherOptions, Written, gather, write};
use kpack::worker::Limits;
use kpack_formats::lists::{CONSUMERS, Consumer, consumer};

use super::classes::count_classes;
use super::out::{count, grouped, say};
use super::pack::Watch;
use super::{Common, Exit, out, worker};

const HELP: &str = "\
Examples:
  kpack list videos --for slowfast                      videos/lists/slowfast/train.csv, val.csv, labels.txt
  kpack list frames --for mmaction2-rawframe -o ann     ann/train.txt, val.txt, labels.txt
  kpack list out --for pytorchvideo --absolute          of a dataset that kpack packed
  kpack list videos --for dmvr --shuffle 7 --prefix /data/videos

DIR is a packed dataset (its rows that are done), a tree of frame folders, or a folder of media.
Of each media file and each folder of frames the first frame is decoded, in child processes. Splits and classes are those of the
dataset, or the folders: DIR/class/clip, DIR/split/class/clip. Clips that are not there, that do
not decode, or whose line the consumer would misread are in left-out.jsonl with the reason.

Exit codes:
  0    all clips are listed
  1    ended by an error
  2    the command cannot be understood, or a file of another content is in the way
  3    some clips are left out; left-out.jsonl says which and why";

/// Write the annotation lists that dataloaders read, of what exists and decodes
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct List {
    /// A packed dataset, a tree of frame folders, or a folder of media
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Who reads the lists
    #[arg(long = "for", value_name = "CONSUMER", value_parser = consumers())]
    consumer: String,
    /// Folder of the lists [default: DIR/lists/CONSUMER]
    #[arg(short, long, value_name = "OUT")]
    out: Option<PathBuf>,
    /// Stands in front of each path [default: paths are relative to DIR; those of a dataset of
    /// shards are as its rows name the media]
    #[arg(long, value_name = "P", conflicts_with = "absolute")]
    prefix: Option<String>,
    /// Write absolute paths
    #[arg(long)]
    absolute: bool,
    /// Shuffle the lines of each list
    #[arg(long, value_name = "SEED")]
    shuffle: Option<u64>,
    /// Class names that fix the class index, of a folder of media or frames
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Decode every media file to its end and every frame of folders, and leave out what has errors
    #[arg(long)]
    decode: bool,
    /// Replace lists of another content
    #[arg(long)]
    overwrite: bool,
}

fn consumers() -> PossibleValuesParser {
    let value = |c: &Consumer| PossibleValue::new(c.name).help(c.about);
    PossibleValuesParser::new(CONSUMERS.iter().map(value))
}

/// Most clips that are named on standard error.
const NAMED: usize = 20;

impl List {
    pub(crate) fn run(&self, common: &Common) -> anyhow::Result<Exit> {
        let Some(consumer) = consumer(&self.consumer) else {
            let name = &self.consumer;
            return Err(kpack::Error::usage(format!("--for {name}: no such consumer")).into());
        };
        let options = GatherOptions {
            prefix: self.prefix.clone(),
            absolute: self.absolute,
            labels: self.labels.clone(),
            decode: self.decode,
            threads: common.threads(),
            workers: worker::workers(Some(Limits::default()), common.quiet).into(),
        };
        let watch = Watch::new(common);
        let gathered = gather(&self.dir, consumer, &options, &watch);
        watch.end();
        let lists = || self.dir.join("lists").join(consumer.name);
        let out = self.out.clone().unwrap_or_else(lists);
        let written = write(gathered?, consumer, &out, self.shuffle, self.overwrite)?;
        if common.json {
            out::print_json(&serde_json::to_value(&written)?)?;
        }
        if !common.quiet {
            summary(&written, &out);
        }
        Ok(match written.left_out.is_empty() {
            true => Exit::Done,
            false => Exit::SomeFailed,
        })
    }
}

fn summary(written: &Written, out: &std::path::Path) {
    for list in &written.lists {
        let clips = count(list.clips, "clip");
        say(format_args!("{}: {clips}", list.file.display()));
    }
    if written.lists.is_empty() {
        say("no list is written: there is no clip that could be in one");
    }
    if let Some(map) = written.maps.first() {
        let names = count_classes(written.classes);
        say(format_args!("{}: {names}", map.display()));
    }
    for note in &written.notes {
        say(format_args!("note: {note}"));
    }
    if written.not_packed > 0 {
        let rows = count(written.not_packed, "row");
        say(format_args!(
            "{rows} of the dataset gave no sample and are not listed"
        ));
    }
    let left_out = written.left_out.len();
    if left_out == 0 {
        return;
    }
    let clips = count(left_out as u64, "clip");
    let file = out.join("left-out.jsonl");
    say(format_args!(
        "{clips} left out, named in {}",
        file.display()
    ));
    for one in written.left_out.iter().take(NAMED) {
        let class = one.class.map(|class| format!(" ({})", class.as_str()));
        let class = class.unwrap_or_default();
        say(format_args!("  {}: {}{class}", one.path, one.reason));
    }
    if left_out > NAMED {
        let more = grouped((left_out - NAMED) as u64);
        say(format_args!("  and {more} more"));
    }
}
