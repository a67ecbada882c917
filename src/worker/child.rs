//! [`Child`]: the parent's end of a child process.

use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, Read, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{ChildStderr, Command, Stdio};

use bytes::Bytes;
use kpack_formats::Limits;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde::de::DeserializeOwned;

use super::buffers::{Buffers, Incoming};
use super::job::JobBody;
use super::watch::{End, Lost, TICK, Watch, memory_of};
use super::wire::{self, Failed, HEADER, Hello, Kind, PLACE};
use super::{Program, Sandbox};
use crate::sample::SampleError;

/// Bytes of the standard error that are kept.
const TAIL: usize = 400;
/// Memory for bytes grows by this many at most before more have come.
const GROWTH: u64 = 64 << 20;

/// A child process that waits for a job, or works on one. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Child {
    process: std::process::Child,
    socket: UnixStream,
    errors: Option<ChildStderr>,
    tail: Vec<u8>,
    /// Whether its Hello came.
    greeted: bool,
    /// Jobs done.
    pub(super) served: u32,
    /// Bytes of the last answer.
    usual: u64,
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both fail only where it has ended and was reaped already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Child {
    /// Starts a child. It says whether all is well when it is first asked.
    pub(super) fn start(program: &Program) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new(&program.path);
        command.arg0("kpack").args(&program.args);
        command.stdin(Stdio::from(OwnedFd::from(theirs)));
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        // glibc gives memory back after each clip and takes it anew, page by page, for the next.
        for (name, value) in [
            ("MALLOC_TRIM_THRESHOLD_", "134217728"),
            ("MALLOC_MMAP_THRESHOLD_", "33554432"),
        ] {
            if std::env::var_os(name).is_none() {
                command.env(name, value);
            }
        }
        // Ctrl-C in a terminal is for the parent: what is in flight is finished.
        command.process_group(0);
        let mut process = command.spawn()?;
        let errors = process.stderr.take();
        if let Some(errors) = &errors {
            rustix::io::ioctl_fionbio(errors, true)?;
        }
        Ok(Self {
            process,
            socket: ours,
            errors,
            tail: Vec::new(),
            greeted: false,
            served: 0,
            usual: 0,
        })
    }

    /// Hears another than its process, as if it were new or, `greeted`, had said its Hello.
    #[cfg(any(test, fuzzing))]
    pub(super) fn rewire(&mut self, socket: UnixStream, greeted: bool) {
        self.socket = socket;
        self.greeted = greeted;
        self.tail.clear();
    }

    /// Waits for the child's first message.
    pub(super) fn greet(&mut self, watch: &mut Watch) -> Result<Sandbox, Lost> {
        let (kind, length) = self.head(watch)?;
        let body = self.body(length, watch)?;
        let hello: Hello = match kind {
            Kind::Hello => wire::parse(kind, &body)?,
            _ => return Err(wire::Broken(format!("a {kind:?} instead of a Hello")).into()),
        };
        let version = env!("CARGO_PKG_VERSION");
        if hello.version != version {
            let other = format!("a Hello of version {} instead of {version}", hello.version);
            return Err(wire::Broken(other).into());
        }
        self.greeted = true;
        Ok(hello.sandbox)
    }

    /// Has `job` done on `file`: the answer, and the bytes that came with it. An inner error is what
    /// the child found; an outer one, that it is lost.
    pub(super) fn ask<T: DeserializeOwned>(
        &mut self,
        body: &JobBody,
        file: &File,
        watch: &mut Watch,
        buffers: &Buffers,
    ) -> Result<Result<(T, Bytes), SampleError>, Lost> {
        self.send(body, file, watch)?;
        let mut came = Incoming::new(self.usual, buffers);
        let answer: Result<T, Failed> = loop {
            let (kind, length) = self.head(watch)?;
            match kind {
                Kind::Bytes => self.bytes(length, &mut came.bytes, watch)?,
                Kind::Pulse => {
                    let signs = wire::parse_pulse(&self.body(length, watch)?)?;
                    watch.hear(signs);
                }
                Kind::Answer => break wire::parse(kind, &self.body(length, watch)?)?,
                other => return Err(wire::Broken(format!("a {other:?} out of turn")).into()),
            }
        };
        self.served += 1;
        self.usual = came.bytes.len() as u64;
        let failed = |failed: Failed| failed.of(&body.key);
        Ok(answer.map(|t| (t, came.lend())).map_err(failed))
    }

    /// Ends the child: how it ended by itself, if it did, and what it said last.
    pub(super) fn end(mut self, lost: &Lost) -> (Option<End>, String) {
        if !matches!(lost, Lost::Ended) {
            let _ = self.process.kill();
        }
        let status = self.process.wait().ok();
        while self.hear_errors() {}
        let ended = status.and_then(|s| match (s.code(), s.signal()) {
            (Some(code), _) => Some(End::Code(code)),
            (None, signal) => signal.map(End::Signal),
        });
        let said = String::from_utf8_lossy(&self.tail);
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let said: String = said.chars().map(plain).collect();
        (ended, said.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Sends a job with its open file.
    fn send(&mut self, body: &JobBody, file: &File, watch: &mut Watch) -> Result<(), Lost> {
        if !self.greeted {
            self.greet(watch)?;
        }
        let message = wire::message(Kind::Job, body)?;
        let fds = [file.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&fds));
        // The child waits, so that the socket is empty and takes all of a message of usual length.
        let parts = [IoSlice::new(&message)];
        let sent = sendmsg(&self.socket, &parts, &mut control, SendFlags::empty());
        let mut sent = sent.map_err(io::Error::from)?;
        while sent < message.len() {
            match (&self.socket).write(&message[sent..]) {
                Ok(more) => sent += more,
                Err(e) if e.kind() == ErrorKind::WouldBlock => self.wait(PollFlags::OUT, watch)?,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// The next message's kind, and the length of its body.
    fn head(&mut self, watch: &mut Watch) -> Result<(Kind, u64), Lost> {
        let mut header = [0; HEADER];
        self.exact(&mut header, watch)?;
        Ok(wire::parse_header(&header)?)
    }

    /// The body of a message.
    fn body(&mut self, length: u64, watch: &mut Watch) -> Result<Vec<u8>, Lost> {
        let mut body = Vec::new();
        while (body.len() as u64) < length {
            let begin = body.len();
            body.resize(begin + (length - begin as u64).min(GROWTH) as usize, 0);
            self.exact(&mut body[begin..], watch)?;
        }
        Ok(body)
    }

    /// Takes bytes of the answer.
    fn bytes(&mut self, length: u64, into: &mut Vec<u8>, watch: &mut Watch) -> Result<(), Lost> {
        let mut place = [0; PLACE];
        self.exact(&mut place, watch)?;
        let begin = u64::from_le_bytes(place);
        let length = length.saturating_sub(PLACE as u64);
        let most = Limits::default().sample_bytes;
        if begin > into.len() as u64 || begin + length > most {
            let message = format!("{length} bytes at {begin} of {}", into.len());
            return Err(wire::Broken(message).into());
        }
        into.truncate(begin as usize);
        self.append(into, length, watch)
    }

    /// Reads until `into` is full.
    fn exact(&mut self, mut into: &mut [u8], watch: &mut Watch) -> Result<(), Lost> {
        while !into.is_empty() {
            let read = rustix::io::read(&self.socket, &mut *into);
            let read = self.come(read, watch)?;
            into = &mut into[read..];
        }
        Ok(())
    }

    /// What a read gave; where there is nothing yet, waits.
    fn come(
        &mut self,
        read: Result<usize, rustix::io::Errno>,
        watch: &mut Watch,
    ) -> Result<usize, Lost> {
        match read {
            Ok(0) => Err(Lost::Ended),
            Ok(read) => Ok(read),
            Err(rustix::io::Errno::AGAIN) => self.wait(PollFlags::IN, watch).map(|()| 0),
            Err(rustix::io::Errno::INTR) => Ok(0),
            Err(e) => Err(io::Error::from(e).into()),
        }
    }

    /// Reads `length` bytes more; memory grows with what comes.
    fn append(&mut self, into: &mut Vec<u8>, length: u64, watch: &mut Watch) -> Result<(), Lost> {
        let whole = into.len() as u64 + length;
        while (into.len() as u64) < whole {
            let missing = (whole - into.len() as u64).min(GROWTH);
            if into.capacity() - into.len() < missing as usize {
                let more = (into.capacity() as u64).clamp(missing, GROWTH);
                let reserved = into.try_reserve_exact(more as usize);
                reserved.map_err(|_| Lost::System(ErrorKind::OutOfMemory.into()))?;
            }
            match (&self.socket).take(missing).read_to_end(into) {
                Ok(read) if (read as u64) < missing => return Err(Lost::Ended),
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => self.wait(PollFlags::IN, watch)?,
                Err(e) => return Err(e.into()),
            }
            watch.received();
        }
        Ok(())
    }

    /// Waits until the socket is ready, and looks after the limits meanwhile.
    fn wait(&mut self, ready: PollFlags, watch: &mut Watch) -> Result<(), Lost> {
        let tick = Timespec {
            tv_sec: 0,
            tv_nsec: TICK.as_nanos() as i64,
        };
        loop {
            let mut fds = vec![PollFd::new(&self.socket, ready)];
            if let Some(errors) = &self.errors {
                fds.push(PollFd::new(errors, PollFlags::IN));
            }
            match poll(&mut fds, Some(&tick)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(io::Error::from(e).into()),
            }
            let ready = !fds[0].revents().is_empty();
            let speaks = fds.get(1).is_some_and(|fd| !fd.revents().is_empty());
            drop(fds);
            if speaks {
                self.hear_errors();
            }
            let id = self.process.id();
            watch.look(|| memory_of(id))?;
            if ready {
                return Ok(());
            }
        }
    }

    /// Takes what the child said on its standard error; whether there may be more.
    fn hear_errors(&mut self) -> bool {
        let Some(errors) = &mut self.errors else {
            return false;
        };
        let mut part = [0; 4096];
        match errors.read(&mut part) {
            Ok(0) => self.errors = None,
            Ok(n) => {
                self.tail.extend_from_slice(&part[..n]);
                let surplus = self.tail.len().saturating_sub(TAIL);
                self.tail.drain(..surplus);
                return true;
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => return true,
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.errors = None,
        }
        false
    }
}
