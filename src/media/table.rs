//! Frame tables: [`frame_table`] makes one from a file's packets, [`Packed`] decodes by one.

use ffmpeg_the_third::ffi;
use ffmpeg_the_third::packet::{Mut as _, Packet, Ref as _};
use kpack_formats::{Blob, FrameEntry, FrameTable};

use super::av::{Error, Result};
use super::decode::Decoder;
use super::frame::Frame;
use super::input::Input;
use super::io::Source;
use super::packet::is_hidden;
use super::track::Track;
use super::x264::{HEAD, X264};

/// Frames of one table: a day at 48 a second.
const MAX_FRAMES: usize = 1 << 22;
/// Bytes in which a container may wrap a packet: Matroska puts the head of a block before it.
const WRAPPED: usize = 64;
/// Key frames that may be stored before a frame and shown after it; one is usual.
const LEADING: usize = 64;

/// The frame table of a file's video track, by reading its packets from the beginning; `None` where
/// packets do not lie in the file as decoders take them, do not say when they are shown, or cannot
/// be decoded without what lies elsewhere. Other tracks have no packets afterwards, until a rewind.
///
/// # Errors
/// Those of opening the file again. Damage ends the table where it is.
pub fn frame_table(input: &mut Input) -> Result<Option<FrameTable>> {
    let Some(track) = input.video().cloned().filter(|_| input.packets_have_pts()) else {
        return Ok(None);
    };
    input.begin_with(&track)?;
    let mut maker = Maker {
        source: input.source.clone(),
        wrapped: !input.container().contains("mp4"),
        bytes: Vec::new(),
    };
    let mut frames = Some(Vec::new());
    while let Ok(Some(packet)) = input.next_packet() {
        if packet.stream() != track.index {
            continue;
        }
        let entry = maker.entry(&packet);
        match (&mut frames, entry) {
            (Some(frames), Some(entry)) if frames.len() < MAX_FRAMES => frames.push(entry),
            _ => {
                frames = None;
                break;
            }
        }
    }
    let origin = input.origin_nanos();
    let base = |n: i64| u32::try_from(n).unwrap_or(0);
    let table = frames.map(|frames| FrameTable {
        time_base: (base(track.time_base.0), base(track.time_base.1)),
        origin,
        frames,
    });
    Ok(table.filter(|table| table.fits(maker.source.length())))
}

struct Maker {
    source: Source,
    /// Whether a packet's position is not yet that of its bytes.
    wrapped: bool,
    bytes: Vec<u8>,
}

impl Maker {
    fn entry(&mut self, packet: &Packet) -> Option<FrameEntry> {
        let mut offset = u64::try_from(packet.position()).ok()?;
        if has_new_parameters(packet) {
            return None;
        }
        if self.wrapped {
            offset += self.find(packet.data()?, offset)?;
        }
        Some(FrameEntry {
            pts: packet.pts()?,
            offset,
            length: u32::try_from(packet.size()).ok().filter(|n| *n > 0)?,
            key: packet.is_key(),
            hidden: is_hidden(packet),
        })
    }

    /// How far behind `at` the file holds `data`.
    fn find(&mut self, data: &[u8], at: u64) -> Option<u64> {
        self.bytes.resize(data.len() + WRAPPED, 0);
        let mut got = 0;
        while got < self.bytes.len() {
            match self.source.read_at(&mut self.bytes[got..], at + got as u64) {
                Ok(0) | Err(_) => break,
                Ok(n) => got += n,
            }
        }
        let found = self.bytes[..got]
            .windows(data.len())
            .position(|w| w == data)?;
        Some(found as u64)
    }
}

/// Whether the packet brings codec parameters along that its bytes do not hold.
fn has_new_parameters(packet: &Packet) -> bool {
    const NEW: ffi::AVPacketSideDataType = ffi::AVPacketSideDataType::NEW_EXTRADATA;
    let mut size = 0;
    // SAFETY: the packet is valid; the answer is only compared with null.
    unsafe { !ffi::av_packet_get_side_data(packet.as_ptr(), NEW, &mut size).is_null() }
}

/// A packed video whose frame table is known: any frames of it, decoding only the groups of
/// pictures that they need, and of these only what they refer to.
pub struct Packed {
    blob: Blob,
    track: Track,
    decoder: Decoder,
    bytes: Vec<u8>,
}

