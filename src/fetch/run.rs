//! The run: threads that take a source, bring it, cut its clips, and drop it.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::clip;
use super::journal::{FetchRow, Identity, Journal, identity_of};
use super::net::Net;
use super::plan::{Planner, Source};
use super::queue::Queue;
use super::table::Got;
use super::turns::Turns;
use super::{Fail, Failure, FetchOptions, Report, Retry, known, ytdlp};
use crate::pipeline::{Outcome, OutcomeRow};
use crate::progress::Progress;
use crate::sample::{Class, SampleError};
use crate::source::Input;
use crate::{Error, Result};

/// Longest wait between two retries, where the server does not say.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The folder of what is unfinished, in MEDIA.
const WORK: &str = ".kpack";

pub(super) fn run(
    input: &Input,
    media: &Path,
    options: &FetchOptions,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Report> {
    let begun = Instant::now();
    let planner = Planner::new(options)?;
    planner.refuse_idle(&input.rows)?;
    let work = media.join(WORK);
    fs::create_dir_all(&work).map_err(Error::io("cannot create", &work))?;
    let lock = lock(&work)?;
    let (journal, known) = Journal::open(media)?;
    let settled = known::settled(input, &known, media, options)?;
    let wanted: Vec<bool> = settled.iter().map(Option::is_none).collect();
    let sources = planner.sources(&input.rows, &wanted);
    let needs = Planner::needs_yt_dlp(&sources);
    if needs > 0 {
        ytdlp::check(&options.yt_dlp, needs)?;
    }
    let before = settled.iter().filter(|row| row.is_some()).count() as u64;
    let is_done = |row: &&FetchRow| row.row.outcome == Outcome::Done;
    let there = settled.iter().flatten().filter(is_done).count() as u64;
    progress.planned(input.rows.len() as u64, before);
    let run = Run {
        input,
        media,
        options,
        net: Net::new(options, &work, stop)?,
        queue: Queue::new(&sources, options.per_host),
        cutting: Turns::new(options.cut_threads),
        book: Mutex::new(Book {
            journal,
            settled,
            error: None,
        }),
        sources,
    };
    run.all(progress);
    let mut report = run.end(known)?;
    // Empty, unless something is to be continued.
    drop(lock);
    let _ = fs::remove_file(work.join(LOCK));
    let _ = fs::remove_dir(&work);
    report.there = there;
    report.seconds = begun.elapsed().as_secs_f64();
    report.notes.clone_from(&input.notes);
    Ok(report)
}

const LOCK: &str = "fetch.lock";

/// One run at a time works in a folder. The lock goes with the handle, also in a crash.
fn lock(work: &Path) -> Result<File> {
    let path = work.join(LOCK);
    let open = OpenOptions::new().create(true).append(true).open(&path);
    let file = open.map_err(Error::io("cannot open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Error::usage(format!(
            "another run fetches into this folder now ({} is locked)",
            path.display()
        ))),
        Err(fs::TryLockError::Error(e)) => Err(Error::io("cannot lock", &path)(e)),
    }
}

/// The journal and what it says by now.
struct Book {
    journal: Journal,
    /// By position of the row; `None` while it is not settled.
    settled: Vec<Option<FetchRow>>,
    /// Why the run cannot go on.
    error: Option<Error>,
}

struct Run<'a> {
    input: &'a Input,
    media: &'a Path,
    options: &'a FetchOptions,
    net: Net<'a>,
    queue: Queue,
    cutting: Turns,
    book: Mutex<Book>,
    sources: Vec<Source>,
}

/// What a source cost.
#[derive(Default)]
struct Cost {
    attempts: u32,
    bytes: u64,
    sha256: Option<String>,
}

