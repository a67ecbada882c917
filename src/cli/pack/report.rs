//! The closing summary.

use std::path::Path;

use kpack::pipeline::{End, Plan, Summary};

use super::progress::{KEPT, Watch, span};
use crate::cli::out::{bytes, count, grouped, say};

/// Prints what a run did, and every failed file on a line of its own, up to a limit.
pub(super) fn print(summary: &Summary, plan: &Plan, watch: &Watch, out: &Path) {
    let counts = &summary.counts;
    let shards = match summary.shards {
        0 => String::new(),
        n => format!(" in {}", count(n, "shard")),
    };
    say(format_args!(
        "{} of {} packed{shards}: {}, {} in {}",
        grouped(counts.done),
        count(counts.clips, "clip"),
        count(counts.frames, "frame"),
        bytes(counts.bytes),
        span(summary.seconds),
    ));
    if counts.skipped > 0 {
        say(format_args!("{} skipped", count(counts.skipped, "clip")));
    }
    if counts.failed > 0 {
        let by_class = counts.failures.iter();
        let list: Vec<String> = by_class
            .map(|(class, n)| format!("{} {}", grouped(*n), class.as_str()))
            .collect();
        say(format_args!(
            "{} failed: {}",
            count(counts.failed, "clip"),
            list.join(", ")
        ));
        failures(counts.failed, plan, watch, out);
    }
    if !summary.empty_shards.is_empty() {
        let names = summary.empty_shards.join(", ");
        say(format_args!(
            "not written, because all of their samples failed: {names}"
        ));
    }
    if let Some(reason) = &summary.reason {
        say(reason);
    }
    if summary.remaining > 0 && summary.end != End::TooManyFailures {
        let remaining = count(summary.remaining, "clip");
        say(format_args!(
            "{remaining} remain: the same command again continues"
        ));
    }
}

fn failures(failed: u64, plan: &Plan, watch: &Watch, out: &Path) {
    let rows = plan.input().rows.iter();
    let problems = rows.filter_map(|row| {
        let problem = row.problem.as_ref()?;
        let reason = problem.reason.replace(['\n', '\r'], " ");
        Some((
            row.clip.key.clone(),
            format!("{reason} ({})", problem.class.as_str()),
        ))
    });
    let mut lines: Vec<(String, String)> = problems.take(KEPT).collect();
    for failure in watch.failures.borrow().iter() {
        if lines.len() < KEPT && !lines.iter().any(|(key, _)| *key == failure.0) {
            lines.push(failure.clone());
        }
    }
    // Few keys are looked up, so one pass over the rows does.
    let source = |key: &str| {
        let mut rows = plan.input().rows.iter();
        let row = rows.find(|row| row.clip.key == key);
        row.map_or_else(String::new, |row| {
            row.clip.source.replace(['\n', '\r'], " ")
        })
    };
    for (key, reason) in &lines {
        let source = source(key);
        // Reasons of the input name the file themselves.
        match reason.contains(&source) {
            true => say(format_args!("  {reason}")),
            false => say(format_args!("  {source}: {reason}")),
        }
    }
    let more = failed.saturating_sub(lines.len() as u64);
    if more > 0 {
        let file = out.join("samples.jsonl");
        say(format_args!(
            "  and {} more: see {}",
            grouped(more),
            file.display()
        ));
    }
}
