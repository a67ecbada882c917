//! Keys: unique, stable, safe as file names.
//!
//! 1. The path below INPUT without its extension, each part made safe: characters outside
//!    `[A-Za-z0-9_-]` become `_`, and where letters of other scripts did, 8 hex digits of the part's
//!    hash follow ([`kpack_formats::safe_key`]). A row with an id has it and its range, as rule 2
//!    writes it, or `ID_SECOND` for AVA.
//! 2. Where several rows come to the same key, those with a time range get it appended:
//!    `KEY_000010_000020` in whole seconds of at least six digits, a fraction after `p`
//!    (`000010p25`), `end` for the end of the source.
//! 3. What is still the same gets its extension appended: `test_avi`, `test_mp4`.
//! 4. What is still the same, or longer than 80 bytes, is cut and gets `-` and 8 hex digits of a
//!    hash of its path and range.
//!
//! Whether a row's video is there does not matter, so a key does not change when it arrives. Rows
//! that are refused (they repeat another, or are wrong in themselves) take no part until the end,
//! so they change no other key; theirs always have the hash.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, DefaultHasher, Hasher};
use std::path::{Component, Path};

use kpack_formats::{safe_folder, safe_part};

use super::Span;
use super::raw::{Naming, Raw};
use crate::Time;

/// Longest key: a tar name holds it and `.000001.jpg`.
pub(super) const LONGEST: usize = 80;

/// Bytes of `-` and the hash.
const HASH: usize = 9;

/// The keys of `rows`, and how many rows that are not refused needed more than rule 1.
pub(super) fn keys(rows: &[Raw]) -> (Vec<String>, u64) {
    let refused = |i: usize| rows.get(i).is_some_and(Raw::is_refused);
    let mut keys: Vec<String> = rows.iter().map(plain).collect();
    let mut count = Count::new(&keys, &refused);
    let mut changed = count.shared(&keys);
    for (key, raw) in pick(&mut keys, rows, &changed) {
        if let (Some(span), None) = (&raw.span, raw.id()) {
            key.push_str(&range(span));
        }
    }
    // Counted again only where something changed.
    let again = |keys: &[String]| (!changed.is_empty()).then(|| Count::new(keys, &refused));
    count = again(&keys).unwrap_or(count);
    let shared = match changed.is_empty() {
        true => Vec::new(),
        false => count.shared(&keys),
    };
    for (key, raw) in pick(&mut keys, rows, &shared) {
        if let (Some(extension), None) = (raw.below().extension(), raw.id()) {
            key.push('_');
            key.push_str(&safe_part(extension.as_encoded_bytes()));
        }
    }
    count = again(&keys).unwrap_or(count);
    for (i, key) in keys.iter_mut().enumerate() {
        if key.len() > LONGEST || count.of(key) > 1 || refused(i) {
            if let Some(raw) = rows.get(i) {
                *key = cut(key, hash(raw.below(), raw.span.as_ref(), 0));
            }
            changed.push(i);
        }
    }
    settle(&mut keys, rows, &refused);
    changed.retain(|i| !refused(*i));
    changed.sort_unstable();
    changed.dedup();
    (keys, changed.len() as u64)
}

/// Hashes that meet, or equal paths below different inputs: the path as named decides, and after
/// that the number of tries.
fn settle(keys: &mut [String], rows: &[Raw], refused: &impl Fn(usize) -> bool) {
    let all = Count::new(keys, &|_| false).shared(keys);
    if all.is_empty() {
        return;
    }
    let first = Count::new(keys, refused).shared(keys);
    let first: Vec<usize> = first.into_iter().filter(|i| !refused(*i)).collect();
    let mut taken: HashSet<String> = keys.iter().cloned().collect();
    for i in first
        .into_iter()
        .chain(all.into_iter().filter(|i| refused(*i)))
    {
        let (Some(key), Some(raw)) = (keys.get_mut(i), rows.get(i)) else {
            continue;
        };
        for salt in 1.. {
            let stem = key.get(..key.len().saturating_sub(HASH)).unwrap_or(key);
            let next = cut(stem, hash(&raw.named, raw.span.as_ref(), salt));
            if taken.insert(next.clone()) {
                *key = next;
                break;
            }
        }
    }
}

