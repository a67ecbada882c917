//! Which packets of a clip are copied, and which frames at its edges are encoded.
//!
//! ```text
//! decoding order   K . . . . K . . . . K . . . . K . . .        K begins a group of pictures
//! wanted                 x x x x x x x x x x x x x x x
//! head            |──────|───|                                  decoded; its wanted frames encoded
//! copy                       |─────────|─────────|              as it is
//! tail                                           |─────|        decoded; its wanted frames encoded
//! ```
//!
//! There is no head where the first wanted frame begins a group, and no tail where all that the last
//! wanted frames need is wanted itself.

use std::ops::Range;

/// One packet of the video, in decoding order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// When its frame is shown, in nanoseconds.
    pub(super) shown: i64,
    /// Whether it begins a group of pictures.
    pub(super) key: bool,
    /// Whether nothing behind it needs anything before it.
    pub(super) idr: bool,
    /// Whether its frame is in the clip.
    pub(super) wanted: bool,
}

/// How a clip is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plan {
    Copy {
        /// Packets that are copied.
        copy: Range<usize>,
        /// Packets from which the tail's frames are decoded; empty without a tail.
        tail: Range<usize>,
    },
    /// No whole group of pictures is wanted, so all is encoded.
    Nothing,
    /// It cannot be joined.
    Never(&'static str),
}

const OPEN: &str = "the group of pictures after the start is open";
const MIXED: &str = "pictures of two groups are shown in turn";

pub(super) fn plan(stamps: &[Stamp]) -> Plan {
    let wanted = |stamp: &Stamp| stamp.wanted;
    let Some(first) = stamps.iter().position(|s| s.key && s.wanted) else {
        return Plan::Nothing;
    };
    let end = stamps.iter().rposition(wanted).map_or(0, |last| last + 1);
    let is_idr = |at: usize| stamps.get(at).is_some_and(|s| s.idr);
    let of = |range: Range<usize>| stamps.get(range).unwrap_or_default();
    let shown = |range| of(range).iter().filter(|s| s.wanted).map(|s| s.shown);
    let before = shown(0..first).max();
    if !is_idr(first) {
        return Plan::Never(OPEN);
    }
    if before.is_some_and(|before| shown(first..end).any(|at| at <= before)) {
        return Plan::Never(MIXED);
    }
    let unwanted = of(first..end).iter().position(|s| !s.wanted);
    let Some(unwanted) = unwanted.map(|at| first + at) else {
        return Plan::Copy {
            copy: first..end,
            tail: end..end,
        };
    };
    let key = |range: Range<usize>| {
        of(range.clone())
            .iter()
            .rposition(|s| s.key)
            .map(|at| range.start + at)
    };
    let last = key(first..unwanted + 1).unwrap_or(first);
    if last == first {
        return Plan::Nothing;
    }
    if of(last + 1..end).iter().any(|s| s.key && s.wanted) {
        return Plan::Never("frames in its middle are hidden");
    }
    let copied = shown(first..last).max();
    if shown(last..end).min() <= copied {
        return Plan::Never(MIXED);
    }
    // The first pictures of an open group need the group before.
    let from = match is_idr(last) {
        true => last,
        false => key(first..last).unwrap_or(first),
    };
    Plan::Copy {
        copy: first..last,
        tail: from..end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets as `K10` (IDR), `k10` (a key frame that is none), `10`; wanted from 10 to 99.
    fn stamps(text: &str) -> Vec<Stamp> {
        let one = |word: &str| {
            let number = word.trim_start_matches(['K', 'k']);
            let shown = number.parse().unwrap_or(0);
            Stamp {
                shown,
                key: number != word,
                idr: word.starts_with('K'),
                wanted: (10..100).contains(&shown),
            }
        };
        text.split(' ').map(one).collect()
    }

    fn copies(text: &str) -> Plan {
        plan(&stamps(text))
    }

    #[test]
    fn edges_are_encoded_and_the_middle_is_copied() {
        let copy = |copy, tail| Plan::Copy { copy, tail };
        // Start and end inside of groups, with B-frames.
        let both = "K0 12 6 K18 30 24 K36 48 42 K90 105 97";
        assert_eq!(copies(both), copy(3..9, 9..12));
        // The end only cuts off frames that nothing needs.
        assert_eq!(copies("K0 12 6 K18 30 24 K90 97 105"), copy(3..8, 8..8));
        // Start and end at key frames.
        assert_eq!(copies("K10 20 15 K50 60 55 K100 110"), copy(0..6, 6..6));
        // The last group is open: its first pictures need the group before.
        assert_eq!(
            copies("K10 20 15 K50 60 55 k90 80 110 99"),
            copy(0..6, 3..10)
        );
    }

    #[test]
    fn what_cannot_be_copied_is_told() {
        assert_eq!(copies("K0 20 10 60"), Plan::Nothing);
        assert_eq!(copies("K0 12 K50 120 60"), Plan::Nothing);
        assert_eq!(copies("1 2"), Plan::Nothing);
        assert_eq!(copies("K0 12 k50 40 60"), Plan::Never(OPEN));
        assert_eq!(copies("K0 60 K50 70"), Plan::Never(MIXED));
    }
}
