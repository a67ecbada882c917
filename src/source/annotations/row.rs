//! What a row says, cell by cell, becomes a [`Raw`]: the same for tables and for JSON.

use std::borrow::Cow;
use std::path::PathBuf;

use super::columns::Role;
use crate::Time;
use crate::source::raw::{Annotation, Naming, Raw, RawLabel, one_line};
use crate::source::{Span, split_name};

/// The cells of one row.
pub(in crate::source) trait Cells {
    /// A cell that is not empty, trimmed; `Err` says what is wrong with it, and where.
    fn get(&self, role: Role) -> Result<Option<Cow<'_, str>>, String>;
    /// The classes.
    fn labels(&self) -> Result<Vec<String>, String> {
        if let Some(label) = self.get(Role::Label)? {
            return Ok(vec![label.into_owned()]);
        }
        let labels = self.get(Role::Labels)?.unwrap_or_default();
        let labels = labels.split(',').map(str::trim);
        Ok(labels
            .filter(|l| !l.is_empty())
            .map(str::to_owned)
            .collect())
    }
    /// Which role names the media.
    fn media(&self) -> Role;
    /// The cell of [`Role::Path`], byte for byte.
    fn path(&self) -> PathBuf;
    /// `message` with the place of the cell, to stand behind the row's file and line.
    fn at(&self, role: Role, message: &str) -> String;
}

/// The windows that are cut around AVA's timestamps.
#[derive(Debug, Clone, Copy)]
pub(in crate::source) struct Window(Time);

impl Window {
    /// Windows of this length; six seconds without.
    pub(in crate::source) fn new(length: Option<Time>) -> Self {
        Self(length.unwrap_or(Time::from_nanos(6_000_000_000)))
    }

    /// The window around `stamp`: it begins half its length before the whole second, but not
    /// before the video.
    fn around(self, stamp: Time) -> Span {
        let second = Time::from_nanos(stamp.nanos() / SECOND * SECOND);
        let half = Time::from_nanos(self.0.nanos() / 2);
        let start = second.since(half).max(Time::ZERO);
        let end = Some(start.after(self.0));
        Span { start, end }
    }
}

const SECOND: i64 = 1_000_000_000;

/// Fills in what the cells say of the media, the time range, the class and the split.
pub(in crate::source) fn fill(
    cells: &impl Cells,
    window: Window,
    raw: &mut Raw,
) -> Result<(), String> {
    name(cells, raw)?;
    let labels = cells.labels()?.into_iter();
    raw.labels
        .extend(labels.map(|label| RawLabel::Text(one_line(label))));
    if let Some(split) = cells.get(Role::Split)? {
        raw.split = Some(usual_split(&split));
    }
    if let Some(stamp) = cells.get(Role::Stamp)? {
        return around(cells, Role::Stamp, &stamp, window, raw);
    }
    let end = cells.get(Role::End)?;
    if raw.naming == Naming::Id && end.as_ref().is_some_and(|end| is_sentinel(end)) {
        let start = cells.get(Role::Start)?.unwrap_or_default();
        return around(cells, Role::Start, &start, window, raw);
    }
    raw.span = span(cells, end.as_deref())?;
    Ok(())
}

/// `split` by its usual name, if it has one.
pub(in crate::source) fn usual_split(split: &str) -> String {
    one_line(split_name(split).unwrap_or(split).to_owned())
}

/// An end below zero stands in lists of AVA's videos, where the start is the annotated instant.
fn is_sentinel(end: &str) -> bool {
    end.parse::<f64>().is_ok_and(|end| end < 0.0)
}

fn name(cells: &impl Cells, raw: &mut Raw) -> Result<(), String> {
    let role = cells.media();
    if role == Role::Path {
        raw.named = cells.path();
        return match raw.named.as_os_str().is_empty() {
            true => Err(cells.at(role, "is empty: expected the path of a media file")),
            false => Ok(()),
        };
    }
    (raw.naming, raw.named) = match (role, cells.get(role)?) {
        (Role::Url, Some(url)) => (Naming::Url, PathBuf::from(one_line(url.into_owned()))),
        (_, Some(id)) => (Naming::Id, PathBuf::from(one_line(id.into_owned()))),
        (_, None) => return Err(cells.at(role, "is empty: expected the id of a video")),
    };
    Ok(())
}

fn around(
    cells: &impl Cells,
    role: Role,
    stamp: &str,
    window: Window,
    raw: &mut Raw,
) -> Result<(), String> {
    let time = time(cells, role, stamp)?;
    let second = u32::try_from(time.nanos() / SECOND);
    let second = second.map_err(|_| cells.at(role, &format!("`{stamp}` is past every video")))?;
    raw.naming = Naming::Stamp(second);
    raw.annotations.push(Annotation::at(time));
    raw.span = Some(window.around(time));
    Ok(())
}

fn time(cells: &impl Cells, role: Role, text: &str) -> Result<Time, String> {
    let parsed = text.parse::<Time>();
    parsed.map_err(|error| cells.at(role, &one_line(error.to_string())))
}

fn span(cells: &impl Cells, end: Option<&str>) -> Result<Option<Span>, String> {
    let start = match cells.get(Role::Start)? {
        Some(start) => Some(time(cells, Role::Start, &start)?),
        None => None,
    };
    let end = match end {
        Some(end) => Some(time(cells, Role::End, end)?),
        None => None,
    };
    if start.is_none() && end.is_none() {
        return Ok(None);
    }
    let start = start.unwrap_or_default();
    match end {
        Some(end) if end <= start => {
            let message = format!("{end} s is not after the start at {start} s");
            Err(cells.at(Role::End, &message))
        }
        _ => Ok(Some(Span { start, end })),
    }
}
