//! [`serve`]: the life of a child process.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;

use kpack_formats::{Blob, Limits, Sample};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::fault::Fault;
use super::sandbox;
use super::wire::{self, BlobBody, Broken, ClipBody, FailedBody, HEADER, Hello, Kind, SampleBody};
use crate::sample::{Class, Facts, Made, SampleError, Stage, Tools, make_sample};
use crate::source::Clip;
use crate::{media, pulse};

/// Parts handed to one write.
const PARTS: usize = 256;

/// Serves the parent behind standard input until it hangs up: the whole work of a child process.
///
/// With `check` the child first tries what it has given up, and tells it.
///
/// # Errors
/// Where standard input is no socket, or the parent breaks off in the middle of a message. What the
/// sandbox cannot hold is no error: the parent hears of it.
pub fn serve(check: bool) -> io::Result<()> {
    sandbox::leave_with_parent();
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    // Whatever the libraries set up once, they do it now.
    media::versions();
    let sandbox = sandbox::enter(check);
    let version = env!("CARGO_PKG_VERSION").to_owned();
    socket.write_all(&wire::message(Kind::Hello, &Hello { version, sandbox })?)?;
    let mut tools = Tools::default();
    while let Some((body, file)) = next(&mut socket)? {
        answer(&mut socket, &body, Arc::new(file), &mut tools)?;
    }
    Ok(())
}

/// The next clip and its file; `None` where the parent has hung up.
fn next(socket: &mut UnixStream) -> io::Result<Option<(ClipBody, File)>> {
    let mut header = [0; HEADER];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut header)];
    #[cfg(target_os = "linux")]
    let flags = RecvFlags::WAITALL | RecvFlags::CMSG_CLOEXEC;
    #[cfg(not(target_os = "linux"))]
    let flags = RecvFlags::WAITALL;
    let got = recvmsg(&*socket, &mut parts, &mut control, flags)?.bytes;
    if got == 0 {
        return Ok(None);
    }
    let file = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        _ => None,
    });
    let file: OwnedFd = file.ok_or_else(|| Broken("a clip without its file".to_owned()))?;
    let (kind, length) = wire::parse_header(&header)?;
    if got != HEADER || kind != Kind::Clip {
        return Err(Broken(format!("a {kind:?} out of turn")).into());
    }
    let mut body = vec![0; length as usize];
    socket.read_exact(&mut body)?;
    Ok(Some((wire::parse(kind, &body)?, File::from(file))))
}

fn answer(
    socket: &mut UnixStream,
    body: &ClipBody,
    file: Arc<File>,
    tools: &mut Tools,
) -> io::Result<()> {
    let clip = Clip {
        key: body.key.clone(),
        media: body
            .extension
            .as_ref()
            .map(|e| PathBuf::from(format!("clip.{e}"))),
        span: body.span(),
        ..Clip::default()
    };
    let fault = Fault::of(&body.key);
    let mut teller = socket.try_clone()?;
    let tell = move |signs| {
        // A parent that has gone is noticed with the answer.
        let _ = teller.write_all(&wire::pulse(signs));
    };
    let made = pulse::heard(tell, || {
        fault.strike();
        make_sample(&clip, &file, &body.recipe, tools)
    });
    match made {
        Ok(Made::Sample(sample, facts)) => match too_large(&body.key, &sample) {
            Some(e) => socket.write_all(&wire::message(Kind::Failed, &failure(e))?),
            None => send(socket, &sample, *facts, fault),
        },
        Ok(Made::Skipped(reason)) => socket.write_all(&wire::message(Kind::Skipped, &reason)?),
        // It is the parent that stops.
        Ok(Made::Left) => Err(io::Error::other("a worker does not stop by itself")),
        Err(e) => socket.write_all(&wire::message(Kind::Failed, &failure(e))?),
    }
}

/// Refuses what the parent would not take.
fn too_large(key: &str, sample: &Sample) -> Option<SampleError> {
    let in_memory = sample.blobs.values().filter_map(|blob| match blob {
        Blob::Bytes(bytes) => Some(bytes.len() as u64),
        Blob::File { .. } => None,
    });
    let (bytes, most) = (in_memory.sum::<u64>(), Limits::default().sample_bytes);
    let reason = format!("a sample of {bytes} bytes is larger than {most}: ask for less of it");
    let error = || SampleError::new(key, Stage::Encode, Class::TooLarge, reason);
    (bytes > most).then(error)
}

fn failure(e: SampleError) -> FailedBody {
    let all = e.full_reason();
    let cause = e.cause.is_some().then(|| {
        let cause = all.get(e.reason.len()..).unwrap_or_default();
        cause.strip_prefix(": ").unwrap_or(cause).to_owned()
    });
    FailedBody {
        stage: e.stage,
        class: e.class,
        reason: e.reason,
        cause,
    }
}

/// Sends what is in memory; of a range of the file, only which.
fn send(socket: &mut UnixStream, sample: &Sample, facts: Facts, fault: Fault) -> io::Result<()> {
    let blob = |(name, blob): (&String, &Blob)| BlobBody {
        name: name.clone(),
        length: blob.len(),
        from: match blob {
            Blob::Bytes(_) => None,
            Blob::File { offset, .. } => Some(*offset),
        },
    };
    let mut body = SampleBody {
        blobs: sample.blobs.iter().map(blob).collect(),
        facts,
    };
    fault.lie(&mut body);
    let head = wire::message(Kind::Sample, &body)?;
    let end = wire::header(Kind::End, 0);
    let blobs = sample.blobs.values().filter_map(|blob| match blob {
        Blob::Bytes(bytes) => Some(&bytes[..]),
        Blob::File { .. } => None,
    });
    let parts: Vec<&[u8]> = [&head[..]]
        .into_iter()
        .chain(blobs)
        .chain([&end[..]])
        .collect();
    // Few writes: each wakes the parent.
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
