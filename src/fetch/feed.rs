//! [`Feed`]: clips fetched while they are packed.
//!
//! ```text
//! anticipate ─> every row takes its place in the plan, whether its clip is there or not
//! worker: get(key) ─> there? ─> else bring its source, cut all of its clips that are still due ─> file
//!                              └> with mirrors, read archives until one has had it
//! ```
//!
//! Nothing runs ahead of packing: what is fetched is what the window of packing has begun, so the
//! folder holds no more than that and the other clips of the sources in it. Workers that need the
//! same source wait for the one that brings it.

use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};

use super::adopt::NOTED;
use super::enter::{Gate, enter};
use super::journal::{FetchRow, Identity};
use super::mirror::Mirror;
use super::plan::Planner;
use super::run::Run;
use super::turns::Turns;
use super::{Fail, FetchOptions, ytdlp};
use crate::pipeline::{Outcome, Plan};
use crate::sample::{Class, SampleError, Stage};
use crate::source::{Input, NamedBy, Span};
use crate::{Error, Result};

/// Rows whose videos lie somewhere already, by key.
#[derive(Debug, Default)]
pub struct Located(HashMap<String, (PathBuf, Option<Span>)>);

/// Gives each row of `input` that can be fetched the clip that it will have below `media`, whether
/// it is there or not, so that the plan is the same at any time; and takes note of those whose
/// videos were found.
///
/// # Errors
/// Templates that cannot be understood.
pub fn anticipate(input: &mut Input, media: &Path, options: &FetchOptions) -> Result<Located> {
    let planner = Planner::new(options)?;
    planner.refuse_idle(&input.rows)?;
    let stems = planner.stems(&input.rows);
    let mut located = Located::default();
    for (row, stem) in input.rows.iter_mut().zip(stems) {
        let missing = |p: &crate::source::Problem| p.class == Class::Missing;
        if !is_fetched(row.clip.named_by, &row.clip.source)
            || row.problem.as_ref().is_some_and(|p| !missing(p))
        {
            continue;
        }
        let clip = &mut row.clip;
        let asked = clip.asked();
        if row.problem.take().is_none()
            && let Some(path) = clip.media.take()
        {
            located.0.insert(clip.key.clone(), (path, clip.span));
        }
        clip.media = Some(media.join(format!("{stem}.mp4")));
        (clip.span, clip.asked) = (None, asked);
    }
    Ok(located)
}

/// Whether a row names something that lies elsewhere.
fn is_fetched(named_by: NamedBy, source: &str) -> bool {
    named_by != NamedBy::Path || source.contains("://")
}

/// What a clip can be made of.
#[derive(Debug)]
pub enum Supply {
    /// This file, cut to this range.
    Clip {
        /// The file.
        path: PathBuf,
        /// What is still to be cut out of it.
        span: Option<Span>,
        /// Whether it was fetched for this, so that it may be deleted.
        own: bool,
    },
    /// It was left out by the user's own rule.
    Skipped(String),
    /// It could not be fetched.
    Failed(SampleError),
    /// The run is to stop.
    Left,
}

/// Brings clips when they are asked for.
pub struct Feed<'a> {
    run: Run<'a>,
    gate: Gate,
    known: HashMap<Identity, FetchRow>,
    located: Located,
    rows: HashMap<&'a str, usize>,
    /// The source of each row that is not there.
    sources: HashMap<usize, usize>,
    /// Of each source, whether it is settled.
    gates: Vec<Mutex<bool>>,
    fetching: Turns,
}

impl std::fmt::Debug for Feed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Feed")
    }
}

impl<'a> Feed<'a> {
    /// Begins to serve the rows of `input`, which [`anticipate`] has seen, out of `media`.
    ///
    /// # Errors
    /// As [`super::fetch`].
    pub fn new(
        input: &'a Input,
        located: Located,
        media: &'a Path,
        options: &'a FetchOptions,
        stop: &'a AtomicBool,
    ) -> Result<Self> {
        let opened = enter(input, media, options)?;
        let there = |i: usize| {
            let row = input.rows.get(i);
            row.is_none_or(|row| {
                row.problem.is_some()
                    || located.0.contains_key(&row.clip.key)
                    || !is_fetched(row.clip.named_by, &row.clip.source)
            })
        };
        let open = opened.settled.iter().enumerate();
        let wanted: Vec<bool> = open.map(|(i, row)| row.is_none() && !there(i)).collect();
        let mut sources = opened.planner.sources(&input.rows, &wanted);
        let work = opened.gate.work.clone();
        let mut mirror = None;
        if let Some(name) = opened.mirrored {
            sources = opened.archives;
            let stems = opened.stems;
            mirror = Some(Mirror::new(
                (name, 0),
                &work,
                input,
                &wanted,
                stems,
                options,
            ));
        }
        let needs = Planner::needs_yt_dlp(&sources);
        if needs > 0 {
            ytdlp::check(&options.yt_dlp, needs)?;
        }
        let jobs = sources.iter().enumerate();
        let jobs = jobs.flat_map(|(at, source)| source.jobs.iter().map(move |job| (job.row, at)));
        let by_row = jobs.collect();
        let gates = sources.iter().map(|_| Mutex::new(false)).collect();
        let rows = input.rows.iter().enumerate();
        Ok(Self {
            rows: rows.map(|(i, row)| (row.clip.key.as_str(), i)).collect(),
            sources: by_row,
            gates,
            located,
            fetching: Turns::new(options.threads),
            run: Run::new(
                (input, media, options),
                (opened.journal, opened.settled),
                sources,
                mirror,
                (&work, stop),
            )?,
            gate: opened.gate,
            known: opened.known,
        })
    }

