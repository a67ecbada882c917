//! [`Input`]: an opened media file, its tracks, its packets in order, and exact seeking.

use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::ptr;
use std::sync::Arc;

use ffmpeg_the_third as ffmpeg;
use ffmpeg_the_third::ffi::{self, AVMediaType, AVRational};
use ffmpeg_the_third::packet::{Packet, Ref as _};

use super::av::{Error, Result, av, check, init};
use super::io::FileIo;
use crate::Time;

/// Streams a file may have. More is an attack, not a video.
const MAX_STREAMS: u32 = 256;
/// Packets looked at to find where a file begins.
const ORIGIN_PACKETS: usize = 64;

/// An opened media file.
pub struct Input {
    // Declared before `_io`: the format context must go before what it reads through.
    context: ffmpeg::format::context::Input,
    _io: FileIo,
    file: Arc<File>,
    video: Option<Track>,
    audio: Option<Track>,
    origin_nanos: i64,
    /// Packets read ahead while looking for the origin or a seek's landing place.
    ahead: VecDeque<Packet>,
}

/// Kinds of track that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackKind {
    /// Moving pictures.
    Video,
    /// Sound.
    Audio,
}

/// One track of a file, as its header describes it.
#[derive(Debug, Clone)]
pub struct Track {
    /// Position among the file's streams.
    pub index: usize,
    /// Video or audio.
    pub kind: TrackKind,
    /// Seconds per tick: numerator and denominator, both positive.
    pub time_base: (i64, i64),
    /// FFmpeg's name of the codec.
    pub codec: String,
    /// Coded width in pixels, before rotation; 0 for audio.
    pub width: u32,
    /// Coded height in pixels, before rotation; 0 for audio.
    pub height: u32,
    /// How the picture must be turned to stand upright.
    pub rotation: Rotation,
    /// Frames as the container counts them; 0 where it does not.
    pub frames: u64,
    /// Average frames per second; 0 where unknown.
    pub fps: f64,
    /// Duration as the container says.
    pub duration: Option<Time>,
    /// Sample rate in Hz; 0 for video.
    pub sample_rate: u32,
    /// Channels; 0 for video.
    pub channels: u32,
}

/// Clockwise quarter turns and a mirror that bring a picture upright.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Clockwise quarter turns, 0 to 3, after the mirror.
    pub turns: u8,
    /// Whether left and right are swapped first.
    pub mirror: bool,
}

impl Rotation {
    /// Whether the upright picture's width is the coded height.
    pub fn swaps(self) -> bool {
        self.turns % 2 == 1
    }
}

impl Track {
    /// A tick count as nanoseconds, rounded to nearest. Relative to libav's zero, not the origin.
    pub fn nanos(&self, ticks: i64) -> i64 {
        let (num, den) = self.time_base;
        let scaled = i128::from(ticks) * i128::from(num) * 1_000_000_000;
        let den = i128::from(den);
        clamp_i64((scaled + den / 2).div_euclid(den))
    }
    /// Nanoseconds as ticks, rounded down.
    pub fn ticks_floor(&self, nanos: i64) -> i64 {
        let (num, den) = self.time_base;
        clamp_i64((i128::from(nanos) * i128::from(den)).div_euclid(i128::from(num) * 1_000_000_000))
    }
    /// Width of the upright picture.
    pub fn shown_width(&self) -> u32 {
        if self.rotation.swaps() {
            self.height
        } else {
            self.width
        }
    }
    /// Height of the upright picture.
    pub fn shown_height(&self) -> u32 {
        if self.rotation.swaps() {
            self.width
        } else {
            self.height
        }
    }
}

fn clamp_i64(n: i128) -> i64 {
    n.clamp(i128::from(i64::MIN + 1), i128::from(i64::MAX)) as i64
}

