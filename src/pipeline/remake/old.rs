//! [`Old`]: a finished dataset, taken apart into the plan that made it.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use kpack_formats::{Compression, Meta, Schema, WriteOptions};

use crate::pipeline::dataset::{DATASET, Dataset, SAMPLES, classes};
use crate::pipeline::plan::{Plan, PlanOptions};
use crate::pipeline::row::OutcomeRow;
use crate::pipeline::target::{ShardTarget, Target};
use crate::source::Input;
use crate::tree::{FrameNames, Tree, TreeLayout, TreeOptions};
use crate::{Error, Result};

/// A finished dataset and the plan that made it.
pub(crate) struct Old {
    pub(crate) dir: PathBuf,
    pub(crate) dataset: Dataset,
    /// In input order.
    pub(crate) rows: Vec<OutcomeRow>,
    pub(crate) plan: Plan,
    target: OldTarget,
}

enum OldTarget {
    Shards(Box<ShardTarget>),
    Tree(Box<Tree>),
}

impl Old {
    /// Reads the dataset in `dir`; a tree's new samples are written to `out`.
    pub(crate) fn read(dir: &Path, out: &Path) -> Result<Old> {
        let Some(dataset) = Dataset::read(dir)? else {
            return Err(Error::usage(format!(
                "{} holds no finished dataset ({DATASET} is missing): the command that packs it, \
                 again, continues an unfinished one",
                dir.display()
            )));
        };
        let path = dir.join(SAMPLES);
        let file = File::open(&path).map_err(Error::io("cannot open", &path))?;
        let rows: Vec<OutcomeRow> = OutcomeRow::read_all(file, &path).collect::<Result<_>>()?;
        check_places(&rows, &dataset, &path)?;
        let input = Input {
            rows: rows.iter().map(OutcomeRow::to_row).collect(),
            classes: classes(dir)?,
            notes: Vec::new(),
        };
        let target = target_of(&dataset.origin.target, out, &input)
            .transpose()?
            .ok_or_else(|| Error::Input {
                path: dir.join(DATASET),
                message: "its target is none that this version of kpack writes".to_owned(),
            })?;
        let record = &dataset.origin.plan;
        let options = PlanOptions {
            rule: record.shards,
            shuffle: record.shuffle,
            name: record.name.clone(),
            ..PlanOptions::default()
        };
        let recipe = dataset.origin.recipe.clone();
        let plan = Plan::new(input, recipe, target.target(), options)?;
        if format!("{:016x}", plan.hash()) != record.hash {
            return Err(Error::usage(format!(
                "{}: its rows do not give back the plan that it was packed by (names that are not \
                 UTF-8, labels without text, or changed files): pack it anew",
                dir.display()
            )));
        }
        check_indexes(&rows, &plan, &path)?;
        Ok(Old {
            dir: dir.to_owned(),
            dataset,
            rows,
            plan,
            target,
        })
    }

    pub(crate) fn target(&self) -> Target<'_> {
        self.target.target()
    }
    /// `None` for a tree.
    pub(crate) fn shard_target(&self) -> Option<&ShardTarget> {
        match &self.target {
            OldTarget::Shards(target) => Some(target),
            OldTarget::Tree(_) => None,
        }
    }
    /// The row of a plan index.
    pub(crate) fn row(&self, index: u32) -> &OutcomeRow {
        &self.rows[self.plan.row(index) as usize]
    }
}

/// That rows name no place outside the dataset, and no shard that its manifest does not know.
fn check_places(rows: &[OutcomeRow], dataset: &Dataset, path: &Path) -> Result<()> {
    let fault = |message| Error::Input {
        path: path.to_owned(),
        message,
    };
    let mut places = rows.iter().filter_map(|row| row.path.as_ref());
    if let Some(place) = places.find(|place| kpack_formats::check_key(place).is_err()) {
        return Err(fault(format!("{place:?} is no place in its folder")));
    }
    let mut shards = rows.iter().filter_map(|row| row.shard.as_ref());
    let known: HashSet<&String> = dataset.shards.iter().map(|shard| &shard.name).collect();
    if let Some(name) = shards.find(|name| !known.contains(name)) {
        let message = format!("a row names the shard {name:?}, the manifest does not");
        return Err(fault(message));
    }
    Ok(())
}

/// That rows stand where the plan puts them: a plan index of a row leads back to it.
fn check_indexes(rows: &[OutcomeRow], plan: &Plan, path: &Path) -> Result<()> {
    let mut planned = vec![None; rows.len()];
    for index in 0..plan.len() {
        planned[plan.row(index) as usize] = Some(index);
    }
    let other = rows.iter().zip(planned).enumerate();
    match other.into_iter().find(|(_, (row, at))| row.index != *at) {
        None => Ok(()),
        Some((n, (row, at))) => Err(Error::Input {
            path: path.to_owned(),
            message: format!(
                "line {}: the row of key {} says plan index {}, the plan {}",
                n + 1,
                row.key,
                text(row.index),
                text(at)
            ),
        }),
    }
}

fn text(index: Option<u32>) -> String {
    index.map_or_else(|| "none".to_owned(), |index| index.to_string())
}

impl OldTarget {
    fn target(&self) -> Target<'_> {
        match self {
            OldTarget::Shards(target) => Target::Shards(target),
            OldTarget::Tree(tree) => Target::Tree(&**tree),
        }
    }
}

fn target_of(meta: &Meta, out: &Path, input: &Input) -> Option<Result<OldTarget>> {
    let text = |name: &str| meta.get(name).and_then(serde_json::Value::as_str);
    let number = |name: &str| meta.get(name).and_then(serde_json::Value::as_u64);
    let format = kpack_formats::format(text("format")?)?;
    if format.name == "frames" {
        let frames = text("frame_name").map(|template| FrameNames {
            template: template.to_owned(),
            start: number("frame_start")
                .and_then(|n| n.try_into().ok())
                .unwrap_or(1),
        });
        let layouts = [
            TreeLayout::Flat,
            TreeLayout::Class,
            TreeLayout::Split,
            TreeLayout::SplitClass,
        ];
        let named = text("layout")?;
        let layout = layouts
            .into_iter()
            .find(|layout| layout.as_str() == named)?;
        let tree = Tree::new(out, input, TreeOptions { layout, frames });
        return Some(tree.map(|tree| OldTarget::Tree(Box::new(tree))));
    }
    let schema = match text("schema") {
        Some("dmvr") => Schema::Dmvr,
        Some("sound") => Schema::Sound,
        _ => Schema::Example,
    };
    let compression = match text("compression")? {
        "none" => Compression::None,
        "gzip" => Compression::Gzip,
        "zlib" => Compression::Zlib,
        "zstd" => Compression::Zstd,
        _ => return None,
    };
    Some(Ok(OldTarget::Shards(Box::new(ShardTarget {
        format,
        write: WriteOptions { schema },
        compression,
        level: number("level").and_then(|n| n.try_into().ok()),
    }))))
}
