//! Ctrl-C and SIGTERM: once stops the run in good order, twice leaves at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::Exit;

/// Time between two looks for a signal.
const LOOK: Duration = Duration::from_millis(100);

/// Whether the run is to stop, and which signal said so.
pub(crate) struct Signals {
    stop: Arc<AtomicBool>,
    which: Arc<AtomicUsize>,
}

impl Signals {
    /// Listens from now on.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let signals = Signals {
            stop: Arc::new(AtomicBool::new(false)),
            which: Arc::new(AtomicUsize::new(0)),
        };
        for (signal, exit) in [(SIGINT, Exit::Interrupted), (SIGTERM, Exit::Terminated)] {
            // The order matters: the second signal finds the flag set by the first.
            let stop = &signals.stop;
            flag::register_conditional_shutdown(signal, exit as i32, Arc::clone(stop))
                .and_then(|_| {
                    flag::register_usize(signal, Arc::clone(&signals.which), signal as usize)
                })
                .and_then(|_| flag::register(signal, Arc::clone(stop)))
                .context("cannot listen for signals")?;
        }
        Ok(signals)
    }

    /// Set as soon as the run is to stop.
    pub(crate) fn stop(&self) -> &AtomicBool {
        &self.stop
    }

    /// How to leave, if a signal came.
    pub(crate) fn exit(&self) -> Option<Exit> {
        match self.which.load(Ordering::Relaxed) as i32 {
            SIGINT => Some(Exit::Interrupted),
            SIGTERM => Some(Exit::Terminated),
            _ => None,
        }
    }
}

/// Ends the waiting of [`Signals::while_telling`], also in a panic.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Signals {
    /// Does `work`, and calls `tell` once when a signal comes meanwhile.
    pub(crate) fn while_telling<T>(&self, tell: impl Fn() + Sync, work: impl FnOnce() -> T) -> T {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let teller = scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    if self.stop.load(Ordering::Relaxed) {
                        return tell();
                    }
                    std::thread::park_timeout(LOOK);
                }
            });
            let done = Over(&over);
            let result = work();
            drop(done);
            teller.thread().unpark();
            result
        })
    }
}
