//! The ordered window: many workers make results in any order, one thread takes them in order.
//!
//! ```text
//!  numbers ──> queue ──> workers ──> channel ──> parked ──> sink, in order
//!           │◄────────────── the window: bytes, then a count ───────────►│
//! ```
//!
//! * In flight is what was sent and not yet taken. A number is sent while its estimate still fits
//!   the byte budget; one that never fits is sent when nothing else is in flight. The estimate is
//!   replaced by the true weight when the result arrives, and scaled by how wrong earlier ones were.
//! * It begins with two numbers per worker and grows by two with each result, so that wrong
//!   estimates are noticed before they cost memory.
//! * Numbers are sent in order and workers take them in order, so the one that the sink waits for is
//!   always already being made: the window cannot deadlock, and what was begun is always a run
//!   without holes. A stop ends the run after that run.

use std::collections::{BTreeMap, VecDeque};
use std::ops::{ControlFlow, Range};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a stop may go unnoticed while nothing arrives.
const TICK: Duration = Duration::from_millis(50);

/// The most that one number is charged, so that sums stay within 64 bits.
const CHARGE_MAX: u64 = 1 << 50;

/// Bounds of what is in flight.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Bytes; at least one result is always allowed.
    pub(crate) bytes: u64,
    /// Results, at least 1.
    pub(crate) count: usize,
}

/// The most that was in flight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Peak {
    pub(crate) bytes: u64,
    pub(crate) count: usize,
}

/// The two sides of a window.
pub(crate) trait Stage<R>: Sync {
    /// Makes the result of `number` and says how many bytes of memory it holds. Runs in a worker.
    fn make(&self, number: u32) -> (R, u64);
    /// The result of a `make` that panicked with `message`.
    fn panicked(&self, number: u32, message: String) -> R;
    /// What `make` is expected to say. Runs in the caller's thread, so it must be quick.
    fn estimate(&self, number: u32) -> u64;
}

/// Runs `stage` for `numbers` on `pool` and gives the results to `sink` in order. Ends early when
/// `stop` is set or `sink` breaks or fails: then nothing more is begun; after a stop what was begun
/// still goes to the sink, after a break or an error it is dropped.
pub(crate) fn ordered<R: Send, E>(
    pool: &rayon::ThreadPool,
    bounds: Bounds,
    numbers: Range<u32>,
    stop: &AtomicBool,
    stage: &impl Stage<R>,
    mut sink: impl FnMut(u32, R) -> Result<ControlFlow<()>, E>,
) -> Result<Peak, E> {
    let queue = Queue::new(stop);
    let (sender, results) = mpsc::channel();
    pool.in_place_scope_fifo(|scope| {
        let mut window = Window::new(bounds, pool.current_num_threads(), numbers);
        let mut parked = BTreeMap::new();
        loop {
            if queue.stopped() {
                window.forget(queue.clear());
            }
            while let Some(number) = window.admit(&queue, |number| stage.estimate(number)) {
                let (queue, sender) = (&queue, sender.clone());
                queue.push(number);
                scope.spawn_fifo(move |_| {
                    let Some(number) = queue.pop() else { return };
                    let made = catch_unwind(AssertUnwindSafe(|| stage.make(number)));
                    let made = made.unwrap_or_else(|panic| {
                        (stage.panicked(number, panic_text(panic.as_ref())), 0)
                    });
                    // The receiver is gone only after a break or an error: the result is not wanted.
                    let _ = sender.send((number, made));
                });
            }
            if let Some(result) = parked.remove(&window.next) {
                let flow = sink(window.next, result);
                window.take();
                if !matches!(flow, Ok(ControlFlow::Continue(()))) {
                    queue.close();
                    return flow.map(|_| window.peak);
                }
            } else if window.is_empty() {
                return Ok(window.peak);
            } else if let Ok((number, (result, bytes))) = results.recv_timeout(TICK) {
                window.weigh(number, bytes);
                parked.insert(number, result);
            }
        }
    })
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("no message").to_owned()
}

/// Numbers that are sent and not yet begun.
struct Queue<'a> {
    waiting: Mutex<VecDeque<u32>>,
    closed: AtomicBool,
    stop: &'a AtomicBool,
}