impl Packed {
    /// Reads the header of the media file that `blob` is, and what the first packet of `table` says
    /// of all others.
    ///
    /// # Errors
    /// If the blob cannot be opened, or holds no video.
    pub fn open(blob: &Blob, table: &FrameTable) -> Result<Self> {
        let input = Input::open_header(Source::Blob(blob.clone()))?;
        let track = input.video().cloned();
        let track = track.ok_or_else(|| Error::Unsupported("has no video track".to_owned()))?;
        let first = table.frames.first().filter(|_| track.codec == "h264");
        let x264 = first.and_then(|first| {
            let mut head = vec![0; HEAD.min(first.length as usize)];
            blob.read_at(first.offset, &mut head).ok()?;
            X264::new(input.extradata(&track), &head)
        });
        Ok(Self {
            decoder: Decoder::with_x264(&input, &track, x264.as_ref())?,
            blob: blob.clone(),
            track,
            bytes: Vec::new(),
        })
    }

    /// The video track.
    pub fn track(&self) -> &Track {
        &self.track
    }

    /// Packets and frames that were damaged so far.
    pub fn errors(&self) -> u64 {
        self.decoder.errors()
    }

    /// Decodes the frames of `table` that are `wanted` (their numbers in storage order, ascending)
    /// and hands them to `each` as they are shown, with all others that come out on the way. What is
    /// not decoded: groups of pictures without a wanted frame, what is stored behind the last wanted
    /// frame of a group, and frames that no other refers to.
    ///
    /// # Errors
    /// What `each` gives; a blob that cannot be read.
    pub fn decode<E: From<Error>>(
        &mut self,
        table: &FrameTable,
        wanted: &[u32],
        mut each: impl FnMut(&Frame) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut wanted = wanted.iter().map(|n| *n as usize).peekable();
        while let Some(first) = wanted.next() {
            let mut begin = begin_of(&table.frames, first);
            let (mut group, mut last) = (vec![first], first);
            while let Some(next) = wanted.next_if(|n| begin_of(&table.frames, *n) <= last) {
                begin = begin.min(begin_of(&table.frames, next));
                group.push(next);
                last = next;
            }
            let mut group = group.into_iter().peekable();
            for (number, frame) in (begin..).zip(table.frames.get(begin..=last).unwrap_or(&[])) {
                let is_wanted = group.next_if_eq(&number).is_some();
                self.decoder.set_wanted(is_wanted);
                let packet = self.packet(frame)?;
                self.decoder.feed(&packet, &mut each)?;
            }
            self.decoder.drain(&mut each)?;
        }
        Ok(())
    }

    fn packet(&mut self, frame: &FrameEntry) -> Result<Packet> {
        self.bytes.resize(frame.length as usize, 0);
        let read = self.blob.read_at(frame.offset, &mut self.bytes);
        read.map_err(|e| Error::Unsupported(format!("cannot read a packed frame: {e}")))?;
        let mut packet = Packet::copy(&self.bytes);
        packet.set_pts(Some(frame.pts));
        packet.set_stream(self.track.index);
        // SAFETY: plain fields of a packet of our own.
        unsafe {
            let flags = &mut (*packet.as_mut_ptr()).flags;
            *flags |= i32::from(frame.key) * ffi::AV_PKT_FLAG_KEY;
            *flags |= i32::from(frame.hidden) * ffi::AV_PKT_FLAG_DISCARD;
        }
        Ok(packet)
    }
}

/// Where decoding must begin so that frame `number` comes out whole: the last key frame stored at
/// or before it that is shown at or before it. A frame that is stored behind a key frame and shown
/// before it may refer to what came earlier.
fn begin_of(frames: &[FrameEntry], number: usize) -> usize {
    let Some(wanted) = frames.get(number) else {
        return number;
    };
    let before = frames.get(..=number).unwrap_or_default();
    let keys = before
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, frame)| frame.key);
    let mut near = keys.take(LEADING);
    let serves = |(_, frame): &(usize, &FrameEntry)| frame.pts <= wanted.pts;
    near.find(serves).map_or(0, |(begin, _)| begin)
}
