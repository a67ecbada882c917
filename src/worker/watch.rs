//! [`Watch`]: the limits of one job, looked after while its child works.

use std::time::{Duration, Instant};

use super::{Limits, wire::Broken};
use crate::pulse::Signs;
use crate::sample::{Class, SampleError, Stage};
use crate::source::Span;

/// How often the limits are looked at.
pub(super) const TICK: Duration = Duration::from_millis(50);
/// A clip may take this many times the limit without progress in all, or more if it is long.
const WHOLE: u32 = 12;
/// A long clip may take the limit once for each stretch of this many seconds.
const STRETCH: u64 = 10;
/// Lengths beyond a day are not believed.
const LENGTH_MAX: u64 = 86_400;

/// How a child was lost.
#[derive(Debug)]
pub(super) enum Lost {
    /// It closed the connection: it ended.
    Ended,
    /// No progress for this long.
    Stuck(Duration),
    /// Progress, but not done in this time.
    Slow(Duration),
    /// It used this many bytes, those of the sample not counted.
    Memory(u64),
    /// It sent what is no message.
    Broken(Broken),
    /// The system refused.
    System(std::io::Error),
}

impl From<Broken> for Lost {
    fn from(broken: Broken) -> Self {
        Lost::Broken(broken)
    }
}

impl From<std::io::Error> for Lost {
    fn from(e: std::io::Error) -> Self {
        use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
        match e.kind() {
            BrokenPipe | ConnectionReset | UnexpectedEof => Lost::Ended,
            _ => Lost::System(e),
        }
    }
}

/// The limits of one job.
pub(super) struct Watch {
    limits: Limits,
    begun: Instant,
    /// When it last got further.
    further: Instant,
    looked: Instant,
    signs: Signs,
    /// Length of the clip's range in seconds, where the input says it.
    length: Option<u64>,
}

impl Watch {
    pub(super) fn new(limits: Limits, span: Option<Span>) -> Self {
        let now = Instant::now();
        let range = span.and_then(|span| Some(span.end?.since(span.start)));
        Self {
            limits,
            begun: now,
            further: now,
            looked: now,
            signs: Signs::default(),
            length: range.map(|range| range.secs().max(0.0) as u64),
        }
    }

    /// For the first message of a child.
    pub(super) fn hello() -> Self {
        Self::new(Limits::default(), None)
    }

    /// A sign of life came.
    pub(super) fn hear(&mut self, signs: Signs) {
        if signs.steps > self.signs.steps {
            self.further = Instant::now();
        }
        self.signs = signs;
    }

    /// A part of the result came.
    pub(super) fn received(&mut self) {
        self.further = Instant::now();
    }

    /// Ends the clip where it is over a limit. `memory` tells what the child uses, in bytes.
    pub(super) fn look(&mut self, memory: impl FnOnce() -> Option<u64>) -> Result<(), Lost> {
        let now = Instant::now();
        if now - self.looked < TICK {
            return Ok(());
        }
        self.looked = now;
        let quiet = now - self.further;
        if quiet > self.limits.timeout {
            return Err(Lost::Stuck(quiet));
        }
        let whole = now - self.begun;
        if whole > self.whole() {
            return Err(Lost::Slow(whole));
        }
        let held = self
            .signs
            .held
            .min(kpack_formats::Limits::default().sample_bytes);
        match memory() {
            Some(used) if used.saturating_sub(held) > self.limits.memory => {
                Err(Lost::Memory(used.saturating_sub(held)))
            }
            _ => Ok(()),
        }
    }

    /// The most that the clip may take in all.
    fn whole(&self) -> Duration {
        let length = self.length.unwrap_or(self.signs.length_ms / 1000);
        let stretches = length.min(LENGTH_MAX) / STRETCH;
        let times = u32::try_from(stretches).unwrap_or(u32::MAX).max(WHOLE);
        self.limits.timeout.saturating_mul(times)
    }
}

