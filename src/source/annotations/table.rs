//! A CSV or TSV of clips, with a header that names its columns in any order, or without one.
//!
//! RFC 4180 with a byte order mark, CRLF, quoted line breaks; tabs or semicolons are found out
//! from the header. Every column without a role is kept with the clip. A row that cannot be
//! understood is refused with its line and column, and the rest is read.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{BufRead, ErrorKind};
use std::path::{Path, PathBuf};

use csv::{ByteRecord, ReaderBuilder};
use kpack_formats::Meta;
use serde_json::Value;

use super::columns::{Columns, Role};
use super::row::{self, Cells, Window};
use crate::source::raw::{Gather, Raw, one_line, os_str, shown, text};
use crate::source::tail::Tail;
use crate::{Error, Result, bounded};

/// Whether `head` begins with a header that names the media, or with rows of a known shape.
pub(in crate::source) fn sniff(_: &Path, head: &[u8]) -> bool {
    Shape::of(head).is_some()
}

/// Whether `head` is AVA's: no header, and rows of an id and an instant, perhaps with a box.
pub(in crate::source) fn sniff_ava(_: &Path, head: &[u8]) -> bool {
    Shape::of(head).is_some_and(|shape| shape.columns.is_ava())
}

/// How a table is to be read.
pub(super) struct Shape {
    pub(super) delimiter: u8,
    pub(super) header: bool,
    pub(super) columns: Columns,
}

impl Shape {
    /// The shape of the table that begins with `head`.
    fn of(head: &[u8]) -> Option<Self> {
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        let mut lines = head.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
        let first = lines.find(|line| !line.is_empty())?;
        let delimiters: &[u8] = match first.starts_with(b"original_vido_id ") {
            true => b" ",
            false => b",\t;",
        };
        for delimiter in delimiters.iter().copied() {
            let names = cells(first, delimiter).map(name_of).collect();
            if let Some(columns) = Columns::of_names(names) {
                let header = true;
                return Some(Self {
                    delimiter,
                    header,
                    columns,
                });
            }
        }
        // The last line of the head may be cut off, and a bad row may stand first.
        let known = head.split(|b| *b == b'\n').take(8).find_map(|line| {
            delimiters.iter().copied().find_map(|delimiter| {
                let cells: Vec<&[u8]> = cells(line, delimiter).collect();
                Some((delimiter, Columns::of_cells(&cells)?))
            })
        });
        known.map(|(delimiter, columns)| Self {
            delimiter,
            header: false,
            columns,
        })
    }
}

/// The trimmed cells of a line, without their quotes. Good enough to tell what they are.
fn cells(line: &[u8], delimiter: u8) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let parts = line.split(move |b| {
        quoted ^= *b == b'"';
        *b == delimiter && !quoted
    });
    parts.map(|cell| {
        let cell = cell.trim_ascii();
        let cell = cell.strip_prefix(b"\"").unwrap_or(cell);
        cell.strip_suffix(b"\"").unwrap_or(cell).trim_ascii()
    })
}

fn name_of(cell: &[u8]) -> String {
    String::from_utf8_lossy(cell).into_owned()
}

/// The begin of a text for a message, on one line.
fn brief(text: &str) -> String {
    /// Most characters.
    const SHOWN: usize = 80;
    let begin: String = text.chars().take(SHOWN).collect();
    let whole = begin.len() == text.len();
    let mut line: String = one_line(begin).chars().take(SHOWN).collect();
    if !whole || line.chars().count() == SHOWN {
        line.push_str("..");
    }
    line
}

/// The columns of a header, which must name the media.
fn header(path: &Path, record: &ByteRecord) -> Result<Columns> {
    let bad = |message: String| Error::Input {
        path: path.to_owned(),
        message: format!("line 1: {message}"),
    };
    let name = |(i, cell): (usize, &[u8])| match name_of(cell.trim_ascii()) {
        name if name.is_empty() => format!("column_{}", i + 1),
        name => name,
    };
    if record.len() > bounded::COLUMNS {
        let (got, most) = (record.len(), bounded::COLUMNS);
        return Err(bad(format!(
            "{got} columns, of which at most {most} are read"
        )));
    }
    let names: Vec<String> = record.iter().enumerate().map(name).collect();
    let mut seen = HashMap::with_capacity(names.len());
    for (i, name) in names.iter().enumerate() {
        if let Some(other) = seen.insert(name.as_str(), i) {
            let (i, other, name) = (i + 1, other + 1, brief(name));
            return Err(bad(format!(
                "columns {other} and {i} have the same name `{name}`: rename one"
            )));
        }
    }
    drop(seen);
    let shown = brief(&names.join(", "));
    Columns::of_names(names).ok_or_else(|| {
        bad(format!(
            "the header names no column `path`, `youtube_id` or `url` (it has {shown}): expected \
             one of these, and perhaps label, start, end, split, in any order"
        ))
    })
}

