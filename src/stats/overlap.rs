//! Videos that are in more than one split, or in more than one input.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::Record;

/// What two groups share. A group is a split of an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overlap {
    /// One group: the input, and its split.
    pub one: Group,
    /// The other.
    pub two: Group,
    /// Videos of which both have clips.
    pub videos: u64,
    /// Clips (video and time range) that both have.
    pub clips: u64,
    /// Some of the videos.
    pub examples: Vec<String>,
}

/// A split of an input.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Group {
    /// The input as it was named.
    pub input: String,
    /// The split; empty where there is none.
    pub split: String,
}

/// Most videos that are named for a pair.
const EXAMPLES: usize = 5;

/// Every pair of groups that shares a video.
pub(super) fn overlaps(records: &[Record], inputs: &[String]) -> Vec<Overlap> {
    let groups: Groups<'_> = records.iter().map(group).collect();
    if groups.len() < 2 {
        return Vec::new();
    }
    let mut videos: HashMap<&str, Groups<'_>> = HashMap::new();
    let mut clips: HashMap<ClipId<'_>, Groups<'_>> = HashMap::new();
    for record in records {
        let id = record.id.as_str();
        videos.entry(id).or_default().insert(group(record));
        clips
            .entry((id, record.range))
            .or_default()
            .insert(group(record));
    }
    let mut found: BTreeMap<Pair<'_>, (u64, u64, BTreeSet<&str>)> = BTreeMap::new();
    for (id, groups) in &videos {
        for pair in pairs(groups) {
            let entry = found.entry(pair).or_default();
            entry.0 += 1;
            entry.2.insert(id);
            if entry.2.len() > EXAMPLES {
                entry.2.pop_last();
            }
        }
    }
    for pair in clips.values().flat_map(pairs) {
        found.entry(pair).or_default().1 += 1;
    }
    let named = |(set, split): (usize, &str)| Group {
        input: inputs.get(set).cloned().unwrap_or_default(),
        split: split.to_owned(),
    };
    let overlap =
        |((one, two), (videos, clips, examples)): (Pair<'_>, (u64, u64, BTreeSet<&str>))| Overlap {
            one: named(one),
            two: named(two),
            videos,
            clips,
            examples: examples.into_iter().map(str::to_owned).collect(),
        };
    found.into_iter().map(overlap).collect()
}

/// Splits of inputs.
type Groups<'a> = BTreeSet<(usize, &'a str)>;

/// A video and a time range in it, in microseconds.
type ClipId<'a> = (&'a str, Option<(i64, i64)>);

/// Two groups in order.
type Pair<'a> = ((usize, &'a str), (usize, &'a str));

fn group(record: &Record) -> (usize, &str) {
    (record.set, record.split.as_deref().unwrap_or_default())
}

fn pairs<'a>(groups: &Groups<'a>) -> Vec<Pair<'a>> {
    let groups: Vec<_> = groups.iter().copied().collect();
    let mut pairs = Vec::new();
    for (i, one) in groups.iter().enumerate() {
        pairs.extend(groups.iter().skip(i + 1).map(|two| (*one, *two)));
    }
    pairs
}
