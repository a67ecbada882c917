//! [`Plan`]: which sample goes where, decided before any media is opened.
//!
//! Rows are grouped by split in the order in which the splits first appear, shuffled within their
//! split if asked, and numbered through: that number is the *plan index*. Rows with a problem take
//! no number. Shards are runs of plan indexes; no shard crosses a split.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use kpack_formats::Meta;
use serde::{Deserialize, Serialize};

use crate::pipeline::names::{Naming, file_part};
use crate::pipeline::shuffle::shuffle;
use crate::pipeline::target::Target;
use crate::pipeline::{layout::Split, plan_hash};
use crate::sample::Recipe;
use crate::source::{Clip, Input, Row};
use crate::{Error, Result};

/// How the samples of a split are cut into shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShardRule {
    /// At most this many slots of the plan, at least 1.
    Samples(u32),
    /// This many shards (or as many as there are samples, if that is less): sample `i` of `T` goes
    /// to shard `i * N / T`, rounded down.
    Count(u32),
    /// At most this many bytes before compression: as many samples as fit, in plan order.
    Bytes(u64),
}

/// Which of `of` equal runs of shards (of samples, in a tree) this process packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// From 0.
    pub index: u32,
    /// At least 1.
    pub of: u32,
}

impl Default for Part {
    fn default() -> Self {
        Part { index: 0, of: 1 }
    }
}

impl FromStr for Part {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers = text
            .split_once('/')
            .and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match numbers {
            Some((index, of)) if index < of => Ok(Part { index, of }),
            _ => Err(Error::usage(format!(
                "part `{text}` is not I/N with I from 0 to N - 1, such as 0/4"
            ))),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

/// What shapes a plan besides its input.
#[derive(Debug, Clone)]
pub struct PlanOptions {
    /// Cut into shards.
    pub rule: ShardRule,
    /// Seed of the order within each split; `None` keeps the input's order.
    pub shuffle: Option<u64>,
    /// Prefix of shard names instead of the split's name; with several splits `NAME-split`.
    pub name: Option<String>,
    /// Which part to pack.
    pub part: Part,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self {
            rule: ShardRule::Samples(1000),
            shuffle: None,
            name: None,
            part: Part::default(),
        }
    }
}

/// Every sample's index, shard and clip.
#[derive(Debug)]
pub struct Plan {
    pub(crate) input: Input,
    pub(crate) recipe: Recipe,
    pub(crate) options: PlanOptions,
    pub(crate) target: Meta,
    pub(crate) naming: Option<Naming>,
    pub(crate) splits: Vec<Split>,
    /// Row of each plan index.
    pub(crate) order: Vec<u32>,
    pub(crate) hash: u64,
}

impl Plan {
    /// Plans `input` for `target`.
    ///
    /// # Errors
    /// [`Error::Usage`] for options that contradict each other or the input.
    pub fn new(
        input: Input,
        recipe: Recipe,
        target: Target<'_>,
        options: PlanOptions,
    ) -> Result<Plan> {
        check(&options, target)?;
        if u32::try_from(input.rows.len()).is_err() {
            return Err(Error::usage(
                "more than 4294967295 rows; pack them in several datasets",
            ));
        }
        let naming = match target {
            Target::Shards(target) => Some(Naming::new(target.format, target.compression)),
            Target::Tree(_) => None,
        };
        let (mut splits, mut groups) = group(&input.rows);
        if let Some(seed) = options.shuffle {
            groups.iter_mut().for_each(|rows| shuffle(rows, seed));
        }
        name_splits(&mut splits, options.name.as_deref())?;
        let (mut first, mut first_shard) = (0, 0);
        for (split, rows) in splits.iter_mut().zip(&groups) {
            let shards = split.place(options.rule, first, rows.len() as u32, first_shard);
            first += rows.len() as u32;
            first_shard += shards;
        }
        let target = target.describe();
        let mut plan = Plan {
            input,
            recipe,
            options,
            target,
            naming,
            splits,
            order: groups.concat(),
            hash: 0,
        };
        plan.hash = plan_hash::of(&plan)?;
        Ok(plan)
    }