impl<'a> Queue<'a> {
    fn new(stop: &'a AtomicBool) -> Self {
        Self {
            waiting: Mutex::default(),
            closed: AtomicBool::new(false),
            stop,
        }
    }
    fn stopped(&self) -> bool {
        self.closed.load(Relaxed) || self.stop.load(Relaxed)
    }
    fn close(&self) {
        self.closed.store(true, Relaxed);
    }
    fn push(&self, number: u32) {
        self.lock().push_back(number);
    }
    /// The next number; the lock is held over the look at the stop flag, so that what is begun has
    /// no holes.
    fn pop(&self) -> Option<u32> {
        let mut waiting = self.lock();
        if self.stopped() {
            None
        } else {
            waiting.pop_front()
        }
    }
    /// Empties the queue and says how many numbers it held.
    fn clear(&self) -> usize {
        self.close();
        std::mem::take(&mut *self.lock()).len()
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<u32>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is in flight, as the coordinator sees it.
struct Window {
    bounds: Bounds,
    /// Count allowed so far.
    allowed: usize,
    unsent: Range<u32>,
    /// The number that the sink waits for.
    next: u32,
    /// Charge of each number in flight, from `next` on.
    charges: VecDeque<u64>,
    /// Their sum.
    bytes: u64,
    /// Estimate of each number in flight before it was scaled, from `next` on.
    estimates: VecDeque<u64>,
    scale: Scale,
    peak: Peak,
    /// The estimate of the first unsent number, so that it is asked for once.
    upcoming: Option<u64>,
}

impl Window {
    fn new(bounds: Bounds, threads: usize, numbers: Range<u32>) -> Self {
        Self {
            bounds,
            allowed: (2 * threads).min(bounds.count).max(1),
            next: numbers.start,
            unsent: numbers,
            charges: VecDeque::new(),
            bytes: 0,
            estimates: VecDeque::new(),
            scale: Scale::default(),
            peak: Peak::default(),
            upcoming: None,
        }
    }

    fn is_empty(&self) -> bool {
        self.charges.is_empty()
    }

    /// The next number to send, if it fits.
    fn admit(&mut self, queue: &Queue<'_>, estimate: impl Fn(u32) -> u64) -> Option<u32> {
        if queue.stopped() || self.charges.len() >= self.allowed || self.unsent.is_empty() {
            return None;
        }
        let number = self.unsent.start;
        let estimate = *self.upcoming.get_or_insert_with(|| estimate(number));
        let charge = self.scale.apply(estimate).min(CHARGE_MAX);
        if !self.is_empty() && self.bytes + charge > self.bounds.bytes {
            return None;
        }
        self.unsent.start += 1;
        self.upcoming = None;
        self.charges.push_back(charge);
        self.estimates.push_back(estimate);
        self.bytes += charge;
        self.note_peak();
        Some(number)
    }

    /// Replaces the charge of `number` by its true weight.
    fn weigh(&mut self, number: u32, bytes: u64) {
        let i = (number - self.next) as usize;
        let bytes = bytes.min(CHARGE_MAX);
        self.bytes = self.bytes - self.charges[i] + bytes;
        self.charges[i] = bytes;
        self.scale.learn(self.estimates[i], bytes);
        self.allowed = (self.allowed + 2).min(self.bounds.count).max(1);
        self.note_peak();
    }

    /// The number that was waited for is with the sink.
    fn take(&mut self) {
        self.bytes -= self.charges.pop_front().unwrap_or(0);
        self.estimates.pop_front();
        self.next += 1;
    }

    /// Takes back the last `count` numbers, which nobody began, and sends no more.
    fn forget(&mut self, count: usize) {
        let keep = self.charges.len() - count;
        self.bytes -= self.charges.drain(keep..).sum::<u64>();
        self.estimates.truncate(keep);
        self.unsent.start = self.unsent.end;
    }

    fn note_peak(&mut self) {
        self.peak.bytes = self.peak.bytes.max(self.bytes);
        self.peak.count = self.peak.count.max(self.charges.len());
    }
}

/// How wrong estimates are: true weight over estimate, old results fading.
#[derive(Debug, Default)]
struct Scale {
    estimated: f64,
    weighed: f64,
}

impl Scale {
    fn learn(&mut self, estimate: u64, weight: u64) {
        const FADE: f64 = 0.97;
        self.estimated = self.estimated * FADE + estimate as f64;
        self.weighed = self.weighed * FADE + weight as f64;
    }
    fn apply(&self, estimate: u64) -> u64 {
        if self.estimated <= 0.0 {
            return estimate;
        }
        // A float-to-int `as` saturates.
        (estimate as f64 * (self.weighed / self.estimated)).ceil() as u64
    }
}
