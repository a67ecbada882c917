//! `--dry-run`: the plan, and what is wrong with the input. Nothing is written.

use std::collections::HashMap;
use std::path::Path;

use kpack::pipeline::Plan;
use kpack::sample::VideoRecipe;
use kpack::source::Clip;
use serde_json::{Value, json};

use super::progress::KEPT;
use crate::cli::Common;
use crate::cli::out::{self, bytes, grouped};

/// Prints the plan.
pub(super) fn run(plan: &Plan, notes: &[String], common: &Common) -> anyhow::Result<()> {
    let estimate = estimator(plan);
    let outline = plan.outline(estimate.as_deref());
    let sources = source_bytes(plan);
    let rows = plan.input().rows.iter();
    let problems: Vec<_> = rows
        .filter_map(|r| Some((&r.clip, r.problem.as_ref()?)))
        .collect();
    if common.json {
        let list = problems.iter().map(|(clip, problem)| {
            let (key, source) = (&clip.key, &clip.source);
            let (class, reason) = (problem.class.as_str(), &problem.reason);
            json!({ "key": key, "source": source, "class": class, "reason": reason })
        });
        let list: Vec<Value> = list.collect();
        let mut value = serde_json::to_value(&outline)?;
        if let Some(map) = value.as_object_mut() {
            map.insert("source_bytes".to_owned(), sources.into());
            map.insert("classes".to_owned(), plan.input().classes.len().into());
            // `problems` of the outline counts them by class; here each has its own line.
            map.insert("problem_rows".to_owned(), list.into());
            map.insert("notes".to_owned(), notes.into());
        }
        return out::print_json(&value);
    }
    out::print(|out| {
        write!(out, "{outline}")?;
        writeln!(out, "sources   {}", bytes(sources))?;
        writeln!(
            out,
            "classes   {}",
            grouped(plan.input().classes.len() as u64)
        )?;
        for (_, problem) in problems.iter().take(KEPT) {
            let reason = problem.reason.replace(['\n', '\r'], " ");
            writeln!(out, "  {reason} ({})", problem.class.as_str())?;
        }
        match problems.len().saturating_sub(KEPT) {
            0 => Ok(()),
            more => writeln!(out, "  and {} more: --json lists all", grouped(more as u64)),
        }
    })
}

/// Expected bytes of a clip's sample, where that can be told without decoding.
fn estimator(plan: &Plan) -> Option<Box<dyn Fn(&Clip) -> u64>> {
    let recipe = plan.recipe();
    let copied = recipe.video == VideoRecipe::Copy && recipe.frames.is_none();
    let mut rows = plan.input().rows.iter();
    let whole = rows.all(|row| row.clip.span.is_none());
    (copied && whole).then(|| Box::new(super::make::weight) as Box<dyn Fn(&Clip) -> u64>)
}

/// Bytes of all sources, each file once.
fn source_bytes(plan: &Plan) -> u64 {
    let mut files: HashMap<&Path, u64> = HashMap::new();
    for row in plan.input().rows.iter().filter(|row| row.problem.is_none()) {
        if let Some(media) = &row.clip.media {
            let size = || std::fs::metadata(media).map_or(0, |meta| meta.len());
            files.entry(media).or_insert_with(size);
        }
    }
    files.values().sum()
}
