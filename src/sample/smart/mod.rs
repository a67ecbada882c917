//! `--trim smart`: packets are copied, only the groups of pictures that the edges cut are encoded.
//!
//! ```text
//! packets ─> stamps ─> plan ─┬─ head: decode, encode ──┐
//!                            ├─ copy: as it is ────────┼─> times ─> decoded once to be sure ─> mp4
//!                            └─ tail: decode, encode ──┘
//! ```
//!
//! For H.264 of the usual kind. What cannot be joined cleanly, or does not decode as it should, is
//! told, and the caller encodes all of it. Sound is encoded anew, cut to the sample.

mod join;
mod plan;

use std::ops::Range;

use super::audio::Finished;
use super::parts::{SOUND_LEAD, SoundPart};
use super::reencode::sound_part;
use super::video::Video;
use crate::Time;
use crate::media::{
    self, AudioEncoder, Decoder, EdgeEncoder, Frame, H264, Input, Muxer, Packet, Rotation, Scaler,
    Track, Yuv, is_hidden,
};
use crate::source::Span;
use join::{Joined, verify};
use plan::{Plan, Stamp, plan};

/// What came of a cut.
pub(super) enum Smart {
    Video(Box<Video>),
    /// No whole group of pictures lies in the range.
    Nothing,
    /// Why it cannot be done.
    Never(String),
}

/// Cuts the range out of `track`, with its sound.
///
/// # Errors
/// Of what `--trim exact` would fail with too: the sound, the container, memory.
pub(super) fn cut(input: &mut Input, track: &Track, span: Span) -> media::Result<Smart> {
    let h264 = match H264::new(input, track) {
        Ok(h264) => h264,
        Err(e) => return Ok(Smart::Never(e.to_string())),
    };
    input.rewind()?;
    let sound_track = input.audio().cloned();
    let lead = if sound_track.is_some() { SOUND_LEAD } else { 0 };
    let from = (span.start.nanos() - lead).max(0);
    input.seek(track, Time::from_nanos(from))?;
    let mut sound = match &sound_track {
        Some(sound_track) => Some(sound_part(input, sound_track, span, "aac")?.0),
        None => None,
    };
    let packets = match read(input, track, span, &mut sound)? {
        Ok(packets) => packets,
        Err(reason) => return Ok(Smart::Never(reason.to_owned())),
    };
    let mut cutter = Cutter {
        input,
        track,
        span,
        h264,
        packets,
        stamps: Vec::new(),
        edges: Vec::new(),
    };
    let joined = match cutter.join() {
        Ok(Some(joined)) => joined,
        Ok(None) => return Ok(Smart::Nothing),
        Err(media::Error::Unsupported(reason)) => return Ok(Smart::Never(reason)),
        Err(e) => return Ok(Smart::Never(e.to_string())),
    };
    let (errors, sound) = match sound {
        Some(part) => (part.decoder.errors(), part.sound.finish()?),
        None => (0, None),
    };
    let video = joined.mux(input, track, sound)?;
    Ok(Smart::Video(Box::new(Video { errors, ..video })))
}

/// The video's packets from the key frame before the start on, up to the end, and the sound; or why
/// they cannot be cut.
fn read(
    input: &mut Input,
    track: &Track,
    span: Span,
    sound: &mut Option<SoundPart<'_>>,
) -> media::Result<Result<Vec<Packet>, &'static str>> {
    let origin = input.origin_nanos();
    let mut packets: Vec<Packet> = Vec::new();
    let (mut video_done, mut audio_done) = (false, sound.is_none());
    while !(video_done && audio_done) {
        // Damage is for `--trim exact`, which counts it.
        let Ok(packet) = input.next_packet() else {
            return Ok(Err("the source is damaged"));
        };
        let Some(packet) = packet else { break };
        if packet.stream() != track.index {
            if let Some(part) = sound
                && !part.is_early(&packet, span.start)
            {
                audio_done = part.push(&packet)?;
            }
            continue;
        }
        let Some(pts) = packet.pts() else {
            return Ok(Err("its packets do not all say when they are shown"));
        };
        let at = |ticks: i64| track.nanos(ticks) - origin;
        let stored = packet.dts().zip(span.end);
        video_done = stored.is_some_and(|(dts, end)| at(dts) >= end.nanos());
        if packet.is_key() && at(pts) <= span.start.nanos() {
            packets.clear();
        }
        if !video_done {
            packets.push(packet);
        }
    }
    sound.as_mut().map_or(Ok(()), SoundPart::end)?;
    Ok(Ok(packets))
}

