//! What parent and child say to each other.
//!
//! ```text
//! message:  "kpw1" | kind u32 | length u64 | length bytes                    (little endian)
//!
//! child                              parent
//!   Hello {version, sandbox}  ────>
//!                             <────  Job {key, job}, and the open file
//!   Pulse steps, held, length ────>  (at most ten a second)
//!   Bytes at, bytes           ────>  (as they are made)
//!   Answer {Ok: ..} or {Err}  ────>
//! ```
//!
//! Bodies are JSON but for those of pulses and bytes. What jobs there are, and what is answered to each,
//! stands in [`job`](super::job); the answer says what the bytes are that came before it.
//!
//! The parent believes nothing: every length has a limit, memory grows only with the bytes that really
//! come, and an answer that does not fit its bytes is none. Bytes lie one behind the other; those that go
//! back (to 0: all begins anew) take the place of what came from there on.

use std::io;

use serde::{Deserialize, Serialize};

use super::Sandbox;
use crate::pulse::Signs;
use crate::sample::{Class, SampleError, Stage};
use crate::source::Problem;

const MAGIC: [u8; 4] = *b"kpw1";
/// Most bytes in one message of them.
pub(super) const PIECE: u64 = 1 << 20;
/// Bytes of their place, before them.
pub(super) const PLACE: usize = 8;
/// Bytes of a message's header.
pub(super) const HEADER: usize = 16;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Hello,
    Job,
    Pulse,
    Bytes,
    Answer,
}

impl Kind {
    pub(super) const ALL: [Kind; 5] = [
        Kind::Hello,
        Kind::Job,
        Kind::Pulse,
        Kind::Bytes,
        Kind::Answer,
    ];

    /// Longest body in bytes.
    const fn most(self) -> u64 {
        match self {
            Kind::Hello => 64 << 10,
            Kind::Job => 16 << 20,
            Kind::Pulse => 24,
            Kind::Bytes => PLACE as u64 + PIECE,
            // The names and lengths of as many blobs as a sample may have.
            Kind::Answer => 512 << 20,
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

/// Why a job gave nothing.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Failed {
    stage: Stage,
    class: Class,
    reason: String,
    /// The causes in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
}

impl Failed {
    /// As the failure of `key`.
    pub(super) fn of(self, key: &str) -> SampleError {
        let error = SampleError::new(key, self.stage, self.class, self.reason);
        match self.cause {
            Some(cause) => error.because(cause),
            None => error,
        }
    }
}

impl From<SampleError> for Failed {
    fn from(e: SampleError) -> Self {
        let all = e.full_reason();
        let cause = e.cause.is_some().then(|| {
            let cause = all.get(e.reason.len()..).unwrap_or_default();
            cause.strip_prefix(": ").unwrap_or(cause).to_owned()
        });
        Self {
            stage: e.stage,
            class: e.class,
            reason: e.reason,
            cause,
        }
    }
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self {
            stage: problem.stage,
            class: problem.class,
            reason: problem.reason,
            cause: None,
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

    proptest! {
        #[test]
        fn no_bytes_make_the_parent_panic(bytes in any::<[u8; HEADER]>(), body: Vec<u8>) {
            let _ = parse_header(&bytes);
            let _ = parse_pulse(&body);
            let _ = parse::<Hello>(Kind::Hello, &body);
            let _ = parse::<Result<(), Failed>>(Kind::Answer, &body);
        }

        #[test]
        fn pulses_come_back(steps: u64, held: u64, length_ms: u64) {
            let signs = Signs { steps, held, length_ms };
            prop_assert_eq!(parse_pulse(&pulse(signs)[HEADER..]), Ok(signs));
        }
    }
}
