//! [`serve`]: the life of a child process.

use std::fs::File;
use std::io::{self, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::clip::{ClipAnswer, ClipJob, SampleBody, too_large};
use super::fault::Fault;
use super::job::{self, Job, JobBody};
use super::outgoing::Outgoing;
use super::sandbox;
use super::wire::{self, Broken, HEADER, Hello, Kind};
use crate::sample::{Made, Tools, make_sample};
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
    let tools = Tools::with_outlet(Box::new(outgoing.clone()));
    let mut desk = Desk { outgoing, tools };
    while let Some((JobBody { key, job }, file)) = next(&mut socket)? {
        let file = Arc::new(file);
        let told = tell(&socket)?;
        let answer = match job {
            Job::Clip(job) => desk.clip(&key, &job, &file, told),
            task => desk.task(&key, &task, &file, told),
        }?;
        desk.outgoing.flush()?;
        socket.write_all(&answer)?;
    }
    Ok(())
}

/// The next job and its file; `None` where the parent has hung up.
pub(super) fn next(socket: &mut UnixStream) -> io::Result<Option<(JobBody, File)>> {
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
    let file: OwnedFd = file.ok_or_else(|| Broken("a job without its file".to_owned()))?;
    let (kind, length) = wire::parse_header(&header)?;
    if got != HEADER || kind != Kind::Job {
        return Err(Broken(format!("a {kind:?} out of turn")).into());
    }
    let mut body = vec![0; length as usize];
    socket.read_exact(&mut body)?;
    Ok(Some((wire::parse(kind, &body)?, File::from(file))))
}

/// Tells the parent signs of life.
fn tell(socket: &UnixStream) -> io::Result<impl FnMut(pulse::Signs) + 'static> {
    let mut teller = socket.try_clone()?;
    Ok(move |signs| {
        // A parent that has gone is noticed with the answer.
        let _ = teller.write_all(&wire::pulse(signs));
    })
}

/// Where jobs are done.
struct Desk {
    outgoing: Outgoing,
    tools: Tools,
}

impl Desk {
    /// Makes a clip's sample.
    fn clip(
        &mut self,
        key: &str,
        job: &ClipJob,
        file: &Arc<File>,
        tell: impl FnMut(pulse::Signs) + 'static,
    ) -> io::Result<Vec<u8>> {
        let (clip, fault) = (job.clip(key), Fault::of(key));
        let made = pulse::heard(tell, || {
            fault.strike();
            make_sample(&clip, file, &job.recipe, &mut self.tools)
        });
        let answer = made.and_then(|made| match made {
            Made::Sample(sample, facts) => {
                too_large(key, &sample, file)?;
                let mut body = SampleBody::send(&sample, *facts, file, &mut self.outgoing);
                fault.lie(&mut body);
                Ok(Some(ClipAnswer::Sample(Box::new(body))))
            }
            Made::Skipped(reason) => Ok(Some(ClipAnswer::Skipped(reason))),
            Made::Left => Ok(None),
        });
        match answer.transpose() {
            Some(answer) => job::message(answer),
            // It is the parent that stops.
            None => Err(io::Error::other("a worker does not stop by itself")),
        }
    }

    /// Does any other job.
    fn task(
        &mut self,
        key: &str,
        task: &Job,
        file: &Arc<File>,
        tell: impl FnMut(pulse::Signs) + 'static,
    ) -> io::Result<Vec<u8>> {
        let (mut bytes, fault) = (Vec::new(), Fault::of(key));
        let answer = pulse::heard(tell, || {
            fault.strike();
            job::answer(task, file, &mut bytes)
        })?;
        self.outgoing.send(bytes.into());
        Ok(answer)
    }
}
