//! Sources over HTTP(S): one attempt, which continues what an earlier attempt left.
//!
//! ```text
//! HASH.part        what has come so far
//! HASH.part.json   of which answer it is a part: its ETag or date, and its whole length
//! HASH.source      the whole answer, checked
//! ```
//!
//! Nothing is taken for a video because a server says so: the status, the kind of content, the
//! first bytes and the length must all agree.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::time::{Duration, Instant};

use ureq::Body;
use ureq::http::{Response, Uri};

use super::answer::{Answer, Part, judge};
use super::mirror::is_archive;
use super::net::{Net, PRIVATE, is_public_ip};
use super::plan::Source;
use super::ranges;
use super::table::Got;
use super::{Fail, Failure};
use crate::sample::Class;
use crate::source::is_media_head;

/// Most redirects that are followed.
const REDIRECTS: usize = 5;
/// Bytes that tell a video from something else.
const HEAD: usize = 512;
/// Less than this in the time of `--stall` is no progress.
const PROGRESS: u64 = 1024;

pub(super) fn takes(address: &str) -> bool {
    let scheme = address.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|s| s.eq_ignore_ascii_case("http") || s.eq_ignore_ascii_case("https"))
}

pub(super) fn get(net: &Net<'_>, source: &Source) -> Result<Got, Fail> {
    let whole = net.work.join(format!("{}.source", source.hash));
    let there = whole.is_file();
    if !there {
        let begun = Instant::now();
        let part = Part::open(
            net.work.join(format!("{}.part", source.hash)),
            &source.address,
        );
        let parts = ranges::suits(net, source) && part.resumable().is_none();
        let coming = match request(net, source, part, parts)? {
            Asked::Coming(coming) => coming,
            Asked::Head(part, address, response) => {
                if let Some(got) = ranges::get(net, source, &address, response)? {
                    return Ok(got);
                }
                net.want_whole(&source.hash);
                match request(net, source, part, false)? {
                    Asked::Coming(coming) => coming,
                    Asked::Head(..) => {
                        let reason = "the server sends a part of what it was asked for";
                        return Err(Failure::again(Class::Network, reason).into());
                    }
                }
            }
        };
        let part = receive(net, coming, source.is_archive, begun)?;
        fs::rename(&part, &whole).map_err(Fail::disk("cannot rename to", &whole))?;
        // What described the part has no meaning any more; a later part overwrites it.
        let _ = fs::remove_file(Part::notes_of(&part));
    }
    Ok(Got {
        path: whole,
        owned: true,
        there,
        came: None,
    })
}

/// Removes what has come of a source, if the server would not know it again.
pub(super) fn forget_useless(net: &Net<'_>, source: &Source) {
    let part = net.work.join(format!("{}.part", source.hash));
    let part = Part::open(part, &source.address);
    if part.resumable().is_none() {
        part.remove();
    }
}

/// An answer whose body is to be written into the part.
struct Coming {
    part: Part,
    answer: Option<(Answer, Response<Body>)>,
}

/// What a request led to.
enum Asked {
    Coming(Coming),
    /// The first bytes, which were asked for, from this address.
    Head(Part, String, Response<Body>),
}

/// Asks for what is missing, or for the first bytes only, through redirects, and judges the answer
/// by its head.
fn request(net: &Net<'_>, source: &Source, mut part: Part, head: bool) -> Result<Asked, Fail> {
    let mut address = source.address.clone();
    for _ in 0..=REDIRECTS {
        let uri: Uri = address
            .parse()
            .map_err(|e| Failure::last(Class::Gone, format!("{address}: is no address: {e}")))?;
        refuse_literal(net, &uri)?;
        let mut request = net.agent.get(&uri);
        if let Some((from, validator)) = part.resumable() {
            request = request.header("Range", format!("bytes={from}-"));
            request = request.header("If-Range", validator);
        } else if head {
            request = request.header("Range", format!("bytes=0-{}", ranges::HEAD - 1));
        }
        let response = request.call().map_err(|e| broken(net, e))?;
        let status = response.status().as_u16();
        if matches!(status, 301 | 302 | 303 | 307 | 308) {
            let to = header(&response, "location");
            address = target(&uri, to.as_deref().unwrap_or_default())?;
            continue;
        }
        if head && status == 206 {
            return Ok(Asked::Head(part, address, response));
        }
        let answer = judge(&response, &mut part, net.options)?;
        if answer.is_complete {
            return Ok(Asked::Coming(Coming { part, answer: None }));
        }
        return Ok(Asked::Coming(Coming {
            part,
            answer: Some((answer, response)),
        }));
    }
    let reason = format!("more than {REDIRECTS} redirects from {}", source.address);
    Err(Failure::last(Class::Network, reason).into())
}

