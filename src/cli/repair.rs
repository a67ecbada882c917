//! `kpack repair`: what is whole of damaged shards, and the rest from its sources.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use kpack::pipeline::{Options, Repaired, repair, repair_shards};
use kpack::sample::Recipe;
use kpack::source::Clip;

use super::out::{count, grouped};
use super::pack::args::WorkerLimits;
use super::pack::{self, Watch};
use super::signals::Signals;
use super::{Common, Exit, libav, out};

const HELP: &str = "\
Examples:
  kpack repair out -o mended                        a dataset; lost samples are made from their media
  kpack repair out -o mended --media-dir videos     where the media lie now
  kpack repair train-000007.tar -o mended           single shards: their whole samples

Shards that are whole are linked into the new folder, damaged ones written anew. Nothing is changed
in place. Each damaged sample is a line on standard output. A lost one that cannot be made again is a
failed row of the new dataset, for kpack retry.

Exit codes:
  0    nothing is lost
  1    ended by an error
  2    the command cannot be understood
  3    repaired, but some samples are lost
  130  stopped by Ctrl-C, 143 by SIGTERM; the same command again starts anew";

/// Salvage the whole samples of damaged shards, and make the lost ones again
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Repair {
    /// A folder that was packed, or single shards
    #[arg(required = true, value_name = "DIR|SHARD")]
    paths: Vec<PathBuf>,
    /// Folder of the repaired dataset or shards, empty or not there yet
    #[arg(short, long, value_name = "OUT")]
    out: PathBuf,
    /// Where media that are no longer at their place lie; found by file name, at any depth
    #[arg(long, value_name = "DIR")]
    media_dir: Option<PathBuf>,
    #[command(flatten)]
    limits: WorkerLimits,
}

impl Repair {
    pub(crate) fn run(&self, common: &Common) -> anyhow::Result<Exit> {
        let signals = Signals::listen()?;
        let repaired = match &self.paths[..] {
            [dir] if dir.is_dir() => self.dataset(dir, common, &signals)?,
            shards => {
                if let Some(dir) = shards.iter().find(|path| path.is_dir()) {
                    let text = format!("{}: repair one folder at a time", dir.display());
                    return Err(kpack::Error::usage(text).into());
                }
                repair_shards(shards, &self.out)?
            }
        };
        if common.json {
            out::print_json(&serde_json::to_value(&repaired)?)?;
        } else {
            print(&repaired)?;
        }
        let lost = repaired.lost.iter().filter(|lost| !lost.remade).count() as u64;
        if !common.quiet {
            let remade = repaired.lost.len() as u64 - lost;
            out::say(format_args!(
                "{} whole, {} made again, {} lost; {} written anew in {}",
                count(repaired.whole, "sample"),
                grouped(remade),
                grouped(lost),
                count(repaired.shards.len() as u64, "shard"),
                self.out.display(),
            ));
        }
        Ok(match lost {
            0 => Exit::Done,
            _ => Exit::SomeFailed,
        })
    }

    fn dataset(&self, dir: &Path, common: &Common, signals: &Signals) -> anyhow::Result<Repaired> {
        let watch = Watch::new(common);
        let options = Options {
            threads: common.threads(),
            libav: libav::release(),
            estimate: Some(&pack::weight),
            ..Options::default()
        };
        let (make, media) = (pack::maker(&self.limits, common), self.media()?);
        let make = |clip: &Clip, recipe: &Recipe, state: &mut _| match moved(clip, &media) {
            Some(clip) => make(&clip, recipe, state),
            None => make(clip, recipe, state),
        };
        let repaired = repair(dir, &self.out, &options, make, &watch, signals.stop());
        watch.end();
        Ok(repaired?)
    }

    /// Files below `--media-dir` by their names; of several with one name the first.
    fn media(&self) -> anyhow::Result<HashMap<OsString, PathBuf>> {
        let mut media = HashMap::new();
        let Some(dir) = &self.media_dir else {
            return Ok(media);
        };
        if !dir.is_dir() {
            let text = format!("--media-dir {}: no such folder", dir.display());
            return Err(kpack::Error::usage(text).into());
        }
        let entries = walkdir::WalkDir::new(dir).sort_by_file_name();
        for entry in entries.into_iter().flatten() {
            if !entry.file_type().is_dir() {
                let name = entry.file_name().to_owned();
                media.entry(name).or_insert_with(|| entry.into_path());
            }
        }
        Ok(media)
    }
}

/// The clip with its media where they lie now, if they are not where they were.
fn moved(clip: &Clip, media: &HashMap<OsString, PathBuf>) -> Option<Clip> {
    let old = clip.media.as_ref().filter(|path| !path.exists())?;
    let new = media.get(old.file_name()?)?;
    Some(Clip {
        media: Some(new.clone()),
        ..clip.clone()
    })
}

fn print(repaired: &Repaired) -> anyhow::Result<()> {
    out::print(|out| {
        for lost in &repaired.lost {
            write!(out, "{}: ", lost.file.display())?;
            if !lost.key.is_empty() {
                write!(out, "key {}, ", lost.key)?;
            }
            if let Some(offset) = lost.offset {
                write!(out, "offset {offset}: ")?;
            }
            match (lost.remade, &lost.reason) {
                (true, _) => writeln!(out, "made again from its source")?,
                (false, Some(reason)) => writeln!(out, "lost: {reason}")?,
                (false, None) => writeln!(out, "lost")?,
            }
        }
        Ok(())
    })
}
