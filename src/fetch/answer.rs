//! What an HTTP answer is worth, by its status and headers; and the [`Part`] of one that is kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use ureq::Body;
use ureq::http::Response;

use super::date::http_date;
use super::http::{header, too_large};
use super::{Failure, FetchOptions, Retry};
use crate::sample::Class;

/// What of an answer lies on the disk.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) path: PathBuf,
    address: String,
    have: u64,
    /// The ETag or date by which the server knows the answer again.
    validator: Option<String>,
    length: Option<u64>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Notes {
    address: String,
    validator: Option<String>,
    length: Option<u64>,
}

impl Part {
    /// What an earlier attempt left at `path` for `address`.
    pub(super) fn open(path: PathBuf, address: &str) -> Self {
        let notes = fs::read(Self::notes_of(&path)).ok();
        let notes = notes.and_then(|bytes| serde_json::from_slice::<Notes>(&bytes).ok());
        let notes = notes.filter(|n| n.address == address).unwrap_or_default();
        let have = match notes.validator {
            Some(_) => fs::metadata(&path).map_or(0, |meta| meta.len()),
            None => 0,
        };
        Self {
            path,
            address: address.to_owned(),
            have,
            validator: notes.validator,
            length: notes.length,
        }
    }

    /// Where the description of a part lies.
    pub(super) fn notes_of(path: &Path) -> PathBuf {
        path.with_extension("part.json")
    }

    /// From where on bytes are missing, and what the server must still have.
    pub(super) fn resumable(&self) -> Option<(u64, &str)> {
        let validator = self.validator.as_deref()?;
        (self.have > 0).then_some((self.have, validator))
    }

    /// Writes down of which answer this is a part.
    pub(super) fn note(&self) -> std::io::Result<()> {
        let notes = Notes {
            address: self.address.clone(),
            validator: self.validator.clone(),
            length: self.length,
        };
        fs::write(Self::notes_of(&self.path), serde_json::to_vec(&notes)?)
    }

    /// Forgets all of it.
    pub(super) fn remove(&self) {
        // What cannot be removed is overwritten by the next attempt.
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(Self::notes_of(&self.path));
    }
}

/// A good answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// The position of the body's first byte.
    pub(super) from: u64,
    /// The length of the whole.
    pub(super) length: Option<u64>,
    /// Whether the part is the whole already.
    pub(super) is_complete: bool,
}

/// Judges an answer that is no redirect.
pub(super) fn judge(
    response: &Response<Body>,
    part: &mut Part,
    options: &FetchOptions,
) -> Result<Answer, Failure> {
    let status = response.status().as_u16();
    let range = header(response, "content-range");
    let total = range.as_deref().and_then(total_of);
    if status == 416 {
        let is_complete = total.is_some() && total == Some(part.have) && part.length == total;
        if is_complete {
            let (from, length) = (part.have, total);
            return Ok(Answer {
                from,
                length,
                is_complete,
            });
        }
        part.remove();
        return Err(Failure::again(
            Class::Network,
            "the server has no bytes after what is here; begun anew",
        ));
    }
    if !matches!(status, 200 | 206) {
        return Err(refused(response, status));
    }
    if let Some(kind) = header(response, "content-type").filter(|kind| is_other(kind)) {
        part.remove();
        let reason = format!("the server sends {kind}, not a video (status {status})");
        return Err(Failure::last(Class::NotAVideo, reason));
    }
    let sent: Option<u64> = header(response, "content-length").and_then(|n| n.trim().parse().ok());
    let from = match status {
        206 => {
            let from = range.as_deref().and_then(first_of);
            if from != Some(part.have)
                || (part.length.is_some() && total.is_some() && part.length != total)
            {
                part.remove();
                let reason =
                    format!("the server sent another range than asked: {range:?}; begun anew");
                return Err(Failure::again(Class::Network, reason));
            }
            part.have
        }
        _ => 0,
    };
    let length = total.or(sent.map(|n| n + from));
    if let Some(n) = length.filter(|n| *n > options.max_size) {
        part.remove();
        return Err(too_large(n, options.max_size));
    }
    if from == 0 {
        part.validator = validator(response);
        part.length = length;
        part.have = 0;
    }
    Ok(Answer {
        from,
        length,
        is_complete: false,
    })
}

/// A strong ETag, else the date of the last change.
pub(super) fn validator(response: &Response<Body>) -> Option<String> {
    let etag = header(response, "etag").filter(|tag| !tag.starts_with("W/"));
    etag.or_else(|| header(response, "last-modified"))
}

/// `bytes 5-9/10` begins at 5.
pub(super) fn first_of(range: &str) -> Option<u64> {
    let range = range.trim().strip_prefix("bytes ")?;
    range.split_once('-')?.0.trim().parse().ok()
}

/// `bytes 5-9/10` and `bytes */10` are of 10.
pub(super) fn total_of(range: &str) -> Option<u64> {
    range.rsplit_once('/')?.1.trim().parse().ok()
}

/// Kinds of content that are surely no video.
pub(super) fn is_other(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    let image = kind.starts_with("image/");
    const OTHERS: [&str; 6] = [
        "text/html",
        "text/xml",
        "application/json",
        "application/xml",
        "application/xhtml+xml",
        "application/problem+json",
    ];
    image || OTHERS.contains(&kind.as_str())
}

/// What a status means that is no answer.
fn refused(response: &Response<Body>, status: u16) -> Failure {
    let reason = match response.status().canonical_reason() {
        Some(text) => format!("the server answers {status} ({text})"),
        None => format!("the server answers {status}"),
    };
    let pause = header(response, "retry-after").and_then(|text| retry_after(&text));
    let retry = pause.map_or(Retry::Later, Retry::After);
    match status {
        429 => Failure::new(Class::RateLimited, reason, retry),
        503 if pause.is_some() => Failure::new(Class::RateLimited, reason, retry),
        408 | 425 | 500 | 502 | 503 | 504 => Failure::new(Class::Network, reason, retry),
        404 | 410 => Failure::last(Class::Gone, reason),
        401 | 407 => Failure::last(Class::SignIn, reason),
        403 => Failure::last(Class::Private, reason),
        451 => Failure::last(Class::Copyright, reason),
        _ => Failure::last(Class::Network, reason),
    }
}

/// Seconds, or the date after which to ask again.
fn retry_after(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = http_date(text)?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}
