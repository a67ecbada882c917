//! Clips in JSON, in any of these shapes:
//!
//! ```text
//! {ID: {"annotations": {"label": L, "segment": [S, E]}, "subset": .., ..}, ..}    DeepMind
//! {"database": {ID: {"annotations": [{"label": L, "segment": [S, E]}, ..]}, ..}}  ActivityNet
//! {ID: L, ..}                                    Showmax; an empty L is no label
//! [{"youtube_id": .., "label": .., ..}, ..]      rows with the names of table columns
//! {"path": .., ..} on each line                  JSON Lines
//! ```
//!
//! Fields without a role are kept with the clip.

use std::fmt;
use std::io::{BufRead, ErrorKind, Read as _};
use std::path::Path;

use kpack_formats::Meta;
use serde::de::{Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::columns::Columns;
use super::object::{Object, Place};
use super::row::{self, Window};
use crate::bounded::brief;
use crate::source::raw::{Gather, Raw, shown};
use crate::{Error, Result, bounded};

const WANT: &str = "expected an object of videos by id, or a list of objects with youtube_id or \
                    path, and perhaps label, start, end, split";

/// Longest file that is one JSON value, which stands in memory whole.
const TEXT_MAX: u64 = 2 << 30;

/// Whether `head` begins as JSON does.
pub(in crate::source) fn sniff(_: &Path, head: &[u8]) -> bool {
    matches!(start(head).first(), Some(b'{' | b'['))
}

/// Whether each line of `head` is an object of its own.
pub(in crate::source) fn sniff_lines(path: &Path, head: &[u8]) -> bool {
    let head = start(head);
    let named = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("jsonl") || e.eq_ignore_ascii_case("ndjson"));
    let mut lines = head.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    let whole = |line: &[u8]| serde_json::from_slice::<Meta>(line).is_ok();
    let first = lines.next().is_some_and(whole);
    let second = lines.next().is_some_and(|line| line.starts_with(b"{"));
    head.starts_with(b"{") && (named || (first && second))
}

fn start(head: &[u8]) -> &[u8] {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    head.trim_ascii_start()
}

/// Turns entries into rows.
struct Rows<'a, 'b> {
    path: &'a Path,
    text: &'a str,
    gather: &'a mut Gather<'b>,
    file: u32,
    window: Window,
    /// Offset up to which lines are counted, with the number of the line there and its begin.
    counted: (usize, u64, usize),
    /// Those of the object before, which has mostly the same.
    columns: Option<Columns>,
    /// Whether an id stands for one clip, as in DeepMind's files.
    keyed: bool,
}

/// Reads the rows of `path`, one JSON value.
pub(in crate::source) fn read(
    path: &Path,
    from: &mut dyn BufRead,
    gather: &mut Gather<'_>,
) -> Result<()> {
    let text = text_of(path, from)?;
    let first = gather.rows.len();
    let mut rows = Rows::new(path, &text, gather);
    let mut json = serde_json::Deserializer::from_str(rows.text);
    let read = json
        .deserialize_any(Top(&mut rows))
        .and_then(|()| json.end());
    read.map_err(|error| Error::Input {
        path: path.to_owned(),
        message: format!("{error}: {WANT}"),
    })?;
    if rows.keyed {
        let note = "keyed by id, so it cannot hold two clips of one video: the CSV can";
        gather.notes.push(format!("{}: {note}", shown(path)));
    }
    gather.end(first);
    Ok(())
}

/// Reads the rows of `path`, one object a line.
pub(in crate::source) fn read_lines(
    path: &Path,
    from: &mut dyn BufRead,
    gather: &mut Gather<'_>,
) -> Result<()> {
    let first = gather.rows.len();
    let mut rows = Rows::new(path, "", gather);
    let (mut line, mut end) = (Vec::new(), 0_u64);
    for number in 1.. {
        line.clear();
        let begin = end;
        match bounded::line(from, &mut line, bounded::VALUES) {
            Ok(0) => break,
            Ok(got) => end += got as u64,
            Err(e) if e.kind() == ErrorKind::FileTooLarge => {
                return Err(Error::Input {
                    path: path.to_owned(),
                    message: format!("line {number} (at byte {begin}): {e}"),
                });
            }
            Err(e) => return Err(Error::io("cannot read", path)(e)),
        }
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line);
        let line = line.trim_ascii_end();
        if line.is_empty() {
            continue;
        }
        let place = Place {
            line: number,
            column: 1,
        };
        match serde_json::from_slice::<Meta>(line) {
            Ok(object) => rows.object(object, place),
            Err(error) => {
                let column = error.column();
                let place = Place { column, ..place };
                rows.refused(place, &format!(": is no JSON object ({error})"));
            }
        }
    }
    gather.end(first);
    Ok(())
}