/// A clip on its way.
struct Cutter<'a> {
    input: &'a Input,
    track: &'a Track,
    span: Span,
    h264: H264,
    packets: Vec<Packet>,
    stamps: Vec<Stamp>,
    edges: Vec<EdgeEncoder>,
}

impl Cutter<'_> {
    /// Plans, encodes, copies, and looks at what came out.
    fn join(&mut self) -> media::Result<Option<Joined>> {
        let mut repacked = Vec::with_capacity(self.packets.len());
        for packet in &self.packets {
            let (new, idr) = self.h264.repack(packet)?;
            let shown = self.at(packet.pts().unwrap_or(0));
            self.stamps.push(Stamp {
                shown,
                key: packet.is_key(),
                idr: idr && packet.is_key(),
                wanted: self.holds(shown) && !is_hidden(packet),
            });
            repacked.push((new, shown));
        }
        let (copy, tail) = match plan(&self.stamps) {
            Plan::Copy { copy, tail } => (copy, tail),
            Plan::Nothing => return Ok(None),
            Plan::Never(reason) => return Err(media::Error::Unsupported(reason.to_owned())),
        };
        let mut out = Vec::with_capacity(self.packets.len());
        let head = self.encode(0..copy.start, 0..copy.start, &mut out)?;
        let begin = out.len();
        for (mut packet, shown) in repacked.drain(copy.clone()) {
            packet.set_pts(Some(self.ticks(shown)));
            out.push(packet);
        }
        let copied = begin..out.len();
        let wanted = copy.end..tail.end.max(copy.end);
        let last = self.encode(tail, wanted, &mut out)?;
        let record = self.h264.record(&self.edges)?;
        let step = (self.ticks(self.span.start.nanos() + self.track.usual_step())).max(1);
        let mut joined = Joined::new(out, record, step);
        joined.encoded = head + last;
        verify(self.input, self.track, &joined, copied)?;
        self.tell(&mut joined);
        Ok(Some(joined))
    }

    fn at(&self, ticks: i64) -> i64 {
        self.track.nanos(ticks) - self.input.origin_nanos()
    }

    fn holds(&self, at: i64) -> bool {
        at >= self.span.start.nanos() && self.span.end.is_none_or(|e| at < e.nanos())
    }

    /// Ticks from the start of the clip. Times were rounded to nanoseconds once.
    fn ticks(&self, at: i64) -> i64 {
        const HALF: i64 = 500;
        self.track.ticks_floor(at - self.span.start.nanos() + HALF)
    }

    /// Decodes the packets `from` and encodes those frames whose packets are in `wanted` and are
    /// wanted; gives how many these are.
    fn encode(
        &mut self,
        from: Range<usize>,
        wanted: Range<usize>,
        out: &mut Vec<Packet>,
    ) -> media::Result<u64> {
        let stamps = self.stamps.get(wanted).unwrap_or_default();
        let times = stamps.iter().filter(|s| s.wanted).map(|s| s.shown);
        let mut times: Vec<i64> = times.collect();
        times.sort_unstable();
        if times.is_empty() {
            return Ok(0);
        }
        let mut edge = Edge {
            cutter: self,
            times: &times,
            encoder: None,
            scaler: Scaler::default(),
            picture: Yuv::default(),
            out,
            done: 0,
        };
        let mut decoder = Decoder::new(self.input, self.track)?;
        for packet in self.packets.get(from).unwrap_or_default() {
            let shown = self.at(packet.pts().unwrap_or(0));
            decoder.set_wanted(times.binary_search(&shown).is_ok());
            decoder.feed(packet, |frame| edge.push(frame))?;
        }
        decoder.drain(|frame| edge.push(frame))?;
        let (done, encoder) = (edge.done, edge.encoder.take());
        if done != times.len() || decoder.errors() > 0 {
            let reason = "frames at its edges do not decode cleanly".to_owned();
            return Err(media::Error::Unsupported(reason));
        }
        if let Some(mut encoder) = encoder {
            encoder.finish(out)?;
            self.edges.push(encoder);
        }
        Ok(done as u64)
    }

    /// What the row will say.
    fn tell(&self, joined: &mut Joined) {
        let wanted = self.stamps.iter().filter(|s| s.wanted);
        let mut times: Vec<i64> = wanted.map(|s| s.shown).collect();
        times.sort_unstable();
        let last = times.last().copied().unwrap_or(0);
        let step = match times.as_slice() {
            [.., before, last] => last - before,
            _ => self.track.usual_step(),
        };
        joined.got_start = times.first().copied().unwrap_or(0);
        let end = self.span.end.map_or(i64::MAX, Time::nanos);
        joined.got_end = end.min(last.saturating_add(step));
    }
}

