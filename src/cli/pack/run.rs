//! From a job and its target to a packed dataset.

use kpack::pipeline::{Plan, PlanOptions, Target};

use super::progress::Watch;
use super::{Job, dry_run, report};
use crate::cli::signals::Signals;
use crate::cli::{Common, Exit, out};

/// Reads the input, plans, packs, reports.
pub(super) fn run(
    job: Job<'_>,
    target: Target<'_>,
    options: PlanOptions,
    common: &Common,
) -> anyhow::Result<Exit> {
    let mut input = job.read()?;
    if !common.quiet {
        for note in &input.notes {
            out::say(format_args!("note: {note}"));
        }
    }
    input.notes.clear();
    let plan = Plan::new(input, job.recipe.clone(), target, options)?;
    if job.run.dry_run {
        return dry_run::run(&plan, &job.io.out, common);
    }
    let signals = Signals::listen()?;
    let watch = Watch::new(common);
    let _ = (signals.stop(), signals.exit(), &watch, report::print);
    anyhow::bail!("not here yet")
}