    /// Says which plan indexes are to be made; other clips are not cut.
    pub fn due(&self, plan: &Plan, indexes: Range<u32>) {
        let mut due = vec![false; plan.input().rows.len()];
        for index in indexes {
            if let Some(slot) = due.get_mut(plan.row(index) as usize) {
                *slot = true;
            }
        }
        if let Some(mirror) = &self.run.mirror {
            mirror.limit(&due);
        }
        // Said once.
        let _ = self.run.due.set(due);
    }

    /// The clip with this key, fetched if it is not there. Waits for it.
    pub fn get(&self, key: &str) -> Supply {
        let Some(row) = self.rows.get(key).copied() else {
            return Supply::Left;
        };
        if let Some(settled) = self.run.settled(row) {
            return self.supply(key, settled);
        }
        if let Some((path, span)) = self.located.0.get(key) {
            let (path, span) = (path.clone(), *span);
            let own = false;
            return Supply::Clip { path, span, own };
        }
        if self.run.mirror.is_some() && self.is_fetched(row) {
            if let Err(fail) = self.run.until(row, &self.fetching, &self.known) {
                self.run.give_up(fail);
            }
            return match self.run.settled(row) {
                Some(settled) => self.supply(key, settled),
                None => Supply::Left,
            };
        }
        let source = self.sources.get(&row).copied();
        let gate = source.and_then(|at| self.gates.get(at));
        let source = source.and_then(|at| self.run.sources.get(at));
        let (Some(source), Some(gate)) = (source, gate) else {
            return self.local(row);
        };
        let mut settled = gate.lock().unwrap_or_else(PoisonError::into_inner);
        // Also of a source that was left some clips are there.
        if !*settled && self.run.settled(row).is_none() {
            let _turn = self.fetching.take();
            if !self.run.queue.enter(&self.run.net, source) {
                return Supply::Left;
            }
            // Nobody listens: packing tells what becomes of each clip.
            let (tell, _) = mpsc::channel();
            let ended = self.run.one(source, &tell);
            self.run.queue.done(source);
            match ended {
                Ok(()) => *settled = true,
                Err(fail) => self.run.give_up(fail),
            }
        }
        drop(settled);
        match self.run.settled(row) {
            Some(settled) => self.supply(key, settled),
            None => Supply::Left,
        }
    }

    /// Whether what a row names lies elsewhere.
    fn is_fetched(&self, row: usize) -> bool {
        let row = self.run.input.rows.get(row);
        row.is_some_and(|row| is_fetched(row.clip.named_by, &row.clip.source))
    }

    /// A row that names a file of this machine.
    fn local(&self, row: usize) -> Supply {
        let clip = self.run.input.rows.get(row).map(|row| &row.clip);
        match clip.and_then(|clip| Some((clip.media.clone()?, clip.span))) {
            Some((path, span)) => {
                let own = false;
                Supply::Clip { path, span, own }
            }
            None => Supply::Left,
        }
    }

    fn supply(&self, key: &str, settled: FetchRow) -> Supply {
        let row = settled.row;
        match (row.outcome, row.media) {
            (Outcome::Done, Some(name)) => Supply::Clip {
                path: self.run.media.join(name),
                span: None,
                own: !row.notes.iter().any(|note| note == NOTED),
            },
            (Outcome::Skipped, _) => Supply::Skipped(row.reason.unwrap_or_default()),
            _ => Supply::Failed(SampleError::new(
                key,
                row.stage.unwrap_or(Stage::Fetch),
                row.class.unwrap_or(Class::Internal),
                row.reason.unwrap_or_default(),
            )),
        }
    }

    /// Bytes that came over the network so far, and those of files that yt-dlp left.
    pub fn bytes(&self) -> u64 {
        self.run.net.bytes.load(Ordering::Relaxed)
    }

    /// Writes the journal anew.
    ///
    /// # Errors
    /// What ended the run, if something did, such as a full disk.
    pub fn end(self) -> Result<()> {
        self.run.end(self.known)?;
        self.gate.leave(false);
        Ok(())
    }
}

/// Deletes a clip that was packed.
///
/// # Errors
/// [`Error::Io`].
pub fn discard(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("cannot remove", path)(e))
        }
        _ => Ok(()),
    }
}

impl Run<'_> {
    pub(super) fn give_up(&self, fail: Fail) {
        if let Fail::Run(error) = fail {
            self.net.abort.store(true, Ordering::Relaxed);
            self.book().error.get_or_insert(error);
        }
    }
}
