//! [`Outgoing`]: bytes on their way from a child to its parent.

use std::fs::File;
use std::io::{self, IoSlice, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use kpack_formats::{Blob, Limits};

use super::wire::{self, Kind, PIECE};
use crate::sample::Outlet;

/// Parts handed to one write.
const PARTS: usize = 256;

/// Sends bytes as they are made, many together: each message wakes the parent.
#[derive(Clone)]
pub(super) struct Outgoing(Arc<Mutex<State>>);

struct State {
    socket: UnixStream,
    /// Stands for the socket in blobs; nobody reads it.
    file: Arc<File>,
    path: Arc<Path>,
    waiting: Vec<Bytes>,
    /// Bytes that wait.
    held: u64,
    /// Bytes that were sent and not taken back.
    sent: u64,
    /// Bytes that the parent holds.
    there: u64,
    failed: Option<io::Error>,
}

impl Outgoing {
    pub(super) fn new(socket: &UnixStream) -> io::Result<Self> {
        let (socket, other) = (socket.try_clone()?, OwnedFd::from(socket.try_clone()?));
        Ok(Self(Arc::new(Mutex::new(State {
            socket,
            file: Arc::new(other.into()),
            path: Path::new("bytes").into(),
            waiting: Vec::new(),
            held: 0,
            sent: 0,
            there: 0,
            failed: None,
        }))))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends `bytes`, now or soon, and gives their place.
    pub(super) fn send(&mut self, mut bytes: Bytes) -> u64 {
        let mut state = self.state();
        let place = state.sent + state.held;
        // What the parent would not take is only counted: the sample is too large.
        let most = Limits::default().sample_bytes;
        while !bytes.is_empty() && state.sent + state.held < most {
            let room = (PIECE - state.held).min(most - state.sent - state.held);
            let part = bytes.split_to((room as usize).min(bytes.len()));
            state.held += part.len() as u64;
            state.waiting.push(part);
            if state.held == PIECE {
                state.send();
            }
        }
        place
    }

    /// Takes back what lies behind the first `length` bytes.
    pub(super) fn cut(&mut self, length: u64) {
        let mut state = self.state();
        state.send();
        state.sent = state.sent.min(length);
    }

    /// Sends what waits: the end of an answer's bytes.
    ///
    /// # Errors
    /// What went wrong now, or with earlier bytes.
    pub(super) fn flush(&self) -> io::Result<()> {
        let mut state = self.state();
        state.send();
        (state.sent, state.there) = (0, 0);
        state.failed.take().map_or(Ok(()), Err)
    }
}

impl State {
    fn send(&mut self) {
        if self.waiting.is_empty() && self.sent == self.there {
            return;
        }
        let (at, length) = (self.sent, self.held);
        let header = wire::header(Kind::Bytes, wire::PLACE as u64 + length);
        let place = at.to_le_bytes();
        let waiting = self.waiting.iter().map(|bytes| &bytes[..]);
        let parts: Vec<&[u8]> = [&header[..], &place].into_iter().chain(waiting).collect();
        // What cannot be sent is not sent again: the parent is gone.
        if self.failed.is_none()
            && let Err(e) = write_parts(&mut self.socket, &parts)
        {
            self.failed = Some(e);
        }
        self.waiting.clear();
        (self.sent, self.held) = (at + length, 0);
        self.there = self.sent;
    }
}

impl Outlet for Outgoing {
    fn restart(&mut self) {
        let mut state = self.state();
        state.waiting.clear();
        (state.sent, state.held) = (0, 0);
    }

    fn take(&mut self, picture: Bytes) -> Blob {
        let length = picture.len() as u64;
        let offset = self.send(picture);
        let state = self.state();
        Blob::File {
            file: state.file.clone(),
            path: state.path.clone(),
            offset,
            length,
        }
    }
}

/// Writes all parts, in few writes.
fn write_parts(socket: &mut UnixStream, parts: &[&[u8]]) -> io::Result<()> {
    for parts in parts.chunks(PARTS) {
        let mut parts: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut left = &mut parts[..];
        while !left.is_empty() {
            let written = match socket.write_vectored(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            IoSlice::advance_slices(&mut left, written);
        }
    }
    Ok(())
}
