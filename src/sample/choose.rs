//! [`Chooser`]: which packets must be decoded when only some of the frames are wanted.
//!
//! It looks at the presentation times of packets a little ahead of the decoder. A frame that no
//! instant asks for is decoded only where a wanted frame may refer to it:
//!
//! ```text
//! packets   K p b b p b b p | K p b b p b b p | K p b b ..      K key frame, | group of pictures
//! wanted            *                           *
//! decoded   D D   D         |                 | D               b that nothing wants is dropped by
//!                                                               the decoder: nothing refers to it
//! ```
//!
//! After a stretch that was left out, decoding begins anew at a key frame. Where times are missing
//! or the decoder does not give a frame that was chosen, the clip is decoded whole instead, so the
//! result is always the one that decoding every frame gives.

use std::collections::{BTreeSet, VecDeque};

use super::frames::{Cursor, Targets};
use crate::media::Packet;

/// Packets that may wait for a decision. Beyond, they are decoded undecided.
const MAX_WAITING: usize = 2_000;
/// Bytes of packets that may wait for a decision.
const MAX_BYTES: usize = 32 << 20;

/// What is to be done with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Todo {
    /// Decode it; its frame is wanted.
    Take,
    /// Decode it as far as other frames refer to it.
    Refer,
    /// Leave it out.
    Skip,
}

/// Where a packet stands, in nanoseconds from the start of the source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    pub(super) shown: i64,
    pub(super) stored: i64,
    pub(super) key: bool,
    /// Whether its frame lies in the clip.
    pub(super) inside: bool,
}

struct Waiting {
    packet: Packet,
    at: Stamp,
    /// Whether its frame is wanted, once that is known.
    wanted: Option<bool>,
}

/// Decides packet by packet, in the order of the file.
pub(super) struct Chooser {
    rule: Rule,
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// No packet to come is shown before this instant.
    horizon: i64,
    /// Packets at the front whose fate is [`Todo::Take`] or [`Todo::Refer`].
    cleared: usize,
    /// Packets at the front, after the cleared ones, that are left out.
    dropped: usize,
    /// Where decoding last began anew: the time of the key frame. `None` in a gap.
    restart: Option<i64>,
    /// Times of chosen frames that the decoder has not given yet.
    owed: BTreeSet<i64>,
    ended: bool,
}

enum Rule {
    Keys,
    Instants {
        cursor: Cursor,
        /// Times inside the clip that no decision was made for, in presentation order.
        times: BTreeSet<i64>,
        /// The last time of the clip that a decision was made for.
        decided: Option<i64>,
        /// Times decided as wanted whose packets still wait.
        chosen: BTreeSet<i64>,
    },
}

impl Chooser {
    /// For `targets` of a clip that starts at `start` nanoseconds (`None`: with its first frame).
    pub(super) fn new(targets: Targets, start: Option<i64>, half_tick: i64) -> Self {
        let rule = match targets {
            Targets::Frames { .. } => Rule::Keys,
            _ => Rule::Instants {
                cursor: Cursor::new(targets, start, half_tick),
                times: BTreeSet::new(),
                decided: None,
                chosen: BTreeSet::new(),
            },
        };
        Self {
            rule,
            waiting: VecDeque::new(),
            bytes: 0,
            horizon: i64::MIN,
            cleared: 0,
            dropped: 0,
            restart: None,
            owed: BTreeSet::new(),
            ended: false,
        }
    }

    /// The next packet of the video track.
    pub(super) fn push(&mut self, packet: Packet, at: Stamp) {
        self.horizon = self.horizon.max(at.stored);
        self.bytes += packet.size();
        let wanted = match &mut self.rule {
            Rule::Keys => Some(at.key && at.inside),
            Rule::Instants { times, .. } if at.inside => {
                times.insert(at.shown);
                None
            }
            Rule::Instants { .. } => Some(false),
        };
        self.waiting.push_back(Waiting { packet, at, wanted });
    }

    /// No more packets.
    pub(super) fn end(&mut self) {
        self.ended = true;
        self.horizon = i64::MAX;
    }

