//! `kpack inspect`: what is in a shard or a dataset.

mod dataset;
mod extract;
mod frames;
mod sheet;
mod show;
mod walk;

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use kpack::access::{Form, FrameRange, Lookup, Wanted, look_up};
use kpack::worker::{Limits, Workers};
use kpack_formats::Sample;
use serde_json::{Value, json};

use self::walk::{Place, Shards};
use super::{Common, Exit, exit, out, worker};
use kpack::Error;

const HELP: &str = "\
Examples:
  kpack inspect out                                    what the dataset holds
  kpack inspect out/train-000000.tar                   its samples, one a line
  kpack inspect out --index 0                          one sample with all members and metadata
  kpack inspect out --key run/clip_7 --extract there   its members as files
  kpack inspect out --index 3 --sheet sheet.png        its frames as one picture
  kpack inspect out --key run/clip_7 --frames 40..104:4 --extract there
                                                       16 frames of its video, as PNG

With SHARD.kidx beside a shard one sample is found without reading the others, and --frames reads only
the groups of pictures that the frames need (mp4, mov, Matroska, WebM). --frames and --sheet decode in a
child process that has given up files and network.";

/// List the samples of a shard or dataset, with members, sizes and metadata; checks the framing
#[derive(Debug, Args)]
#[command(after_help = format!("{HELP}\n\n{}", exit::LOOK_CODES))]
pub(crate) struct Inspect {
    /// A shard, or a folder that was packed
    #[arg(value_name = "SHARD|DIR")]
    path: PathBuf,
    /// Only the sample with this key
    #[arg(long, value_name = "K", conflicts_with = "index")]
    key: Option<String>,
    /// Only the sample with this number, counted from 0 through all shards
    #[arg(long, value_name = "N")]
    index: Option<u64>,
    /// Write the members of the samples shown as files into this folder
    #[arg(long, value_name = "DIR")]
    extract: Option<PathBuf>,
    /// Write the frames of one sample (the first, if none is named) as one picture
    #[arg(long, value_name = "PNG")]
    sheet: Option<PathBuf>,
    /// Decode these frames of one sample's video, numbered from 0: into KEY.frame-NUMBER.png with
    /// --extract, into the picture with --sheet, else their times are listed
    #[arg(long, value_name = "START..STOP[:STEP]")]
    frames: Option<FrameRange>,
}

