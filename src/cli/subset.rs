//! `kpack subset`: a part of annotations as an annotation file.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use kpack::pipeline::{Outcome, OutcomeRow};
use kpack::source::select::{self, Groups, Selected, Selection, Shape};
use kpack::source::{self, Input, ReadOptions, class_names};
use kpack::{Error, Result};
use kpack_formats::atomic::write_atomic;
use serde_json::{Value, json};

use super::out::grouped;
use super::pack::args::input_formats;
use super::{Common, Exit, classes, out};

const HELP: &str = "\
Examples:
  kpack subset kinetics-400_train.csv -o mini.csv --classes-random 40 --per-class 100 --seed 1
  kpack subset train.csv val.csv -o swim.csv --class 'swimming *' diving_cliff
  kpack subset train.csv -o sports.csv --categories categories.json --category 'ball sports'
  kpack subset train.csv -o here.csv --media-dir videos --per-class 50 --val-fraction 0.1

Beside CSV it writes STEM.labels.txt, the classes of all of FILE in index order, for --labels, and
STEM.subset.json, how the subset was made.

Exit codes:
  0  written
  1  a file cannot be read or written
  2  the command cannot be understood, or names an unknown class
  3  written, but some rows are not understood; they are named on standard error";

/// Select a part of annotation files: by class, by category, so many clips a class
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Subset {
    /// Annotation files, or folders of them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The annotation file to write
    #[arg(short, long, value_name = "CSV")]
    out: PathBuf,
    /// Classes by name, in any spelling, or by glob (*, ?, [abc]); behind FILE
    #[arg(long = "class", value_name = "NAME|GLOB", num_args = 1..)]
    class: Vec<String>,
    /// A file with names of classes, in any shape that --labels takes
    #[arg(long, value_name = "FILE")]
    classes_from: Option<PathBuf>,
    /// Groups of classes, {"group": ["class", ..], ..}
    #[arg(long, value_name = "FILE")]
    categories: Option<PathBuf>,
    /// Groups of --categories; behind FILE
    #[arg(long, value_name = "NAME", requires = "categories", num_args = 1..)]
    category: Vec<String>,
    /// Of these classes the first N, in the order of their indexes
    #[arg(long, value_name = "N", conflicts_with = "classes_random")]
    classes_first: Option<usize>,
    /// Of these classes N by chance
    #[arg(long, value_name = "N")]
    classes_random: Option<usize>,
    /// At most N clips of a class in each split: the first, or by chance with --seed
    #[arg(long, value_name = "N")]
    per_class: Option<usize>,
    /// Where chance begins [default: 0]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Make this share of each class's training clips, rounded up, the validation; the old
    /// validation becomes test
    #[arg(long, value_name = "F")]
    val_fraction: Option<f64>,
    /// Only clips whose video is in this folder
    #[arg(long, value_name = "DIR")]
    media_dir: Option<PathBuf>,
    /// Only clips that were written into this dataset
    #[arg(long, value_name = "DATASET")]
    done_in: Option<PathBuf>,
    /// Class names that fix the class index: one a line, `id,name`, `#id name`, or JSON
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Kind of the files, instead of finding it out
    #[arg(long, value_name = "NAME", value_parser = input_formats())]
    input_format: Option<String>,
    /// Shape of CSV
    #[arg(long, value_enum, default_value_t)]
    shape: ShapeKind,
    /// Replace CSV and what stands beside it
    #[arg(long)]
    overwrite: bool,
}

/// Values of `--shape`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum ShapeKind {
    /// With a header, as Kinetics has it; AVA's rows without
    #[default]
    Csv,
    /// label,id,start,end,split without header, as nano-datasets has it
    Nano,
    /// An object a line
    Jsonl,
}

impl Subset {
    pub(crate) fn run(&self, common: &Common) -> anyhow::Result<Exit> {
        let beside = |suffix: &str| self.out.with_extension(suffix);
        let (labels, about) = (beside("labels.txt"), beside("subset.json"));
        for path in [&self.out, &labels, &about] {
            if path.exists() && !self.overwrite {
                let path = path.display();
                let message = format!("{path} is there: --overwrite replaces it");
                return Err(Error::usage(message).into());
            }
        }
        let options = ReadOptions {
            media_dir: self.media_dir.clone(),
            labels: self.labels.clone(),
            input_format: self.input_format.clone(),
            annotations_only: self.media_dir.is_none(),
            ..ReadOptions::default()
        };
        let mut input = source::read(&self.files, &options).map_err(super::inputs::fault)?;
        let exit = classes::tell_problems(&input, common);
        let selected = select::select(&mut input, &self.selection()?)?;
        if selected.clips == 0 {
            let Selected {
                problems, others, ..
            } = selected;
            return Err(Error::usage(format!(
                "nothing is left: {problems} clips are missing or not understood, {others} are of \
                 other classes"
            ))
            .into());
        }
        let mut rows = Vec::new();
        let shape = match self.shape {
            ShapeKind::Csv => Shape::Table,
            ShapeKind::Nano => Shape::Nano,
            ShapeKind::Jsonl => Shape::JsonLines,
        };
        select::write(&input, shape, &mut rows)?;
        let report = self.report(&input, &selected);
        let files = [
            (&labels, names(&input).into_bytes()),
            (&about, format!("{report:#}\n").into_bytes()),
            (&self.out, rows),
        ];
        write(&files, self.overwrite)?;
        if common.json {
            out::print_json(&report)?;
        }
        if !common.quiet {
            self.summary(&selected);
        }
        Ok(exit)
    }

