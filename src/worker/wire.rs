//! What parent and child say to each other.
//!
//! ```text
//! message:  "kpw1" | kind u32 | length u64 | length bytes                    (little endian)
//!
//! child                                parent
//!   Hello {version, sandbox}  ──────>
//!                             <──────  Clip {key, extension, range, recipe}, and the open file
//!   Pulse steps, held, length ──────>  (at most ten a second)
//!   Pictures at, bytes        ──────>  (as they are made)
//!   Sample {blobs, facts}     ──────>
//!   bytes of the others, End  ──────>
//!     or Skipped, or Failed   ──────>
//!
//!                             <──────  Look {key}, and the open file
//!   Pulse ..                  ──────>
//!   Seen, or Failed           ──────>
//! ```
//!
//! Bodies are JSON but for a pulse's. The parent believes nothing: every length has a limit, memory
//! grows only with the bytes that really come, names are checked, and a file's range must lie in the
//! file that the parent itself has opened. A blob that is a range of the file is only named. Pictures lie
//! one behind the other; those that go back (to 0: all begins anew) take the place of what came from
//! there on.

use std::collections::BTreeMap;
use std::io;

use kpack_formats::{FrameTable, Limits};
use serde::{Deserialize, Serialize};

use super::Sandbox;
use crate::Time;
use crate::pulse::Signs;
use crate::sample::{Class, Facts, Recipe, SampleError, Stage};
use crate::source::Span;

const MAGIC: [u8; 4] = *b"kpw1";
/// Most bytes of pictures in one message.
pub(super) const PICTURES: u64 = 1 << 20;
/// Bytes of the place of pictures, before them.
pub(super) const PLACE: usize = 8;
/// Bytes of a message's header.
pub(super) const HEADER: usize = 16;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Hello,
    Clip,
    Pulse,
    Pictures,
    Sample,
    End,
    Skipped,
    Failed,
    Look,
    Seen,
}

impl Kind {
    pub(super) const ALL: [Kind; 10] = [
        Kind::Hello,
        Kind::Clip,
        Kind::Pulse,
        Kind::Pictures,
        Kind::Sample,
        Kind::End,
        Kind::Skipped,
        Kind::Failed,
        Kind::Look,
        Kind::Seen,
    ];

    /// Longest body in bytes.
    const fn most(self) -> u64 {
        match self {
            Kind::Hello | Kind::Skipped | Kind::Failed | Kind::Seen => 64 << 10,
            Kind::Look => 16 << 10,
            Kind::Clip => 1 << 20,
            Kind::Pulse => 24,
            Kind::Pictures => PLACE as u64 + PICTURES,
            // The names and lengths of as many blobs as a sample may have.
            Kind::Sample => 256 << 20,
            Kind::End => 0,
        }
    }
}

/// Bytes that are no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Broken(pub(super) String);

impl From<Broken> for io::Error {
    fn from(broken: Broken) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, broken.0)
    }
}

/// The header of a message with a body of `length` bytes.
pub(super) fn header(kind: Kind, length: u64) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4..8].copy_from_slice(&(kind as u32).to_le_bytes());
    bytes[8..].copy_from_slice(&length.to_le_bytes());
    bytes
}

/// Reads a header: the kind, and the length of the body in bytes.
pub(super) fn parse_header(bytes: &[u8; HEADER]) -> Result<(Kind, u64), Broken> {
    let (magic, rest) = bytes.split_at(4);
    let (kind, length) = rest.split_at(4);
    if magic != MAGIC {
        return Err(Broken(format!("{:02x?} is no message", &bytes[..8])));
    }
    let (mut four, mut eight) = ([0; 4], [0; 8]);
    four.copy_from_slice(kind);
    eight.copy_from_slice(length);
    let (number, length) = (u32::from_le_bytes(four), u64::from_le_bytes(eight));
    let known = Kind::ALL.into_iter().find(|kind| *kind as u32 == number);
    let kind = known.ok_or_else(|| Broken(format!("{number} is no kind of message")))?;
    if length > kind.most() {
        return Err(Broken(format!("a {kind:?} of {length} bytes")));
    }
    Ok((kind, length))
}

/// A whole message with a JSON body.
pub(super) fn message(kind: Kind, body: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; HEADER];
    serde_json::to_writer(&mut bytes, body).map_err(io::Error::other)?;
    let length = (bytes.len() - HEADER) as u64;
    bytes[..HEADER].copy_from_slice(&header(kind, length));
    Ok(bytes)
}