/// The failure of `key` whose child was lost. `ended` says how the child ended by itself, `tail` what it
/// said last.
pub(super) fn failure(
    key: &str,
    limits: Limits,
    lost: &Lost,
    ended: Option<End>,
    tail: &str,
) -> SampleError {
    let set_by = |option| match limits.adjustable {
        true => option,
        false => "",
    };
    let megabytes = |bytes: &u64| *bytes as f64 / 1e6;
    let (class, mut reason) = match (lost, ended) {
        (Lost::Stuck(time), _) => (
            Class::Timeout,
            format!(
                "made no progress for {:.1} s{}",
                time.as_secs_f64(),
                set_by(" (--timeout)")
            ),
        ),
        (Lost::Slow(time), _) => (
            Class::Timeout,
            format!(
                "was not done after {:.0} s{}",
                time.as_secs_f64(),
                set_by(" (--timeout sets the limit)")
            ),
        ),
        (Lost::Memory(bytes), _) => (
            Class::Memory,
            format!(
                "needed {:.0} MB of memory{}",
                megabytes(bytes),
                set_by(" (--max-memory)")
            ),
        ),
        (Lost::Ended, Some(end)) if tail.contains("memory allocation of") => {
            (Class::Memory, format!("ran out of memory ({end})"))
        }
        (Lost::Ended, Some(End::Signal(9))) => (
            Class::Memory,
            "the system killed the decoder (SIGKILL), most likely for want of memory".to_owned(),
        ),
        (Lost::Ended, Some(end)) => (Class::Crash, format!("the decoder crashed on it ({end})")),
        (Lost::Ended, None) => (Class::Crash, "the decoder crashed on it".to_owned()),
        (Lost::Broken(broken), _) => (
            Class::Crash,
            format!("the decoder ran wild: it sent {broken}"),
        ),
        (Lost::System(e), _) => (Class::Internal, format!("lost the worker process: {e}")),
    };
    if !tail.is_empty() {
        reason = format!("{reason}; it said: {tail}");
    }
    SampleError::new(key, Stage::Decode, class, reason)
}

/// Bytes of memory that only this process uses, where the system tells it.
pub(super) fn memory_of(id: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{id}/statm")).ok()?;
    let mut pages = text.split_ascii_whitespace().skip(1);
    let (resident, shared) = (pages.next()?, pages.next()?);
    let own = resident
        .parse::<u64>()
        .ok()?
        .checked_sub(shared.parse().ok()?)?;
    own.checked_mul(rustix::param::page_size() as u64)
}

/// How a process ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Code(i32),
    Signal(i32),
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let signal = match self {
            End::Code(code) => return write!(f, "exit code {code}"),
            End::Signal(signal) => signal,
        };
        match signal {
            4 => f.write_str("SIGILL"),
            6 => f.write_str("SIGABRT"),
            7 => f.write_str("SIGBUS"),
            8 => f.write_str("SIGFPE"),
            11 => f.write_str("SIGSEGV"),
            signal => write!(f, "signal {signal}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Time;

    fn limits() -> Limits {
        Limits {
            timeout: Duration::from_secs(10),
            memory: 100,
            adjustable: true,
        }
    }

    #[test]
    fn what_a_sample_holds_is_not_counted_as_memory() {
        let mut watch = Watch::new(limits(), None);
        let mut look = |held, used| {
            watch.hear(Signs {
                steps: held,
                held,
                length_ms: 0,
            });
            watch.looked = Instant::now() - TICK;
            watch.look(|| Some(used)).is_ok()
        };
        assert!(look(0, 100));
        assert!(!look(1, 102));
        assert!(look(1000, 1100));
        assert!(!look(u64::MAX, u64::MAX));
    }

    #[test]
    fn long_clips_may_take_longer() {
        let span = |seconds: f64| {
            Some(Span {
                start: Time::ZERO,
                end: Some(Time::from_secs(seconds)),
            })
        };
        for (span, said, whole) in [
            (None, 0, 120),
            (span(10.0), 9_999_999_999, 120),
            (span(3600.0), 0, 3600),
            (None, 3_600_000, 3600),
            (None, u64::MAX, 86_400),
        ] {
            let mut watch = Watch::new(limits(), span);
            watch.signs.length_ms = said;
            assert_eq!(watch.whole(), Duration::from_secs(whole), "{span:?} {said}");
        }
    }
}