    fn selection(&self) -> Result<Selection> {
        let mut classes = self.class.clone();
        if let Some(path) = &self.classes_from {
            let names = class_names(path)?.into_iter();
            classes.extend(names.filter(|name| !name.is_empty()));
        }
        Ok(Selection {
            classes,
            groups: match &self.categories {
                Some(path) => Groups::read(path)?,
                None => Groups::default(),
            },
            categories: self.category.clone(),
            first: self.classes_first,
            random: self.classes_random,
            per_class: self.per_class,
            seed: self.seed,
            val_fraction: self.val_fraction,
            only: match &self.done_in {
                Some(dataset) => Some(done(dataset)?),
                None => None,
            },
        })
    }

    /// How the subset was made: nothing of the run, so that the same options give the same bytes.
    fn report(&self, input: &Input, selected: &Selected) -> Value {
        let paths = |paths: &[PathBuf]| -> Vec<String> {
            paths
                .iter()
                .map(|path| path.display().to_string())
                .collect()
        };
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let chosen = input.rows.iter().flat_map(|row| &row.clip.labels);
        let chosen: std::collections::BTreeSet<_> = chosen.filter_map(|l| l.index).collect();
        let name = |index: &i64| input.classes.get(usize::try_from(*index).ok()?);
        let classes: Vec<&String> = chosen.iter().filter_map(name).collect();
        json!({
            "files": paths(&self.files),
            "class": self.class,
            "classes_from": path(&self.classes_from),
            "category": self.category,
            "classes_first": self.classes_first,
            "classes_random": self.classes_random,
            "per_class": self.per_class,
            "seed": self.seed,
            "val_fraction": self.val_fraction,
            "media_dir": path(&self.media_dir),
            "done_in": path(&self.done_in),
            "clips": selected.clips,
            "left_out": {
                "problems": selected.problems,
                "other_classes": selected.others,
                "above_quota": selected.spare,
            },
            "carved_validation": selected.carved,
            "classes": classes,
        })
    }

    fn summary(&self, selected: &Selected) {
        let Selected {
            classes,
            clips,
            problems,
            others,
            spare,
            carved,
        } = *selected;
        let (clips, out) = (out::count(clips, "clip"), self.out.display());
        let of = classes::count_classes(classes);
        out::say(format_args!("{out}: {clips} of {of}"));
        for (count, what) in [
            (problems, "missing or not understood"),
            (others, "of other classes"),
            (spare, "above --per-class or not in --done-in"),
            (carved, "made validation"),
        ] {
            if count > 0 {
                out::say(format_args!("  {:>9} {what}", grouped(count)));
            }
        }
    }
}

/// Keys of the clips that `dataset` holds.
fn done(dataset: &Path) -> Result<HashSet<String>> {
    let path = match dataset.is_dir() {
        true => dataset.join("samples.jsonl"),
        false => dataset.to_owned(),
    };
    let file = File::open(&path).map_err(Error::io("cannot open", &path))?;
    let rows = OutcomeRow::read_all(file, &path);
    let done = |row: &Result<OutcomeRow>| row.as_ref().map_or(true, |r| r.outcome == Outcome::Done);
    rows.filter(done)
        .map(|row| row.map(|row| row.key))
        .collect()
}

/// `labels.txt`: a name a line, in index order.
fn names(input: &Input) -> String {
    let lines = input.classes.iter().map(|name| format!("{name}\n"));
    lines.collect()
}

/// Writes all files, or, where they were not there before, none: what a full disk leaves would
/// refuse the same command later.
fn write(files: &[(&PathBuf, Vec<u8>)], overwrite: bool) -> Result<()> {
    for (i, (path, bytes)) in files.iter().enumerate() {
        if let Err(e) = write_atomic(path, bytes) {
            let done = files.iter().take(if overwrite { 0 } else { i });
            for (path, _) in done {
                // The error that is told is the one that led here.
                let _ = std::fs::remove_file(path);
            }
            return Err(e.into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_written_whole_leaves_nothing_in_the_way() -> std::io::Result<()> {
        let dir = tempfile::tempdir()?;
        let (first, last) = (dir.path().join("labels"), dir.path().join("no/such/folder"));
        let files = [(&first, vec![1]), (&last, vec![2])];
        assert!(write(&files, false).is_err() && !first.exists());
        assert!(write(&files, true).is_err() && first.exists());
        Ok(())
    }
}
