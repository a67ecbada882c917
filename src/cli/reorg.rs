//! `kpack reorg`: existing dumps in another layout.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use kpack::reorg::{Arrange, By, Fate, JOURNAL, Report, Spelling, reorg};
use kpack::source::{self, ReadOptions, class_names};

use super::out::{count, grouped, say};
use super::pack::Watch;
use super::pack::args::LayoutKind;
use super::signals::Signals;
use super::{Common, Exit, out};

const HELP: &str = "\
Examples:
  kpack reorg by-class/ -o flat/ --layout flat --by move
  kpack reorg train.csv --media-dir flat/ -o k400/ --layout split-class    links, by the table's classes
  kpack reorg val/ -o tv/ --layout class --spelling torchvision --by hardlink
  kpack reorg val/ -o raw/ --layout class --labels k400.txt --by copy      high_jump -> high jump

Nothing is overwritten. Where two files have one place, the first in input order gets it; the other
is left where it is and named, as a duplicate (same bytes) or a collision. OUT/reorg.jsonl says
where each file came from, with its class and split. The same command again continues.

Exit codes:
  0    every file is at its place
  1    ended by an error
  2    the command cannot be understood
  3    finished, but some files are not at their place: they are named
  130  stopped by Ctrl-C, 143 by SIGTERM; the same command again continues";

/// Arrange media files anew: flat, by class, by split; move, copy or link them
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Reorg {
    /// Folders of media (class and split are their folders), media files, or annotation files
    #[arg(required = true, value_name = "MEDIA")]
    media: Vec<PathBuf>,
    /// Folder of the new arrangement
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Folders below DIR
    #[arg(long, value_enum)]
    layout: LayoutKind,
    /// How files get there
    #[arg(long, value_enum, default_value_t)]
    by: ByKind,
    /// How class folders are spelled
    #[arg(long, value_enum, default_value_t)]
    spelling: SpellingKind,
    /// Class names: a folder that is one of them in another spelling gets that name
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Where the videos of annotation rows lie [default: beside the annotation file]
    #[arg(long, value_name = "DIR")]
    media_dir: Option<PathBuf>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum ByKind {
    /// The files themselves
    Move,
    /// Copies with the same time of modification
    Copy,
    /// Second names of the same files, on the same file system
    Hardlink,
    /// Links to the files' absolute paths
    #[default]
    Symlink,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum SpellingKind {
    /// massaging person's head
    #[default]
    Raw,
    /// massaging_person's_head
    Underscore,
    /// massaging-person's-head
    Dash,
    /// massaging_persons_head
    Torchvision,
}

/// Most files that are named on standard error.
const NAMED: usize = 20;

impl Reorg {
    pub(crate) fn run(&self, common: &Common) -> anyhow::Result<Exit> {
        let options = ReadOptions {
            media_dir: self.media_dir.clone(),
            exclude: Some(self.out.clone()),
            ..ReadOptions::default()
        };
        let input = source::read(&self.media, &options).map_err(super::inputs::fault)?;
        let arrange = self.arrange(common)?;
        let signals = Signals::listen()?;
        let watch = Watch::new(common);
        let report = reorg(&input, &self.out, &arrange, &watch, signals.stop());
        watch.end();
        let report = report?;
        if common.json {
            out::print_json(&serde_json::to_value(&report)?)?;
        }
        if !common.quiet {
            self.summary(&report);
        }
        let left = report.duplicates + report.collisions + report.failed;
        Ok(match signals.exit() {
            Some(exit) if report.remaining > 0 => exit,
            _ if left > 0 => Exit::SomeFailed,
            _ => Exit::Done,
        })
    }

    fn arrange(&self, common: &Common) -> anyhow::Result<Arrange> {
        Ok(Arrange {
            layout: self.layout.into(),
            spelling: match self.spelling {
                SpellingKind::Raw => Spelling::Raw,
                SpellingKind::Underscore => Spelling::Underscore,
                SpellingKind::Dash => Spelling::Dash,
                SpellingKind::Torchvision => Spelling::Torchvision,
            },
            by: match self.by {
                ByKind::Move => By::Move,
                ByKind::Copy => By::Copy,
                ByKind::Hardlink => By::Hardlink,
                ByKind::Symlink => By::Symlink,
            },
            names: match &self.labels {
                Some(file) => class_names(file)?,
                None => Vec::new(),
            },
            roots: self.media.iter().chain(&self.media_dir).cloned().collect(),
            dry_run: self.dry_run,
            threads: common.threads(),
        })
    }

    fn summary(&self, report: &Report) {
        for note in &report.notes {
            say(format_args!("note: {note}"));
        }
        let (placed, out) = (count(report.placed, "file"), self.out.display());
        let there = match report.there {
            0 => String::new(),
            n => format!(", {} there before", grouped(n)),
        };
        match self.dry_run {
            true => say(format_args!("{placed} would be placed in {out}{there}")),
            false => say(format_args!(
                "{placed} placed in {out}{there}; {JOURNAL} there says which came from where"
            )),
        }
        for (n, what) in [
            (report.duplicates, "left as duplicates"),
            (report.collisions, "left because of collisions"),
            (report.failed, "could not be placed"),
        ] {
            if n > 0 {
                say(format_args!("{} {what}", count(n, "file")));
            }
        }
        for row in report.left.iter().take(NAMED) {
            let kind = match row.outcome {
                Fate::Duplicate => "duplicate",
                Fate::Collision => "collision",
                _ => "failed",
            };
            let reason = row.reason.as_deref().unwrap_or_default();
            say(format_args!("  {kind}: {}: {reason}", row.source));
        }
        if report.left.len() > NAMED {
            let more = grouped((report.left.len() - NAMED) as u64);
            say(format_args!("  and {more} more: --json names all"));
        }
        if report.remaining > 0 {
            let files = count(report.remaining, "file");
            say(format_args!(
                "{files} remain: the same command again continues"
            ));
        }
    }
}
