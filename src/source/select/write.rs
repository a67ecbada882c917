//! Annotations as a file again, in shapes that the readers beside know.

use std::io::Write;

use kpack_formats::Meta;
use serde_json::Value;

use super::{annotations, label_text};
use crate::source::{Clip, Input, NamedBy};
use crate::{Error, Result, Time};

/// How rows are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Shape {
    /// With the header `label,youtube_id,time_start,time_end,split` and the other columns; `path`
    /// or `url` instead of the id where rows have these. AVA's rows have no header and 2, 7 or 8
    /// columns, as they came.
    #[default]
    Table,
    /// `label,id,start,end,split` without header, CRLF, `validate` for validation.
    Nano,
    /// An object a line, with the names of the table.
    JsonLines,
}

/// Writes the rows of `input` that have no problem.
///
/// # Errors
/// [`Error::Usage`] for a row that the shape has no place for, named; what `to` says.
pub fn write(input: &Input, shape: Shape, to: &mut dyn Write) -> Result<()> {
    let rows = input.rows.iter().filter(|row| row.problem.is_none());
    let clips: Vec<&Clip> = rows.map(|row| &row.clip).collect();
    let ava = clips
        .iter()
        .filter(|clip| annotations(&clip.columns).is_some())
        .count();
    if ava > 0 && (ava < clips.len() || shape != Shape::Table) {
        return Err(Error::usage(
            "AVA's rows have a shape of their own: write them apart from others, as a table",
        ));
    }
    match shape {
        Shape::Table if ava > 0 => ava_rows(&clips, to),
        Shape::Table => table(&clips, to),
        Shape::Nano => nano(&clips, to),
        Shape::JsonLines => json_lines(&clips, to),
    }
}

fn failed(error: impl Into<std::io::Error>) -> Error {
    Error::Io {
        what: "cannot write",
        path: "the rows".into(),
        source: error.into(),
    }
}

/// The column that names sources, as most files spell it.
fn source_column(clips: &[&Clip]) -> Result<&'static str> {
    let first = clips.first().map_or(NamedBy::Id, |clip| clip.named_by);
    if let Some(other) = clips.iter().find(|clip| clip.named_by != first) {
        return Err(Error::usage(format!(
            "{}: some rows have an id, others a path or an address: write them apart",
            other.source
        )));
    }
    Ok(match first {
        NamedBy::Id => "youtube_id",
        NamedBy::Path => "path",
        NamedBy::Url => "url",
    })
}

fn time(time: Option<Time>) -> String {
    time.map_or_else(String::new, |time| time.to_string())
}

/// Names of the columns without a role, in the order in which they first appear.
fn others<'a>(clips: &[&'a Clip]) -> Vec<&'a str> {
    let mut names = Meta::new();
    let mut list: Vec<&str> = Vec::new();
    for name in clips.iter().flat_map(|clip| clip.columns.keys()) {
        if names.insert(name.clone(), Value::Null).is_none() {
            list.push(name);
        }
    }
    list
}

fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn table(clips: &[&Clip], to: &mut dyn Write) -> Result<()> {
    let mut out = csv::Writer::from_writer(to);
    let (source, others) = (source_column(clips)?, others(clips));
    let several = clips.iter().any(|clip| clip.labels.len() > 1);
    let label = if several { "labels" } else { "label" };
    let names = [label, source, "time_start", "time_end", "split"];
    out.write_record(names.iter().chain(&others))
        .map_err(failed)?;
    for clip in clips {
        let labels: Vec<String> = clip.labels.iter().map(label_text).collect();
        if several && labels.iter().any(|label| label.contains(',')) {
            return Err(Error::usage(format!(
                "{}: several classes stand between commas, so `{}` cannot be one of them",
                clip.key,
                labels.join("`, `")
            )));
        }
        let span = clip.asked();
        let start = span.map(|span| span.start);
        let end = span.and_then(|span| span.end);
        let split = clip.split.clone().unwrap_or_default();
        let mut record = vec![
            labels.join(","),
            clip.source.clone(),
            time(start),
            time(end),
            split,
        ];
        record.extend(others.iter().map(|name| text(clip.columns.get(*name))));
        out.write_record(&record).map_err(failed)?;
    }
    out.flush().map_err(failed)
}

fn nano(clips: &[&Clip], to: &mut dyn Write) -> Result<()> {
    let mut out = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(to);
    for clip in clips {
        let missing = |what: &str| {
            Error::usage(format!(
                "{}: has no {what}, which nano's rows must have",
                clip.key
            ))
        };
        let [label] = clip.labels.as_slice() else {
            return Err(missing("single class"));
        };
        if clip.named_by != NamedBy::Id {
            return Err(missing("id"));
        }
        let span = clip.asked().ok_or_else(|| missing("time range"))?;
        let split = match clip.split.as_deref() {
            Some("val") => "validate",
            Some(split) => split,
            None => return Err(missing("split")),
        };
        let (start, end) = (time(Some(span.start)), time(span.end));
        let record = [&label_text(label), &clip.source, &start, &end, split];
        out.write_record(record).map_err(failed)?;
    }
    out.flush().map_err(failed)
}

fn json_lines(clips: &[&Clip], to: &mut dyn Write) -> Result<()> {
    for clip in clips {
        let mut object = Meta::new();
        object.insert(source_column(&[clip])?.into(), clip.source.clone().into());
        let labels: Vec<Value> = clip.labels.iter().map(|l| label_text(l).into()).collect();
        match labels.as_slice() {
            [] => {}
            [label] => drop(object.insert("label".into(), label.clone())),
            _ => drop(object.insert("labels".into(), labels.into())),
        }
        if let Some(span) = clip.asked() {
            object.insert("time_start".into(), span.start.secs().into());
            if let Some(end) = span.end {
                object.insert("time_end".into(), end.secs().into());
            }
        }
        if let Some(split) = &clip.split {
            object.insert("split".into(), split.clone().into());
        }
        for (name, value) in &clip.columns {
            object.entry(name.clone()).or_insert_with(|| value.clone());
        }
        writeln!(to, "{}", Value::Object(object)).map_err(failed)?;
    }
    Ok(())
}

fn ava_rows(clips: &[&Clip], to: &mut dyn Write) -> Result<()> {
    for clip in clips {
        for annotation in annotations(&clip.columns).into_iter().flatten() {
            let at = annotation["timestamp"].as_f64().unwrap_or_default();
            write!(to, "{},{at:.6}", clip.source).map_err(failed)?;
            if let Some(sides) = annotation["box"].as_array() {
                let label = text(annotation.get("label"));
                for cell in sides.iter().map(ToString::to_string).chain([label]) {
                    write!(to, ",{cell}").map_err(failed)?;
                }
                if let Some(person) = annotation.get("person") {
                    write!(to, ",{person}").map_err(failed)?;
                }
            }
            writeln!(to).map_err(failed)?;
        }
    }
    Ok(())
}