impl Inspect {
    pub(crate) fn run(&self, common: &Common) -> anyhow::Result<Exit> {
        let only_one = self.key.is_some() || self.index.is_some();
        if self.frames.is_some() && !only_one {
            return Err(
                Error::usage("--frames decodes one sample: name it with --key or --index").into(),
            );
        }
        if self.path.is_dir() && !only_one && self.extract.is_none() && self.sheet.is_none() {
            return dataset::run(&self.path, common);
        }
        let shards = Shards::of(&self.path)?;
        let workers = match self.frames.is_some() || self.sheet.is_some() {
            true => worker::workers(Some(Limits::default()), common.quiet),
            false => Workers::in_process(),
        };
        let mut report = Report::new(common.json, only_one || common.verbose > 0);
        let mut sheet = self.sheet.as_deref();
        let each = |place: Place<'_>, sample: Sample| {
            if !self.wants(&place, &sample) {
                return Ok(ControlFlow::Continue(()));
            }
            report.sample(&place, &sample)?;
            if let Some(range) = self.frames {
                let decoded = self.decode(&sample, range, &workers, common);
                return decoded.map(ControlFlow::Break);
            }
            if let Some(dir) = &self.extract {
                let written = extract::write(dir, &sample)?;
                report.note(
                    common,
                    &format!(
                        "{} written to {}",
                        out::count(written as u64, "file"),
                        dir.display()
                    ),
                );
            }
            if let Some(path) = sheet.take() {
                let frames = sheet::write(path, &sample, &workers)?;
                let frames = out::count(frames as u64, "frame");
                report.note(common, &format!("{frames} drawn in {}", path.display()));
            }
            let enough = only_one || (self.sheet.is_some() && self.extract.is_none());
            Ok(if enough {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        };
        let damage = self.walk(&shards, each)?;
        report.end(damage.iter().map(ToString::to_string).collect())?;
        if damage.is_empty() && report.shown == 0 && only_one {
            self.nothing_found()?;
        }
        Ok(walk::exit_of(&damage))
    }

    /// What `--frames` asks for.
    fn decode(
        &self,
        sample: &Sample,
        range: FrameRange,
        workers: &Workers,
        common: &Common,
    ) -> anyhow::Result<()> {
        let note = |text: &str| match common.quiet || common.json {
            true => {}
            false => out::say(text),
        };
        if let Some(dir) = &self.extract {
            let count = extract::frames(dir, sample, range, workers)?;
            note(&format!(
                "{} written to {}",
                out::count(count, "frame"),
                dir.display()
            ));
        }
        if let Some(path) = &self.sheet {
            let drawn = sheet::decoded(path, sample, range, workers)?;
            let frames = out::count(drawn as u64, "frame");
            note(&format!("{frames} drawn in {}", path.display()));
        }
        if self.extract.is_none() && self.sheet.is_none() && !common.json {
            let frames = frames::of(sample, range, Form::Told, workers)?;
            out::print(|out| {
                frames.iter().try_for_each(|frame| {
                    let (number, time) = (frame.number, frame.time);
                    let (width, height) = (frame.width, frame.height);
                    writeln!(out, "        frame {number} at {time} s, {width}x{height}")
                })
            })?;
        }
        Ok(())
    }

    /// Through all samples, or to the one that is wanted where the indexes know it.
    fn walk(
        &self,
        shards: &Shards,
        mut each: impl FnMut(Place<'_>, Sample) -> anyhow::Result<ControlFlow<()>>,
    ) -> anyhow::Result<Vec<kpack_formats::Error>> {
        let wanted = match (&self.key, self.index) {
            (Some(key), _) => Wanted::Key(key),
            (_, Some(index)) => Wanted::Index(index),
            _ => return shards.walk(each),
        };
        match look_up(&shards.0, wanted)? {
            Lookup::NoIndex => shards.walk(each),
            Lookup::Absent => Ok(Vec::new()),
            Lookup::Found(found) => {
                let place = Place {
                    shard: &found.shard,
                    format: found.format.name,
                    index: found.index,
                    position: found.position,
                };
                // One sample is all there is to see, whatever is said of going on.
                let _ = each(place, found.sample)?;
                Ok(Vec::new())
            }
        }
    }

    fn wants(&self, place: &Place<'_>, sample: &Sample) -> bool {
        self.key.as_ref().is_none_or(|key| *key == sample.key)
            && self.index.is_none_or(|index| index == place.index)
    }

    fn nothing_found(&self) -> anyhow::Result<()> {
        let path = self.path.display();
        match (&self.key, self.index) {
            (Some(key), _) => bail!("{path}: no sample has the key `{key}`"),
            (_, Some(index)) => bail!("{path}: no sample has the index {index}"),
            _ => Ok(()),
        }
    }
}

/// What was seen, as text at once or as JSON at the end.
struct Report {
    json: bool,
    detailed: bool,
    shown: u64,
    list: Vec<Value>,
    shard: PathBuf,
}

impl Report {
    fn new(json: bool, detailed: bool) -> Self {
        Self {
            json,
            detailed,
            shown: 0,
            list: Vec::new(),
            shard: PathBuf::new(),
        }
    }

    fn sample(&mut self, place: &Place<'_>, sample: &Sample) -> anyhow::Result<()> {
        self.shown += 1;
        if self.json {
            self.list.push(show::json(place, sample));
            return Ok(());
        }
        let new = self.shard != place.shard;
        self.shard = place.shard.to_owned();
        out::print(|out| {
            if new {
                writeln!(out, "{} ({})", place.shard.display(), place.format)?;
            }
            match self.detailed {
                true => show::details(out, place, sample),
                false => show::line(out, place, sample),
            }
        })
    }

    fn note(&self, common: &Common, text: &str) {
        if !common.quiet {
            out::say(text);
        }
    }

    fn end(&mut self, damage: Vec<String>) -> anyhow::Result<()> {
        for line in &damage {
            out::say(format_args!("kpack: {line}"));
        }
        if self.json {
            let samples = std::mem::take(&mut self.list);
            out::print_json(&json!({ "samples": samples, "damage": damage }))
                .context("cannot print the report")?;
        }
        Ok(())
    }
}
