//! [`serve`]: the life of a child process.

use std::fs::File;
use std::io::{self, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;

use kpack_formats::{Blob, FrameTable, Limits, Sample};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::fault::Fault;
use super::outgoing::{Outgoing, write_parts};
use super::sandbox;
use super::wire::{
    self, BlobBody, Broken, ClipBody, FailedBody, HEADER, Hello, Kind, LookBody, SampleBody,
};
use crate::sample::{Class, Facts, Made, SampleError, Stage, Tools, make_sample};
use crate::source::Clip;
use crate::{media, pulse};

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
    let outgoing = Outgoing::new(&socket)?;
    let mut tools = Tools::with_outlet(Box::new(outgoing.clone()));
    while let Some((job, file)) = next(&mut socket)? {
        let file = Arc::new(file);
        match job {
            Job::Clip(body) => answer(&mut socket, &body, file, &mut tools, &outgoing)?,
            Job::Look(body) => look(&mut socket, &body, file)?,
        }
    }
    Ok(())
}

/// What the parent wants of a file.
#[derive(Debug)]
pub(super) enum Job {
    /// Its sample.
    Clip(Box<ClipBody>),
    /// What is seen and heard when it is decoded.
    Look(LookBody),
}

/// The next job and its file; `None` where the parent has hung up.
pub(super) fn next(socket: &mut UnixStream) -> io::Result<Option<(Job, File)>> {
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
    if got != HEADER || !matches!(kind, Kind::Clip | Kind::Look) {
        return Err(Broken(format!("a {kind:?} out of turn")).into());
    }
    let mut body = vec![0; length as usize];
    socket.read_exact(&mut body)?;
    let job = match kind {
        Kind::Look => Job::Look(wire::parse(kind, &body)?),
        _ => Job::Clip(wire::parse(kind, &body)?),
    };
    Ok(Some((job, File::from(file))))
}

/// Decodes a media file and tells what came out.
fn look(socket: &mut UnixStream, body: &LookBody, file: Arc<File>) -> io::Result<()> {
    let fault = Fault::of(&body.key);
    let seen = pulse::heard(tell(socket)?, || {
        fault.strike();
        crate::verify::watch_media(&file)
    });
    let message = match seen {
        Ok(seen) => wire::message(Kind::Seen, &seen)?,
        Err(reason) => {
            let e = SampleError::new(&body.key, Stage::Decode, Class::Corrupt, reason);
            wire::message(Kind::Failed, &failure(e))?
        }
    };
    socket.write_all(&message)
}

/// Tells the parent signs of life.
fn tell(socket: &UnixStream) -> io::Result<impl FnMut(pulse::Signs) + 'static> {
    let mut teller = socket.try_clone()?;
    Ok(move |signs| {
        // A parent that has gone is noticed with the answer.
        let _ = teller.write_all(&wire::pulse(signs));
    })
}

fn answer(
    socket: &mut UnixStream,
    body: &ClipBody,
    file: Arc<File>,
    tools: &mut Tools,
    outgoing: &Outgoing,
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
    let made = pulse::heard(tell(socket)?, || {
        fault.strike();
        make_sample(&clip, &file, &body.recipe, tools)
    });
    match made {
        Ok(Made::Sample(sample, facts)) => match too_large(&body.key, &sample, &file) {
            Some(e) => socket.write_all(&wire::message(Kind::Failed, &failure(e))?),
            None => {
                outgoing.flush()?;
                send(socket, &sample, *facts, &file, fault)
            }
        },
        Ok(Made::Skipped(reason)) => socket.write_all(&wire::message(Kind::Skipped, &reason)?),
        // It is the parent that stops.
        Ok(Made::Left) => Err(io::Error::other("a worker does not stop by itself")),
        Err(e) => socket.write_all(&wire::message(Kind::Failed, &failure(e))?),
    }
}

/// Refuses what the parent would not take.
fn too_large(key: &str, sample: &Sample, media: &Arc<File>) -> Option<SampleError> {
    let made = sample.blobs.values().filter_map(|blob| match blob {
        Blob::File { file, .. } if Arc::ptr_eq(file, media) => None,
        blob => Some(blob.len()),
    });
    let (bytes, most) = (made.sum::<u64>(), Limits::default().sample_bytes);
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

/// Sends what is in memory; of a range of the media file and of pictures that were sent, only which.
fn send(
    socket: &mut UnixStream,
    sample: &Sample,
    facts: Facts,
    media: &Arc<File>,
    fault: Fault,
) -> io::Result<()> {
    let blob = |(name, blob): (&String, &Blob)| {
        let (from, at) = match blob {
            Blob::Bytes(_) => (None, None),
            Blob::File { file, offset, .. } if Arc::ptr_eq(file, media) => (Some(*offset), None),
            Blob::File { offset, .. } => (None, Some(*offset)),
        };
        let (name, length) = (name.clone(), blob.len());
        BlobBody {
            name,
            length,
            from,
            at,
        }
    };
    let mut body = SampleBody {
        blobs: sample.blobs.iter().map(blob).collect(),
        facts,
        frame_tables: (sample.frame_tables.iter())
            .map(|(name, table)| (name.clone(), FrameTable::clone(table)))
            .collect(),
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
    write_parts(socket, &parts)
}
