//! `reorg.jsonl`: which file came from where, kept from run to run.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use super::{Arranged, Fate};
use crate::{Error, Result};

/// Name of the file in OUT: one [`Arranged`] a line for each file that was placed.
pub const JOURNAL: &str = "reorg.jsonl";

/// Appends a line for each file, in one write.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Places that have a line.
    known: HashSet<String>,
}

impl Journal {
    /// Opens the journal in `out`, which is made if need be. A line cut off by a crash is ended.
    pub(super) fn open(out: &Path) -> Result<Self> {
        fs::create_dir_all(out).map_err(Error::io("cannot create", out))?;
        let path = out.join(JOURNAL);
        let (mut known, mut torn) = (HashSet::new(), false);
        match File::open(&path) {
            Ok(file) => {
                let mut reader = BufReader::new(file);
                let mut line = Vec::new();
                let read = Error::io("cannot read", &path);
                let mut next = || -> std::io::Result<bool> {
                    line.clear();
                    if reader.read_until(b'\n', &mut line)? == 0 {
                        return Ok(false);
                    }
                    torn = line.last() != Some(&b'\n');
                    if let Ok(row) = serde_json::from_slice::<Arranged>(&line) {
                        known.insert(row.path);
                    }
                    Ok(true)
                };
                let all = loop {
                    match next() {
                        Ok(true) => {}
                        Ok(false) => break Ok(()),
                        Err(e) => break Err(e),
                    }
                };
                all.map_err(read)?;
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(Error::io("cannot read", &path)(e)),
        }
        let open = OpenOptions::new().append(true).create(true).open(&path);
        let mut file = open.map_err(Error::io("cannot open", &path))?;
        if torn {
            file.write_all(b"\n")
                .map_err(Error::io("cannot write", &path))?;
        }
        Ok(Self { path, file, known })
    }

    /// Adds the line of a file that is at its place, if there is none yet.
    pub(super) fn add(&mut self, row: &Arranged) -> Result<()> {
        let good = matches!(row.outcome, Fate::Placed | Fate::There);
        if !good || !self.known.insert(row.path.clone()) {
            return Ok(());
        }
        let mut line = serde_json::to_vec(row).unwrap_or_default();
        line.push(b'\n');
        let written = self.file.write_all(&line);
        written.map_err(Error::io("cannot write", &self.path))
    }
}
