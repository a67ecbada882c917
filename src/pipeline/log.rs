//! The log of a part: what a later run needs to continue, one JSON line per event, appended only.
//!
//! ```text
//! {"plan": {...}}                        the first line: which plan this is
//! {"row": {"n": 7, "row": {...}}}        input row 7 is settled
//! {"shard": {...}}                       a shard stands whole at its place, or stays away
//! {"synced": 9}                          in a tree: the files of all rows so far last through a power cut
//! ```
//!
//! First come the rows that took no place in the plan (part 0 has them), then the plan's, in order.
//! A line is one write; a torn or foreign end is cut off when the log is opened again.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::pipeline::dataset::{ShardRecord, is_file_name};
use crate::pipeline::files::moment;
use crate::pipeline::header::Header;
use crate::pipeline::row::OutcomeRow;
use crate::{Error, Result, bounded};

/// At least this long between two syncs.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// Syncing takes at most one part in this many of the time.
const SYNC_SHARE: u32 = 10;

/// One line that is read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Line {
    Plan(Box<Header>),
    Row {
        n: u32,
        row: Box<OutcomeRow>,
    },
    Shard(ShardRecord),
    /// The first plan index that is not settled.
    Synced(u32),
}

impl Line {
    /// Whether the files that it names lie in the dataset's folder: they may be removed by it.
    fn is_inside(&self) -> bool {
        let place = |place: &String| kpack_formats::check_key(place).is_ok();
        match self {
            Line::Plan(_) | Line::Synced(_) => true,
            Line::Shard(shard) => is_file_name(&shard.name),
            Line::Row { row, .. } => {
                row.shard.as_deref().is_none_or(is_file_name) && row.path.as_ref().is_none_or(place)
            }
        }
    }
}

/// One line that is written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Event<'a> {
    Plan(&'a Header),
    Row { n: u32, row: &'a OutcomeRow },
    Shard(&'a ShardRecord),
    Synced(u32),
}

/// An open log at its end.
pub(crate) struct Log {
    file: File,
    path: PathBuf,
    line: Vec<u8>,
    sync_due: Instant,
}

impl Log {
    /// Continues the log in `file` at byte `end`; what follows is cut off.
    pub(crate) fn continue_at(mut file: File, path: &Path, end: u64) -> Result<Self> {
        let cut = file
            .set_len(end)
            .and_then(|()| file.seek(SeekFrom::Start(end)));
        cut.map_err(Error::io("cannot cut", path))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            line: Vec::new(),
            sync_due: Instant::now() + SYNC_EVERY,
        })
    }

    pub(crate) fn append(&mut self, event: &impl Serialize) -> Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, event)
            .map_err(|e| Error::io("cannot put into words a line of", &self.path)(e.into()))?;
        self.line.push(b'\n');
        if let Err(e) = moment() {
            // What a full disk or a power cut leaves of a line.
            let _ = self.file.write_all(&self.line[..self.line.len() / 2]);
            return Err(e);
        }
        self.file
            .write_all(&self.line)
            .map_err(Error::io("cannot write", &self.path))
    }

    /// Whether a second (or more, if syncs are slow) has passed since the last sync.
    pub(crate) fn sync_is_due(&self) -> bool {
        Instant::now() >= self.sync_due
    }

    /// Makes all lines last through a power cut. `begun` is when the caller began to sync what the
    /// lines tell of.
    pub(crate) fn sync(&mut self, begun: Instant) -> Result<()> {
        moment()?;
        self.file
            .sync_data()
            .map_err(Error::io("cannot sync", &self.path))?;
        let now = Instant::now();
        self.sync_due = now + SYNC_EVERY.max((now - begun) * SYNC_SHARE);
        Ok(())
    }
}

/// Reads the lines of a log up to the first that is torn or none.
pub(crate) struct LogReader<R> {
    source: BufReader<R>,
    path: PathBuf,
    line: Vec<u8>,
    end: u64,
}

impl<R: Read> LogReader<R> {
    /// Reads from the current position of `source`, which should be its start.
    pub(crate) fn new(source: R, path: &Path) -> Self {
        let source = BufReader::with_capacity(1 << 18, source);
        Self {
            source,
            path: path.to_owned(),
            line: Vec::new(),
            end: 0,
        }
    }

    /// End of the last line given.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// The next line, and the byte where it begins.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Line)>> {
        self.next_of(Line::is_inside)
    }

    /// As [`next`](Self::next), of a log with other lines, which `is_ours` tells from foreign ones.
    pub(crate) fn next_of<L: DeserializeOwned>(
        &mut self,
        is_ours: impl Fn(&L) -> bool,
    ) -> Result<Option<(u64, L)>> {
        self.line.clear();
        let read = bounded::line(&mut self.source, &mut self.line, bounded::ROW);
        let read = match read {
            // None of ours.
            Err(e) if e.kind() == ErrorKind::FileTooLarge => return Ok(None),
            read => read.map_err(Error::io("cannot read", &self.path))?,
        };
        let Some(text) = self.line.strip_suffix(b"\n") else {
            return Ok(None);
        };
        let Some(line) = serde_json::from_slice(text).ok().filter(is_ours) else {
            return Ok(None);
        };
        let begin = self.end;
        self.end += read as u64;
        Ok(Some((begin, line)))
    }
}
