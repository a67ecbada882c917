//! [`Needed`]: which bytes cutting clips out of an mp4 file reads, as its index tells.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::parts::merged;
use crate::Time;
use crate::media::Input;
use crate::probe;
use crate::sample::Trim;
use crate::source::{Problem, Span};
use crate::worker::Task;

/// Asks for the bytes of all packets that cutting reads.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Needed {
    /// Start and end of each clip in ns.
    spans: Vec<(i64, Option<i64>)>,
    trim: Trim,
    /// Whether the index may have entries without place or length.
    thin: bool,
}

impl Needed {
    pub(super) fn new(spans: &[Span], trim: Trim, thin: bool) -> Self {
        let nanos = |span: &Span| (span.start.nanos(), span.end.map(Time::nanos));
        let spans = spans.iter().map(nanos).collect();
        Self { spans, trim, thin }
    }
}

impl Task for Needed {
    /// In order, apart from each other; `None` where the index does not tell.
    type Answer = Option<Vec<Range<u64>>>;

    fn run(&self, file: &Arc<File>, _: &mut Vec<u8>) -> Result<Self::Answer, Problem> {
        let mut input = probe::input(file)?;
        let mut wanted = Vec::new();
        for span in &self.spans {
            match needed(&mut input, *span, self.trim) {
                Some(ranges) => wanted.extend(ranges),
                None => return Ok(None),
            }
        }
        let first = input.video().and_then(|track| input.to_be_known(track));
        wanted.extend(first);
        let is_told = |range: &Range<u64>| range.start > 0 && !range.is_empty();
        let told = !self.thin || wanted.iter().all(is_told);
        wanted.retain(|range| !range.is_empty());
        Ok(told.then(|| merged(wanted, 0)))
    }

    fn fits(&self, answer: &Self::Answer, bytes: u64) -> bool {
        let ranges = answer.as_deref().unwrap_or_default();
        let apart = ranges.windows(2).all(|two| two[0].end <= two[1].start);
        bytes == 0 && apart && ranges.iter().all(|range| range.start < range.end)
    }
}

/// From the key frame before the start on, and a little sound around it.
fn needed(
    input: &mut Input,
    (start, end): (i64, Option<i64>),
    trim: Trim,
) -> Option<Vec<Range<u64>>> {
    /// Sound needs a run-up.
    const LEAD: i64 = 200_000_000;
    /// Longest packet of sound.
    const PACKET: i64 = 100_000_000;
    const TAIL: i64 = 200_000_000;
    let (video, sound) = (input.video()?.clone(), input.audio().cloned());
    let end = end?.saturating_add(TAIL);
    let key = input.landing(&video, Time::from_nanos(start));
    let pictures = input.index(&video);
    let key = match key {
        Some(at) => pictures
            .iter()
            .position(|(_, _, range)| range.start == at)?,
        None => 0,
    };
    let (begin, _, _) = pictures.get(key)?;
    // Whole packets are copied from the key frame on, the sound too.
    let from = match trim {
        Trim::Copy => *begin,
        _ => start.saturating_sub(LEAD),
    };
    let from = from.saturating_sub(PACKET);
    let sounds = sound.map(|track| input.index(&track)).unwrap_or_default();
    let sounds = sounds.into_iter().filter(|(at, _, _)| *at >= from);
    let all = pictures.into_iter().skip(key).chain(sounds);
    let all = all.filter(|(at, _, _)| *at < end);
    Some(all.map(|(_, _, range)| range).collect())
}
