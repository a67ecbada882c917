//! [`Layout`]: what stands outside of the clusters of a Matroska file.

use super::super::Halt;
use super::super::parts::Parts;
use super::ebml::{Element, child, children, uint};

const EBML: u32 = 0x1a45_dfa3;
const SEGMENT: u32 = 0x1853_8067;
const SEEK_HEAD: u32 = 0x114d_9b74;
const VOID: u32 = 0xec;
const INFO: u32 = 0x1549_a966;
const TRACKS: u32 = 0x1654_ae6b;
const CUES: u32 = 0x1c53_bb6b;
pub(super) const CLUSTER: u32 = 0x1f43_b675;

/// Elements outside of clusters that are looked at.
const ELEMENTS: usize = 64;
/// Most cues.
const MOST_CUES: usize = 1 << 20;

/// A track of pictures or sound.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) number: u64,
    pub(super) is_video: bool,
}

/// Where a key frame of the pictures lies.
#[derive(Debug)]
pub(super) struct Cue {
    /// In nanoseconds.
    pub(super) time: i64,
    /// Where its cluster begins in the file.
    pub(super) cluster: u64,
}

/// What stands outside of the clusters, all of which is fetched.
#[derive(Debug)]
pub(super) struct Layout {
    /// Nanoseconds of a tick.
    pub(super) scale: u64,
    pub(super) tracks: Vec<Track>,
    /// In order of their times and places.
    pub(super) cues: Vec<Cue>,
    /// The first cluster.
    pub(super) first: Element,
    /// Where what stands behind the clusters begins.
    pub(super) behind: u64,
}

impl Layout {
    /// Fetches and reads it.
    pub(super) fn read(parts: &mut Parts<'_, '_>) -> Result<Self, Halt> {
        let total = parts.total;
        let ebml = Element::at(parts, 0, total)?;
        let segment = Element::at(parts, ebml.end, total)?;
        if ebml.id != EBML || segment.id != SEGMENT {
            return Err(Halt::Whole);
        }
        let (mut all, mut seeks) = (Vec::new(), Vec::new());
        let (mut at, mut first) = (segment.body, None);
        while first.is_none() && all.len() < ELEMENTS {
            let element = Element::at(parts, at, segment.end)?;
            at = element.end;
            match element.id {
                CLUSTER => first = Some(element),
                VOID => {}
                _ => all.push((element, element.read(parts)?)),
            }
        }
        let first = first.ok_or(Halt::Whole)?;
        for (_, bytes) in all.iter().filter(|(element, _)| element.id == SEEK_HEAD) {
            seeks.extend(places(bytes));
        }
        let mut behind = segment.end;
        for (id, place) in seeks {
            let at = segment.body.checked_add(place).ok_or(Halt::Whole)?;
            if id == CLUSTER || at < first.at {
                continue;
            }
            // Libav reads all that is named there.
            let element = Element::at(parts, at, segment.end)?;
            if element.id != id || id == SEEK_HEAD || all.len() >= ELEMENTS || at < first.end {
                return Err(Halt::Whole);
            }
            behind = behind.min(at);
            all.push((element, element.read(parts)?));
        }
        let find = |id| {
            let mut found = all.iter().filter(|(element, _)| element.id == id);
            found.next().map(|(_, bytes)| bytes).ok_or(Halt::Whole)
        };
        let tracks = tracks(find(TRACKS)?).ok_or(Halt::Whole)?;
        let mut layout = Self {
            scale: child(find(INFO)?, 0x2a_d7b1).map_or(1_000_000, uint),
            tracks,
            cues: Vec::new(),
            first,
            behind,
        };
        layout.cues = layout.cues(find(CUES)?, segment.body).ok_or(Halt::Whole)?;
        Ok(layout)
    }

    /// Ticks in nanoseconds.
    pub(super) fn nanos(&self, ticks: u64) -> Option<i64> {
        i64::try_from(ticks.checked_mul(self.scale)?).ok()
    }

    /// The cues of tracks of pictures; `None` where they are not in order, or there are none.
    fn cues(&self, bytes: &[u8], segment: u64) -> Option<Vec<Cue>> {
        let mut cues: Vec<Cue> = Vec::new();
        for (_, point) in children(bytes).filter(|(id, _)| *id == 0xbb) {
            let time = self.nanos(uint(child(point, 0xb3)?))?;
            for (_, place) in children(point).filter(|(id, _)| *id == 0xb7) {
                let number = uint(child(place, 0xf7)?);
                let mut tracks = self.tracks.iter();
                if !tracks.any(|track| track.is_video && track.number == number) {
                    continue;
                }
                let cluster = segment.checked_add(uint(child(place, 0xf1)?))?;
                let last = cues.last();
                let ordered = last.is_none_or(|cue| cue.time <= time && cue.cluster <= cluster);
                let inside = (self.first.at..self.behind).contains(&cluster);
                if !ordered || !inside || cues.len() >= MOST_CUES {
                    return None;
                }
                cues.push(Cue { time, cluster });
            }
        }
        (!cues.is_empty()).then_some(cues)
    }
}

/// What a SeekHead names: ids and places from the segment's beginning.
fn places(bytes: &[u8]) -> Vec<(u32, u64)> {
    let seeks = children(bytes).filter(|(id, _)| *id == 0x4dbb);
    let place = |(_, seek): (u32, &[u8])| {
        let id = u32::try_from(uint(child(seek, 0x53ab)?)).ok()?;
        Some((id, uint(child(seek, 0x53ac)?)))
    };
    seeks.filter_map(place).collect()
}

/// The tracks of pictures and sound; `None` where libav would read frames to know them.
fn tracks(bytes: &[u8]) -> Option<Vec<Track>> {
    let mut tracks = Vec::new();
    for (_, entry) in children(bytes).filter(|(id, _)| *id == 0xae) {
        let number = uint(child(entry, 0xd7)?);
        let kind = uint(child(entry, 0x83)?);
        let codec = child(entry, 0x86)?;
        let codec = codec.strip_suffix(b"\0").unwrap_or(codec);
        match kind {
            1 if !matches!(codec, b"V_VP8" | b"V_VP9" | b"V_AV1") => return None,
            1 | 2 => tracks.push(Track {
                number,
                is_video: kind == 1,
            }),
            _ => {}
        }
    }
    let video = tracks.iter().any(|track| track.is_video);
    video.then_some(tracks)
}
