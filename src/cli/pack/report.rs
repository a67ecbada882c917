//! The closing summary.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use kpack::pipeline::{DATASET, End, Outcome, OutcomeRow, Plan, SAMPLES, Summary};
use kpack::sample::AudioCodec;

use super::progress::{KEPT, Watch, span};
use crate::cli::out::{bytes, count, grouped, say};

/// Prints what a run did, and every failed file on a line of its own, up to a limit.
pub(in crate::cli) fn print(summary: &Summary, plan: &Plan, watch: &Watch, out: &Path) {
    let counts = &summary.counts;
    let shards = match summary.shards {
        0 => String::new(),
        n => format!(" in {}", count(n, "shard")),
    };
    let held = match (plan.recipe().frames, plan.recipe().audio) {
        (None, Some(audio)) if audio.codec != AudioCodec::Copy => sound(out),
        _ => Some(format!("{}, ", count(counts.frames, "frame"))),
    };
    say(format_args!(
        "{} of {} packed{shards}: {}{} in {}",
        grouped(counts.done),
        count(counts.clips, "clip"),
        held.unwrap_or_default(),
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
    let part = plan.part();
    if part.of > 1 && summary.end == End::Finished && !out.join(DATASET).exists() {
        say(format_args!(
            "part {part} is done; pack the other parts, then: kpack merge {}",
            out.display()
        ));
    }
    if summary.remaining > 0 && summary.end != End::TooManyFailures {
        let remaining = count(summary.remaining, "clip");
        say(format_args!(
            "{remaining} remain: the same command again continues"
        ));
    }
}

/// `12.0 s of sound, 3 without sound, `, from the rows of a finished dataset.
fn sound(out: &Path) -> Option<String> {
    let lines = BufReader::new(File::open(out.join(SAMPLES)).ok()?).lines();
    let rows = lines
        .map_while(Result::ok)
        .filter_map(|line| serde_json::from_str::<OutcomeRow>(&line).ok());
    let (mut seconds, mut without) = (0.0, 0);
    for row in rows.filter(|row| row.outcome == Outcome::Done) {
        match (row.audio_samples, row.sample_rate) {
            (Some(samples), Some(rate)) => seconds += samples as f64 / f64::from(rate.max(1)),
            _ => without += 1,
        }
    }
    let without = match without {
        0 => String::new(),
        n => format!("{} without sound, ", grouped(n)),
    };
    Some(format!("{} of sound, {without}", span(seconds)))
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
