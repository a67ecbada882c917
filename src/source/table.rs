//! A CSV whose header names `path` and perhaps `label`, `start`, `end`, `split`, in any order.
//!
//! RFC 4180 with a byte order mark, CRLF, quoted line breaks; tabs or semicolons are found out
//! from the header. Every other column is kept with the clip. A row that cannot be understood is
//! refused with its line and column, and the rest is read.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use csv::{ByteRecord, ReaderBuilder};
use kpack_formats::Meta;
use serde_json::Value;

use super::raw::{Gather, Raw, RawLabel, one_line, os_str, shown, text};
use super::tail::Tail;
use super::{Span, split_name};
use crate::{Error, Result, Time};

/// Whether `head` begins with a header that names `path`.
pub(super) fn sniff(_: &Path, head: &[u8]) -> bool {
    delimiter(head).is_some()
}

/// The delimiter with which the first line names a column `path`.
fn delimiter(head: &[u8]) -> Option<u8> {
    let line = head.split(|b| *b == b'\n').next()?;
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    b",\t;".iter().copied().find(|delimiter| {
        let mut cells = line.split(|b| b == delimiter);
        cells.any(|cell| name_of(cell) == "path")
    })
}

/// A header cell as a column's name.
fn name_of(cell: &[u8]) -> String {
    let cell = cell.trim_ascii();
    let cell = cell.strip_prefix(b"\"").unwrap_or(cell);
    let cell = cell.strip_suffix(b"\"").unwrap_or(cell);
    String::from_utf8_lossy(cell.trim_ascii()).into_owned()
}

/// Which column holds what.
struct Columns {
    names: Vec<String>,
    path: usize,
    label: Option<usize>,
    start: Option<usize>,
    end: Option<usize>,
    split: Option<usize>,
}

impl Columns {
    fn new(path: &Path, header: &ByteRecord) -> Result<Self> {
        let bad = |message: String| Error::Input {
            path: path.to_owned(),
            message: format!("line 1: {message}"),
        };
        let mut names: Vec<String> = header.iter().map(name_of).collect();
        for (i, name) in names.iter_mut().enumerate() {
            if name.is_empty() {
                *name = format!("column_{}", i + 1);
            }
        }
        for (i, name) in names.iter().enumerate() {
            if let Some(other) = names.iter().take(i).position(|n| n == name) {
                let (i, other) = (i + 1, other + 1);
                return Err(bad(format!(
                    "columns {other} and {i} have the same name `{name}`: rename one"
                )));
            }
        }
        let find = |name: &str| names.iter().position(|n| n == name);
        let columns = Self {
            path: find("path").ok_or_else(|| {
                bad(format!(
                    "the header names no column `path` (it has {}): expected path, and perhaps \
                     label, start, end, split, in any order",
                    one_line(names.join(", "))
                ))
            })?,
            label: find("label"),
            start: find("start"),
            end: find("end"),
            split: find("split"),
            names,
        };
        Ok(columns)
    }

    /// Fills `raw` from `record`, or says what is wrong, with the column.
    fn fill(&self, record: &ByteRecord, raw: &mut Raw) -> Result<(), String> {
        raw.named = PathBuf::from(os_str(record.get(self.path).unwrap_or_default()));
        if record.len() != self.names.len() {
            let (got, want) = (record.len(), self.names.len());
            return Err(format!(
                ": {got} columns where the header has {want}: quote cells that hold the delimiter"
            ));
        }
        if raw.named.as_os_str().is_empty() {
            return Err(self.at(self.path, "is empty: expected the path of a media file"));
        }
        if let Some(label) = self.cell(record, self.label)? {
            raw.label = Some(RawLabel::Text(one_line(label.to_owned())));
        }
        if let Some(split) = self.cell(record, self.split)? {
            raw.split = Some(split_name(split).unwrap_or(split).to_owned());
        }
        raw.span = self.span(record)?;
        raw.columns = self.others(record);
        Ok(())
    }

    fn span(&self, record: &ByteRecord) -> Result<Option<Span>, String> {
        let time = |column: Option<usize>| match self.cell(record, column)? {
            Some(cell) => cell.parse::<Time>().map(Some).map_err(|error| {
                let column = column.unwrap_or_default();
                self.at(column, &one_line(error.to_string()))
            }),
            None => Ok(None),
        };
        let (start, end) = (time(self.start)?, time(self.end)?);
        if start.is_none() && end.is_none() {
            return Ok(None);
        }
        let start = start.unwrap_or_default();
        match (end, self.end) {
            (Some(end), Some(column)) if end <= start => {
                let message = format!("{end} s is not after the start at {start} s");
                Err(self.at(column, &message))
            }
            _ => Ok(Some(Span { start, end })),
        }
    }

    /// A trimmed cell that is not empty.
    fn cell<'r>(
        &self,
        record: &'r ByteRecord,
        column: Option<usize>,
    ) -> Result<Option<&'r str>, String> {
        let Some(column) = column else {
            return Ok(None);
        };
        let cell = record.get(column).unwrap_or_default().trim_ascii();
        match std::str::from_utf8(cell) {
            Ok("") => Ok(None),
            Ok(cell) => Ok(Some(cell)),
            Err(_) => Err(self.at(column, "is not UTF-8 text: save the file as UTF-8")),
        }
    }

    fn others(&self, record: &ByteRecord) -> Meta {
        let taken = [
            Some(self.path),
            self.label,
            self.start,
            self.end,
            self.split,
        ];
        let wanted = |i: &usize| !taken.contains(&Some(*i));
        // There is one map a row, so it has no room to spare.
        let mut others = Meta::with_capacity((0..self.names.len()).filter(wanted).count());
        for (i, (name, cell)) in self.names.iter().zip(record).enumerate() {
            if wanted(&i) {
                others.insert(name.clone(), Value::String(text(os_str(cell))));
            }
        }
        others
    }

    fn at(&self, column: usize, message: &str) -> String {
        let name = self.names.get(column).map_or("", String::as_str);
        format!(" column {} ({name}): {message}", column + 1)
    }
}

/// Reads the rows of `path`.
pub(super) fn read(path: &Path, from: &mut dyn BufRead, gather: &mut Gather<'_>) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let (first, file) = (gather.rows.len(), gather.start(path));
    let head = from.fill_buf().map_err(Error::io("cannot read", path))?;
    let delimiter = delimiter(head).unwrap_or(b',');
    let mut tail = Tail::new(from);
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .has_headers(false)
        .from_reader(&mut tail);
    let mut record = ByteRecord::new();
    let mut next = |record: &mut ByteRecord| {
        let read = reader.read_byte_record(record);
        read.map_err(|e| Error::io("cannot read", path)(e.into()))
    };
    if !next(&mut record)? {
        return Ok(());
    }
    let columns = Columns::new(path, &record)?;
    let mut broken = None;
    while next(&mut record)? {
        let line = record.position().map_or(0, csv::Position::line);
        broken = record.iter().any(|c| c.contains(&b'\n')).then_some(line);
        let mut raw = Raw {
            file,
            line,
            ..Raw::default()
        };
        if let Err(message) = columns.fill(&record, &mut raw) {
            raw.refuse(format!("{} line {line}{message}", shown(path)));
        }
        gather.place(&mut raw, &folder);
        gather.rows.push(raw);
    }
    drop(reader);
    if let Some(line) = broken.filter(|_| tail.last() != Some(b'"')) {
        let message = format!("line {line}: a quote that opens here is never closed");
        let path = path.to_owned();
        return Err(Error::Input { path, message });
    }
    gather.end(first);
    Ok(())
}