/// Reads a JSON body.
pub(super) fn parse<'a, T: Deserialize<'a>>(kind: Kind, body: &'a [u8]) -> Result<T, Broken> {
    serde_json::from_slice(body).map_err(|e| Broken(format!("a {kind:?} that is not one: {e}")))
}

/// A pulse as a whole message.
pub(super) fn pulse(signs: Signs) -> [u8; HEADER + 24] {
    let mut bytes = [0; HEADER + 24];
    bytes[..HEADER].copy_from_slice(&header(Kind::Pulse, 24));
    let numbers = [signs.steps, signs.held, signs.length_ms];
    let (places, _) = bytes[HEADER..].as_chunks_mut::<8>();
    for (place, number) in places.iter_mut().zip(numbers) {
        *place = number.to_le_bytes();
    }
    bytes
}

/// Reads a pulse's body.
pub(super) fn parse_pulse(body: &[u8]) -> Result<Signs, Broken> {
    match body.as_chunks::<8>() {
        ([steps, held, length], []) => Ok(Signs {
            steps: u64::from_le_bytes(*steps),
            held: u64::from_le_bytes(*held),
            length_ms: u64::from_le_bytes(*length),
        }),
        _ => Err(Broken(format!("a pulse of {} bytes", body.len()))),
    }
}

/// First message of a child, sent when it has given up what it can.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    /// Version of kpack, which must be the parent's.
    pub(super) version: String,
    pub(super) sandbox: Sandbox,
}

/// A clip to be made. The rest of it stays with the parent, which puts the sample together.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ClipBody {
    pub(super) key: String,
    /// The media file's extension, which may become a blob's name.
    pub(super) extension: Option<String>,
    /// Start in nanoseconds, and the end if there is one.
    pub(super) range: Option<(i64, Option<i64>)>,
    pub(super) recipe: Recipe,
}

impl ClipBody {
    pub(super) fn of_span(span: Option<Span>) -> Option<(i64, Option<i64>)> {
        span.map(|span| (span.start.nanos(), span.end.map(Time::nanos)))
    }

    pub(super) fn span(&self) -> Option<Span> {
        self.range.map(|(start, end)| Span {
            start: Time::from_nanos(start),
            end: end.map(Time::from_nanos),
        })
    }
}

/// A media file to be decoded and looked at.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LookBody {
    /// Key of the sample that it belongs to.
    pub(super) key: String,
}

/// What comes before a sample's bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SampleBody {
    pub(super) blobs: Vec<BlobBody>,
    pub(super) facts: Facts,
    /// By the names of blobs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) frame_tables: BTreeMap<String, FrameTable>,
}

/// A blob: its bytes follow, or came as pictures, or it is a range of the media file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct BlobBody {
    pub(super) name: String,
    pub(super) length: u64,
    /// First byte in the media file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<u64>,
    /// First byte in the pictures that came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<u64>,
}

impl SampleBody {
    /// Bytes that follow, where all is as it may be. `file` is the length of the media file, `pictures`
    /// the bytes of pictures that came.
    pub(super) fn check(&self, file: u64, pictures: u64) -> Result<u64, Broken> {
        let limits = Limits::default();
        if self.blobs.len() as u64 > limits.members {
            return Err(Broken(format!("{} blobs", self.blobs.len())));
        }
        let (mut bytes, mut follow) = (0_u64, 0_u64);
        let mut last = (0_u64, 0_u64);
        for blob in &self.blobs {
            kpack_formats::check_blob_name(&blob.name).map_err(|e| Broken(e.to_string()))?;
            let ends_in = |from: u64, all: u64| from.checked_add(blob.length).filter(|e| *e <= all);
            match (blob.from, blob.at) {
                (Some(from), None) => {
                    let outside = || Broken(format!("a range outside the file in {}", blob.name));
                    ends_in(from, file).ok_or_else(outside)?;
                    continue;
                }
                (None, Some(at)) => {
                    // In order and without gaps, but that one picture may be there several times.
                    let end =
                        ends_in(at, pictures).filter(|end| at == last.1 || (at, *end) == last);
                    let other = || Broken(format!("a place outside the pictures in {}", blob.name));
                    last = (at, end.ok_or_else(other)?);
                }
                (None, None) => follow = follow.saturating_add(blob.length),
                (Some(_), Some(_)) => {
                    return Err(Broken(format!("two places of {}", blob.name)));
                }
            }
            bytes = bytes.saturating_add(blob.length);
        }
        // Names come in order, so that none comes twice.
        if !self.blobs.is_sorted_by(|a, b| a.name < b.name) {
            return Err(Broken("names of blobs that are not in order".to_owned()));
        }
        if bytes > limits.sample_bytes {
            return Err(Broken(format!("a sample of {bytes} bytes")));
        }
        for (name, table) in &self.frame_tables {
            let blob = self.blobs.iter().find(|blob| blob.name == *name);
            if blob.is_none_or(|blob| !table.fits(blob.length)) {
                return Err(Broken(format!("a frame table that fits no blob {name}")));
            }
        }
        Ok(follow)
    }
}

