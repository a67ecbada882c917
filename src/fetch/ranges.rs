//! Only the seconds that are wanted: of an mp4 file whose server answers ranges, the index is fetched,
//! and then the bytes of the packets that the clips need.
//!
//! ```text
//! HASH.ranges    a file of the source's length with holes: head, index, groups of pictures
//! ```
//!
//! Whatever is unusual (no ranges, no index, most of it is needed, another file meanwhile) ends in
//! `None`, and the source is fetched whole.

use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use ureq::Body;
use ureq::http::Response;

use super::answer::{first_of, is_other, total_of, validator};
use super::http::header;
use super::net::Net;
use super::plan::Source;
use super::table::Got;
use super::{Fail, FetchOptions};
use crate::media::Input;
use crate::sample::Trim;
use crate::source::{Span, is_media_head};

/// Bytes that are asked for first: in most files the beginning of the index.
pub(super) const HEAD: u64 = 32 << 10;
/// Sources that are shorter are fetched whole.
const SMALL: u64 = 4 << 20;
/// Longest index.
const INDEX: u64 = 64 << 20;
/// Ranges with less between them are asked for as one.
const GAP: u64 = 8 << 10;
/// Boxes that are looked at to find the index.
const BOXES: usize = 32;
/// Most requests for one source.
const REQUESTS: usize = 200;

/// Whether parts of the source would do.
pub(super) fn suits(net: &Net<'_>, source: &Source) -> bool {
    let FetchOptions {
        trim, keep_source, ..
    } = net.options;
    let ranged = source
        .jobs
        .iter()
        .all(|job| job.span.is_some_and(|span| span.end.is_some()));
    let plain = !source.is_archive && source.sha256.is_none() && !source.jobs.is_empty();
    plain && ranged && !keep_source && *trim != Trim::None && !net.is_whole(&source.hash)
}

/// Where the parts of a source lie.
pub(super) fn path(net: &Net<'_>, source: &Source) -> PathBuf {
    net.work.join(format!("{}.ranges", source.hash))
}

/// The parts that the source's clips need, beginning with the answer to a request for the first
/// [`HEAD`] bytes of `address`.
pub(super) fn get(
    net: &Net<'_>,
    source: &Source,
    address: &str,
    response: Response<Body>,
) -> Result<Option<Got>, Fail> {
    let mut parts = match Parts::begin(net, address, response, path(net, source))? {
        Some(parts) => parts,
        None => return Ok(None),
    };
    let got = parts.all(source)?;
    if !got {
        // What stays is overwritten.
        let _ = fs::remove_file(&parts.path);
        return Ok(None);
    }
    let synced = parts.file.sync_all();
    synced.map_err(Fail::disk("cannot sync", &parts.path))?;
    Ok(Some(Got {
        path: parts.path,
        owned: true,
        there: false,
        came: Some(parts.came),
    }))
}

/// A file with holes on its way.
struct Parts<'a, 'b> {
    net: &'a Net<'b>,
    address: &'a str,
    path: PathBuf,
    file: Arc<File>,
    total: u64,
    validator: String,
    /// Bytes from the beginning on that are there.
    head: u64,
    came: u64,
}

impl<'a, 'b> Parts<'a, 'b> {
    fn begin(
        net: &'a Net<'b>,
        address: &'a str,
        response: Response<Body>,
        path: PathBuf,
    ) -> Result<Option<Self>, Fail> {
        let range = header(&response, "content-range").unwrap_or_default();
        let other = header(&response, "content-type").is_some_and(|kind| is_other(&kind));
        let (Some(0), Some(total)) = (first_of(&range), total_of(&range)) else {
            return Ok(None);
        };
        let small = !(SMALL..=net.options.max_size).contains(&total);
        let Some(validator) = validator(&response).filter(|_| !other && !small) else {
            return Ok(None);
        };
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(true);
        let file = options
            .open(&path)
            .map_err(Fail::disk("cannot create", &path))?;
        file.set_len(total)
            .map_err(Fail::disk("cannot enlarge", &path))?;
        let mut parts = Self {
            net,
            address,
            path,
            file: Arc::new(file),
            total,
            validator,
            head: 0,
            came: 0,
        };
        let whole = parts.store(response, 0..HEAD.min(total))?;
        parts.head = HEAD.min(total);
        let mut head = vec![0; 512];
        let read = parts.file.read_at(&mut head, 0);
        read.map_err(Fail::disk("cannot read", &parts.path))?;
        let mp4 = head.get(4..8) == Some(b"ftyp") && is_media_head(&head);
        Ok((whole && mp4).then_some(parts))
    }

