//! [`Parts`]: a file with holes, filled by requests for ranges.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use ureq::Body;
use ureq::http::Response;

use super::super::Fail;
use super::super::answer::{first_of, is_other, total_of, validator};
use super::super::http::header;
use super::super::net::Net;
use super::mp4::Needed;
use super::{HEAD, Halt};
use crate::sample::Trim;

/// Sources that are shorter are fetched whole.
const SMALL: u64 = 4 << 20;
/// Ranges with less between them are asked for as one.
const GAP: u64 = 8 << 10;
/// Bytes that are asked for where a few are looked at.
const WINDOW: u64 = 4 << 10;
/// Most requests for one source.
const REQUESTS: usize = 200;

/// A file with holes on its way.
pub(super) struct Parts<'a, 'b> {
    net: &'a Net<'b>,
    address: &'a str,
    pub(super) path: PathBuf,
    pub(super) file: Arc<File>,
    /// How clips are cut out of it.
    pub(super) trim: Trim,
    /// Length of the source.
    pub(super) total: u64,
    validator: String,
    /// What is there, in order, apart from each other.
    have: Vec<Range<u64>>,
    /// What we wrote into it ourselves.
    own: Vec<(u64, Vec<u8>)>,
    requests: usize,
    /// Bytes that came.
    pub(super) came: u64,
}

impl<'a, 'b> Parts<'a, 'b> {
    /// Which bytes are needed, as what is there tells; `None` where it does not.
    pub(super) fn needed(&self, task: &Needed) -> Option<Vec<Range<u64>>> {
        let workers = &self.net.options.workers;
        let (wanted, _) = workers.ask(self.address, &self.file, task).ok()?;
        wanted
    }

