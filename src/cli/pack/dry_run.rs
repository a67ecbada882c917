//! `--dry-run`: the plan, and what is wrong with the input. Nothing is written.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::time::{Duration, Instant};

use kpack::pipeline::Plan;
use kpack::sample::{Made, VideoRecipe};
use kpack::source::Clip;
use kpack::worker::{Worker, Workers};
use serde_json::{Value, json};

use super::make;
use super::progress::KEPT;
use crate::cli::Common;
use crate::cli::out::{self, bytes, grouped};

/// Prints the plan. With `workers` a few clips are made, to tell how large samples get.
pub(in crate::cli) fn run(
    plan: &Plan,
    notes: &[String],
    workers: Option<&Workers>,
    common: &Common,
) -> anyhow::Result<()> {
    let estimate = estimator(plan, workers);
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
            map.insert("source_bytes".to_owned(), sources.bytes.into());
            if sources.estimated {
                map.insert("source_bytes_estimated".to_owned(), true.into());
            }
            map.insert("classes".to_owned(), plan.input().classes.len().into());
            // `problems` of the outline counts them by class; here each has its own line.
            map.insert("problem_rows".to_owned(), list.into());
            map.insert("notes".to_owned(), notes.into());
        }
        return out::print_json(&value);
    }
    out::print(|out| {
        write!(out, "{outline}")?;
        let about = if sources.estimated { "about " } else { "" };
        writeln!(out, "sources   {about}{}", bytes(sources.bytes))?;
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

/// Expected bytes of a clip's sample.
type Estimator = Box<dyn Fn(&Clip) -> u64>;

/// How to tell a sample's bytes: those of the file where it is copied whole, else scaled from a few
/// clips that are made for this. `None` where none of these could be made.
fn estimator(plan: &Plan, workers: Option<&Workers>) -> Option<Estimator> {
    let recipe = plan.recipe();
    let copied = recipe.video == VideoRecipe::Copy && recipe.frames.is_none();
    let rows = plan.input().rows.iter();
    let mut rows = rows.filter(|row| row.problem.is_none());
    if copied && rows.all(|row| row.clip.span.is_none()) {
        return Some(Box::new(make::weight));
    }
    let ratio = made_per_weight(plan, workers?)?;
    Some(Box::new(move |clip| {
        (make::weight(clip) as f64 * ratio) as u64
    }))
}

/// Most clips that are made for an estimate, the time after which no more are, and the weight
/// above which a clip would take too long.
const TRIES: u32 = 8;
const PATIENCE: Duration = Duration::from_secs(5);
const HEAVY: u64 = 64 << 20;

/// Bytes of samples for each unit of weight, from clips spread over the plan.
fn made_per_weight(plan: &Plan, workers: &Workers) -> Option<f64> {
    let (begun, mut worker) = (Instant::now(), Worker::default());
    let (mut made, mut weighed) = (0, 0);
    let tries = TRIES.min(plan.len());
    for i in 0..tries {
        let index = u64::from(plan.len()) * u64::from(i) / u64::from(tries);
        let clip = plan.clip(u32::try_from(index).ok()?);
        let weight = make::weight(clip);
        if weight > HEAVY || begun.elapsed() > PATIENCE {
            continue;
        }
        let sample = make::make(clip, plan.recipe(), workers, &mut worker);
        if let Ok(Made::Sample(sample, _)) = sample {
            made += sample.blob_bytes();
            weighed += weight;
        }
    }
    (weighed > 0).then(|| made as f64 / weighed as f64)
}

/// Most files whose size is looked up: a million would take longer than the plan.
const LOOKED_AT: usize = 1 << 16;

/// What the sources take.
struct Sources {
    bytes: u64,
    estimated: bool,
}

/// Bytes of all sources, each file once.
fn source_bytes(plan: &Plan) -> Sources {
    let rows = plan.input().rows.iter().filter(|row| row.problem.is_none());
    let mut seen = HashSet::new();
    let files: Vec<&OsStr> = rows
        .filter_map(|row| row.clip.media.as_ref().map(|path| path.as_os_str()))
        .filter(|file| seen.insert(*file))
        .collect();
    let size = |file: &OsStr| std::fs::metadata(file).map_or(0, |meta| meta.len());
    let step = files.len().div_ceil(LOOKED_AT).max(1);
    let (looked_at, bytes) = files
        .iter()
        .step_by(step)
        .fold((0_u64, 0), |(n, bytes), file| (n + 1, bytes + size(file)));
    Sources {
        bytes: match step {
            1 => bytes,
            _ => bytes / looked_at.max(1) * files.len() as u64,
        },
        estimated: step > 1,
    }
}
