//! Which rows a member of an archive is for, by its base name: the usual names of clips and sources.
//!
//! ```text
//! ID_000010_000020.mp4    the clip from 10 to 20 s, or a longer cut that holds it
//! ID_000123.mp4           AVA's clip around second 123
//! ID.mp4                  the source
//! ```
//!
//! Folders in front of the name do not matter, so a name can lead nowhere.

use std::collections::HashMap;
use std::ffi::OsStr;

use super::super::plan::id_of;
use crate::Time;
use crate::source::{Clip, NamedBy, Row, is_media_name, numbered};

/// What a member is to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// The clip.
    Clip,
    /// The source.
    Source,
    /// A longer cut of the source, from this time on.
    Around(Time),
}

/// Rows by the id of their source.
pub(super) struct Names(HashMap<String, Vec<usize>>);

impl Names {
    /// Of the rows that are wanted.
    pub(super) fn new(rows: &[Row], wanted: &[bool]) -> Self {
        let mut by_id: HashMap<String, Vec<usize>> = HashMap::new();
        for (i, (row, wanted)) in rows.iter().zip(wanted).enumerate() {
            if *wanted {
                let id = id_of(&row.clip).to_owned();
                by_id.entry(id).or_default().push(i);
            }
        }
        Self(by_id)
    }

    /// The rows that the member `name` is for. Ids may hold `_` and digits themselves, so each
    /// reading of the name counts.
    pub(super) fn of(&self, name: &[u8], rows: &[Row]) -> Vec<(usize, Fit)> {
        let base = name.rsplit(|b| *b == b'/').next().unwrap_or_default();
        let Ok(base) = std::str::from_utf8(base) else {
            return Vec::new();
        };
        if is_media_name(OsStr::new(base)) == Some(false) {
            return Vec::new();
        }
        let stem = match base.rsplit_once('.') {
            Some((stem, _)) if !stem.is_empty() => stem,
            _ => base,
        };
        let last = numbered(stem.as_bytes());
        let first = last.and_then(|(before, _)| numbered(before));
        let ids = [Some(stem.len()), last.map(len), first.map(len)];
        let mut found = Vec::new();
        for id in ids.into_iter().flatten().filter_map(|n| stem.get(..n)) {
            let suffix = stem.get(id.len()..).unwrap_or_default();
            for row in self.0.get(id).into_iter().flatten() {
                let fit = rows.get(*row).and_then(|r| fit(suffix, id, &r.clip));
                found.extend(fit.map(|fit| (*row, fit)));
            }
        }
        found
    }
}

fn len((before, _): (&[u8], Time)) -> usize {
    before.len()
}

/// What a member is to `clip`, whose name has `suffix` behind the id.
fn fit(suffix: &str, id: &str, clip: &Clip) -> Option<Fit> {
    if suffix.is_empty() {
        return Some(Fit::Source);
    }
    if clip.named_by == NamedBy::Path {
        return None;
    }
    let (before, last) = numbered(suffix.as_bytes())?;
    if before.is_empty() {
        // AVA's rows have one number in their key too.
        let key = numbered(clip.key.as_bytes());
        let same = key.is_some_and(|(key, n)| key.len() == id.len() && whole(n) == whole(last));
        return same.then_some(Fit::Clip);
    }
    let (_, first) = numbered(before).filter(|(before, _)| before.is_empty())?;
    let span = clip.asked()?;
    let end = span.end?;
    // Some tools write whole seconds into names, whatever the row says.
    let rounded = [first, last].iter().all(|t| t.nanos() % 1_000_000_000 == 0);
    let seconds = (whole(first), whole(last)) == (whole(span.start), whole(end));
    if (first, last) == (span.start, end) || (rounded && seconds) {
        return Some(Fit::Clip);
    }
    (first <= span.start && end <= last).then_some(Fit::Around(first))
}

fn whole(time: Time) -> i64 {
    time.nanos() / 1_000_000_000
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::source::Span;

    fn row(id: &str, key: &str, range: Option<(f64, f64)>) -> Row {
        let span = range.map(|(start, end)| Span {
            start: Time::from_secs(start),
            end: Some(Time::from_secs(end)),
        });
        Row {
            clip: Clip {
                key: key.to_owned(),
                source: id.to_owned(),
                named_by: NamedBy::Id,
                span,
                ..Clip::default()
            },
            problem: None,
        }
    }

    #[test]
    fn members_find_their_rows() {
        let rows = [
            row("a_b", "a_b_000010_000020", Some((10.0, 20.0))),
            row("a_b", "a_b_000012_000015", Some((12.0, 15.0))),
            row("x", "x_000902", Some((899.0, 905.0))),
            row("-_1", "-_1", None),
        ];
        let names = Names::new(&rows, &[true; 4]);
        let of = |name: &str| names.of(name.as_bytes(), &rows);
        let around = Fit::Around(Time::from_secs(10.0));
        assert_eq!(of("k/a_b_000010_000020.mp4"), [(0, Fit::Clip), (1, around)]);
        assert_eq!(of("a_b.webm"), [(0, Fit::Source), (1, Fit::Source)]);
        assert_eq!(of("../../x_000902.mp4"), [(2, Fit::Clip)]);
        assert_eq!(of("./-_1.mkv"), [(3, Fit::Source)]);
        assert!(of("a_b.json").is_empty() && of("a_b_000011_000014.mp4").is_empty());
    }
}
