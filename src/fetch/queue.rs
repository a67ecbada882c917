//! [`Queue`]: the sources that wait, by host: each host has its own limits.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::net::Net;
use super::plan::Source;

/// Longest sleep before the stop signal is looked at.
const TICK: Duration = Duration::from_millis(50);

/// The sources that wait.
pub(super) struct Queue {
    hosts: Mutex<Hosts>,
    changed: Condvar,
    per_host: usize,
}

struct Hosts {
    all: Vec<Host>,
    by_name: HashMap<String, usize>,
    /// Which host is looked at first.
    turn: usize,
}

#[derive(Default)]
struct Host {
    waiting: VecDeque<usize>,
    busy: usize,
    /// The server asked not to be asked before.
    not_before: Option<Instant>,
}

impl Queue {
    pub(super) fn new(sources: &[Source], per_host: usize) -> Self {
        let (mut all, mut by_name) = (Vec::<Host>::new(), HashMap::new());
        for (i, source) in sources.iter().enumerate() {
            let at = *by_name.entry(source.host.clone()).or_insert_with(|| {
                all.push(Host::default());
                all.len() - 1
            });
            if let Some(host) = all.get_mut(at) {
                host.waiting.push_back(i);
            }
        }
        let turn = 0;
        Self {
            hosts: Mutex::new(Hosts { all, by_name, turn }),
            changed: Condvar::new(),
            per_host,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Hosts> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next source that may be asked for; waits for it. `None` if there is none left, or the
    /// run is to stop.
    pub(super) fn take(&self, net: &Net<'_>, sources: &[Source]) -> Option<usize> {
        let mut hosts = self.lock();
        loop {
            if net.stopped() || hosts.all.iter().all(|host| host.waiting.is_empty()) {
                return None;
            }
            if let Some(source) = hosts.next(self.per_host, sources) {
                return Some(source);
            }
            let waited = self.changed.wait_timeout(hosts, TICK);
            hosts = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until the source's host may be asked; `false` if the run is to stop.
    pub(super) fn enter(&self, net: &Net<'_>, source: &Source) -> bool {
        let mut hosts = self.lock();
        while !net.stopped() {
            let now = Instant::now();
            let Some(host) = hosts.of(source) else {
                return true;
            };
            let free = host.busy < self.per_host || source.host.is_empty();
            if free && host.not_before.is_none_or(|time| now >= time) {
                host.busy += 1;
                return true;
            }
            let waited = self.changed.wait_timeout(hosts, TICK);
            hosts = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }

    /// The source is settled.
    pub(super) fn done(&self, source: &Source) {
        if let Some(host) = self.lock().of(source) {
            host.busy = host.busy.saturating_sub(1);
        }
        self.changed.notify_all();
    }

    /// Nothing new is asked of the source's host for this time.
    pub(super) fn hold(&self, source: &Source, time: Duration) {
        if let Some(host) = self.lock().of(source) {
            host.not_before = host.not_before.max(Instant::now().checked_add(time));
        }
    }
}

impl Hosts {
    fn of(&mut self, source: &Source) -> Option<&mut Host> {
        let at = *self.by_name.get(&source.host)?;
        self.all.get_mut(at)
    }

    fn next(&mut self, per_host: usize, sources: &[Source]) -> Option<usize> {
        let (now, count) = (Instant::now(), self.all.len());
        for i in 0..count {
            let at = (self.turn + i) % count;
            let Some(host) = self.all.get_mut(at) else {
                continue;
            };
            // Files of this machine have no host to spare.
            let local = |i: &usize| sources.get(*i).is_some_and(|s| s.host.is_empty());
            let free = host.busy < per_host || host.waiting.front().is_some_and(local);
            let free = free && host.not_before.is_none_or(|time| now >= time);
            if free && let Some(source) = host.waiting.pop_front() {
                host.busy += 1;
                self.turn = at + 1;
                return Some(source);
            }
        }
        None
    }
}