/// How often each key occurs, by its hash: 16 bytes a key, and a false meeting only lengthens one.
struct Count(HashMap<u64, u32, BuildHasherDefault<Hashed>>);

/// Passes on what is a hash already.
#[derive(Default)]
pub(super) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes
            .iter()
            .for_each(|b| self.0 = (self.0 << 8) | u64::from(*b));
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
    fn write_u128(&mut self, hash: u128) {
        self.0 = (hash >> 32) as u64;
    }
}

impl Count {
    fn new(keys: &[String], refused: &impl Fn(usize) -> bool) -> Self {
        let mut count =
            HashMap::with_capacity_and_hasher(keys.len(), BuildHasherDefault::default());
        for (i, key) in keys.iter().enumerate() {
            if !refused(i) {
                *count.entry(digest(key)).or_insert(0) += 1;
            }
        }
        Self(count)
    }
    fn of(&self, key: &str) -> u32 {
        self.0.get(&digest(key)).copied().unwrap_or(0)
    }
    /// Indexes of the keys that occur more than once.
    fn shared(&self, keys: &[String]) -> Vec<usize> {
        let keys = keys.iter().enumerate();
        keys.filter(|(_, key)| self.of(key) > 1)
            .map(|(i, _)| i)
            .collect()
    }
}

fn digest(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(key.as_bytes());
    hasher.finish()
}

fn pick<'a>(
    keys: &'a mut [String],
    rows: &'a [Raw],
    which: &'a [usize],
) -> impl Iterator<Item = (&'a mut String, &'a Raw)> {
    let pairs = keys.iter_mut().zip(rows).enumerate();
    pairs
        .filter(|(i, _)| which.binary_search(i).is_ok())
        .map(|(_, pair)| pair)
}

/// Rule 1 for a row with an id.
pub(super) fn of_id(raw: &Raw) -> String {
    let mut key = String::with_capacity(32);
    key.push_str(&safe_part(raw.id().unwrap_or_default().as_bytes()));
    match (raw.naming, &raw.span) {
        (Naming::Stamp(second), _) => key.push_str(&format!("_{second:06}")),
        (_, Some(span)) => key.push_str(&range(span)),
        (_, None) => {}
    }
    key
}

/// Rule 1.
fn plain(raw: &Raw) -> String {
    if raw.id().is_some() {
        return of_id(raw);
    }
    let below = raw.below();
    let mut key = String::with_capacity(below.as_os_str().len());
    let mut parts = below.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    let mut part = parts.next();
    while let Some(name) = part {
        part = parts.next();
        let name = match part {
            Some(_) => name,
            None => Path::new(name).file_stem().unwrap_or(name),
        };
        let name = name.as_encoded_bytes();
        let is_top = key.is_empty() && part.is_some();
        if !key.is_empty() {
            key.push('/');
        }
        key.push_str(&match is_top {
            true => safe_folder(name),
            false => safe_part(name),
        });
    }
    if key.is_empty() {
        // An annotation row without a path still is a row.
        key = format!("line_{}", raw.line);
    }
    key
}

/// Rule 2: `_START_END`.
fn range(span: &Span) -> String {
    let end = span.end.map_or_else(|| "end".to_owned(), instant);
    format!("_{}_{end}", instant(span.start))
}

fn instant(time: Time) -> String {
    let (seconds, nanos) = (time.nanos() / 1_000_000_000, time.nanos() % 1_000_000_000);
    match nanos {
        0 => format!("{seconds:06}"),
        _ => {
            let fraction = format!("{nanos:09}");
            format!("{seconds:06}p{}", fraction.trim_end_matches('0'))
        }
    }
}

