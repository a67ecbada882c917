//! [`Net`]: what all fetches of a run share: the HTTP client, the limits, the counters.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Proxy};

use super::FetchOptions;
use crate::{Error, Result};

/// Longest sleep before the stop signal is looked at.
const TICK: Duration = Duration::from_millis(50);

/// What all fetches of a run share.
pub(super) struct Net<'a> {
    pub(super) options: &'a FetchOptions,
    pub(super) agent: Agent,
    /// Folder of what is unfinished.
    pub(super) work: PathBuf,
    /// Bytes that came over the network.
    pub(super) bytes: AtomicU64,
    stop: &'a AtomicBool,
    /// Set where the run cannot go on.
    pub(super) abort: AtomicBool,
    /// Sources of which parts did not do, by hash.
    whole: Mutex<HashSet<String>>,
    /// When the bytes asked for so far will have come at the rate allowed.
    due: Mutex<Instant>,
}

impl<'a> Net<'a> {
    pub(super) fn new(
        options: &'a FetchOptions,
        work: &Path,
        stop: &'a AtomicBool,
    ) -> Result<Self> {
        Ok(Self {
            options,
            agent: agent(options)?,
            work: work.to_owned(),
            bytes: AtomicU64::new(0),
            stop,
            abort: AtomicBool::new(false),
            whole: Mutex::default(),
            due: Mutex::new(Instant::now()),
        })
    }

    /// Whether a source is to be fetched whole.
    pub(super) fn is_whole(&self, hash: &str) -> bool {
        let whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        whole.contains(hash)
    }

    /// From now on a source is fetched whole.
    pub(super) fn want_whole(&self, hash: &str) {
        let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        whole.insert(hash.to_owned());
    }

    /// Whether nothing more is to be begun.
    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.abort.load(Ordering::Relaxed)
    }

    /// Waits; `false` if the run is to stop.
    pub(super) fn wait(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        loop {
            if self.stopped() {
                return false;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(TICK));
        }
    }

    /// Counts bytes that came, and waits as long as `--rate` demands.
    pub(super) fn came(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let Some(rate) = self.options.rate else {
            return;
        };
        let time = Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64);
        let wait = {
            let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
            *due = (*due).max(Instant::now()) + time;
            due.saturating_duration_since(Instant::now())
        };
        self.wait(wait);
    }
}

fn agent(options: &FetchOptions) -> Result<Agent> {
    let proxy = options.proxy.as_deref().map(Proxy::new).transpose();
    let proxy = proxy.map_err(|e| {
        let text = options.proxy.as_deref().unwrap_or_default();
        Error::usage(format!("--proxy {text}: {e}; expected http://HOST:PORT"))
    })?;
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("kpack/", env!("CARGO_PKG_VERSION")))
        .accept("*/*")
        .accept_encoding("identity")
        .timeout_resolve(Some(options.stall))
        .timeout_connect(Some(options.stall))
        .timeout_recv_response(Some(options.stall))
        .timeout_per_read(Some(options.stall))
        .timeout_per_write(Some(options.stall))
        // A proxy from the environment would be asked without having been named.
        .proxy(proxy)
        .build();
    let guard = Guard {
        allow: options.allow_private || options.proxy.is_some(),
        resolver: DefaultResolver::default(),
    };
    Ok(Agent::with_parts(
        config,
        DefaultConnector::default(),
        guard,
    ))
}

/// Resolves names, and leaves out addresses that are not of the public network. What is connected
/// to is what was looked at, so a name that changes its address between two looks gains nothing.
#[derive(Debug)]
struct Guard {
    allow: bool,
    resolver: DefaultResolver,
}

/// What a refused address is told by; it is looked for in the error.
pub(super) const PRIVATE: &str = "is a private address";

impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> std::result::Result<ResolvedSocketAddrs, ureq::Error> {
        let all = self.resolver.resolve(uri, config, timeout)?;
        if self.allow {
            return Ok(all);
        }
        let mut public = self.empty();
        for address in all.iter().filter(|a| is_public(a)) {
            public.push(*address);
        }
        match (public.is_empty(), all.iter().next()) {
            (true, Some(private)) => {
                let ip = private.ip();
                let message = format!("{ip} {PRIVATE}");
                Err(ureq::Error::Io(std::io::Error::other(message)))
            }
            _ => Ok(public),
        }
    }
}

fn is_public(address: &SocketAddr) -> bool {
    is_public_ip(address.ip())
}

/// Whether an address is of the public network.
pub(super) fn is_public_ip(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => {
            let s = ip.segments();
            // NAT64 and 6to4 carry an IPv4 address.
            if s[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
                let [a, b] = s[6].to_be_bytes();
                let [c, d] = s[7].to_be_bytes();
                return is_public_v4(Ipv4Addr::new(a, b, c, d));
            }
            if s[0] == 0x2002 {
                let [a, b] = s[1].to_be_bytes();
                let [c, d] = s[2].to_be_bytes();
                return is_public_v4(Ipv4Addr::new(a, b, c, d));
            }
            !(ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_multicast()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
                || s[..6] == [0; 6]
                || (s[0] == 0x2001 && s[1] == 0xdb8))
        }
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let special =
        a == 0 || a >= 240 || (a == 192 && b == 0 && c == 0) || (a == 198 && b & 0xfe == 18);
    !(ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation()
        || shared
        || special)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn private_addresses_are_known_in_every_dress() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "255.255.255.255",
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "::127.0.0.1",
            "224.0.0.1",
            "::",
        ] {
            assert!(!is_public_ip(private.parse().unwrap()), "{private}");
        }
        for public in ["8.8.8.8", "2606:4700::1111", "172.32.0.1", "100.128.0.1"] {
            assert!(is_public_ip(public.parse().unwrap()), "{public}");
        }
    }
}