/// Frames of one edge on their way into the encoder.
struct Edge<'a, 'b> {
    cutter: &'a Cutter<'b>,
    times: &'a [i64],
    encoder: Option<EdgeEncoder>,
    scaler: Scaler,
    picture: Yuv,
    out: &'a mut Vec<Packet>,
    done: usize,
}

impl Edge<'_, '_> {
    fn push(&mut self, frame: &Frame) -> media::Result<()> {
        let cutter = self.cutter;
        let Some(at) = frame.pts().map(|t| cutter.at(t)) else {
            return Ok(());
        };
        if self.times.get(self.done) != Some(&at) {
            return Ok(());
        }
        let size = (frame.width(), frame.height());
        let upright = Rotation::default();
        // The planes as they are: the display matrix stays in the container.
        self.scaler
            .planes(frame, size, upright, &mut self.picture)?;
        if self.encoder.is_none() {
            self.encoder = Some(EdgeEncoder::new(&cutter.h264, frame, cutter.track)?);
        }
        if let Some(encoder) = &mut self.encoder {
            encoder.push(&self.picture, cutter.ticks(at), self.out)?;
        }
        self.done += 1;
        Ok(())
    }
}

impl Joined {
    fn mux(self, input: &Input, track: &Track, sound: Option<Finished>) -> media::Result<Video> {
        let mut muxer = Muxer::new("mp4")?;
        let stream = muxer.add_joined(input, track, &self.record)?;
        let mut sound = match sound {
            Some(done) => {
                let shape = (done.waveform.rate, done.waveform.channels);
                Some((
                    AudioEncoder::new("aac", shape.0, shape.1, &mut muxer)?,
                    done,
                ))
            }
            None => None,
        };
        let frames = self.packets.len() as u64;
        for packet in self.packets {
            muxer.write(packet, stream)?;
        }
        if let Some((encoder, done)) = &mut sound {
            done.waveform.encode(encoder, &mut muxer)?;
        }
        Ok(Video {
            name: "mp4".to_owned(),
            blob: muxer.finish()?.into(),
            got_start: Time::from_nanos(self.got_start),
            got_end: Time::from_nanos(self.got_end),
            frames,
            size: (track.shown_width(), track.shown_height()),
            errors: 0,
            encoded: Some(self.encoded),
            fps: None,
            dropped: None,
            notes: Vec::new(),
        })
    }
}
