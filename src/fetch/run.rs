//! The run: threads that take a source, bring it, cut its clips, and drop it.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::adopt;
use super::clip;
use super::enter::enter;
use super::journal::{FetchRow, Identity, Journal, identity_of};
use super::mirror::Mirror;
use super::net::Net;
use super::plan::{Job, Planner, Source};
use super::queue::Queue;
use super::ranges;
use super::table::Got;
use super::turns::Turns;
use super::{Fail, FetchOptions, Report, known, ytdlp};
use crate::pipeline::{Outcome, OutcomeRow};
use crate::progress::Progress;
use crate::sample::{Class, SampleError};
use crate::source::{Input, Row};
use crate::{Error, Result};

pub(super) fn run(
    input: &Input,
    media: &Path,
    options: &FetchOptions,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Report> {
    let begun = Instant::now();
    let entered = enter(input, media, options)?;
    let (work, settled) = (entered.gate.work.clone(), entered.settled);
    let broken = known::broken(input, &settled);
    let wanted: Vec<bool> = settled.iter().map(Option::is_none).collect();
    let here = entered.planner.sources(&input.rows, &wanted);
    let (sources, mirror) = match entered.mirrored {
        None => (here, None),
        Some(name) => {
            let of_archives = |row: &Row| entered.planner.replacement(&row.clip).is_none();
            let wanted = wanted.iter().zip(&input.rows);
            let wanted: Vec<bool> = wanted
                .map(|(wanted, row)| *wanted && of_archives(row))
                .collect();
            let sources = with_archives(here, entered.archives, wanted.contains(&true));
            let first = sources
                .iter()
                .take_while(|source| !source.is_archive)
                .count();
            let mirror = Mirror::new((name, first), &work, input, &wanted, entered.stems, options);
            (sources, Some(mirror))
        }
    };
    let needs = Planner::needs_yt_dlp(&sources);
    if needs > 0 {
        ytdlp::check(&options.yt_dlp, needs)?;
    }
    let before = settled.iter().filter(|row| row.is_some()).count() as u64;
    let is_done = |row: &&FetchRow| row.row.outcome == Outcome::Done;
    let there = settled.iter().flatten().filter(is_done).count() as u64;
    progress.planned(input.rows.len() as u64, before - broken.len() as u64);
    let book = (entered.journal, settled);
    let run = Run::new(
        (input, media, options),
        book,
        sources,
        mirror,
        (&work, stop),
    )?;
    let mut notes = input.notes.clone();
    entered.notes.iter().for_each(|note| progress.note(note));
    notes.extend(entered.notes);
    broken.iter().for_each(|i| run.show(*i, progress));
    notes.extend(run.all(progress));
    run.absent(&entered.known, progress)?;
    let mut report = run.end(entered.known)?;
    entered.gate.leave(report.remaining == 0);
    report.there = there;
    report.seconds = begun.elapsed().as_secs_f64();
    report.notes = notes;
    Ok(report)
}

/// Of what is `here` that which stands in for others, then the archives if any is wanted.
fn with_archives(here: Vec<Source>, archives: Vec<Source>, wanted: bool) -> Vec<Source> {
    let here = here.into_iter().filter(|source| source.is_replacement);
    here.chain(archives.into_iter().filter(|_| wanted))
        .collect()
}

/// The journal and what it says by now.
pub(super) struct Book {
    journal: Journal,
    /// By position of the row; `None` while it is not settled.
    settled: Vec<Option<FetchRow>>,
    /// Why the run cannot go on.
    pub(super) error: Option<Error>,
}

pub(super) struct Run<'a> {
    pub(super) input: &'a Input,
    pub(super) media: &'a Path,
    pub(super) options: &'a FetchOptions,
    pub(super) net: Net<'a>,
    pub(super) queue: Queue,
    pub(super) cutting: Turns,
    book: Mutex<Book>,
    pub(super) sources: Vec<Source>,
    /// Where the sources are archives.
    pub(super) mirror: Option<Mirror>,
    /// The rows whose clips are made, where that is not all.
    pub(super) due: OnceLock<Vec<bool>>,
}

/// What a source cost.
#[derive(Default)]
pub(super) struct Cost {
    pub(super) attempts: u32,
    pub(super) bytes: u64,
    pub(super) sha256: Option<String>,
}

/// What is told to the caller's thread.
pub(super) enum Told {
    /// A row is settled.
    Row(usize),
    /// Something that the user should know.
    Note(String),
}