/// One record and what its columns mean.
struct Line<'a> {
    columns: &'a Columns,
    record: &'a ByteRecord,
}

impl Line<'_> {
    fn bytes(&self, role: Role) -> &[u8] {
        let column = self.columns.place(role);
        let cell = column.and_then(|column| self.record.get(column));
        cell.unwrap_or_default().trim_ascii()
    }

    fn at_column(&self, column: usize, message: &str) -> String {
        let name = self.columns.names().get(column).map_or("", String::as_str);
        format!(" column {} ({name}): {message}", column + 1)
    }

    fn count(&self) -> Result<(), String> {
        let (got, want) = (self.record.len(), self.columns.names().len());
        if got == want || (self.columns.is_ava() && matches!(got, 2 | 7 | 8)) {
            return Ok(());
        }
        let why = match self.columns.is_ava() {
            true => "2, 7 or 8 are expected: id, timestamp, x1, y1, x2, y2, label, person".into(),
            false => format!("{want} are expected: quote cells that hold the delimiter"),
        };
        Err(format!(": {got} columns where {why}"))
    }

    fn others(&self) -> Meta {
        let wanted = |i: &usize| self.columns.is_other(*i);
        // There is one map a row, so it has no room to spare.
        let mut others = Meta::with_capacity((0..self.record.len()).filter(wanted).count());
        for (i, (name, cell)) in self.columns.names().iter().zip(self.record).enumerate() {
            if wanted(&i) {
                others.insert(name.clone(), Value::String(text(os_str(cell))));
            }
        }
        others
    }

    /// Box, class and person of AVA.
    fn region(&self, raw: &mut Raw) -> Result<(), String> {
        let Some(annotation) = raw.annotations.last_mut() else {
            return Ok(());
        };
        let cell = |column: usize| match self.record.get(column).map(<[u8]>::trim_ascii) {
            None | Some(b"") => None,
            Some(cell) => Some((column, text(os_str(cell)))),
        };
        let wrong = |(column, cell): (usize, String), expected: &str| {
            self.at_column(column, &format!("`{}` is not {expected}", one_line(cell)))
        };
        let share = |column: usize| match cell(column) {
            None => Ok(None),
            Some(cell) => match cell.1.parse::<f64>() {
                Ok(share) if (0.0..=1.0).contains(&share) => Ok(Some(share)),
                _ => Err(wrong(cell, "a share of the picture from 0 to 1")),
            },
        };
        let whole = |column: usize| match cell(column) {
            None => Ok(None),
            Some(cell) => match cell.1.parse::<i64>() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(wrong(cell, "a whole number")),
            },
        };
        let sides = (share(2)?, share(3)?, share(4)?, share(5)?);
        annotation.region = match sides {
            (Some(x1), Some(y1), Some(x2), Some(y2)) => Some([x1, y1, x2, y2]),
            (None, None, None, None) => None,
            _ => return Err(self.at_column(2, "only some of x1, y1, x2, y2 are given")),
        };
        annotation.label = whole(6)?.filter(|label| *label >= 0);
        annotation.person = whole(7)?;
        let label = annotation.label.map(crate::source::raw::RawLabel::Index);
        raw.labels.extend(label);
        Ok(())
    }
}

impl Cells for Line<'_> {
    fn get(&self, role: Role) -> Result<Option<Cow<'_, str>>, String> {
        match std::str::from_utf8(self.bytes(role)) {
            Ok("") => Ok(None),
            Ok(cell) => Ok(Some(Cow::Borrowed(cell))),
            Err(_) => Err(self.at(role, "is not UTF-8 text: save the file as UTF-8")),
        }
    }
    fn media(&self) -> Role {
        let roles = [Role::Path, Role::Id, Role::Url];
        let found = roles.into_iter().find(|r| self.columns.place(*r).is_some());
        found.unwrap_or(Role::Path)
    }
    fn path(&self) -> PathBuf {
        let cell = self.columns.place(Role::Path);
        let cell = cell.and_then(|column| self.record.get(column));
        PathBuf::from(os_str(cell.unwrap_or_default()))
    }
    fn at(&self, role: Role, message: &str) -> String {
        self.at_column(self.columns.place(role).unwrap_or(0), message)
    }
}

