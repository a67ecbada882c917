//! Rows of one clip become one: the same id and range in several files, the boxes of one AVA window.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash as _, Hasher as _};

use crate::source::keys::Hashed;
use crate::source::raw::{Gather, Naming, Raw, RawLabel, count, shown};

/// Conflicts that are told in full; the others are counted.
const TOLD: u64 = 5;

/// Merges the rows that name the same clip by its id. The first is kept, with what only later
/// ones say; where they disagree on the class or the split, the first is right and the user is
/// told.
pub(in crate::source) fn merge(gather: &mut Gather<'_>) {
    let repeats = repeats(&gather.rows);
    if repeats.is_empty() {
        return;
    }
    let mut rows = std::mem::take(&mut gather.rows);
    let (mut repeated, mut conflicts) = (0, 0);
    for (first, later) in &repeats {
        let later = rows.get_mut(*later).map(std::mem::take);
        let (Some(earlier), Some(raw)) = (rows.get_mut(*first), later) else {
            continue;
        };
        if let Some(why) = conflict(earlier, &raw) {
            conflicts += 1;
            if conflicts <= TOLD {
                let (one, two) = (gather.origin(earlier), gather.origin(&raw));
                let clip = shown(&raw.named);
                let note = format!("{clip}: {one} and {two} {why}: the first is used");
                gather.notes.push(note);
            }
        }
        repeated += u64::from(join(earlier, raw));
    }
    let mut gone = repeats.iter().map(|(_, later)| *later).peekable();
    let mut i = 0;
    rows.retain(|_| {
        i += 1;
        gone.next_if_eq(&(i - 1)).is_none()
    });
    gather.rows = rows;
    if conflicts > TOLD {
        let more = count(conflicts - TOLD, "clip");
        let note = format!("{more} more with two classes or splits, likewise");
        gather.notes.push(note);
    }
    if repeated > 0 {
        let rows = count(repeated, "row");
        let note = format!("{rows} with the id and range of an earlier one, read once");
        gather.notes.push(note);
    }
}

/// Positions of rows that name the clip of an earlier one, and the earliest one's before each.
fn repeats(rows: &[Raw]) -> Vec<(usize, usize)> {
    let mut first: HashMap<u128, usize, BuildHasherDefault<Hashed>> = HashMap::default();
    let mut repeats = Vec::new();
    for (i, raw) in rows.iter().enumerate() {
        let Some(clip) = identity(raw) else { continue };
        let earliest = *first.entry(clip).or_insert(i);
        if earliest < i {
            repeats.push((earliest, i));
        }
    }
    repeats
}

/// The clip that a row names; `None` where that is not by an id, or the row is wrong.
fn identity(raw: &Raw) -> Option<u128> {
    if raw.is_refused() {
        return None;
    }
    let id = raw.id()?;
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    raw.span.hash(&mut hasher);
    match raw.naming {
        // Windows at the beginning of a video are equal, their names are not.
        Naming::Stamp(second) => second.hash(&mut hasher),
        _ => u32::MAX.hash(&mut hasher),
    }
    // 96 bits, so that two clips never meet by chance.
    let more = kpack_formats::crc32c(id.as_bytes());
    Some((u128::from(hasher.finish()) << 32) | u128::from(more))
}

fn conflict(one: &Raw, two: &Raw) -> Option<&'static str> {
    let stamped = matches!(one.naming, Naming::Stamp(_));
    let both = !one.labels.is_empty() && !two.labels.is_empty();
    if both && !stamped && one.labels != two.labels {
        return Some("give different classes");
    }
    let splits = one.split.is_some() && two.split.is_some();
    (splits && one.split != two.split).then_some("give different splits")
}

/// Adds to `one` what only `two` says, and returns whether that was no annotation of AVA's.
fn join(one: &mut Raw, two: Raw) -> bool {
    one.split = one.split.take().or(two.split);
    if !matches!(one.naming, Naming::Stamp(_)) {
        if one.labels.is_empty() {
            one.labels = two.labels;
        }
        return true;
    }
    for label in two.labels {
        if !one.labels.contains(&label) {
            one.labels.push(label);
        }
    }
    one.labels.sort_unstable_by_key(|label| match label {
        RawLabel::Index(index) => *index,
        RawLabel::Text(_) => 0,
    });
    let mut repeated = true;
    for annotation in two.annotations {
        if !one.annotations.contains(&annotation) {
            one.annotations.push(annotation);
            repeated = false;
        }
    }
    repeated
}