fn text_of(path: &Path, from: &mut dyn BufRead) -> Result<String> {
    let mut text = String::new();
    let read = from.take(TEXT_MAX + 1).read_to_string(&mut text);
    read.map_err(Error::io("cannot read", path))?;
    if text.len() as u64 > TEXT_MAX {
        return Err(Error::Input {
            path: path.to_owned(),
            message: format!("is JSON of more than {TEXT_MAX} bytes: write an object on each line"),
        });
    }
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

impl<'a, 'b> Rows<'a, 'b> {
    fn new(path: &'a Path, text: &'a str, gather: &'a mut Gather<'b>) -> Self {
        let file = gather.start(path);
        let window = Window::new(gather.options.window);
        Self {
            path,
            text,
            gather,
            file,
            window,
            counted: (0, 1, 0),
            columns: None,
            keyed: false,
        }
    }

    /// Line and column of a part of the text; parts come in their order.
    fn place(&mut self, part: &str) -> Place {
        let offset = part.as_ptr().addr().wrapping_sub(self.text.as_ptr().addr());
        let (from, mut line, mut begin) = self.counted;
        let between = self.text.get(from..offset).unwrap_or_default();
        line += between.bytes().filter(|b| *b == b'\n').count() as u64;
        if let Some(last) = between.rfind('\n') {
            begin = from + last + 1;
        }
        self.counted = (offset.max(from), line, begin);
        Place {
            line,
            column: offset.saturating_sub(begin) + 1,
        }
    }

    /// An entry of an object of videos.
    fn entry(&mut self, id: &str, value: &RawValue) {
        let place = self.place(value.get());
        let mut object = Meta::new();
        object.insert("id".to_owned(), id.into());
        match part(value) {
            Ok(Value::String(label)) => {
                object.insert("label".to_owned(), label.into());
                self.object(object, place);
            }
            Ok(Value::Object(video)) => self.video(object, video, place),
            Ok(_) => {
                let what = format!(
                    ": `{}` has {}: expected an object, or the class",
                    brief(id),
                    brief(value.get())
                );
                self.refused(place, &what);
            }
            Err(why) => self.refused(place, &why),
        }
    }

    /// A video with its clips.
    fn video(&mut self, mut object: Meta, mut video: Meta, place: Place) {
        let annotations = video.remove("annotations");
        object.extend(video);
        let clips = match annotations {
            Some(Value::Array(clips)) if clips.is_empty() => vec![Value::Object(Meta::new())],
            Some(Value::Array(clips)) => clips,
            Some(one) => {
                self.keyed |= one.get("segment").is_some();
                vec![one]
            }
            None => vec![Value::Object(Meta::new())],
        };
        for clip in clips {
            let mut object = object.clone();
            match clip {
                Value::Object(fields) => object.extend(fields),
                _ => {
                    self.refused(place, ": an annotation is no object with label and segment");
                    continue;
                }
            }
            self.object(object, place);
        }
    }

    /// An object whose fields are cells.
    fn object(&mut self, mut object: Meta, place: Place) {
        if object.len() > bounded::COLUMNS {
            let (got, most) = (object.len(), bounded::COLUMNS);
            let message = format!(": {got} fields, of which at most {most} are read");
            return self.refused(place, &message);
        }
        if let Some(segment) = object.remove("segment") {
            let ends = segment.as_array().filter(|ends| ends.len() == 2);
            let Some([start, end]) = ends.map(Vec::as_slice) else {
                let segment = brief(&segment.to_string());
                let message = format!(" (segment): {segment} is not [start, end]");
                return self.refused(place, &message);
            };
            object.insert("start".to_owned(), start.clone());
            object.insert("end".to_owned(), end.clone());
        }
        let columns = match self.columns.take() {
            Some(columns) if columns.names().iter().eq(object.keys()) => Some(columns),
            _ => Columns::of_names(object.keys().cloned().collect()),
        };
        let Some(columns) = columns else {
            return self.refused(place, ": names no video: expected youtube_id, path or url");
        };
        let mut raw = self.raw(place);
        let cells = Object {
            columns: &columns,
            object: &object,
            place,
        };
        if let Err(message) = row::fill(&cells, self.window, &mut raw) {
            raw.refuse(format!("{} line {}{message}", shown(self.path), place.line));
        }
        let mut i = 0;
        object.retain(|_, _| {
            i += 1;
            columns.is_other(i - 1)
        });
        raw.columns = object;
        self.columns = Some(columns);
        self.push(raw);
    }

    fn refused(&mut self, place: Place, message: &str) {
        let mut raw = self.raw(place);
        let Place { line, column } = place;
        raw.refuse(format!(
            "{} line {line} column {column}{message}",
            shown(self.path)
        ));
        self.push(raw);
    }

    fn raw(&self, place: Place) -> Raw {
        Raw {
            file: self.file,
            line: place.line,
            ..Raw::default()
        }
    }

    fn push(&mut self, mut raw: Raw) {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        self.gather.place(&mut raw, folder);
        self.gather.rows.push(raw);
    }
}

/// A value of a clip, or of a video with its clips; `Err` says why it is not taken.
fn part(value: &RawValue) -> Result<Value, String> {
    let (got, most) = (value.get().len(), bounded::VALUES);
    if got as u64 > most {
        return Err(format!(": {got} bytes, and one entry may have {most}"));
    }
    serde_json::from_str(value.get()).map_err(|e| format!(": {}", brief(&e.to_string())))
}

/// The outermost value.
struct Top<'r, 'a, 'b>(&'r mut Rows<'a, 'b>);

impl<'de> Visitor<'de> for Top<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((id, value)) = map.next_entry::<String, &'de RawValue>()? {
            match id.as_str() {
                // Beside it stand the version and the taxonomy, which are no videos.
                "database" => {
                    self.0.place(value.get());
                    let mut json = serde_json::Deserializer::from_str(value.get());
                    let read = json.deserialize_any(Top(self.0));
                    while map.next_entry::<String, &'de RawValue>()?.is_some() {}
                    return read.map_err(serde::de::Error::custom);
                }
                "version" | "taxonomy" => {}
                id => self.0.entry(id, value),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(value) = list.next_element::<&'de RawValue>()? {
            let place = self.0.place(value.get());
            match part(value) {
                Ok(Value::Object(object)) => self.0.object(object, place),
                Ok(_) => {
                    let what = format!(": {} is no object", brief(value.get()));
                    self.0.refused(place, &what);
                }
                Err(why) => self.0.refused(place, &why),
            }
        }
        Ok(())
    }
}