fn fill(line: &Line<'_>, window: Window, raw: &mut Raw) -> Result<(), String> {
    if line.media() == Role::Path {
        raw.named = line.path();
    }
    line.count()?;
    row::fill(line, window, raw)?;
    match line.columns.is_ava() {
        true => line.region(raw)?,
        false => raw.columns = line.others(),
    }
    Ok(())
}

/// Reads the rows of `path`.
pub(in crate::source) fn read(
    path: &Path,
    from: &mut dyn BufRead,
    gather: &mut Gather<'_>,
) -> Result<()> {
    let head = from.fill_buf().map_err(Error::io("cannot read", path))?;
    let shape = Shape::of(head);
    read_as(path, from, gather, shape)
}

/// Reads the rows of `path` as AVA's.
pub(in crate::source) fn read_ava(
    path: &Path,
    from: &mut dyn BufRead,
    gather: &mut Gather<'_>,
) -> Result<()> {
    let shape = Shape {
        delimiter: b',',
        header: false,
        columns: Columns::of_ava(),
    };
    read_as(path, from, gather, Some(shape))
}

/// Why a record cannot be read.
fn unread(path: &Path, record: &ByteRecord, e: csv::Error) -> Error {
    match e.kind() {
        csv::ErrorKind::Io(e) if e.kind() == ErrorKind::FileTooLarge => {
            let (line, byte) = record.position().map_or((1, 0), |p| (p.line(), p.byte()));
            let most = bounded::LINE;
            let why = "is a quote never closed, or is this no table?";
            let message =
                format!("line {line} (at byte {byte}): the row is longer than {most} bytes: {why}");
            let path = path.to_owned();
            Error::Input { path, message }
        }
        _ => Error::io("cannot read", path)(e.into()),
    }
}

fn read_as(
    path: &Path,
    from: &mut dyn BufRead,
    gather: &mut Gather<'_>,
    shape: Option<Shape>,
) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let (first, file) = (gather.rows.len(), gather.start(path));
    let head = from.fill_buf().map_err(Error::io("cannot read", path))?;
    let crlf = head.iter().position(|b| *b == b'\n');
    let crlf = crlf.is_some_and(|lf| head.get(..lf).is_some_and(|line| line.ends_with(b"\r")));
    let delimiter = shape.as_ref().map_or(b',', |shape| shape.delimiter);
    let mut tail = Tail::new(from);
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .has_headers(false)
        .from_reader(&mut tail);
    let mut record = ByteRecord::new();
    let mut next = |record: &mut ByteRecord| -> Result<Option<(u64, bool)>> {
        reader.get_mut().row();
        let read = reader.read_byte_record(record);
        let read = read.map_err(|e| unread(path, record, e))?;
        // A record's own position is before the blank lines above it, so it is counted back from
        // its end. The LF of a CRLF is only read, and counted, with the record behind it.
        let end = reader.position();
        let inner: usize = record
            .iter()
            .map(|cell| cell.iter().filter(|b| **b == b'\n').count())
            .sum();
        let own = u64::from(!crlf && reader.get_ref().has_lf(end.byte()));
        let line = end.line().saturating_sub(inner as u64 + own);
        let before = record.position().map_or(1, csv::Position::line);
        Ok(read.then_some((line.max(before), inner > 0)))
    };
    let columns = match shape {
        Some(shape) if !shape.header => shape.columns,
        _ if next(&mut record)?.is_none() => return Ok(()),
        _ => header(path, &record)?,
    };
    let (mut broken, window) = (None, Window::new(gather.options.window));
    while let Some((line, breaks)) = next(&mut record)? {
        broken = breaks.then_some(line);
        let mut raw = Raw {
            file,
            line,
            ..Raw::default()
        };
        let (columns, record) = (&columns, &record);
        if let Err(message) = fill(&Line { columns, record }, window, &mut raw) {
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