    /// The next packet whose fate is known. Call until `None` after each [`Self::push`].
    pub(super) fn next(&mut self) -> Option<(Packet, Todo)> {
        loop {
            let (next, todo) = self.pop()?;
            match todo {
                Todo::Skip => self.restart = None,
                // The first frame after a gap is a key frame; what is stored after it but shown
                // before it refers to frames that were left out.
                _ if self.restart.is_none() => self.restart = Some(next.at.shown),
                Todo::Refer if self.restart > Some(next.at.shown) => continue,
                _ => {}
            }
            if next.wanted == Some(true) {
                self.owed.insert(next.at.shown);
            }
            return Some((next.packet, todo));
        }
    }

    fn pop(&mut self) -> Option<(Waiting, Todo)> {
        if self.cleared + self.dropped == 0 {
            self.decide();
        }
        let skip = self.cleared == 0;
        let count = if skip {
            &mut self.dropped
        } else {
            &mut self.cleared
        };
        *count = count.checked_sub(1)?;
        let next = self.waiting.pop_front()?;
        self.bytes = self.bytes.saturating_sub(next.packet.size());
        let todo = match next.wanted {
            _ if skip => Todo::Skip,
            Some(false) => Todo::Refer,
            _ => Todo::Take,
        };
        Some((next, todo))
    }

    /// The decoder gave the frame shown `at`.
    pub(super) fn got(&mut self, at: i64) {
        self.owed.remove(&at);
    }

    /// Whether every chosen frame came.
    pub(super) fn is_settled(&self) -> bool {
        self.owed.is_empty() && self.waiting.is_empty()
    }

    fn decide(&mut self) {
        self.choose();
        let last_wanted = self.waiting.iter().rposition(|w| w.wanted == Some(true));
        let group = self.group();
        // Everything up to a wanted frame of this group is decoded at once.
        if let Some(last) = last_wanted {
            let first_open = self.waiting.iter().position(|w| w.wanted.is_none());
            let limit = group.map_or(self.waiting.len(), |g| g.len);
            if first_open.is_none_or(|open| open > last) && last < limit {
                self.cleared = last + 1;
            }
        }
        if let Some(group) = group
            && group.decided
        {
            if group.leads_wanted {
                self.cleared = group.len;
            } else {
                self.dropped = group.len - self.cleared;
            }
        } else if self.waiting.len() > MAX_WAITING || self.bytes > MAX_BYTES {
            self.cleared = self.cleared.max(1);
        }
    }

    /// Marks every waiting frame for which it is known whether an instant asks for it.
    fn choose(&mut self) {
        let Rule::Instants {
            cursor,
            times,
            decided,
            chosen,
        } = &mut self.rule
        else {
            return;
        };
        let mut progress = false;
        while let Some(&first) = times.first() {
            let next = times.range(first + 1..).next().copied();
            let known = match next {
                Some(next) => next <= self.horizon,
                None => self.ended,
            };
            if !known {
                break;
            }
            times.pop_first();
            if cursor.asks(first, next) {
                chosen.insert(first);
            }
            *decided = Some(first);
            progress = true;
        }
        if !progress {
            return;
        }
        for waiting in &mut self.waiting {
            if waiting.wanted.is_none() && decided.is_some_and(|t| waiting.at.shown <= t) {
                waiting.wanted = Some(chosen.remove(&waiting.at.shown));
            }
        }
    }

    /// The group of pictures at the front, if its end is there.
    fn group(&self) -> Option<Group> {
        let next_key = (1..self.waiting.len()).find(|i| self.waiting[*i].at.key);
        let Some(len) = next_key else {
            let all = Group {
                len: self.waiting.len(),
                decided: true,
                leads_wanted: false,
            };
            return self.ended.then_some(all);
        };
        let key = self.waiting[len].at;
        let own = self.waiting.iter().take(len);
        // Frames stored after the next key frame but shown before it may refer to this group.
        let leads = || {
            let after = self.waiting.iter().skip(len + 1);
            after.filter(|w| w.at.shown < key.shown)
        };
        let all_here = self.horizon >= key.shown;
        Some(Group {
            len,
            decided: all_here && own.chain(leads()).all(|w| w.wanted.is_some()),
            leads_wanted: leads().any(|w| w.wanted == Some(true)),
        })
    }
}

#[derive(Clone, Copy)]
struct Group {
    /// Packets up to the next key frame.
    len: usize,
    /// Whether it is known which of its frames, and of those that may refer to it, are wanted.
    decided: bool,
    leads_wanted: bool,
}