    /// The index, then the packets; `false` where the source is to be fetched whole.
    fn all(&mut self, source: &Source) -> Result<bool, Fail> {
        let Some(index) = self.index()? else {
            return Ok(false);
        };
        if !self.fetch(index)? {
            return Ok(false);
        }
        let spans = source.jobs.iter().filter_map(|job| job.span);
        let mut wanted = Vec::new();
        let Ok(input) = Input::open(self.file.clone()) else {
            return Ok(false);
        };
        for span in spans {
            match needed(&input, span) {
                Some(ranges) => wanted.extend(ranges),
                None => return Ok(false),
            }
        }
        drop(input);
        let wanted = merged(wanted);
        let bytes: u64 = wanted.iter().map(|range| range.end - range.start).sum();
        let inside = wanted.last().is_some_and(|range| range.end <= self.total);
        if !inside || bytes > self.total / 2 || wanted.len() > REQUESTS {
            return Ok(false);
        }
        for range in wanted {
            if !self.fetch(range)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Where the index lies.
    fn index(&mut self) -> Result<Option<Range<u64>>, Fail> {
        let mut at = 0;
        for _ in 0..BOXES {
            if at + 16 > self.total || !self.fetch(at..at + 16)? {
                return Ok(None);
            }
            let mut head = [0; 16];
            let read = self.file.read_exact_at(&mut head, at);
            read.map_err(Fail::disk("cannot read", &self.path))?;
            let [a, b, c, d, kind @ .., _, _, _, _, _, _, _, _] = head;
            let size = match u32::from_be_bytes([a, b, c, d]) {
                1 => u64::from_be_bytes(head.last_chunk().copied().unwrap_or_default()),
                size => u64::from(size),
            };
            let end = at
                .checked_add(size)
                .filter(|end| size >= 8 && *end <= self.total);
            let Some(end) = end else { return Ok(None) };
            if kind == *b"moov" {
                return Ok((size <= INDEX).then_some(at..end));
            }
            at = end;
        }
        Ok(None)
    }

    /// Fetches a range, but for what of it is in the head; `false` where the server gives another.
    fn fetch(&mut self, range: Range<u64>) -> Result<bool, Fail> {
        let range = range.start.max(self.head)..range.end;
        if range.is_empty() {
            return Ok(true);
        }
        if self.net.stopped() {
            return Err(Fail::Stopped);
        }
        let request = self.net.agent.get(self.address);
        let request = request.header("Range", format!("bytes={}-{}", range.start, range.end - 1));
        let Ok(response) = request.header("If-Range", &self.validator).call() else {
            return Ok(false);
        };
        let told = header(&response, "content-range").unwrap_or_default();
        let right = response.status().as_u16() == 206
            && first_of(&told) == Some(range.start)
            && total_of(&told) == Some(self.total);
        match right {
            true => self.store(response, range),
            false => Ok(false),
        }
    }

    /// Writes a body to where it belongs; whether all of it came.
    fn store(&mut self, response: Response<Body>, range: Range<u64>) -> Result<bool, Fail> {
        let mut body = response.into_body();
        let mut body = body.as_reader().take(range.end - range.start);
        let (mut at, mut buffer) = (range.start, vec![0; 64 << 10]);
        loop {
            let Ok(n) = body.read(&mut buffer) else {
                return Ok(false);
            };
            if n == 0 {
                return Ok(at == range.end);
            }
            let bytes = buffer.get(..n).unwrap_or_default();
            let written = self.file.write_all_at(bytes, at);
            written.map_err(Fail::disk("cannot write", &self.path))?;
            at += n as u64;
            self.came += n as u64;
            self.net.came(n);
            if self.net.stopped() {
                return Err(Fail::Stopped);
            }
        }
    }
}

/// The bytes of all packets that cutting `span` reads, as the index tells: from the key frame before
/// its start on, and a little sound around it. `None` where there is no index.
fn needed(input: &Input, span: Span) -> Option<Vec<Range<u64>>> {
    /// Frames are shown after they are decoded, and sound needs a run-up.
    const LEAD: i64 = 300_000_000;
    const TAIL: i64 = 200_000_000;
    let (video, end) = (input.video()?, span.end?.nanos());
    let from = span.start.nanos() - LEAD;
    let pictures = input.index(video);
    let first = pictures
        .iter()
        .rposition(|(at, key, _)| *key && *at <= from);
    let (begin, _, _) = pictures.get(first.unwrap_or(0))?;
    let begin = *begin;
    let sounds = input.audio().map(|track| input.index(track));
    let sounds = sounds.unwrap_or_default();
    let wanted = |at: i64| (begin - LEAD..end + TAIL).contains(&at);
    let ranges = pictures.into_iter().skip(first.unwrap_or(0)).chain(sounds);
    let ranges = ranges.filter(|(at, _, _)| wanted(*at));
    Some(ranges.map(|(_, _, range)| range).collect())
}

/// Ranges in order, joined where little lies between them.
fn merged(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end + GAP => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}
