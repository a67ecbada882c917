//! Finds rows that repeat an earlier one: the same source and the same time range.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Component, Path, PathBuf};

use super::raw::{Gather, Naming, Raw, shown};

/// Refuses every row that repeats an earlier one. The first is kept.
pub(super) fn refuse(gather: &mut Gather<'_>) {
    let here = std::env::current_dir().unwrap_or_default();
    let mut first: HashMap<u128, usize> = HashMap::new();
    let mut rows = std::mem::take(&mut gather.rows);
    for i in 0..rows.len() {
        let Some(raw) = rows.get(i) else { break };
        // A row that is wrong in itself has no range to compare, and those with an id are merged.
        if raw.is_refused() || raw.naming != Naming::Path {
            continue;
        }
        let earlier = *first.entry(identity(raw, &here)).or_insert(i);
        if earlier == i {
            continue;
        }
        let origin = |at: usize| rows.get(at).map_or_else(String::new, |r| gather.origin(r));
        let reason = format!(
            "{}: {} repeats {} (same source, same time range): remove one of them",
            shown(&raw.named),
            origin(i),
            origin(earlier)
        );
        if let Some(raw) = rows.get_mut(i) {
            // What it says about the first holds for it too, but this is what to correct.
            raw.problem = None;
            raw.refuse(reason);
        }
    }
    gather.rows = rows;
}

/// A digest of the source's place and of the range: 128 bits, so that two never meet by chance.
fn identity(raw: &Raw, here: &Path) -> u128 {
    let (mut low, mut high) = (DefaultHasher::new(), DefaultHasher::new());
    high.write_u8(1);
    let path = raw.media();
    let base: Option<PathBuf> = path.is_relative().then(|| here.to_owned());
    for hasher in [&mut low, &mut high] {
        let parts = base
            .iter()
            .flat_map(|b| b.components())
            .chain(path.components());
        for part in parts.filter(|part| *part != Component::CurDir) {
            part.hash(hasher);
        }
        raw.span.hash(hasher);
    }
    (u128::from(high.finish()) << 64) | u128::from(low.finish())
}
