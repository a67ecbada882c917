//! Signs of life of the clip that a thread makes: how far it is and how much of its sample it holds.
//!
//! A child process tells them to its parent, whose limits need them: the time limit counts from the
//! last step, the memory limit leaves out what belongs to the sample. Where nobody listens a sign
//! costs a look at a thread-local.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use crate::Time;

/// Signs are told this often, at most.
const INTERVAL: Duration = Duration::from_millis(100);
/// Steps between two looks at the clock.
const STRIDE: u64 = 8;

/// How far a clip is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Signs {
    /// Packets read and pictures made.
    pub(crate) steps: u64,
    /// Bytes of the sample that stand in memory.
    pub(crate) held: u64,
    /// Length of the clip in milliseconds, as its container says; 0 where it does not.
    pub(crate) length_ms: u64,
}

struct Listener {
    signs: Signs,
    told: Instant,
    tell: Box<dyn FnMut(Signs)>,
}

thread_local! {
    static LISTENER: RefCell<Option<Listener>> = const { RefCell::new(None) };
}

/// Runs `work` on this thread and calls `tell` with its signs now and then.
pub(crate) fn heard<T>(tell: impl FnMut(Signs) + 'static, work: impl FnOnce() -> T) -> T {
    let listener = Listener {
        signs: Signs::default(),
        told: Instant::now(),
        tell: Box::new(tell),
    };
    LISTENER.with_borrow_mut(|slot| *slot = Some(listener));
    let result = work();
    LISTENER.with_borrow_mut(|slot| *slot = None);
    result
}

fn with(change: impl FnOnce(&mut Signs)) {
    LISTENER.with_borrow_mut(|slot| {
        let Some(listener) = slot else { return };
        change(&mut listener.signs);
        let due = listener.signs.steps.is_multiple_of(STRIDE);
        if due && listener.told.elapsed() >= INTERVAL {
            listener.told = Instant::now();
            (listener.tell)(listener.signs);
        }
    });
}

/// A packet was read, or a picture made.
pub(crate) fn step() {
    with(|signs| signs.steps += 1);
}

/// `bytes` more of the sample stand in memory.
pub(crate) fn hold(bytes: usize) {
    with(|signs| {
        signs.steps += 1;
        signs.held = signs.held.saturating_add(bytes as u64);
    });
}

/// The clip lasts this long.
pub(crate) fn length(duration: Option<Time>) {
    let nanos = duration.map_or(0, Time::nanos);
    with(|signs| signs.length_ms = u64::try_from(nanos / 1_000_000).unwrap_or(0));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use std::sync::mpsc;

    #[test]
    fn signs_are_told_while_work_goes_on_and_not_after_it() {
        let (sender, told) = mpsc::channel();
        let end = Instant::now() + 3 * INTERVAL;
        heard(
            move |signs| sender.send(signs).unwrap(),
            || {
                length(Some(Time::from_secs(2.5)));
                while Instant::now() < end {
                    hold(10);
                    std::thread::sleep(Duration::from_millis(1));
                }
            },
        );
        hold(1 << 30);
        let told: Vec<Signs> = told.iter().collect();
        assert!((1..=3).contains(&told.len()), "{told:?}");
        for signs in &told {
            assert_eq!((signs.held, signs.length_ms), (signs.steps * 10, 2500));
        }
    }
}