impl Input {
    /// Opens a file by its content. Reads the header only, where that says enough.
    pub fn open(file: Arc<File>) -> Result<Self> {
        init();
        let io = FileIo::open(file.clone())?;
        let context = open_context(&io)?;
        let mut input = Self {
            context,
            _io: io,
            file,
            video: None,
            audio: None,
            origin_nanos: 0,
            ahead: VecDeque::new(),
        };
        if !input.header_is_enough() {
            // SAFETY: the context is open; no options are passed.
            let code = unsafe {
                ffi::avformat_find_stream_info(input.context.as_mut_ptr(), ptr::null_mut())
            };
            check("cannot read stream information", code)?;
        }
        input.video = input.best(AVMediaType::VIDEO);
        input.audio = input.best(AVMediaType::AUDIO);
        input.discard_other_tracks();
        input.find_origin();
        Ok(input)
    }

    /// The first track of moving pictures marked as default, or the first; never a cover picture.
    pub fn video(&self) -> Option<&Track> {
        self.video.as_ref()
    }
    /// The first track of sound marked as default, or the first.
    pub fn audio(&self) -> Option<&Track> {
        self.audio.as_ref()
    }
    /// FFmpeg's name of the container, such as `mov,mp4,m4a,3gp,3g2,mj2`.
    pub fn container(&self) -> String {
        // SAFETY: an open context has an input format with a static name.
        unsafe {
            let format = (*self.context.as_ptr()).iformat;
            CStr::from_ptr((*format).name)
                .to_string_lossy()
                .into_owned()
        }
    }
    /// Duration as the container says, else as its longest track does.
    pub fn duration(&self) -> Option<Time> {
        // SAFETY: the context is open.
        let ticks = unsafe { (*self.context.as_ptr()).duration };
        // Ticks are of a microsecond.
        let whole = (ticks > 0).then(|| Time::from_nanos(ticks.saturating_mul(1000)));
        let tracks = [&self.video, &self.audio].into_iter().flatten();
        whole.or_else(|| tracks.filter_map(|track| track.duration).max())
    }
    /// Whether every frame's packet carries its own presentation time.
    pub fn packets_have_pts(&self) -> bool {
        let name = self.container();
        name.contains("mp4") || name.contains("matroska")
    }
    /// Nanoseconds between libav's zero and the instant that is time 0 of the source: where the
    /// first of its tracks begins to show or sound.
    pub fn origin_nanos(&self) -> i64 {
        self.origin_nanos
    }
    /// Presentation time of `ticks` of `track`, from the start of the source.
    pub fn time(&self, track: &Track, ticks: i64) -> Time {
        Time::from_nanos(track.nanos(ticks).saturating_sub(self.origin_nanos))
    }
    /// Parameters of a track, for decoders and muxers.
    pub(super) fn parameters(&self, track: &Track) -> *const ffi::AVCodecParameters {
        // SAFETY: `track` was made from this context, whose streams do not go away.
        unsafe { (**(*self.context.as_ptr()).streams.add(track.index)).codecpar }
    }

    /// The next packet of the chosen tracks; `None` at the end.
    pub fn next_packet(&mut self) -> Result<Option<Packet>> {
        if let Some(packet) = self.ahead.pop_front() {
            return Ok(Some(packet));
        }
        self.read()
    }

    fn read(&mut self) -> Result<Option<Packet>> {
        loop {
            let mut packet = Packet::empty();
            match packet.read(&mut self.context) {
                Ok(()) if self.is_chosen(packet.stream()) => return Ok(Some(packet)),
                Ok(()) => {}
                Err(ffmpeg::Error::Eof) => return Ok(None),
                Err(e) => return Err(av("cannot read on")(e)),
            }
        }
    }

    fn is_chosen(&self, index: usize) -> bool {
        [&self.video, &self.audio]
            .into_iter()
            .flatten()
            .any(|t| t.index == index)
    }

