//! What an [`Input`] knows of a track without reading its packets.

use std::ops::Range;

use ffmpeg_the_third::ffi;

use super::input::Input;
use super::track::Track;
use crate::Time;

impl Input {
    /// The packets of `track` that the file's index tells of, in decoding order: when each is decoded,
    /// in nanoseconds from the start of the source, whether it is a key frame, and its bytes. Nothing
    /// of them is read.
    pub fn index(&self, track: &Track) -> Vec<(i64, bool, Range<u64>)> {
        let mut found = Vec::new();
        // SAFETY: the stream is one of the open context, and each number is below the count; entries
        // are read before anything else is done with the context.
        unsafe {
            let stream = *(*self.context.as_ptr()).streams.add(track.index);
            for i in 0..ffi::avformat_index_get_entries_count(stream) {
                let Some(entry) = ffi::avformat_index_get_entry(stream, i).as_ref() else {
                    break;
                };
                let at = track
                    .nanos(entry.timestamp)
                    .saturating_sub(self.origin_nanos());
                let key = entry.flags() & ffi::AVINDEX_KEYFRAME != 0;
                let begin = u64::try_from(entry.pos).unwrap_or(0);
                let size = u64::try_from(entry.size()).unwrap_or(0);
                found.push((at, key, begin..begin.saturating_add(size)));
            }
        }
        found
    }

    /// Where the packet lies that [`seek`](Self::seek) to `start` lands at, which need not be there
    /// itself; `None` where that is the beginning.
    pub fn landing(&mut self, track: &Track, start: Time) -> Option<u64> {
        let origin = self.origin_nanos();
        let target = start.nanos().saturating_add(origin);
        let mut back: i64 = 0;
        while target.saturating_sub(back) > origin
            && self.seek_to(track, track.ticks_floor(target.saturating_sub(back)))
        {
            let packet = loop {
                let packet = self.read().ok()??;
                if packet.stream() == track.index {
                    break packet;
                }
            };
            let shown = packet.pts().or(packet.dts()).map(|t| track.nanos(t));
            if shown.is_some_and(|shown| shown <= target) {
                return u64::try_from(packet.position()).ok();
            }
            back = (back * 2).max(1_000_000_000);
        }
        None
    }

    /// What a track's codec needs besides the packets; empty for many codecs.
    pub(super) fn extradata(&self, track: &Track) -> &[u8] {
        // SAFETY: the parameters live as long as this; extradata have the size that they say.
        unsafe {
            let par = &*self.parameters(track);
            match (par.extradata, usize::try_from(par.extradata_size)) {
                (data, Ok(size)) if !data.is_null() => std::slice::from_raw_parts(data, size),
                _ => &[],
            }
        }
    }
}
