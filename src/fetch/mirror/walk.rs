//! One archive: brought, read from front to end, dropped.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::Sender;

use kpack_formats::webdataset::{MemberHead, MemberReader};
use kpack_formats::{Kind, ReadOptions};

use super::Mirror;
use super::names::Fit;
use crate::fetch::adopt;
use crate::fetch::clip::{self, Opened};
use crate::fetch::http::too_large;
use crate::fetch::plan::{Job, Source, sha256};
use crate::fetch::run::{Cost, Run, Told};
use crate::fetch::table::Got;
use crate::fetch::{Fail, Failure};
use crate::pipeline::Outcome;
use crate::sample::Class;
use crate::source::Span;
use crate::{Error, Time};

impl Run<'_> {
    /// Settles the rows whose clips are in archive `i`.
    pub(in crate::fetch) fn archive(
        &self,
        i: usize,
        source: &Source,
        tell: &Sender<Told>,
    ) -> Result<(), Fail> {
        let Some(mirror) = &self.mirror else {
            return Ok(());
        };
        let before = mirror.lock().read.contains(&source.hash);
        let ended = match before {
            true => Ok(()),
            false => self.bring_and_read(mirror, i, source, tell),
        };
        match ended {
            Ok(()) => {}
            Err(Fail::One(mut failure)) => {
                failure.reason = format!("{}: {}", source.address, failure.reason);
                let note = format!("an archive was not read to its end: {}", failure.reason);
                // The listener is there as long as this thread.
                let _ = tell.send(Told::Note(note));
                mirror.lock().broken.get_or_insert(failure);
            }
            Err(fail) => return Err(fail),
        }
        mirror.pass(i);
        Ok(())
    }

    fn bring_and_read(
        &self,
        mirror: &Mirror,
        i: usize,
        source: &Source,
        tell: &Sender<Told>,
    ) -> Result<(), Fail> {
        let mut cost = Cost::default();
        let got = self.bring(source, &mut cost)?;
        if !mirror.wait(i, &self.net) {
            return Err(Fail::Stopped);
        }
        let read = self.read(mirror, (source, &mut cost), &got.path, tell);
        match &read {
            Ok(()) => mirror.ended(source),
            // Fetched anew by the next run: what is there is of no use.
            Err(Fail::One(_)) => {}
            Err(_) => return read,
        }
        self.drop_source(&got)?;
        read
    }

    /// Reads the archive at `path` until its end, or until no row is open.
    fn read(
        &self,
        mirror: &Mirror,
        (source, cost): (&Source, &mut Cost),
        path: &Path,
        tell: &Sender<Told>,
    ) -> Result<(), Fail> {
        let options = ReadOptions {
            concatenated: true,
            ..ReadOptions::default()
        };
        let mut reader = MemberReader::open(path, &options).map_err(damaged)?;
        while mirror.lock().left > 0 {
            if self.net.stopped() {
                return Err(Fail::Stopped);
            }
            let Some(head) = reader.next_head().map_err(damaged)? else {
                return Ok(());
            };
            let mut rows = mirror.names.of(&head.name, &self.input.rows);
            let state = mirror.lock();
            rows.retain(|(row, _)| state.open.get(*row).copied().unwrap_or(false));
            drop(state);
            if rows.is_empty() {
                continue;
            }
            let name = String::from_utf8_lossy(&head.name).into_owned();
            let got = Got {
                path: self.net.work.join(format!("{}.member", source.hash)),
                owned: true,
                there: true,
                came: None,
            };
            let opened = match self.unpack(&mut reader, &head, &got.path) {
                Ok(()) => clip::open_as(&got, &name, &self.options.workers),
                Err(fail) => Err(fail),
            };
            let stems = rows.iter().filter_map(|(row, _)| mirror.stems.get(*row));
            let stems = stems.map(String::as_str);
            adopt::note(&self.net.work, &source.hash, stems)?;
            self.serve(mirror, &rows, (opened, &got), (source, cost, &name), tell)?;
            adopt::forget(&self.net.work, &source.hash);
            self.drop_source(&got)?;
        }
        Ok(())
    }

    /// Writes a member's data to `path`.
    fn unpack(
        &self,
        reader: &mut MemberReader,
        head: &MemberHead,
        path: &Path,
    ) -> Result<(), Fail> {
        if head.size > self.options.max_size {
            return Err(too_large(head.size, self.options.max_size).into());
        }
        let mut file = File::create(path).map_err(Fail::disk("cannot create", path))?;
        let mut buffer = vec![0; 1 << 18];
        loop {
            let n = reader.read_data(&mut buffer).map_err(damaged)?;
            if n == 0 {
                break;
            }
            let written = file.write_all(buffer.get(..n).unwrap_or_default());
            written.map_err(Fail::disk("cannot write", path))?;
        }
        file.sync_all().map_err(Fail::disk("cannot sync", path))
    }

    /// Makes the clips of `rows` from a member. A row that it does not serve stays open.
    fn serve(
        &self,
        mirror: &Mirror,
        rows: &[(usize, Fit)],
        (opened, got): (Result<Opened, Fail>, &Got),
        (source, cost, name): (&Source, &mut Cost, &str),
        tell: &Sender<Told>,
    ) -> Result<(), Fail> {
        let opened = match opened {
            Ok(opened) => Ok(opened),
            Err(Fail::One(failure)) => Err(failure),
            Err(fail) => return Err(fail),
        };
        for (i, fit) in rows {
            let Some(row) = self.input.rows.get(*i) else {
                continue;
            };
            let named = |mut failure: Failure| {
                failure.reason = format!("{name}: {}", failure.reason);
                clip::failed(&row.clip, &failure)
            };
            let made = match &opened {
                Err(failure) => named(failure.clone()),
                Ok(opened) => match Self::hash(sha256(&row.clip).as_ref(), got) {
                    Ok(hash) => {
                        cost.sha256 = hash;
                        let stem = mirror.stems.get(*i).cloned().unwrap_or_default();
                        let job = job(*i, stem, *fit, row.clip.asked());
                        let _turn = self.cutting.take();
                        clip::make(opened, &row.clip, &job, self.media, self.options)?
                    }
                    Err(Fail::One(failure)) => named(failure),
                    Err(fail) => return Err(fail),
                },
            };
            let mut state = mirror.lock();
            if made.row.outcome == Outcome::Failed {
                state.failed.insert(*i, made);
                continue;
            }
            if let Some(open) = state.open.get_mut(*i) {
                *open = false;
                state.left -= 1;
            }
            drop(state);
            self.settle(*i, made, source, cost)?;
            let _ = tell.send(Told::Row(*i));
        }
        Ok(())
    }
}

fn job(row: usize, stem: String, fit: Fit, asked: Option<Span>) -> Job {
    let begins = match fit {
        Fit::Around(begins) => begins,
        Fit::Clip | Fit::Source => Time::ZERO,
    };
    let span = asked.filter(|_| fit != Fit::Clip).map(|span| Span {
        start: span.start.since(begins),
        end: span.end.map(|end| end.since(begins)),
    });
    Job {
        row,
        stem,
        span,
        begins,
    }
}

/// An archive that cannot be read: its own fault, or the disk's.
fn damaged(e: kpack_formats::Error) -> Fail {
    match e.kind() {
        Kind::Io => Fail::Run(Error::from(e)),
        _ => {
            let offset = e
                .at()
                .offset
                .map_or(String::new(), |at| format!(" at byte {at}"));
            let reason = format!("the archive is damaged{offset}: {}", e.message());
            Failure::last(Class::Corrupt, reason).into()
        }
    }
}