    /// Begins with the answer to a request for the first [`HEAD`] bytes of `address`.
    pub(super) fn begin(
        net: &'a Net<'b>,
        address: &'a str,
        response: Response<Body>,
        path: PathBuf,
    ) -> Result<Self, Halt> {
        let range = header(&response, "content-range").unwrap_or_default();
        let other = header(&response, "content-type").is_some_and(|kind| is_other(&kind));
        let (Some(0), Some(total)) = (first_of(&range), total_of(&range)) else {
            return Err(Halt::Whole);
        };
        if other || !(SMALL..=net.options.max_size).contains(&total) {
            return Err(Halt::Whole);
        }
        let validator = validator(&response).ok_or(Halt::Whole)?;
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
            trim: net.options.trim,
            total,
            validator,
            have: Vec::new(),
            own: Vec::new(),
            requests: 1,
            came: 0,
        };
        parts.store(response, 0..HEAD.min(total))?;
        Ok(parts)
    }

    /// Some bytes at `at`, with those behind them if they must be asked for.
    pub(super) fn peek(&mut self, at: u64, count: usize) -> Result<Vec<u8>, Halt> {
        let end = at.checked_add(count as u64).ok_or(Halt::Whole)?;
        if let Some(hole) = self.missing(at..end).first() {
            let window = end.max(hole.start.saturating_add(WINDOW));
            self.fetch(hole.start..window.min(self.total))?;
        }
        self.bytes(at..end)
    }

    /// The bytes of a range, fetched if need be. The caller bounds its length.
    pub(super) fn bytes(&mut self, range: Range<u64>) -> Result<Vec<u8>, Halt> {
        self.fetch(range.clone())?;
        let length = usize::try_from(range.end - range.start).map_err(|_| Halt::Whole)?;
        let mut bytes = vec![0; length];
        let read = self.file.read_exact_at(&mut bytes, range.start);
        read.map_err(Fail::disk("cannot read", &self.path))?;
        Ok(bytes)
    }

    /// Writes bytes of our own into the file. They stay, whatever is fetched around them.
    pub(super) fn put(&mut self, at: u64, bytes: Vec<u8>) -> Result<(), Halt> {
        self.write(&bytes, at)?;
        self.note(at..at.saturating_add(bytes.len() as u64));
        self.own.push((at, bytes));
        Ok(())
    }

    fn write(&self, bytes: &[u8], at: u64) -> Result<(), Halt> {
        let written = self.file.write_all_at(bytes, at);
        Ok(written.map_err(Fail::disk("cannot write", &self.path))?)
    }

    /// Takes all of a range for a hole again, if we wrote into it.
    pub(super) fn undo(&mut self, range: &Range<u64>) {
        let before = self.own.len();
        self.own.retain(|(at, _)| !range.contains(at));
        if self.own.len() == before {
            return;
        }
        let outside = |part: Range<u64>| {
            let before = part.start..part.end.min(range.start);
            let after = part.start.max(range.end)..part.end;
            [before, after].into_iter().filter(|part| !part.is_empty())
        };
        let have = std::mem::take(&mut self.have);
        self.have = have.into_iter().flat_map(outside).collect();
    }

    /// Fetches what is missing of ranges; those that lie close together by one request.
    pub(super) fn fetch_all(&mut self, ranges: Vec<Range<u64>>) -> Result<(), Halt> {
        let holes = ranges.into_iter().flat_map(|range| self.missing(range));
        for range in merged(holes.collect(), GAP) {
            self.ask(range)?;
        }
        Ok(())
    }

    /// Fetches what is missing of a range.
    pub(super) fn fetch(&mut self, range: Range<u64>) -> Result<(), Halt> {
        self.fetch_all(vec![range])
    }

    /// The holes of a range.
    pub(super) fn missing(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let (mut at, mut holes) = (range.start, Vec::new());
        for part in &self.have {
            if part.start >= range.end {
                break;
            }
            if part.start > at {
                holes.push(at..part.start);
            }
            at = at.max(part.end);
        }
        if at < range.end {
            holes.push(at..range.end);
        }
        holes
    }

    fn ask(&mut self, range: Range<u64>) -> Result<(), Halt> {
        self.requests += 1;
        if range.end > self.total || self.requests > REQUESTS {
            return Err(Halt::Whole);
        }
        if self.net.stopped() {
            return Err(Fail::Stopped.into());
        }
        let request = self.net.agent.get(self.address);
        let request = request.header("Range", format!("bytes={}-{}", range.start, range.end - 1));
        let asked = request.header("If-Range", &self.validator).call();
        let response = asked.map_err(|_| Halt::Whole)?;
        let told = header(&response, "content-range").unwrap_or_default();
        let right = response.status().as_u16() == 206
            && first_of(&told) == Some(range.start)
            && total_of(&told) == Some(self.total)
            && validator(&response).is_none_or(|now| now == self.validator);
        match right {
            true => self.store(response, range),
            false => Err(Halt::Whole),
        }
    }

    /// Writes a body to where it belongs.
    fn store(&mut self, response: Response<Body>, range: Range<u64>) -> Result<(), Halt> {
        let mut body = response.into_body();
        let mut body = body.as_reader();
        let (mut at, mut buffer) = (range.start, vec![0; 64 << 10]);
        while at < range.end {
            let n = body.read(&mut buffer).map_err(|_| Halt::Whole)?;
            // What is sent beyond the range is not looked at.
            let left = usize::try_from(range.end - at).unwrap_or(usize::MAX);
            let bytes = buffer.get(..n.min(left)).unwrap_or_default();
            if bytes.is_empty() {
                return Err(Halt::Whole);
            }
            self.write(bytes, at)?;
            at += bytes.len() as u64;
            self.came += bytes.len() as u64;
            self.net.came(bytes.len());
            if self.net.stopped() {
                return Err(Fail::Stopped.into());
            }
        }
        for (at, bytes) in self.own.iter().filter(|(at, _)| range.contains(at)) {
            self.write(bytes, *at)?;
        }
        self.note(range);
        // Only at its end a body gives its connection back.
        let _ = body.read(&mut buffer);
        Ok(())
    }

    fn note(&mut self, range: Range<u64>) {
        self.have.push(range);
        self.have = merged(std::mem::take(&mut self.have), 0);
    }
}

/// Ranges in order, joined where no more than `gap` lies between them.
pub(super) fn merged(mut ranges: Vec<Range<u64>>, gap: u64) -> Vec<Range<u64>> {
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(gap) => {
                last.end = last.end.max(range.end);
            }
            _ => merged.push(range),
        }
    }
    merged
}