/// Behind a proxy names are resolved by the proxy; what can be judged here is judged here.
fn refuse_literal(net: &Net<'_>, uri: &Uri) -> Result<(), Failure> {
    let host = uri.host().unwrap_or_default();
    let ip = host.trim_matches(['[', ']']).parse();
    let private = ip.is_ok_and(|ip| !is_public_ip(ip)) || host.eq_ignore_ascii_case("localhost");
    match private && !net.options.allow_private {
        true => Err(private_address(&format!("{host} {PRIVATE}"))),
        false => Ok(()),
    }
}

fn private_address(message: &str) -> Failure {
    Failure::last(
        Class::Network,
        format!("{message}; --allow-private lets it be asked"),
    )
}

/// Where a redirect leads.
fn target(from: &Uri, to: &str) -> Result<String, Failure> {
    let scheme = from.scheme_str().unwrap_or("http");
    let authority = from.authority().map_or("", |a| a.as_str());
    let to = to.split('#').next().unwrap_or_default().trim();
    if to.is_empty() {
        return Err(Failure::last(Class::Network, "a redirect to nowhere"));
    }
    if takes(to) {
        return Ok(to.to_owned());
    }
    if to.contains("://") {
        return Err(Failure::last(
            Class::Network,
            format!("a redirect to {to}, which is not HTTP"),
        ));
    }
    if to.starts_with("//") {
        return Ok(format!("{scheme}:{to}"));
    }
    if to.starts_with('/') {
        return Ok(format!("{scheme}://{authority}{to}"));
    }
    let folder = from
        .path()
        .rsplit_once('/')
        .map_or("", |(folder, _)| folder);
    Ok(format!("{scheme}://{authority}{folder}/{to}"))
}

/// Writes the body behind what is there, and gives the file when it is whole.
fn receive(
    net: &Net<'_>,
    coming: Coming,
    archive: bool,
    begun: Instant,
) -> Result<std::path::PathBuf, Fail> {
    let Coming { part, answer } = coming;
    let path = part.path.clone();
    let Some((answer, response)) = answer else {
        return Ok(path);
    };
    let mut file = open(&part, answer.from)?;
    let length = answer.length;
    let mut body = response.into_body();
    let mut body = body.as_reader();
    let (mut at, mut head) = (answer.from, Vec::new());
    let mut pace = Pace::new(net);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let n = match body.read(&mut buffer) {
            Ok(n) => n,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) => return Err(cut_off(net, &e, at, length).into()),
        };
        let bytes = buffer.get(..n).unwrap_or_default();
        if answer.from == 0 && head.len() < HEAD {
            head.extend_from_slice(bytes);
            let wanted = |head: &[u8]| match archive {
                true => is_archive(head),
                false => is_media_head(head),
            };
            if (head.len() >= HEAD || n == 0) && !wanted(&head) {
                drop(file);
                part.remove();
                return Err(not_wanted(&head, archive).into());
            }
        }
        if n == 0 {
            break;
        }
        at += n as u64;
        if at > net.options.max_size {
            drop(file);
            part.remove();
            return Err(too_large(at, net.options.max_size).into());
        }
        file.write_all(bytes)
            .map_err(Fail::disk("cannot write", &path))?;
        net.came(n);
        if net.stopped() {
            return Err(Fail::Stopped);
        }
        pace.check(net, n, begun)?;
    }
    if length.is_some_and(|length| at != length) {
        let end = std::io::Error::from(ErrorKind::UnexpectedEof);
        return Err(cut_off(net, &end, at, length).into());
    }
    file.sync_all().map_err(Fail::disk("cannot sync", &path))?;
    Ok(path)
}