    /// Goes to where decoding must begin so that every frame of `track` from `start` on comes out
    /// whole: a key frame shown at or before it. Where the file cannot be sought, to its beginning.
    pub fn seek(&mut self, track: &Track, start: Time) -> Result<()> {
        let target = start.nanos().saturating_add(self.origin_nanos);
        let mut back: i64 = 0;
        // The first keyframe found may be *shown* after the target although it is stored before
        // it; then look further back, in growing steps.
        while target.saturating_sub(back) > self.origin_nanos {
            if !self.seek_to(track, track.ticks_floor(target.saturating_sub(back))) {
                break;
            }
            if self.lands_before(track, target)? {
                return Ok(());
            }
            back = (back * 2).max(1_000_000_000);
        }
        self.rewind()
    }

    /// Goes back to the beginning, by opening the file again where it cannot be sought.
    pub fn rewind(&mut self) -> Result<()> {
        *self = Self::open(self.file.clone())?;
        Ok(())
    }

    fn seek_to(&mut self, track: &Track, ticks: i64) -> bool {
        self.ahead.clear();
        // SAFETY: the context is open, the stream index is one of its own.
        let code = unsafe {
            ffi::avformat_seek_file(
                self.context.as_mut_ptr(),
                track.index as i32,
                i64::MIN,
                ticks,
                ticks,
                0,
            )
        };
        code >= 0
    }

    /// Reads ahead to the first packet of `track` that decoding can begin with, and says whether
    /// it is shown at or before `target`.
    fn lands_before(&mut self, track: &Track, target: i64) -> Result<bool> {
        while let Some(packet) = self.read()? {
            let is_start = packet.stream() == track.index && packet.is_key();
            let shown = packet.pts().or(packet.dts()).map(|t| track.nanos(t));
            self.ahead.push_back(packet);
            if is_start {
                return Ok(shown.is_some_and(|t| t <= target));
            }
            if self.ahead.len() > 10_000 {
                return Ok(false);
            }
        }
        Ok(false)
    }

    /// mp4 and mov carry complete parameters in their header, as do Matroska files of codecs that
    /// do not reorder; finding stream information would decode the first frames for nothing.
    fn header_is_enough(&self) -> bool {
        let name = self.container();
        let mp4 = name.contains("mp4");
        if !mp4 && !name.contains("matroska") {
            return false;
        }
        self.streams().all(|stream| {
            // SAFETY: pointers of an open context.
            let par = unsafe { &*stream.codecpar };
            let known = par.codec_id != ffi::AVCodecID::NONE;
            match par.codec_type {
                AVMediaType::VIDEO => {
                    let simple = [
                        ffi::AVCodecID::VP8,
                        ffi::AVCodecID::VP9,
                        ffi::AVCodecID::AV1,
                    ];
                    known && par.width > 0 && (mp4 || simple.contains(&par.codec_id))
                }
                AVMediaType::AUDIO => known && par.sample_rate > 0 && par.ch_layout.nb_channels > 0,
                _ => true,
            }
        })
    }

    fn streams(&self) -> impl Iterator<Item = &ffi::AVStream> {
        // SAFETY: an open context has `nb_streams` valid stream pointers that live as long as it.
        unsafe {
            let context = &*self.context.as_ptr();
            (0..context.nb_streams as usize).map(move |i| &**context.streams.add(i))
        }
    }

    /// The first track of `kind` that is marked as default, or the first of all; never a cover.
    fn best(&self, kind: AVMediaType) -> Option<Track> {
        let is_cover = |s: &ffi::AVStream| s.disposition & ffi::AV_DISPOSITION_ATTACHED_PIC != 0;
        // SAFETY: a stream of an open context has codec parameters.
        let of_kind = |s: &&ffi::AVStream| unsafe { (*s.codecpar).codec_type == kind };
        let mut tracks = self
            .streams()
            .filter(of_kind)
            .filter(|s| !is_cover(s))
            .peekable();
        let first = tracks.peek().copied();
        let stream = tracks.find(|s| s.disposition & ffi::AV_DISPOSITION_DEFAULT != 0);
        stream
            .or(first)
            .map(|s| describe(s, kind == AVMediaType::VIDEO))
    }

