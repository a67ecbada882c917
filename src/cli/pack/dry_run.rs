//! `--dry-run`: the plan, and what is wrong with the input. Nothing is written.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use kpack::pipeline::Plan;
use kpack::sample::VideoRecipe;
use kpack::source::Row;
use serde_json::json;

use super::progress::KEPT;
use crate::cli::out::{self, bytes, count, grouped};
use crate::cli::{Common, Exit};

/// Prints the plan.
pub(super) fn run(plan: &Plan, out_dir: &Path, common: &Common) -> anyhow::Result<Exit> {
    let rows = &plan.input().rows;
    let problems: Vec<&Row> = rows.iter().filter(|row| row.problem.is_some()).collect();
    let mut splits: BTreeMap<&str, u64> = BTreeMap::new();
    for row in rows {
        *splits
            .entry(row.clip.split.as_deref().unwrap_or(""))
            .or_default() += 1;
    }
    let source_bytes = source_bytes(plan);
    let recipe = plan.recipe();
    let whole = plan_clips(plan).all(|row| row.clip.span.is_none());
    let copied = recipe.video == VideoRecipe::Copy && whole;
    let estimate = (copied && recipe.frames.is_none()).then_some(source_bytes);
    if common.json {
        let list = problems.iter().filter_map(|row| {
            let problem = row.problem.as_ref()?;
            let (key, source) = (&row.clip.key, &row.clip.source);
            let (class, reason) = (problem.class.as_str(), &problem.reason);
            Some(json!({ "key": key, "source": source, "class": class, "reason": reason }))
        });
        let list: Vec<_> = list.collect();
        out::print_json(&json!({
            "clips": rows.len(),
            "planned": plan.len(),
            "shards": plan.shard_count(),
            "splits": splits,
            "classes": plan.input().classes.len(),
            "source_bytes": source_bytes,
            "estimated_bytes": estimate,
            "problems": list,
        }))?;
        return Ok(Exit::Done);
    }
    out::print(|out| {
        let planned = u64::from(plan.len());
        writeln!(
            out,
            "{}: {} planned",
            out_dir.display(),
            count(planned, "clip")
        )?;
        for (split, n) in splits.iter().filter(|(split, _)| !split.is_empty()) {
            writeln!(out, "  split {split}: {}", count(*n, "clip"))?;
        }
        match plan.shard_count() {
            Some(shards) => writeln!(out, "  {}", count(u64::from(shards), "shard"))?,
            None => writeln!(out, "  shards are cut by size while writing")?,
        }
        writeln!(out, "  {} of sources", bytes(source_bytes))?;
        if let Some(estimate) = estimate {
            writeln!(out, "  about {} to write", bytes(estimate))?;
        }
        writeln!(
            out,
            "  classes: {}",
            grouped(plan.input().classes.len() as u64)
        )?;
        writeln!(out, "{}", count(problems.len() as u64, "problem"))?;
        for row in problems.iter().take(KEPT) {
            if let Some(problem) = &row.problem {
                writeln!(out, "  {} ({})", problem.reason, problem.class.as_str())?;
            }
        }
        match problems.len().saturating_sub(KEPT) {
            0 => Ok(()),
            more => writeln!(out, "  and {} more: --json lists all", grouped(more as u64)),
        }
    })?;
    Ok(Exit::Done)
}

fn plan_clips(plan: &Plan) -> impl Iterator<Item = &Row> {
    plan.input().rows.iter().filter(|row| row.problem.is_none())
}

/// Bytes of all sources, each file once.
fn source_bytes(plan: &Plan) -> u64 {
    let mut files: HashMap<&Path, u64> = HashMap::new();
    for row in plan_clips(plan) {
        if let Some(media) = &row.clip.media {
            files
                .entry(media)
                .or_insert_with(|| std::fs::metadata(media).map_or(0, |meta| meta.len()));
        }
    }
    files.values().sum()
}
