//! Bringing a source: attempts, waits, and the look at what came.

use std::fs::{self, File};
use std::io::Read as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::http;
use super::plan::Source;
use super::run::{Cost, Run};
use super::table::Got;
use super::{Fail, Failure, Retry};
use crate::sample::Class;

/// Longest wait between two retries, where the server does not say.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

impl Run<'_> {
    /// Attempts, until one succeeds or another would be of no use.
    pub(super) fn bring(&self, source: &Source, cost: &mut Cost) -> Result<Got, Fail> {
        let before = self.net.bytes.load(Ordering::Relaxed);
        let mut wait = self.options.backoff;
        loop {
            cost.attempts += 1;
            let mut failure = match (source.scheme.get)(&self.net, source) {
                Ok(got) => {
                    if let Some(came) = got.came {
                        cost.bytes = came;
                    } else if !got.there {
                        cost.bytes = fs::metadata(&got.path).map_or(0, |meta| meta.len());
                    }
                    return Ok(got);
                }
                Err(Fail::One(failure)) => failure,
                Err(fail) => return Err(fail),
            };
            let pause = match failure.retry {
                Retry::Never => return Err(failure.into()),
                Retry::Later => wait,
                Retry::After(time) => time,
            };
            let last = cost.attempts > self.options.retries;
            if last || pause > self.options.timeout {
                let tried = match cost.attempts {
                    1 => String::new(),
                    n => format!(", {n} times"),
                };
                failure.reason.push_str(&tried);
                if let Retry::After(time) = failure.retry {
                    let asks = format!("; it asks to wait {} s", time.as_secs());
                    failure.reason.push_str(&asks);
                }
                cost.bytes = self.net.bytes.load(Ordering::Relaxed) - before;
                http::forget_useless(&self.net, source);
                return Err(failure.into());
            }
            if failure.class == Class::RateLimited {
                self.queue.hold(source, pause);
            }
            if !self.net.wait(pause) {
                return Err(Fail::Stopped);
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// The hash of what was fetched, and of a local file where the row has one to compare.
    pub(super) fn hash(wanted: Option<&String>, got: &Got) -> Result<Option<String>, Fail> {
        if got.came.is_some() || (!got.owned && wanted.is_none()) {
            return Ok(None);
        }
        let read = |e| Fail::disk("cannot read", &got.path)(e);
        let mut file = File::open(&got.path).map_err(read)?;
        let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 18]);
        loop {
            let n = file
                .read(&mut buffer)
                .map_err(Fail::disk("cannot read", &got.path))?;
            if n == 0 {
                break;
            }
            hasher.update(buffer.get(..n).unwrap_or_default());
        }
        let hash: String = hasher
            .finalize()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        match wanted {
            Some(wanted) if *wanted != hash => {
                let reason = format!("its SHA-256 is {hash}, not {wanted} as its row says");
                Err(Failure::last(Class::Corrupt, reason).into())
            }
            _ => Ok(Some(hash)),
        }
    }
}
