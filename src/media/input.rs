//! [`Input`]: an opened media file, its tracks, its packets in order, and exact seeking.

use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::ptr;
use std::sync::Arc;

use ffmpeg_the_third as ffmpeg;
use ffmpeg_the_third::ffi::{self, AVMediaType};
use ffmpeg_the_third::packet::Packet;
use kpack_formats::Blob;

use super::av::{Error, Result, av, check, init};
use super::io::{FileIo, Source};
use super::packet::{dropped_ticks, is_hidden};
use super::track::{SoundGrid, Track, describe};
use super::x264::X264;
use crate::stopwatch::{self, Step};
use crate::{Time, pulse};

/// Streams a file may have. More is an attack, not a video.
const MAX_STREAMS: u32 = 256;
/// Packets read from one opening of a file: five days of video and sound at 60 frames a second. An
/// index that leads to the same bytes again and again ends here.
const MAX_PACKETS: u64 = 1 << 26;
/// Packets looked at to find where a file begins.
const ORIGIN_PACKETS: usize = 64;

/// An opened media file.
pub struct Input {
    // Declared before `_io`: the format context must go before what it reads through.
    pub(super) context: ffmpeg::format::context::Input,
    _io: FileIo,
    pub(super) source: Source,
    video: Option<Track>,
    audio: Option<Track>,
    origin_nanos: i64,
    /// Packets read so far.
    packets: u64,
    /// Whether it may have left its beginning since it was opened.
    taken: bool,
    /// What its first packet says of the encoder.
    pub(super) x264: Option<X264>,
    /// Packets read ahead while looking for the origin or a seek's landing place.
    pub(super) ahead: VecDeque<Packet>,
}

impl Input {
    /// Opens a file by its content. Reads the header only, where that says enough.
    pub fn open(file: Arc<File>) -> Result<Self> {
        let mut input = Self::open_header(Source::File(file))?;
        input.find_origin();
        Ok(input)
    }

    /// Opens the media file that a blob is, as [`open`](Self::open) does.
    pub fn open_blob(blob: Blob) -> Result<Self> {
        let mut input = Self::open_header(Source::Blob(blob))?;
        input.find_origin();
        Ok(input)
    }

    /// Opens by the header alone: no packet is read, so the origin is not known.
    pub(super) fn open_header(source: Source) -> Result<Self> {
        init();
        let _step = stopwatch::enter(Step::Open);
        let io = FileIo::open(source.clone())?;
        let context = open_context(&io)?;
        let mut input = Self {
            context,
            _io: io,
            source,
            video: None,
            audio: None,
            origin_nanos: 0,
            packets: 0,
            taken: false,
            x264: None,
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
        let chosen = [&input.video, &input.audio].map(|t| t.as_ref().map(|t| t.index));
        input.pass_over(|index| !chosen.contains(&Some(index)));
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
        self.taken = true;
        if let Some(packet) = self.ahead.pop_front() {
            return Ok(Some(packet));
        }
        self.read()
    }

    pub(super) fn read(&mut self) -> Result<Option<Packet>> {
        let _step = stopwatch::enter(Step::Read);
        loop {
            let mut packet = Packet::empty();
            pulse::step();
            self.packets += 1;
            if self.packets > MAX_PACKETS {
                return Err(Error::Limit(format!("more than {MAX_PACKETS} packets")));
            }
            match packet.read(&mut self.context) {
                Ok(()) if self.is_chosen(packet.stream()) => return Ok(Some(packet)),
                Ok(()) => {}
                Err(ffmpeg::Error::Eof) => return Ok(None),
                Err(e) => return Err(av("cannot read on")(e)),
            }
        }
    }

    /// Goes back to the beginning, if it is not there, and passes over all tracks but this one until
    /// it is opened again.
    pub(super) fn begin_with(&mut self, track: &Track) -> Result<()> {
        if self.taken {
            self.rewind()?;
        }
        self.pass_over(|index| index != track.index);
        Ok(())
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
        *self = Self::open_header(self.source.clone())?;
        self.find_origin();
        Ok(())
    }

    pub(super) fn seek_to(&mut self, track: &Track, ticks: i64) -> bool {
        self.taken = true;
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

    /// Reads no packets of the tracks whose index is `unwanted`.
    fn pass_over(&mut self, unwanted: impl Fn(usize) -> bool) {
        for index in (0..self.streams().count()).filter(|index| unwanted(*index)) {
            // SAFETY: `index` is in range of the open context's streams.
            unsafe {
                (**(*self.context.as_mut_ptr()).streams.add(index)).discard = ffi::AVDiscard::ALL;
            }
        }
    }

    /// Finds the earliest instant of the chosen tracks by reading their first packets.
    fn find_origin(&mut self) {
        let mut first: [Option<i64>; 2] = [None, None];
        let mut seen = [0_usize; 2];
        let mut grid = None;
        // Vorbis's first packet gives no sound: each is heard with the one before it.
        let mut silent = self.audio.as_ref().is_some_and(|t| t.codec == "vorbis");
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
                && !(slot == 1 && std::mem::take(&mut silent))
            {
                let dropped = dropped_ticks(&packet, track);
                let begin = track.nanos(ticks.saturating_add(dropped.0));
                grid = grid.or_else(|| SoundGrid::new(track, ticks, dropped));
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
        if let Some(track) = &mut self.audio {
            track.grid = grid;
        }
        self.find_x264();
    }
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
