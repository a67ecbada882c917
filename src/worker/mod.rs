//! Making samples, and whatever else is done to media, in this process or in child processes with
//! limits.
//!
//! ```text
//!  thread ─ Worker ─┬─ in process:  make_sample, or a task
//!                   └─ child:       job, open file ──> [the same, sandboxed] ──> answer, bytes
//! ```
//!
//! A child is this program started again. It loads its libraries, gives up network, files and
//! processes, and then does one job after the other, each on a file that the parent has opened.
//! It knows nothing but the file and the job: key, labels and metadata stay with the parent. It is
//! replaced after a number of jobs and after each that failed, and dies with its parent. A crash, a
//! hang and a memory blow-up are the failure of one clip or file.
//!
//! * Time: a clip may go on for [`Limits::timeout`] without reading a packet or making a picture; in
//!   all it may take twelve times as long, and a long clip once the limit for each 10 s of it.
//! * Memory: what the child alone has resident, less the sample itself, is looked at 20 times a
//!   second. Limits of the address space would count what is only reserved, and libav takes a refused
//!   allocation for a damaged file.
//! * A crash or memory failure in a child that has made other clips may be their fault: that clip is
//!   tried once more in a child of its own, so that what becomes of a clip depends on it alone.

mod buffers;
mod child;
mod clip;
mod fault;
mod handed;
#[cfg(any(test, fuzzing))]
pub mod hostile;
mod job;
mod outgoing;
mod sandbox;
#[cfg(target_os = "linux")]
mod seccomp;
mod serve;
mod watch;
mod wire;

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use self::buffers::Buffers;
use self::child::Child;
use self::clip::{ClipAnswer, ClipJob};
use self::job::JobBody;
use self::watch::{Lost, Watch};
use self::wire::Broken;
use crate::sample::{Class, Made, Recipe, SampleError, Stage, Tools, make_sample};
use crate::source::{Clip, Problem, Span, number_frames};

pub(crate) use handed::handed;
pub(crate) use job::{Job, Task};
pub use sandbox::Sandbox;
pub use serve::serve;

/// A child is replaced after this many jobs.
const JOBS: u32 = 1000;
/// Attempts to start a child, with growing waits between them.
const ATTEMPTS: u32 = 4;

/// Limits of one job that is done in a child process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a clip may go without progress. Default 300 s.
    pub timeout: Duration,
    /// Bytes of memory, the sample itself not counted. Default 2 GiB. Not looked after where the
    /// system does not tell it as Linux does.
    pub memory: u64,
    /// Whether the user can set them, so that messages name the options.
    pub adjustable: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(300),
            memory: 2 << 30,
            adjustable: false,
        }
    }
}

/// The command that runs [`serve`].
#[derive(Debug, Clone)]
pub struct Program {
    /// The program.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

impl Program {
    /// This very program with other arguments, also where its file has been replaced meanwhile.
    ///
    /// # Errors
    /// Where the system does not say which program this is.
    pub fn own<S: Into<OsString>>(args: impl IntoIterator<Item = S>) -> std::io::Result<Self> {
        let running = PathBuf::from("/proc/self/exe");
        let path = match running.exists() {
            true => running,
            false => std::env::current_exe()?,
        };
        let args = args.into_iter().map(Into::into).collect();
        Ok(Self { path, args })
    }
}

/// What clips become samples with, and media are looked into: this process, or children. Shared by
/// all threads.
#[derive(Debug, Default)]
pub struct Workers {
    children: Option<Children>,
}

/// What one thread keeps from clip to clip.
#[derive(Debug, Default)]
pub struct Worker {
    tools: Tools,
    child: Option<Child>,
}

impl Workers {
    /// Without limits, in this process: a crash or a hang is that of the whole run.
    pub fn in_process() -> Self {
        Self { children: None }
    }

    /// In children. Starts the first, to see whether that works, and says what it has given up.
    ///
    /// # Errors
    /// A sentence that says why no child can be had; [`Workers::in_process`] always works.
    pub fn start(program: Program, limits: Limits) -> Result<(Self, Sandbox), String> {
        let children = Children {
            program,
            limits,
            buffers: Buffers::default(),
            spare: Mutex::default(),
        };
        let failed = |e: std::io::Error| format!("cannot start a worker process: {e}");
        let mut first = Child::start(&children.program).map_err(failed)?;
        match first.greet(&mut Watch::hello()) {
            Ok(sandbox) => {
                children.spare().push(first);
                let children = Some(children);
                Ok((Self { children }, sandbox))
            }
            Err(lost) => {
                let (ended, tail) = first.end(&lost);
                let e = watch::failure("", limits, &lost, ended, &tail);
                Err(format!("a worker process does not work: {}", e.reason))
            }
        }
    }

