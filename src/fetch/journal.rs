//! `fetch.jsonl`: what became of each row, written as it happens.
//!
//! While a run goes on its rows are appended, each in one write; at the end the file is written
//! anew, one line per input row in input order, behind it the lines of rows of other inputs.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::pipeline::OutcomeRow;
use crate::sample::Stage;
use crate::source::Clip;
use crate::{Error, Result};

/// Name of the journal in MEDIA.
pub const JOURNAL: &str = "fetch.jsonl";

/// One line of `fetch.jsonl`: the fields of `samples.jsonl`, and what was fetched.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FetchRow {
    /// As in `samples.jsonl`; `media` is the clip's file below MEDIA.
    #[serde(flatten)]
    pub row: OutcomeRow,
    /// Where the source was fetched from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// How often the source was asked for in the run that settled the row.
    pub attempts: u32,
    /// Bytes that came over the network for the source in that run; each row of it says the same.
    pub bytes_fetched: u64,
    /// SHA-256 of the fetched source, in hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// How the clip was cut: `smart`, `exact`, `copy` or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trim: Option<String>,
    /// The mirrors that were read to their end without finding it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<String>,
    /// The user's rule by which the row was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// What a row is known by from run to run: its source and its range in nanoseconds.
pub(super) type Identity = (String, Option<i64>, Option<i64>);

pub(super) fn identity_of(clip: &Clip) -> Identity {
    let span = clip.asked();
    let end = span.and_then(|span| span.end);
    (
        clip.source.clone(),
        span.map(|span| span.start.nanos()),
        end.map(|end| end.nanos()),
    )
}

fn identity(row: &OutcomeRow) -> Identity {
    let nanos = |time: Option<crate::Time>| time.map(crate::Time::nanos);
    (row.source.clone(), nanos(row.start), nanos(row.end))
}

/// The open journal.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens the journal in `media`, and gives what it says; the last line of a row counts. A line
    /// that a crash cut off is passed over.
    pub(super) fn open(media: &Path) -> Result<(Self, HashMap<Identity, FetchRow>)> {
        let path = media.join(JOURNAL);
        let mut known = HashMap::new();
        let mut torn = false;
        match File::open(&path) {
            Ok(file) => {
                let mut reader = BufReader::new(file);
                let mut line = Vec::new();
                loop {
                    line.clear();
                    let read = reader.read_until(b'\n', &mut line);
                    if read.map_err(Error::io("cannot read", &path))? == 0 {
                        break;
                    }
                    torn = line.last() != Some(&b'\n');
                    // Rows that were refused as they stand have the identity of a good one.
                    if let Ok(row) = serde_json::from_slice::<FetchRow>(&line)
                        && row.row.stage != Some(Stage::Plan)
                    {
                        known.insert(identity(&row.row), row);
                    }
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(Error::io("cannot read", &path)(e)),
        }
        let open = OpenOptions::new().append(true).create(true).open(&path);
        let mut file = open.map_err(Error::io("cannot open", &path))?;
        if torn {
            let ended = file.write_all(b"\n");
            ended.map_err(Error::io("cannot write", &path))?;
        }
        Ok((Self { path, file }, known))
    }

    /// Adds a line, in one write.
    pub(super) fn append(&mut self, row: &FetchRow) -> Result<()> {
        let mut line = serde_json::to_vec(row).unwrap_or_default();
        line.push(b'\n');
        let written = self.file.write_all(&line);
        written.map_err(Error::io("cannot write", &self.path))
    }

    /// Writes the journal anew with these lines; it appears whole.
    pub(super) fn rewrite<'a>(self, rows: impl Iterator<Item = &'a FetchRow>) -> Result<()> {
        let mut bytes = Vec::new();
        for row in rows {
            bytes.append(&mut serde_json::to_vec(row).unwrap_or_default());
            bytes.push(b'\n');
        }
        Ok(kpack_formats::atomic::write_atomic(&self.path, &bytes)?)
    }
}
