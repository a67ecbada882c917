//! Progress of a run: a bar on a terminal, plain lines every few seconds elsewhere, or nothing.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{IsTerminal as _, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use kpack::pipeline::Outcome;
use kpack::progress::Progress;
use kpack::sample::{Class, SampleError};

use crate::cli::out::{grouped, say};
use crate::cli::{Common, out};

/// Time between two plain lines.
const PAUSE: Duration = Duration::from_secs(5);
/// Most failures that are kept for the closing summary.
pub(super) const KEPT: usize = 20;

/// Watches a run for the user.
pub(crate) struct Watch {
    bar: Option<ProgressBar>,
    /// When the last plain line was written; `None` for no plain lines.
    last: Cell<Option<Instant>>,
    begin: Instant,
    quiet: bool,
    verbose: bool,
    clips: Cell<u64>,
    settled: Cell<u64>,
    before: Cell<u64>,
    failed: Cell<u64>,
    /// Failures by class.
    classes: RefCell<BTreeMap<Class, u64>>,
    /// Bytes that came over the network.
    fetched: Cell<u64>,
    /// Key and reason of the first failures.
    pub(super) failures: RefCell<Vec<(String, String)>>,
    /// What was said already.
    pub(super) notes: RefCell<Vec<String>>,
}

impl Watch {
    pub(crate) fn new(common: &Common) -> Self {
        let terminal = stderr().is_terminal();
        let bar = (terminal && !common.quiet).then(bar);
        Self {
            last: Cell::new((bar.is_none() && !common.quiet).then(Instant::now)),
            bar,
            begin: Instant::now(),
            quiet: common.quiet,
            verbose: common.verbose > 0,
            clips: Cell::new(0),
            settled: Cell::new(0),
            before: Cell::new(0),
            failed: Cell::new(0),
            classes: RefCell::default(),
            fetched: Cell::new(0),
            failures: RefCell::default(),
            notes: RefCell::default(),
        }
    }

    /// Key and reason of the first failures.
    pub(crate) fn failures(&self) -> std::cell::Ref<'_, Vec<(String, String)>> {
        self.failures.borrow()
    }

    /// Removes the bar, so that what follows stands alone.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// The bar, for lines of other threads.
    pub(super) fn bar(&self) -> Option<ProgressBar> {
        self.bar.clone()
    }

    /// A line that does not tear the bar.
    fn line(&self, text: &str) {
        match &self.bar {
            _ if self.quiet => {}
            Some(bar) => bar.suspend(|| say(text)),
            None => say(text),
        }
    }

    /// What came over the network, and how fast.
    fn network(&self) -> String {
        match self.fetched.get() {
            0 => String::new(),
            n => {
                let rate = n as f64 / self.begin.elapsed().as_secs_f64().max(0.001);
                format!(", {} at {}/s", out::bytes(n), out::bytes(rate as u64))
            }
        }
    }

    /// How many failed, by class.
    fn failed_so_far(&self) -> String {
        let classes = self.classes.borrow();
        let list = classes.iter();
        let list: Vec<String> = list
            .map(|(class, n)| format!("{} {}", grouped(*n), class.as_str()))
            .collect();
        let classes = match list.is_empty() {
            true => String::new(),
            false => format!(" ({})", list.join(", ")),
        };
        format!("{} failed{classes}", grouped(self.failed.get()))
    }

    fn message(&self, bar: &ProgressBar) {
        bar.set_message(format!("{}{}", self.failed_so_far(), self.network()));
    }

    fn plain(&self) {
        let Some(last) = self.last.get() else { return };
        if last.elapsed() < PAUSE {
            return;
        }
        self.last.set(Some(Instant::now()));
        let (clips, settled) = (self.clips.get(), self.settled.get());
        let rate = (settled - self.before.get()) as f64 / self.begin.elapsed().as_secs_f64();
        let left = clips.saturating_sub(settled) as f64 / rate;
        let left = match left.is_finite() {
            true => format!(", about {} left", span(left)),
            false => String::new(),
        };
        say(format_args!(
            "{} of {} clips, {rate:.1} clips/s, {}{}{left}",
            grouped(settled),
            grouped(clips),
            self.failed_so_far(),
            self.network(),
        ));
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let template = "{bar:30} {human_pos}/{human_len} clips  {per_sec}  eta {eta}  {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

/// Seconds as a person says them.
pub(super) fn span(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.1} s"),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

impl Progress for Watch {
    fn planned(&self, clips: u64, settled: u64) {
        self.clips.set(clips);
        self.settled.set(settled);
        self.before.set(settled);
        if let Some(bar) = &self.bar {
            bar.set_length(clips);
            bar.set_position(settled);
            bar.reset_eta();
        }
    }

    fn outcome(&self, kind: Outcome, _frames: u64, _bytes: u64) {
        self.settled.set(self.settled.get() + 1);
        if kind == Outcome::Failed {
            self.failed.set(self.failed.get() + 1);
        }
        if let Some(bar) = &self.bar {
            if kind == Outcome::Failed {
                self.message(bar);
            }
            bar.inc(1);
        }
        self.plain();
    }

    fn fetched(&self, bytes: u64) {
        if self.fetched.replace(bytes) == bytes {
            return;
        }
        if let Some(bar) = &self.bar {
            self.message(bar);
        }
        self.plain();
    }

    fn failed(&self, error: &SampleError) {
        *self.classes.borrow_mut().entry(error.class).or_insert(0) += 1;
        let mut failures = self.failures.borrow_mut();
        let reason = format!("{} ({})", error.full_reason(), error.class.as_str());
        if self.verbose {
            self.line(&format!("failed {}: {reason}", error.key));
        }
        if failures.len() < KEPT {
            failures.push((error.key.clone(), reason));
        }
    }

    fn shard(&self, name: &str, samples: u64, bytes: u64) {
        if self.verbose {
            let samples = out::count(samples, "sample");
            self.line(&format!("wrote {name}: {samples}, {}", out::bytes(bytes)));
        }
    }

    fn note(&self, text: &str) {
        self.line(&format!("note: {text}"));
        self.notes.borrow_mut().push(text.to_owned());
    }
}