    /// Does `task` on the open `file`, which is called `key` where things go wrong.
    ///
    /// # Errors
    /// The task's own, and of class `crash`, `timeout` or `memory` where a child was lost.
    pub(crate) fn ask<T: Task>(
        &self,
        key: &str,
        file: &Arc<File>,
        task: &T,
    ) -> Result<(T::Answer, Bytes), Problem> {
        let Some(children) = &self.children else {
            let mut bytes = Vec::new();
            let answer = task.run(file, &mut bytes)?;
            return Ok((answer, bytes.into()));
        };
        let body = JobBody {
            key: key.to_owned(),
            job: task.clone().into(),
        };
        let ask = |child: &mut Child, watch: &mut Watch| {
            let done = child.ask::<T::Answer>(&body, file, watch, &children.buffers)?;
            match &done {
                Ok((answer, bytes)) if !task.fits(answer, bytes.len() as u64) => {
                    let other = format!("an answer that does not fit its {} bytes", bytes.len());
                    Err(Broken(other).into())
                }
                _ => Ok(done),
            }
        };
        let mut worker = Worker::default();
        let done = children.run(key, None, &mut worker.child, ask);
        self.keep(worker);
        done.map_err(|e| Problem {
            stage: e.stage,
            class: e.class,
            reason: e.full_reason(),
        })
    }

    /// Keeps what a worker has for whoever needs one next.
    pub(crate) fn keep(&self, worker: Worker) {
        if let (Some(children), Some(child)) = (&self.children, worker.child) {
            children.spare().push(child);
        }
    }

    /// Makes the sample of `clip` from its open media `file`, as `recipe` says.
    ///
    /// # Errors
    /// As [`make_sample`], and of class `crash`, `timeout` or `memory` where a child was lost.
    pub fn make(
        &self,
        clip: &Clip,
        file: &Arc<File>,
        recipe: &Recipe,
        worker: &mut Worker,
    ) -> Result<Made, SampleError> {
        fault::begun(&clip.key);
        let mut made = match &self.children {
            None => make_sample(clip, file, recipe, &mut worker.tools),
            Some(children) => children.make(clip, file, recipe, &mut worker.child),
        }?;
        if let Made::Sample(sample, facts) = &mut made {
            number_frames(&mut sample.meta, clip, facts);
        }
        Ok(made)
    }
}

/// How children are started and limited.
#[derive(Debug)]
struct Children {
    program: Program,
    limits: Limits,
    /// For the bytes of answers.
    buffers: Buffers,
    /// Those that nobody uses at the moment; first the one that was started to see whether that works.
    spare: Mutex<Vec<Child>>,
}

impl Children {
    fn spare(&self) -> std::sync::MutexGuard<'_, Vec<Child>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(
        &self,
        clip: &Clip,
        file: &Arc<File>,
        recipe: &Recipe,
        slot: &mut Option<Child>,
    ) -> Result<Made, SampleError> {
        let body = JobBody {
            key: clip.key.clone(),
            job: Job::Clip(Box::new(ClipJob::new(clip, recipe))),
        };
        self.run(&clip.key, clip.span, slot, |child, watch| {
            let done = child.ask::<ClipAnswer>(&body, file, watch, &self.buffers)?;
            done.map_or_else(
                |e| Ok(Err(e)),
                |(answer, bytes)| answer.made(clip, file, &bytes).map(Ok),
            )
        })
    }

    /// Runs `work` for `key` in the child of `slot`, or in a new one. `span` is the time range that it is
    /// about, if it is known.
    fn run<T>(
        &self,
        key: &str,
        span: Option<Span>,
        slot: &mut Option<Child>,
        work: impl Fn(&mut Child, &mut Watch) -> Result<Result<T, SampleError>, Lost>,
    ) -> Result<T, SampleError> {
        loop {
            let mut child = match slot.take().or_else(|| self.spare().pop()) {
                Some(child) => child,
                None => self.start(key)?,
            };
            let used = child.served > 0;
            let mut watch = Watch::new(self.limits, span);
            let lost = match work(&mut child, &mut watch) {
                Ok(done) => {
                    if done.is_ok() && child.served < JOBS {
                        *slot = Some(child);
                    }
                    return done;
                }
                Err(lost) => lost,
            };
            let (ended, tail) = child.end(&lost);
            let inherited = matches!(lost, Lost::Ended | Lost::Memory(_) | Lost::Broken(_));
            if !(used && inherited) {
                return Err(watch::failure(key, self.limits, &lost, ended, &tail));
            }
        }
    }

    /// Starts a child. For a moment the system may have no process or descriptor to spare.
    fn start(&self, key: &str) -> Result<Child, SampleError> {
        let mut attempt = 1;
        loop {
            let e = match Child::start(&self.program) {
                Ok(child) => return Ok(child),
                Err(e) => e,
            };
            if attempt == ATTEMPTS {
                let reason = match self.limits.adjustable {
                    true => "cannot start a worker process (--in-process does without)",
                    false => "cannot start a worker process",
                };
                let failure = SampleError::new(key, Stage::Decode, Class::Internal, reason);
                return Err(failure.because(e));
            }
            std::thread::sleep(Duration::from_millis(50) * 4_u32.pow(attempt));
            attempt += 1;
        }
    }
}
