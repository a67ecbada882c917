//! The closing summary.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use kpack::pipeline::{End, Outcome, OutcomeRow, Plan, SAMPLES, Summary};

use super::progress::{KEPT, Watch, span};
use crate::cli::out::{bytes, count, grouped, say};

/// Prints what a run did, and every failed file on a line of its own, up to a limit.
pub(in crate::cli) fn print(summary: &Summary, plan: &Plan, watch: &Watch, out: &Path) {
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
    let notes = watch.notes.borrow();
    let noted = |name: &String| notes.iter().any(|note| note.contains(name));
    for name in summary.empty_shards.iter().filter(|name| !noted(name)) {
        say(format_args!(
            "{name} is not written, because none of its clips gave a sample"
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
    if (lines.len() as u64) < failed && lines.len() < KEPT {
        lines.extend(earlier(out, &lines));
        lines.truncate(KEPT);
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
        let (more, file) = (grouped(more), out.join(SAMPLES));
        match file.exists() {
            true => say(format_args!("  and {more} more: see {}", file.display())),
            false => say(format_args!("  and {more} more: {SAMPLES} will name them")),
        }
    }
}

/// Failures of earlier runs, from the rows of a finished dataset.
fn earlier(out: &Path, known: &[(String, String)]) -> Vec<(String, String)> {
    let Ok(file) = File::open(out.join(SAMPLES)) else {
        return Vec::new();
    };
    let lines = BufReader::new(file).lines().map_while(Result::ok);
    let rows = lines.filter_map(|line| serde_json::from_str::<OutcomeRow>(&line).ok());
    let failed = rows.filter(|row| row.outcome == Outcome::Failed);
    let new = failed.filter(|row| !known.iter().any(|(key, _)| *key == row.key));
    let texts = new.filter_map(|row| {
        let (reason, class) = (row.reason?, row.class?.as_str());
        Some((row.key, format!("{reason} ({class})")))
    });
    texts.take(KEPT).collect()
}