impl<'a> Run<'a> {
    pub(super) fn new(
        (input, media, options): (&'a Input, &'a Path, &'a FetchOptions),
        (journal, settled): (Journal, Vec<Option<FetchRow>>),
        sources: Vec<Source>,
        mirror: Option<Mirror>,
        (work, stop): (&Path, &'a AtomicBool),
    ) -> Result<Self> {
        Ok(Self {
            input,
            media,
            options,
            net: Net::new(options, work, stop)?,
            queue: Queue::new(&sources, options.per_host),
            cutting: Turns::new(options.cut_threads),
            book: Mutex::new(Book {
                journal,
                settled,
                error: None,
            }),
            sources,
            mirror,
            due: OnceLock::new(),
        })
    }

    /// Settles all sources, and tells of it on the caller's thread; gives what was noted.
    fn all(&self, progress: &dyn Progress) -> Vec<String> {
        let threads = self.options.threads.clamp(1, self.sources.len().max(1));
        let (tell, told) = mpsc::channel::<Told>();
        let mut notes = Vec::new();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                let tell = tell.clone();
                scope.spawn(move || {
                    while let Some((i, source)) = self.take() {
                        let settled = match source.is_archive {
                            true => self.archive(i, source, &tell),
                            false => self.one(source, &tell),
                        };
                        if let Err(fail) = settled {
                            self.give_up(fail);
                        }
                        self.queue.done(source);
                    }
                });
            }
            drop(tell);
            loop {
                match told.recv_timeout(Duration::from_millis(200)) {
                    Ok(Told::Row(row)) => self.show(row, progress),
                    Ok(Told::Note(note)) => {
                        progress.note(&note);
                        notes.push(note);
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                progress.fetched(self.net.bytes.load(Ordering::Relaxed));
            }
        });
        notes
    }

    /// The next source to be settled: archives in their order, others as their hosts allow.
    pub(super) fn take(&self) -> Option<(usize, &Source)> {
        let i = match &self.mirror {
            Some(mirror) => mirror.take(&self.net),
            None => self.queue.take(&self.net, &self.sources),
        }?;
        Some((i, self.sources.get(i)?))
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What became of a row, if it is settled.
    pub(super) fn settled(&self, row: usize) -> Option<FetchRow> {
        self.book().settled.get(row).cloned().flatten()
    }

    pub(super) fn show(&self, i: usize, progress: &dyn Progress) {
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
    pub(super) fn one(&self, source: &Source, tell: &Sender<Told>) -> Result<(), Fail> {
        let mut cost = Cost::default();
        let mut parts = None;
        let opened = self.bring(source, &mut cost).and_then(|got| {
            parts = got.came.map(|_| got.path.clone());
            cost.sha256 = Self::hash(source.sha256.as_ref(), &got)?;
            Ok((clip::open(&got, source, &self.options.workers)?, got))
        });
        let opened = match opened {
            Ok(opened) => Ok(opened),
            Err(Fail::One(_)) if parts.is_some() => return self.again(source, tell),
            Err(Fail::One(failure)) => Err(failure),
            Err(fail) => return Err(fail),
        };
        let stems = source.jobs.iter().map(|job| job.stem.as_str());
        adopt::note(&self.net.work, &source.hash, stems)?;
        let due = |job: &&Job| {
            let due = self.due.get().and_then(|due| due.get(job.row));
            due.copied().unwrap_or(true)
        };
        let open = |job: &&Job| self.settled(job.row).is_none();
        for job in source.jobs.iter().filter(due).filter(open) {
            let turn = opened.is_ok().then(|| self.cutting.take());
            // Looked at behind the wait: then no more is begun than is being cut.
            if self.net.stopped() {
                return Err(Fail::Stopped);
            }
            let Some(row) = self.input.rows.get(job.row) else {
                continue;
            };
            let made = match &opened {
                Ok((opened, _)) => clip::make(opened, &row.clip, job, self.media, self.options)?,
                Err(failure) => clip::failed(&row.clip, failure),
            };
            drop(turn);
            if parts.is_some() && is_doubtful(&made) {
                return self.again(source, tell);
            }
            self.settle(job.row, made, source, &cost)?;
            // The listener is there as long as this thread.
            let _ = tell.send(Told::Row(job.row));
        }
        adopt::forget(&self.net.work, &source.hash);
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
                came: None,
            }),
        }
    }

    /// Settles what is left of a source of which parts did not do: with all of it.
    fn again(&self, source: &Source, tell: &Sender<Told>) -> Result<(), Fail> {
        self.net.want_whole(&source.hash);
        // It is overwritten where it stays.
        let _ = fs::remove_file(ranges::path(&self.net, source));
        self.one(source, tell)
    }

    pub(super) fn drop_source(&self, got: &Got) -> Result<(), Fail> {
        match got.owned.then(|| fs::remove_file(&got.path)) {
            Some(Err(e)) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(Fail::disk("cannot remove", &got.path)(e))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn settle(
        &self,
        i: usize,
        row: FetchRow,
        source: &Source,
        cost: &Cost,
    ) -> Result<(), Fail> {
        let row = FetchRow {
            url: (!source.host.is_empty()).then(|| source.address.clone()),
            attempts: cost.attempts,
            bytes_fetched: cost.bytes,
            sha256: cost.sha256.clone(),
            replacement: source.is_replacement.then(|| source.address.clone()),
            trim: Some(clip::trim_name(self.options.trim).to_owned()),
            ..row
        };
        Ok(self.write(i, row)?)
    }

    /// Writes a row into the journal: it is settled.
    pub(super) fn write(&self, i: usize, row: FetchRow) -> Result<()> {
        let mut book = self.book();
        book.journal.append(&row)?;
        if let Some(slot) = book.settled.get_mut(i) {
            *slot = Some(row);
        }
        Ok(())
    }

    /// Writes the journal anew, and counts.
    pub(super) fn end(self, mut known: HashMap<Identity, FetchRow>) -> Result<Report> {
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

/// Whether a clip that was made of parts of its source may owe what is wrong with it to that.
fn is_doubtful(made: &FetchRow) -> bool {
    let failed = made.row.outcome == Outcome::Failed && made.row.class != Some(Class::TooShort);
    failed || made.row.decode_errors.is_some()
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