/// Rule 4.
fn cut(key: &str, hash: u32) -> String {
    let end = key.len().min(LONGEST - HASH);
    let head = key.get(..end).unwrap_or(key).trim_end_matches('/');
    format!("{head}-{hash:08x}")
}

fn hash(path: &Path, span: Option<&Span>, salt: u32) -> u32 {
    let mut hash = kpack_formats::crc32c(path.as_os_str().as_encoded_bytes());
    if let Some(span) = span {
        hash = kpack_formats::crc32c_append(hash, range(span).as_bytes());
    }
    if salt > 1 {
        hash = kpack_formats::crc32c_append(hash, &salt.to_le_bytes());
    }
    hash
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn raw(path: &str, range: Option<(f64, f64)>) -> Raw {
        Raw {
            named: path.into(),
            span: range.map(|(start, end)| Span {
                start: Time::from_secs(start),
                end: Some(Time::from_secs(end)),
            }),
            ..Raw::default()
        }
    }

    fn keys_of(rows: &[Raw]) -> Vec<String> {
        keys(rows).0
    }

    #[test]
    fn colliding_names_get_their_extension() {
        let rows = ["a/test.avi", "a/test.mp4", "b/test.mp4"].map(|p| raw(p, None));
        assert_eq!(keys_of(&rows), ["a/test_avi", "a/test_mp4", "b/test"]);
    }

    #[test]
    fn a_derived_key_that_collides_gets_a_hash() {
        let rows = ["test.avi", "test.mp4", "test_mp4.mov"].map(|p| raw(p, None));
        let keys = keys_of(&rows);
        assert_eq!(keys[0], "test_avi");
        assert!(keys[1].starts_with("test_mp4-") && keys[2].starts_with("test_mp4-"));
        assert_ne!(keys[1], keys[2]);
    }

    #[test]
    fn ranges_are_appended_only_where_needed() {
        let rows = [
            raw("-abc.mp4", Some((10.0, 20.0))),
            raw("-abc.mp4", Some((20.0, 30.5))),
            raw("other.mp4", Some((0.0, 10.0))),
        ];
        assert_eq!(
            keys_of(&rows),
            ["-abc_000010_000020", "-abc_000020_000030p5", "other"]
        );
    }

    #[test]
    fn no_component_is_empty_or_climbs() {
        let rows = ["../up//a.mp4", "./b.mp4", ".mp4", "/abs/c.mp4"].map(|p| raw(p, None));
        assert_eq!(keys_of(&rows), ["up/a", "b", "_mp4", "abs/c"]);
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let long = |tail: &str| raw(&format!("{}{tail}.mp4", "x".repeat(300)), None);
        let mut rows = [long("1"), long("2"), long("1")];
        rows[2].refuse("repeats row 1".to_owned());
        let (keys, changed) = keys(&rows);
        assert!(keys.iter().all(|k| k.len() <= LONGEST));
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!((distinct.len(), changed), (3, 2));
        // A repeated row leaves the first one's key alone.
        assert_eq!(keys[0], keys_of(&rows[..2])[0]);
    }

    proptest::proptest! {
        #[test]
        fn keys_are_always_unique_and_safe(
            paths in proptest::collection::vec("[a-c.é/]{0,3}(\\.mp4|\\.avi|)", 1..40),
        ) {
            let rows: Vec<Raw> = paths.iter().map(|p| raw(p, None)).collect();
            let keys = keys_of(&rows);
            let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
            proptest::prop_assert_eq!(distinct.len(), keys.len());
            for key in &keys {
                proptest::prop_assert!(key.len() <= LONGEST && !key.split('/').any(str::is_empty));
                let safe = |b: u8| b.is_ascii_alphanumeric() || b"_-/".contains(&b);
                proptest::prop_assert!(key.bytes().all(safe));
            }
        }
    }
}