    fn discard_other_tracks(&mut self) {
        for index in 0..self.streams().count() {
            if !self.is_chosen(index) {
                // SAFETY: `index` is in range of the open context's streams.
                unsafe {
                    (**(*self.context.as_mut_ptr()).streams.add(index)).discard =
                        ffi::AVDiscard::ALL;
                }
            }
        }
    }

    /// Finds the earliest instant of the chosen tracks by reading their first packets.
    fn find_origin(&mut self) {
        let mut first: [Option<i64>; 2] = [None, None];
        let mut seen = [0_usize; 2];
        while self.ahead.len() < ORIGIN_PACKETS {
            let Ok(Some(packet)) = self.read() else { break };
            let is_video = self
                .video
                .as_ref()
                .is_some_and(|t| t.index == packet.stream());
            let slot = usize::from(!is_video);
            let track = if is_video { &self.video } else { &self.audio };
            if let (Some(track), Some(ticks)) = (track, packet.pts().or(packet.dts()))
                && !is_hidden(&packet)
            {
                let begin = track.nanos(ticks) + skipped_nanos(&packet, track);
                first[slot] = Some(first[slot].map_or(begin, |t| t.min(begin)));
                seen[slot] += 1;
            }
            self.ahead.push_back(packet);
            // Reordered frames may be shown before the first one that is stored.
            let video_known = self.video.is_none() || seen[0] >= 8;
            if video_known && (self.audio.is_none() || seen[1] >= 1) {
                break;
            }
        }
        self.origin_nanos = first.into_iter().flatten().min().unwrap_or(0);
    }
}

/// Whether an edit list hides the packet: it is decoded, its frame is dropped.
pub fn is_hidden(packet: &Packet) -> bool {
    // SAFETY: reading a plain field of a valid packet.
    unsafe { (*packet.as_ptr()).flags & ffi::AV_PKT_FLAG_DISCARD != 0 }
}

/// Encoder delay at the head of an audio track, which decoders drop.
fn skipped_nanos(packet: &Packet, track: &Track) -> i64 {
    const SKIP_SAMPLES: ffi::AVPacketSideDataType = ffi::AVPacketSideDataType::SKIP_SAMPLES;
    if track.kind != TrackKind::Audio || track.sample_rate == 0 {
        return 0;
    }
    let mut size = 0;
    // SAFETY: the packet is valid; the returned memory belongs to it and has `size` bytes.
    let data = unsafe {
        let data = ffi::av_packet_get_side_data(packet.as_ptr(), SKIP_SAMPLES, &mut size);
        if data.is_null() || size < 4 {
            return 0;
        }
        *data.cast::<[u8; 4]>()
    };
    i64::from(u32::from_le_bytes(data)) * 1_000_000_000 / i64::from(track.sample_rate)
}

fn open_context(io: &FileIo) -> Result<ffmpeg::format::context::Input> {
    // SAFETY: the context is freed by libav when opening fails, and owned by the wrapper after.
    // The I/O context outlives it (see the order of `Input`'s fields).
    unsafe {
        let mut context = ffi::avformat_alloc_context();
        if context.is_null() {
            return Err(Error::Alloc("a format context"));
        }
        (*context).pb = io.as_ptr();
        (*context).flags |= ffi::AVFMT_FLAG_CUSTOM_IO;
        (*context).max_streams = MAX_STREAMS as i32;
        let mut options = ptr::null_mut();
        // No protocol at all: a playlist or a reference inside the file opens nothing.
        let key = CString::new("protocol_whitelist").unwrap_or_default();
        let value = CString::new("none").unwrap_or_default();
        ffi::av_dict_set(&mut options, key.as_ptr(), value.as_ptr(), 0);
        let url = CString::default();
        let code =
            ffi::avformat_open_input(&mut context, url.as_ptr(), ptr::null_mut(), &mut options);
        ffi::av_dict_free(&mut options);
        check("cannot open as media", code)?;
        Ok(ffmpeg::format::context::Input::wrap(context))
    }
}