fn open(part: &Part, from: u64) -> Result<File, Fail> {
    let path = &part.path;
    part.note().map_err(Fail::disk("cannot write", path))?;
    let file = OpenOptions::new().create(true).append(true).open(path);
    let file = file.map_err(Fail::disk("cannot open", path))?;
    file.set_len(from).map_err(Fail::disk("cannot cut", path))?;
    Ok(file)
}

/// Whether bytes come fast enough.
struct Pace {
    since: Instant,
    bytes: u64,
    stall: Duration,
}

impl Pace {
    fn new(net: &Net<'_>) -> Self {
        Self {
            since: Instant::now(),
            bytes: 0,
            stall: net.options.stall,
        }
    }

    fn check(&mut self, net: &Net<'_>, bytes: usize, begun: Instant) -> Result<(), Failure> {
        self.bytes += bytes as u64;
        let limit = net.options.timeout;
        if begun.elapsed() > limit {
            let reason = format!("not done after {} s (--fetch-timeout)", limit.as_secs_f64());
            return Err(Failure::last(Class::Timeout, reason));
        }
        if self.since.elapsed() >= self.stall {
            let slow = net.options.rate.is_none_or(|rate| rate > PROGRESS);
            if self.bytes < PROGRESS && slow {
                let seconds = self.since.elapsed().as_secs_f64();
                let reason = format!("only {} bytes came in {seconds:.0} s (--stall)", self.bytes);
                return Err(Failure::again(Class::Timeout, reason));
            }
            (self.since, self.bytes) = (Instant::now(), 0);
        }
        Ok(())
    }
}

pub(super) fn too_large(bytes: u64, limit: u64) -> Failure {
    let reason = format!("has {bytes} bytes or more, above the limit of {limit} (--max-size)");
    Failure::last(Class::TooLarge, reason)
}

fn not_wanted(head: &[u8], archive: bool) -> Failure {
    let wanted = if archive { "archive" } else { "video" };
    let begin: String = String::from_utf8_lossy(head).chars().take(40).collect();
    let begin = begin.escape_debug().to_string();
    let reason = match head.is_empty() {
        true => "the answer is empty (0 bytes)".to_owned(),
        false => format!("the answer is no {wanted}: it begins `{begin}`"),
    };
    Failure::last(Class::NotAVideo, reason)
}

/// A body that ended before its time.
fn cut_off(net: &Net<'_>, e: &std::io::Error, at: u64, length: Option<u64>) -> Failure {
    let inner = e.get_ref().map(ToString::to_string);
    let timed_out = e.kind() == ErrorKind::TimedOut
        || inner
            .as_deref()
            .is_some_and(|text| text.starts_with("timeout"));
    let of = length.map_or_else(String::new, |n| format!(" of {n}"));
    if timed_out {
        let seconds = net.options.stall.as_secs_f64();
        let reason = format!("stalled at {at}{of} bytes: nothing came in {seconds} s (--stall)");
        return Failure::again(Class::Timeout, reason);
    }
    Failure::again(Class::Network, format!("broke off at {at}{of} bytes: {e}"))
}

/// A request without an answer.
fn broken(net: &Net<'_>, e: ureq::Error) -> Failure {
    let text = e.to_string();
    if text.contains(PRIVATE) {
        let at = text.find(": ").map_or(0, |at| at + 2);
        return private_address(text.get(at..).unwrap_or(&text));
    }
    match e {
        ureq::Error::Timeout(_) => {
            let seconds = net.options.stall.as_secs_f64();
            let reason = format!("no answer in {seconds} s (--stall): {text}");
            Failure::again(Class::Timeout, reason)
        }
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => Failure::last(Class::Gone, text),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => Failure::last(Class::Network, text),
        _ => Failure::again(Class::Network, text),
    }
}

/// A header's text.
pub(super) fn header(response: &Response<Body>, name: &str) -> Option<String> {
    let value = response.headers().get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}
