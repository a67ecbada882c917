//! Progress of reading: bytes of those that are to be read.

use std::io::{IsTerminal as _, stderr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use kpack::verify::Watch;

use super::{Common, out};

/// Time between two plain lines.
const PAUSE: Duration = Duration::from_secs(5);

/// Shows how far a check is: a bar on a terminal, a line now and then elsewhere.
pub(crate) struct Reading {
    bar: Option<ProgressBar>,
    /// When the last plain line was written; `None` for no plain lines.
    last: Option<Mutex<Instant>>,
    begin: Instant,
    planned: AtomicU64,
    read: AtomicU64,
}

impl Reading {
    pub(crate) fn new(common: &Common) -> Self {
        let bar = (stderr().is_terminal() && !common.quiet).then(bar);
        let plain = bar.is_none() && !common.quiet;
        Self {
            last: plain.then(|| Mutex::new(Instant::now())),
            bar,
            begin: Instant::now(),
            planned: AtomicU64::new(0),
            read: AtomicU64::new(0),
        }
    }

    /// Removes the bar.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Since the beginning.
    pub(crate) fn seconds(&self) -> f64 {
        self.begin.elapsed().as_secs_f64()
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let template = "{bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  eta {eta}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

impl Watch for Reading {
    fn planned(&self, bytes: u64) {
        self.planned.store(bytes, Relaxed);
        if let Some(bar) = &self.bar {
            bar.set_length(bytes);
        }
    }

    fn read(&self, bytes: u64) {
        let read = self.read.fetch_add(bytes, Relaxed).saturating_add(bytes);
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
        }
        // Whoever cannot look at the clock at once goes on reading.
        let Some(Ok(mut last)) = self.last.as_ref().map(Mutex::try_lock) else {
            return;
        };
        if last.elapsed() < PAUSE {
            return;
        }
        *last = Instant::now();
        let rate = (read as f64 / self.seconds()) as u64;
        out::say(format_args!(
            "{} of {} read, {}/s",
            out::bytes(read),
            out::bytes(self.planned.load(Relaxed)),
            out::bytes(rate)
        ));
    }
}
