//! `kpack worker`: what this program is when it was started by itself to make samples.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use kpack::worker::{Limits, Program, Sandbox, Workers};

use super::{Exit, out};

/// Started by kpack itself: makes samples for the process behind standard input
#[derive(Debug, Args)]
pub(crate) struct WorkerCommand {
    /// Try what a worker must not be able to do
    #[arg(long)]
    check: bool,
}

impl WorkerCommand {
    pub(crate) fn run(&self) -> anyhow::Result<Exit> {
        // A batch system may signal every process of a job. What is in flight is to be finished; the
        // parent decides when.
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
        }
        kpack::worker::serve(self.check)?;
        Ok(Exit::Done)
    }
}

/// Children with limits, or this process where that is wanted or nothing else works.
pub(crate) fn workers(limits: Option<Limits>, quiet: bool) -> Workers {
    let Some(limits) = limits else {
        return Workers::in_process();
    };
    let (workers, note) = match start(limits, false) {
        Ok((workers, sandbox)) if sandbox.holds() => return workers,
        Ok((workers, _)) => (
            workers,
            "this system does not keep a decoder from files and network; kpack doctor says more"
                .to_owned(),
        ),
        Err(why) => (
            Workers::in_process(),
            format!("{why}; decoding in this process, without limits of time and memory"),
        ),
    };
    if !quiet {
        out::say(format_args!("note: {note}"));
    }
    workers
}

/// Children of this program; with `check`, the first tries its sandbox.
pub(crate) fn start(limits: Limits, check: bool) -> Result<(Workers, Sandbox), String> {
    let args: &[&str] = if check {
        &["worker", "--check"]
    } else {
        &["worker"]
    };
    let program = Program::own(args).map_err(|e| format!("cannot find this program: {e}"))?;
    Workers::start(program, limits)
}
