//! [`Outline`]: a plan in words and numbers, for `--dry-run`.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::pipeline::plan::{Plan, ShardRule};
use crate::sample::Class;
use crate::source::Clip;

/// What a plan would do.
#[derive(Debug, Clone, Serialize)]
pub struct Outline {
    /// Rows of the input.
    pub clips: u64,
    /// Rows that become samples.
    pub samples: u64,
    /// The others by class.
    pub problems: BTreeMap<Class, u64>,
    /// By split, in the order of the plan.
    pub splits: Vec<SplitOutline>,
    /// Bytes expected, if they could be estimated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_bytes: Option<u64>,
    /// Which part this process would do, if not the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Samples of that part.
    pub part_samples: u64,
}

/// One split of an [`Outline`].
#[derive(Debug, Clone, Serialize)]
pub struct SplitOutline {
    /// Its name, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Samples planned.
    pub samples: u64,
    /// Shards; absent in a tree, and where their number is decided while writing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<u64>,
    /// Name of the first shard; absent in a tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_shard: Option<String>,
}

impl Plan {
    /// Outlines the plan; `estimate` says how many bytes a clip's sample is expected to have.
    pub fn outline(&self, estimate: Option<&dyn Fn(&Clip) -> u64>) -> Outline {
        let mut problems = BTreeMap::new();
        for problem in self.problems().filter_map(|(_, row)| row.problem.as_ref()) {
            *problems.entry(problem.class).or_default() += 1;
        }
        let in_shards = self.naming.as_ref();
        let splits = self.splits.iter().map(|split| SplitOutline {
            split: split.name.clone(),
            samples: split.count.into(),
            shards: in_shards.and(split.shards).map(u64::from),
            first_shard: in_shards.map(|naming| naming.shard(&split.prefix, 0, split.shards)),
        });
        let range = self.part_range();
        Outline {
            clips: self.input.rows.len() as u64,
            samples: self.len().into(),
            problems,
            splits: splits.collect(),
            estimated_bytes: estimate.map(|estimate| {
                let bytes = range.clone().map(|index| estimate(self.clip(index)));
                bytes.fold(0, u64::saturating_add)
            }),
            part: (self.part().of > 1).then(|| self.part().to_string()),
            part_samples: range.len() as u64,
        }
    }

    /// What the user should know before packing, one line each.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let (Some(_), ShardRule::Count(asked)) = (&self.naming, self.options.rule) {
            for split in self.splits.iter().filter(|split| split.count < asked) {
                notes.push(format!(
                    "{}: {} samples make {} shards, not {asked}",
                    split.prefix, split.count, split.count
                ));
            }
        }
        if self.part().of > 1 && self.part_range().is_empty() {
            notes.push(format!(
                "part {} has nothing to do: there are fewer shards than parts",
                self.part()
            ));
        }
        notes
    }
}

impl fmt::Display for Outline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "clips     {} ({} become samples)",
            self.clips, self.samples
        )?;
        for split in &self.splits {
            let name = split.split.as_deref().unwrap_or("(no split)");
            write!(f, "split     {name}: {} samples", split.samples)?;
            match (&split.first_shard, split.shards) {
                (Some(first), Some(shards)) => writeln!(f, ", {shards} shards from {first} on")?,
                (Some(first), None) => writeln!(f, ", shards cut by size from {first} on")?,
                (None, _) => writeln!(f)?,
            }
        }
        for (class, count) in &self.problems {
            writeln!(f, "problem   {}: {count} clips", class.as_str())?;
        }
        if let Some(part) = &self.part {
            writeln!(f, "part      {part}: {} samples", self.part_samples)?;
        }
        match self.estimated_bytes {
            Some(bytes) => writeln!(f, "bytes     about {:.1} MB", bytes as f64 / 1e6),
            None => Ok(()),
        }
    }
}