impl Run<'_> {
    /// Settles all sources, and tells of it on the caller's thread.
    fn all(&self, progress: &dyn Progress) {
        let threads = self.options.threads.clamp(1, self.sources.len().max(1));
        let (tell, told) = mpsc::channel::<usize>();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                let tell = tell.clone();
                scope.spawn(move || {
                    while let Some(i) = self.queue.take(&self.net, &self.sources) {
                        let Some(source) = self.sources.get(i) else {
                            break;
                        };
                        if let Err(fail) = self.one(source, &tell) {
                            self.give_up(fail);
                        }
                        self.queue.done(source);
                    }
                });
            }
            drop(tell);
            loop {
                match told.recv_timeout(Duration::from_millis(200)) {
                    Ok(row) => self.show(row, progress),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                progress.fetched(self.net.bytes.load(Ordering::Relaxed));
            }
        });
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_up(&self, fail: Fail) {
        if let Fail::Run(error) = fail {
            self.net.abort.store(true, Ordering::Relaxed);
            self.book().error.get_or_insert(error);
        }
    }

    fn show(&self, i: usize, progress: &dyn Progress) {
        let book = self.book();
        let Some(Some(row)) = book.settled.get(i) else {
            return;
        };
        let row = &row.row;
        if let (Some(stage), Some(class)) = (row.stage, row.class) {
            let reason = row.reason.clone().unwrap_or_default();
            progress.failed(&SampleError::new(&row.key, stage, class, reason));
        }
        let (frames, bytes) = (row.frames.unwrap_or(0), row.bytes.unwrap_or(0));
        progress.outcome(row.outcome, frames, bytes);
    }

    /// Brings one source, settles all of its clips, drops it.
    fn one(&self, source: &Source, tell: &Sender<usize>) -> Result<(), Fail> {
        let mut cost = Cost::default();
        let opened = self.bring(source, &mut cost).and_then(|got| {
            cost.sha256 = self.hash(source, &got)?;
            Ok((clip::open(&got, source)?, got))
        });
        let opened = match opened {
            Ok(opened) => Ok(opened),
            Err(Fail::One(failure)) => Err(failure),
            Err(fail) => return Err(fail),
        };
        for job in &source.jobs {
            if self.net.stopped() {
                return Err(Fail::Stopped);
            }
            let Some(row) = self.input.rows.get(job.row) else {
                continue;
            };
            let made = match &opened {
                Ok((opened, _)) => {
                    let _turn = self.cutting.take();
                    clip::make(opened, &row.clip, job, self.media, self.options)?
                }
                Err(failure) => clip::failed(&row.clip, failure),
            };
            self.settle(job.row, made, source, &cost)?;
            // The listener is there as long as this thread.
            let _ = tell.send(job.row);
        }
        match opened {
            Ok((opened, got)) => {
                if self.options.keep_source {
                    clip::keep_source(&opened, source, self.media)?;
                }
                self.drop_source(&got)
            }
            Err(_) => self.drop_source(&Got {
                path: self.net.work.join(format!("{}.source", source.hash)),
                owned: true,
                there: true,
            }),
        }
    }

    fn drop_source(&self, got: &Got) -> Result<(), Fail> {
        match got.owned.then(|| fs::remove_file(&got.path)) {
            Some(Err(e)) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(Fail::disk("cannot remove", &got.path)(e))
            }
            _ => Ok(()),
        }
    }

    /// Attempts, until one succeeds or another would be of no use.
    fn bring(&self, source: &Source, cost: &mut Cost) -> Result<Got, Fail> {
        let before = self.net.bytes.load(Ordering::Relaxed);
        let mut wait = self.options.backoff;
        loop {
            cost.attempts += 1;
            let mut failure = match (source.scheme.get)(&self.net, source) {
                Ok(got) => {
                    if !got.there {
                        cost.bytes = fs::metadata(&got.path).map_or(0, |meta| meta.len());
                    }
                    return Ok(got);
                }
                Err(Fail::One(failure)) => failure,
                Err(fail) => return Err(fail),
            };
            let pause = match failure.retry {
                Retry::Never => return Err(failure.into()),
                Retry::Later => wait,
                Retry::After(time) => time,
            };
            let last = cost.attempts > self.options.retries;
            if last || pause > self.options.timeout {
                let tried = match cost.attempts {
                    1 => String::new(),
                    n => format!(", {n} times"),
                };
                failure.reason.push_str(&tried);
                if let Retry::After(time) = failure.retry {
                    let asks = format!("; it asks to wait {} s", time.as_secs());
                    failure.reason.push_str(&asks);
                }
                cost.bytes = self.net.bytes.load(Ordering::Relaxed) - before;
                return Err(failure.into());
            }
            if failure.class == Class::RateLimited {
                self.queue.hold(source, pause);
            }
            if !self.net.wait(pause) {
                return Err(Fail::Stopped);
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// The hash of what was fetched, and of a local file where the row has one to compare.
    fn hash(&self, source: &Source, got: &Got) -> Result<Option<String>, Fail> {
        if !got.owned && source.sha256.is_none() {
            return Ok(None);
        }
        let read = |e| Fail::disk("cannot read", &got.path)(e);
        let mut file = File::open(&got.path).map_err(read)?;
        let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 18]);
        loop {
            let n = file
                .read(&mut buffer)
                .map_err(Fail::disk("cannot read", &got.path))?;
            if n == 0 {
                break;
            }
            hasher.update(buffer.get(..n).unwrap_or_default());
        }
        let hash: String = hasher
            .finalize()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        match &source.sha256 {
            Some(wanted) if *wanted != hash => {
                let reason = format!("its SHA-256 is {hash}, not {wanted} as its row says");
                Err(Failure::last(Class::Corrupt, reason).into())
            }
            _ => Ok(Some(hash)),
        }
    }

    fn settle(&self, i: usize, row: FetchRow, source: &Source, cost: &Cost) -> Result<(), Fail> {
        let row = FetchRow {
            url: (!source.host.is_empty()).then(|| source.address.clone()),
            attempts: cost.attempts,
            bytes_fetched: cost.bytes,
            sha256: cost.sha256.clone(),
            trim: Some(clip::trim_name(self.options.trim).to_owned()),
            ..row
        };
        let mut book = self.book();
        book.journal.append(&row)?;
        if let Some(slot) = book.settled.get_mut(i) {
            *slot = Some(row);
        }
        Ok(())
    }

    /// Writes the journal anew, and counts.
    fn end(self, mut known: HashMap<Identity, FetchRow>) -> Result<Report> {
        let book = self
            .book
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = book.error {
            return Err(error);
        }
        let mut report = Report {
            rows: self.input.rows.len() as u64,
            sources: self.sources.len() as u64,
            bytes_fetched: self.net.bytes.load(Ordering::Relaxed),
            ..Report::default()
        };
        let mut rows = Vec::with_capacity(self.input.rows.len());
        for (row, settled) in self.input.rows.iter().zip(book.settled) {
            let refused = row.problem.is_some();
            let old = (!refused).then(|| known.remove(&identity_of(&row.clip)));
            match &settled {
                Some(row) => report.count(&row.row),
                None => report.remaining += 1,
            }
            rows.extend(settled.or(old.flatten()));
        }
        // Rows of other inputs, in an order of their own.
        let mut others: Vec<(Identity, FetchRow)> = known.into_iter().collect();
        others.sort_by(|a, b| a.0.cmp(&b.0));
        rows.extend(others.into_iter().map(|(_, row)| row));
        book.journal.rewrite(rows.iter())?;
        Ok(report)
    }
}

impl Report {
    fn count(&mut self, row: &OutcomeRow) {
        match (row.outcome, row.class) {
            (Outcome::Done, _) => self.done += 1,
            (Outcome::Skipped, _) => self.skipped += 1,
            (Outcome::Failed, class) => {
                self.failed += 1;
                *self
                    .failures
                    .entry(class.unwrap_or(Class::Internal))
                    .or_insert(0) += 1;
            }
        }
    }
}
