//! `fetch.jsonl`: what became of each row, written as it happens.
//!
//! While a run goes on its rows are appended, each in one write; at the end the file is written
//! anew, one line per input row in input order, behind it the lines of rows of other inputs.
//!
//! ```text
//! fetch.jsonl             all rows
//! fetch.0-of-4.jsonl      of a part: the rows that it settled, until a run that is no part ends
//! ```

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::pipeline::{Outcome, OutcomeRow, Part};
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
    /// The file that stood in for the source (`--replacement`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
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
    /// Of a part: which rows are in it.
    own: Option<HashSet<Identity>>,
    /// Journals of parts, which this one takes over.
    parts: Vec<PathBuf>,
}

impl Journal {
    /// Opens the journal of `part` in `media`, and gives what all journals there say: a row that is
    /// done counts more than one that is not.
    pub(super) fn open(media: &Path, part: Part) -> Result<(Self, HashMap<Identity, FetchRow>)> {
        let mut parts = of_parts(media)?;
        let (mut known, mut torn) = read(&media.join(JOURNAL))?;
        let path = match part.of {
            0 | 1 => media.join(JOURNAL),
            of => media.join(format!("fetch.{}-of-{of}.jsonl", part.index)),
        };
        let mut own = None;
        for of_part in &parts {
            let (rows, ends_torn) = read(of_part)?;
            if *of_part == path {
                own = Some(rows.keys().cloned().collect());
                torn = ends_torn;
            }
            for (identity, row) in rows {
                let done = |row: &FetchRow| row.row.outcome == Outcome::Done;
                if done(&row) || !known.get(&identity).is_some_and(done) {
                    known.insert(identity, row);
                }
            }
        }
        let is_part = part.of > 1;
        if is_part {
            torn &= own.is_some();
            parts.clear();
        }
        let open = OpenOptions::new().append(true).create(true).open(&path);
        let mut file = open.map_err(Error::io("cannot open", &path))?;
        if torn {
            let ended = file.write_all(b"\n");
            ended.map_err(Error::io("cannot write", &path))?;
        }
        let own = is_part.then(|| own.unwrap_or_default());
        let journal = Self {
            path,
            file,
            own,
            parts,
        };
        Ok((journal, known))
    }

    /// Adds a line, in one write.
    pub(super) fn append(&mut self, row: &FetchRow) -> Result<()> {
        let mut line = serde_json::to_vec(row).unwrap_or_default();
        line.push(b'\n');
        let written = self.file.write_all(&line);
        written.map_err(Error::io("cannot write", &self.path))?;
        if let Some(own) = &mut self.own {
            own.insert(identity(&row.row));
        }
        Ok(())
    }

    /// Writes the journal anew with these lines, that of a part with its own; it appears whole.
    pub(super) fn rewrite<'a>(self, rows: impl Iterator<Item = &'a FetchRow>) -> Result<()> {
        let mut bytes = Vec::new();
        for row in rows {
            if self
                .own
                .as_ref()
                .is_none_or(|own| own.contains(&identity(&row.row)))
            {
                bytes.append(&mut serde_json::to_vec(row).unwrap_or_default());
                bytes.push(b'\n');
            }
        }
        kpack_formats::atomic::write_atomic(&self.path, &bytes)?;
        for part in &self.parts {
            fs::remove_file(part).map_err(Error::io("cannot remove", part))?;
        }
        Ok(())
    }
}

/// The journals of parts in `media`, in order.
fn of_parts(media: &Path) -> Result<Vec<PathBuf>> {
    let read = |e| Error::io("cannot read folder", media)(e);
    let mut found = Vec::new();
    for entry in fs::read_dir(media).map_err(read)? {
        let path = entry.map_err(read)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let part = name.and_then(|name| name.strip_prefix("fetch.")?.strip_suffix(".jsonl"));
        if part.is_some_and(is_part) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a text is `I-of-N`.
pub(super) fn is_part(text: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.split_once("-of-")
        .is_some_and(|(i, n)| number(i) && number(n))
}

/// What a journal says, the last line of a row, and whether its last line was cut off. Such a line
/// is passed over.
fn read(path: &Path) -> Result<(HashMap<Identity, FetchRow>, bool)> {
    let (mut known, mut torn) = (HashMap::new(), false);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok((known, false)),
        Err(e) => return Err(Error::io("cannot read", path)(e)),
    };
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line);
        if read.map_err(Error::io("cannot read", path))? == 0 {
            return Ok((known, torn));
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