fn describe(stream: &ffi::AVStream, is_video: bool) -> Track {
    // SAFETY: a stream of an open context has codec parameters; codec names are static.
    let (par, codec) = unsafe {
        let par = &*stream.codecpar;
        (
            par,
            CStr::from_ptr(ffi::avcodec_get_name(par.codec_id))
                .to_string_lossy()
                .into_owned(),
        )
    };
    let time_base = (
        i64::from(stream.time_base.num.max(1)),
        i64::from(stream.time_base.den.max(1)),
    );
    let frames = u64::try_from(stream.nb_frames).unwrap_or(0);
    let mut track = Track {
        index: usize::try_from(stream.index).unwrap_or(0),
        kind: if is_video {
            TrackKind::Video
        } else {
            TrackKind::Audio
        },
        time_base,
        codec,
        width: u32::try_from(par.width).unwrap_or(0),
        height: u32::try_from(par.height).unwrap_or(0),
        rotation: if is_video {
            rotation(stream)
        } else {
            Rotation::default()
        },
        frames,
        fps: 0.0,
        duration: None,
        sample_rate: u32::try_from(par.sample_rate).unwrap_or(0),
        channels: u32::try_from(par.ch_layout.nb_channels).unwrap_or(0),
    };
    if stream.duration > 0 {
        track.duration = Some(Time::from_nanos(track.nanos(stream.duration)));
    }
    let measured = |d: Time| {
        if d > Time::ZERO {
            frames as f64 / d.secs()
        } else {
            0.0
        }
    };
    track.fps = match ratio(stream.avg_frame_rate) {
        fps if fps > 0.0 => fps,
        _ => track.duration.map_or(0.0, measured),
    };
    track
}

fn ratio(r: AVRational) -> f64 {
    if r.den == 0 {
        0.0
    } else {
        f64::from(r.num) / f64::from(r.den)
    }
}

/// The display matrix of a stream as quarter turns and a mirror; other angles are left alone.
fn rotation(stream: &ffi::AVStream) -> Rotation {
    let Some(matrix) = display_matrix(stream) else {
        return Rotation::default();
    };
    let sign = |i: usize| matrix[i].signum();
    // Row vectors times the matrix: (x, y) -> (a x + c y, b x + d y), y downwards.
    let (a, b, c, d) = (sign(0), sign(1), sign(3), sign(4));
    match (a, b, c, d) {
        (0, 1, -1, 0) => Rotation {
            turns: 1,
            mirror: false,
        },
        (-1, 0, 0, -1) => Rotation {
            turns: 2,
            mirror: false,
        },
        (0, -1, 1, 0) => Rotation {
            turns: 3,
            mirror: false,
        },
        (-1, 0, 0, 1) => Rotation {
            turns: 0,
            mirror: true,
        },
        (1, 0, 0, -1) => Rotation {
            turns: 2,
            mirror: true,
        },
        // Mirror first (x to -x), then turn.
        (0, -1, -1, 0) => Rotation {
            turns: 1,
            mirror: true,
        },
        (0, 1, 1, 0) => Rotation {
            turns: 3,
            mirror: true,
        },
        _ => Rotation::default(),
    }
}

/// The nine numbers of the display matrix, if the stream has one.
fn display_matrix(stream: &ffi::AVStream) -> Option<[i32; 9]> {
    // SAFETY: side data arrays of an open context are valid for their stated length; a display
    // matrix is nine native 32-bit integers, and its size is checked.
    unsafe {
        #[cfg(ffmpeg_6_1)]
        let (list, count) = {
            let par = &*stream.codecpar;
            (par.coded_side_data, par.nb_coded_side_data)
        };
        #[cfg(not(ffmpeg_6_1))]
        let (list, count) = (stream.side_data, stream.nb_side_data);
        for i in 0..usize::try_from(count).ok()? {
            let entry = &*list.add(i);
            if entry.type_ == ffi::AVPacketSideDataType::DISPLAYMATRIX && entry.size >= 36 {
                return Some(entry.data.cast::<[i32; 9]>().read_unaligned());
            }
        }
    }
    None
}