    /// All rows, in input order.
    pub fn input(&self) -> &Input {
        &self.input
    }
    /// What one sample holds.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }
    /// Which part this process packs.
    pub fn part(&self) -> Part {
        self.options.part
    }
    /// Stands for everything that decides the bytes of the dataset but kpack's and libav's version.
    pub fn hash(&self) -> u64 {
        self.hash
    }
    /// Number of rows that take a place in the plan.
    pub fn len(&self) -> u32 {
        self.order.len() as u32
    }
    /// Whether no row takes a place.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
    /// The clip at a plan index below [`Plan::len`].
    pub fn clip(&self, index: u32) -> &Clip {
        &self.input.rows[self.row(index) as usize].clip
    }
    /// Plan indexes of this process's part.
    pub fn part_range(&self) -> Range<u32> {
        let Part { index, of } = self.options.part;
        let share = |total: u32, i: u32| (u64::from(total) * u64::from(i) / u64::from(of)) as u32;
        if self.naming.is_none() {
            return share(self.len(), index)..share(self.len(), index + 1);
        }
        if of == 1 {
            return 0..self.len();
        }
        let shards = self.planned_shards();
        self.first_of_shard(share(shards, index))..self.first_of_shard(share(shards, index + 1))
    }

    /// Input row of a plan index.
    pub(crate) fn row(&self, index: u32) -> u32 {
        self.order[index as usize]
    }
    /// Split of a plan index.
    pub(crate) fn split(&self, index: u32) -> usize {
        self.splits
            .partition_point(|split| split.first + split.count <= index)
    }
    /// Shards of all splits; 0 where that is decided while writing, and in a tree.
    pub(crate) fn planned_shards(&self) -> u32 {
        self.splits
            .iter()
            .map(|split| split.shards.unwrap_or(0))
            .sum()
    }
    /// First plan index of a shard counted through all splits.
    fn first_of_shard(&self, shard: u32) -> u32 {
        let holds = |split: &&Split| shard < split.first_shard + split.shards.unwrap_or(0);
        let split = self.splits.iter().find(holds);
        split.map_or(self.len(), |s| {
            s.slots(shard - s.first_shard, self.options.rule).start
        })
    }
    /// Rows that take no place, in input order.
    pub(crate) fn problems(&self) -> impl Iterator<Item = (u32, &Row)> {
        let rows = self.input.rows.iter().enumerate();
        rows.filter(|(_, row)| row.problem.is_some())
            .map(|(i, row)| (i as u32, row))
    }
}

fn check(options: &PlanOptions, target: Target<'_>) -> Result<()> {
    let Part { index, of } = options.part;
    if index >= of {
        return Err(Error::usage(format!(
            "part {index}/{of} does not exist: parts count from 0"
        )));
    }
    match options.rule {
        ShardRule::Samples(0) | ShardRule::Count(0) | ShardRule::Bytes(0) => {
            return Err(Error::usage(
                "a shard limit of 0 leaves no room for samples; use 1 or more",
            ));
        }
        ShardRule::Bytes(_) if of > 1 && matches!(target, Target::Shards(_)) => {
            return Err(Error::usage(
                "--shard-size cannot be combined with --part, because shards cut by size are not \
                 known before writing; use --shard-samples or --shards",
            ));
        }
        _ => {}
    }
    match &options.name {
        Some(name) if name.is_empty() || file_part(name) != *name => Err(Error::usage(format!(
            "--name `{name}` cannot begin a file name: use A-Z a-z 0-9 _ . - and begin with none of . -"
        ))),
        _ => Ok(()),
    }
}

/// The splits in the order of their first row, and the rows of each that take a place.
fn group(rows: &[Row]) -> (Vec<Split>, Vec<Vec<u32>>) {
    let (mut splits, mut groups) = (Vec::new(), Vec::<Vec<u32>>::new());
    let mut known: HashMap<Option<&str>, usize> = HashMap::new();
    for (number, row) in rows
        .iter()
        .enumerate()
        .filter(|(_, row)| row.problem.is_none())
    {
        let name = row.clip.split.as_deref();
        let split = *known.entry(name).or_insert_with(|| {
            splits.push(Split::new(name));
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[split].push(number as u32);
    }
    (splits, groups)
}

fn name_splits(splits: &mut [Split], name: Option<&str>) -> Result<()> {
    let several = splits.len() > 1;
    for i in 0..splits.len() {
        let own = splits[i]
            .name
            .as_deref()
            .map_or("data".to_owned(), file_part);
        let prefix = match name {
            Some(name) if several => format!("{name}-{own}"),
            Some(name) => name.to_owned(),
            None => own,
        };
        if let Some(other) = splits[..i].iter().find(|other| other.prefix == prefix) {
            let show = |split: &Split| split.name.clone().unwrap_or_else(|| "(none)".into());
            return Err(Error::usage(format!(
                "splits `{}` and `{}` would both name their shards `{prefix}`; rename one of them",
                show(other),
                show(&splits[i]),
            )));
        }
        splits[i].prefix = prefix;
    }
    Ok(())
}
