//! Rows of one clip become one: the same id and range in several files, the boxes of one AVA window.

use std::collections::HashMap;

use crate::source::raw::{Gather, Naming, Raw, RawLabel, count, shown};

/// Conflicts that are told in full; the others are counted.
const TOLD: u64 = 5;

/// Merges the rows that name the same clip by its id. The first is kept, with what only later
/// ones say; where they disagree on the class or the split, the first is right and the user is
/// told.
pub(in crate::source) fn merge(gather: &mut Gather<'_>) {
    let rows = std::mem::take(&mut gather.rows);
    if !rows.iter().any(|raw| raw.naming != Naming::Path) {
        gather.rows = rows;
        return;
    }
    let mut first: HashMap<u128, usize> = HashMap::with_capacity(rows.len());
    let mut kept: Vec<Raw> = Vec::with_capacity(rows.len());
    let (mut repeated, mut conflicts) = (0, 0);
    for raw in rows {
        let clip = identity(&raw);
        let at = clip.map_or(kept.len(), |clip| *first.entry(clip).or_insert(kept.len()));
        let Some(earlier) = kept.get_mut(at) else {
            kept.push(raw);
            continue;
        };
        if let Some(why) = conflict(earlier, &raw) {
            conflicts += 1;
            if conflicts <= TOLD {
                let (one, two) = (gather.origin(earlier), gather.origin(&raw));
                let clip = shown(&raw.named);
                gather
                    .notes
                    .push(format!("{clip}: {one} and {two} {why}: the first is used"));
            }
        }
        repeated += u64::from(join(earlier, raw));
    }
    if conflicts > TOLD {
        let more = count(conflicts - TOLD, "clip");
        gather
            .notes
            .push(format!("{more} more with two classes or splits, likewise"));
    }
    if repeated > 0 {
        let rows = count(repeated, "row");
        gather.notes.push(format!(
            "{rows} with the id and range of an earlier one, read once"
        ));
    }
    gather.rows = kept;
}

/// The clip that a row names; `None` where that is not by an id, or the row is wrong.
fn identity(raw: &Raw) -> Option<u128> {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    if raw.is_refused() {
        return None;
    }
    let id = raw.id()?;
    let (mut low, mut high) = (DefaultHasher::new(), DefaultHasher::new());
    high.write_u8(1);
    for hasher in [&mut low, &mut high] {
        id.hash(hasher);
        raw.span.hash(hasher);
        match raw.naming {
            // Windows at the beginning of a video are equal, their names are not.
            Naming::Stamp(second) => second.hash(hasher),
            _ => u32::MAX.hash(hasher),
        }
    }
    Some((u128::from(high.finish()) << 64) | u128::from(low.finish()))
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