/// Why a clip gave no sample.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FailedBody {
    pub(super) stage: Stage,
    pub(super) class: Class,
    pub(super) reason: String,
    /// The causes in one line.
    pub(super) cause: Option<String>,
}

impl FailedBody {
    /// As the failure of the clip `key`.
    pub(super) fn of(self, key: &str) -> SampleError {
        let error = SampleError::new(key, self.stage, self.class, self.reason);
        match self.cause {
            Some(cause) => error.because(cause),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn headers_that_lie_are_refused() {
        for kind in Kind::ALL {
            assert_eq!(parse_header(&header(kind, 0)), Ok((kind, 0)));
            assert!(parse_header(&header(kind, kind.most())).is_ok());
            assert!(parse_header(&header(kind, kind.most() + 1)).is_err());
            assert!(parse_header(&header(kind, u64::MAX)).is_err());
        }
        let mut strange = header(Kind::Pulse, 24);
        strange[4] = 99;
        assert!(parse_header(&strange).is_err());
    }

    #[test]
    fn samples_that_lie_are_refused() {
        let blob = |name: &str, length, from| BlobBody {
            name: name.to_owned(),
            length,
            from,
            at: None,
        };
        let picture = |name: &str, length, at| BlobBody {
            at: Some(at),
            ..blob(name, length, None)
        };
        let check = |blobs| {
            let facts = Facts::default();
            let frame_tables = BTreeMap::new();
            SampleBody {
                blobs,
                facts,
                frame_tables,
            }
            .check(100, 50)
        };
        let good = vec![
            picture("000001.jpg", 20, 0),
            picture("000002.jpg", 20, 0),
            picture("000003.jpg", 30, 20),
            blob("mp4", 100, Some(0)),
            blob("wav", 7, None),
        ];
        assert_eq!(check(good), Ok(7));
        for bad in [
            vec![blob("../../etc/x", 1, None)],
            vec![blob("jpg", u64::MAX, None)],
            vec![blob("a", u64::MAX / 2, None), blob("b", u64::MAX, None)],
            vec![blob("mp4", 101, Some(0))],
            vec![blob("mp4", 1, Some(u64::MAX))],
            vec![blob("a", 1, None), blob("a", 1, None)],
            vec![picture("a", 51, 0)],
            vec![picture("a", 1, u64::MAX)],
            vec![picture("a", 10, 1)],
            vec![picture("a", 10, 0), picture("b", 10, 11)],
            vec![picture("a", 10, 0), picture("b", 10, 9)],
            vec![BlobBody {
                from: Some(0),
                ..picture("a", 1, 0)
            }],
        ] {
            let shown = format!("{bad:?}");
            assert!(check(bad).is_err(), "{shown}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parent_panic(bytes in any::<[u8; HEADER]>(), body: Vec<u8>, file: u64, came: u64) {
            let _ = parse_header(&bytes);
            let _ = parse_pulse(&body);
            let _ = parse::<Hello>(Kind::Hello, &body);
            let _ = parse::<FailedBody>(Kind::Failed, &body);
            if let Ok(sample) = parse::<SampleBody>(Kind::Sample, &body) {
                let _ = sample.check(file, came);
            }
        }

        #[test]
        fn pulses_come_back(steps: u64, held: u64, length_ms: u64) {
            let signs = Signs { steps, held, length_ms };
            prop_assert_eq!(parse_pulse(&pulse(signs)[HEADER..]), Ok(signs));
        }
    }
}
