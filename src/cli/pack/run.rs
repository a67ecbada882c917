//! From a job and its target to a packed dataset.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use kpack::pipeline::{End, FailureLimit, Options, Plan, PlanOptions, Summary, Target, pack};

use super::args::OnErrorKind;
use super::feeding::{self, Feeder};
use super::progress::Watch;
use super::{Job, dry_run, make, report};
use crate::cli::signals::Signals;
use crate::cli::values::MaxFailures;
use crate::cli::worker::workers;
use crate::cli::{Common, Exit, libav, out};
use kpack::fetch::{Located, anticipate};
use kpack::source::{Clip, Input};
use kpack::worker::{Worker, Workers};

/// Plans, packs, reports.
pub(super) fn run(
    job: &Job<'_>,
    mut input: Input,
    target: Target<'_>,
    options: PlanOptions,
    common: &Common,
) -> anyhow::Result<Exit> {
    let mut notes = std::mem::take(&mut input.notes);
    let mut fetch = feeding::options(job, common)?;
    let located = match &fetch {
        Some((options, media)) => anticipate(&mut input, media, options)?,
        None => Located::default(),
    };
    let plan = Plan::new(input, job.recipe.clone(), target, options)?;
    notes.extend(plan.notes());
    for note in notes.iter().filter(|_| !common.quiet) {
        out::say(format_args!("note: {note}"));
    }
    let workers = Arc::new(workers(job.run.limits.of_clip(), common.quiet));
    if let Some((options, _)) = &mut fetch {
        options.workers = workers.clone();
    }
    if job.run.dry_run {
        dry_run::run(&plan, &notes, Some(&workers), common)?;
        return Ok(Exit::Done);
    }
    let signals = Signals::listen()?;
    let feeder = match &fetch {
        Some(fetch) => Some(Feeder::new(job, fetch, (&plan, located), &signals, common)?),
        None => None,
    };
    execute(job, &plan, target, feeder, (&workers, &signals), common)
}

/// Packs the plan, and reports.
fn execute(
    job: &Job<'_>,
    plan: &Plan,
    target: Target<'_>,
    feeder: Option<Feeder<'_>>,
    (workers, signals): (&Workers, &Signals),
    common: &Common,
) -> anyhow::Result<Exit> {
    let watch = Watch::new(common);
    let due = |indexes| {
        if let Some(feeder) = &feeder {
            feeder.due(plan, indexes);
        }
    };
    let options = Options {
        // Those that wait for their clips come on top.
        threads: common.threads() + feeder.as_ref().map_or(0, |feeder| feeder.waiting),
        begun: Some(&due),
        failures: limit(job),
        overwrite: job.run.overwrite,
        libav: libav::release(),
        estimate: Some(&make::weight),
        ..Options::default()
    };
    let recipe = plan.recipe();
    let (in_flight, bar) = (AtomicU64::new(0), watch.bar());
    let tell = || finishing(in_flight.load(Relaxed), bar.as_ref(), common.quiet);
    let make = |clip: &Clip, worker: &mut Worker| {
        in_flight.fetch_add(1, Relaxed);
        let made = match &feeder {
            Some(feeder) => feeder.make(clip, recipe, workers),
            None => make::make(clip, recipe, workers, worker),
        };
        in_flight.fetch_sub(1, Relaxed);
        made
    };
    let packed = signals.while_telling(tell, || {
        let stop = signals.stop();
        pack(plan, &job.io.out, target, &options, make, &watch, stop)
    });
    watch.end();
    let fetched = feeder.map(Feeder::end).transpose()?;
    let summary = packed?;
    if let Some(bytes) = fetched.filter(|_| !common.quiet) {
        out::say(format_args!("fetched {}", out::bytes(bytes)));
    }
    match &summary.reason {
        _ if !common.quiet => report::print(&summary, plan, &watch, &job.io.out),
        // Why the run did not get to its end.
        Some(reason) => out::say(reason),
        None => {}
    }
    if common.json {
        out::print_json(&serde_json::to_value(&summary)?)?;
    }
    Ok(exit(&summary, signals))
}

/// Says what a first Ctrl-C does.
fn finishing(in_flight: u64, bar: Option<&indicatif::ProgressBar>, quiet: bool) {
    let clips = out::count(in_flight, "clip");
    let line = format!("finishing {clips} in flight; Ctrl-C again leaves at once");
    match bar {
        _ if quiet => {}
        Some(bar) => bar.suspend(|| out::say(&line)),
        None => out::say(&line),
    }
}

fn limit(job: &Job<'_>) -> FailureLimit {
    match (job.run.on_error, job.run.max_failures) {
        (OnErrorKind::Fail, _) => FailureLimit::First,
        (OnErrorKind::Skip, MaxFailures::Count(count)) => FailureLimit::Count(count),
        (OnErrorKind::Skip, MaxFailures::Percent(100.0)) => FailureLimit::None,
        (OnErrorKind::Skip, MaxFailures::Percent(percent)) => FailureLimit::Percent(percent),
    }
}

fn exit(summary: &Summary, signals: &Signals) -> Exit {
    match summary.end {
        End::Finished if summary.counts.failed == 0 => Exit::Done,
        End::Finished => Exit::SomeFailed,
        End::TooManyFailures => Exit::Fatal,
        End::Interrupted => signals.exit().unwrap_or(Exit::Interrupted),
    }
}
