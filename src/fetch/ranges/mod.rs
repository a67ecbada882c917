//! Only the seconds that are wanted: of a file whose server answers ranges, what the index tells of
//! them is fetched, and then the bytes of the packets that the clips need.
//!
//! ```text
//! HASH.ranges    a file of the source's length with holes: head, parts of the index, groups of pictures
//! ```
//!
//! Whatever is unusual (no ranges, no index, most of it is needed, another file meanwhile) ends in
//! `None`, and the source is fetched whole.

mod mkv;
mod mp4;
mod parts;

use std::fs;
use std::path::PathBuf;

use ureq::Body;
use ureq::http::Response;

use super::net::Net;
use super::plan::Source;
use super::table::Got;
use super::{Fail, FetchOptions};
use crate::sample::Trim;
use crate::source::{Span, is_media_head};
pub(crate) use mp4::Needed;
use parts::Parts;

/// Bytes that are asked for first: in most files all that stands before the tables of the index.
pub(super) const HEAD: u64 = 16 << 10;

/// Why parts of a source are not got.
#[derive(Debug)]
enum Halt {
    /// Something is unusual: it is to be fetched whole.
    Whole,
    Fail(Fail),
}

impl From<Fail> for Halt {
    fn from(fail: Fail) -> Self {
        Halt::Fail(fail)
    }
}

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
    let path = path(net, source);
    let parts = Parts::begin(net, address, response, path.clone());
    match parts.and_then(|parts| fill(parts, source)) {
        Ok(came) => Ok(Some(Got {
            path,
            owned: true,
            there: false,
            came: Some(came),
        })),
        Err(halt) => {
            // What stays is overwritten.
            let _ = fs::remove_file(&path);
            match halt {
                Halt::Whole => Ok(None),
                Halt::Fail(fail) => Err(fail),
            }
        }
    }
}

/// Fetches what the clips need, and says how many bytes came.
fn fill(mut parts: Parts<'_, '_>, source: &Source) -> Result<u64, Halt> {
    let spans: Vec<Span> = source.jobs.iter().filter_map(|job| job.span).collect();
    let head = parts.peek(0, 512)?;
    if head.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]) {
        mkv::fill(&mut parts, &spans)?;
    } else if head.get(4..8) == Some(b"ftyp") && is_media_head(&head) {
        mp4::fill(&mut parts, &spans)?;
    } else {
        return Err(Halt::Whole);
    }
    Ok(parts.came)
}
