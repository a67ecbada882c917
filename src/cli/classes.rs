//! `kpack classes`: the classes of annotation files and their counts.

use std::path::PathBuf;

use clap::Args;
use kpack::source::select::{GroupCount, Groups, Survey};
use kpack::source::{self, Input, ReadOptions};
use serde_json::{Map, Value, json};

use super::out::{count, grouped};
use super::pack::args::input_formats;
use super::{Common, Exit, out};

const HELP: &str = "\
Examples:
  kpack classes kinetics-400_train.csv kinetics-400_val.csv
  kpack classes kinetics-400_val.csv --categories categories.json
  kpack classes annotations/ --json | jq '.classes | length'

Exit codes:
  0  every row is understood
  1  a file cannot be read
  2  the command cannot be understood
  3  some rows are not understood; they are named on standard error";

/// List the classes of annotation files, with their index and count
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Classes {
    /// Annotation files, or folders of them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Groups of classes, {"group": ["class", ..], ..}: count them too
    #[arg(long, value_name = "FILE")]
    categories: Option<PathBuf>,
    /// Class names that fix the class index: one a line, `id,name`, `#id name`, or JSON
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Kind of the files, instead of finding it out
    #[arg(long, value_name = "NAME", value_parser = input_formats())]
    input_format: Option<String>,
}

impl Classes {
    pub(crate) fn run(&self, common: &Common) -> anyhow::Result<Exit> {
        let options = ReadOptions {
            labels: self.labels.clone(),
            input_format: self.input_format.clone(),
            annotations_only: true,
            ..ReadOptions::default()
        };
        let input = source::read(&self.files, &options).map_err(super::inputs::fault)?;
        let groups = match &self.categories {
            Some(path) => Some(Groups::read(path)?),
            None => None,
        };
        let survey = Survey::of(&input);
        let groups = groups.map(|groups| survey.groups(&groups));
        let exit = tell_problems(&input, common);
        match common.json {
            true => {
                let mut json = survey.to_json();
                json.extend(groups.map(|groups| ("categories".to_owned(), groups_json(&groups))));
                out::print_json(&json.into())?;
            }
            false => print(&survey, groups.as_deref())?,
        }
        Ok(exit)
    }
}

/// Rows told in full.
const TOLD: usize = 20;

/// Says what is to be known of the files, and which rows are wrong.
pub(super) fn tell_problems(input: &Input, common: &Common) -> Exit {
    if !common.quiet {
        input
            .notes
            .iter()
            .for_each(|note| out::say(format_args!("note: {note}")));
    }
    let wrong = |row: &&source::Row| {
        let class = row.problem.as_ref().map(|problem| problem.class);
        class.is_some_and(|class| class != kpack::sample::Class::Missing)
    };
    let wrong: Vec<_> = input.rows.iter().filter(wrong).collect();
    if wrong.is_empty() {
        return Exit::Done;
    }
    for problem in wrong
        .iter()
        .take(TOLD)
        .filter_map(|row| row.problem.as_ref())
    {
        out::say(&problem.reason);
    }
    if wrong.len() > TOLD {
        let more = count((wrong.len() - TOLD) as u64, "row");
        out::say(format_args!("and {more} more that cannot be understood"));
    }
    Exit::SomeFailed
}

fn groups_json(groups: &[GroupCount]) -> Value {
    let group = |group: &GroupCount| {
        let GroupCount {
            name,
            classes,
            unknown,
            count,
        } = group;
        let about = json!({ "classes": classes, "count": count, "unknown": unknown });
        (name.clone(), about)
    };
    groups.iter().map(group).collect::<Map<_, _>>().into()
}

fn print(survey: &Survey, groups: Option<&[GroupCount]>) -> anyhow::Result<()> {
    out::print(|out| {
        for class in &survey.classes {
            let (index, count) = (class.index, grouped(class.count));
            writeln!(out, "{index:>5}  {count:>9}  {}", class.name)?;
        }
        if let Some(groups) = groups {
            writeln!(out, "\nclasses       rows  category")?;
            for group in groups {
                let (classes, rows) = (group.classes, grouped(group.count));
                write!(out, "{classes:>7}  {rows:>9}  {}", group.name)?;
                match group.unknown.as_slice() {
                    [] => writeln!(out)?,
                    unknown => writeln!(out, " (no rows have {})", unknown.join(", "))?,
                }
            }
        }
        write!(out, "{}", if survey.classes.is_empty() { "" } else { "\n" })?;
        let classes = count_classes(survey.classes.len());
        let (rows, unlabelled) = (count(survey.rows, "row"), grouped(survey.unlabelled));
        writeln!(out, "{classes}, {rows}, {unlabelled} unlabelled")?;
        for (split, rows) in &survey.splits {
            writeln!(out, "  {split}: {}", count(*rows, "clip"))?;
        }
        Ok(())
    })
}

/// `1 class`, `2 classes`.
pub(super) fn count_classes(n: usize) -> String {
    match n {
        1 => "1 class".to_owned(),
        n => format!("{} classes", grouped(n as u64)),
    }
}
