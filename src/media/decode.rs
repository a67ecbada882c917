//! [`Decoder`]: packets in, frames out, with damage counted instead of fatal.

use ffmpeg_the_third as ffmpeg;
use ffmpeg_the_third::codec::discard::Discard;
use ffmpeg_the_third::ffi;
use ffmpeg_the_third::packet::{Packet, Ref as _};

use super::av::{Error, Result, av};
use super::edge::set_extradata;
use super::frame::Frame;
use super::input::Input;
use super::track::Track;
use super::x264::X264;
use crate::stopwatch::{self, Step};

/// Failures in a row after which a decoder is no longer asked for the frames of one packet.
const MAX_FAILURES: u32 = 64;
const EAGAIN: i32 = 11;
/// Pixels of a frame that is decoded: 16,384 by 16,384. A frame of it takes 400 MB, and a few stand
/// in memory at once.
const MAX_PIXELS: i64 = 1 << 28;

/// Decodes the packets of one track, with one thread.
pub struct Decoder {
    opened: ffmpeg::decoder::Opened,
    errors: u64,
}

impl Decoder {
    /// A decoder for `track` of `input`.
    pub fn new(input: &Input, track: &Track) -> Result<Self> {
        Self::with_x264(input, track, input.x264(track))
    }

    /// A decoder for `track` of `input`, made by this x264.
    pub(super) fn with_x264(input: &Input, track: &Track, x264: Option<&X264>) -> Result<Self> {
        Self::open(input, track, None, x264.map(X264::version))
    }

    /// A decoder for a track like `track` that has these extradata instead.
    pub fn with_extradata(input: &Input, track: &Track, extradata: &[u8]) -> Result<Self> {
        Self::open(input, track, Some(extradata), None)
    }

    fn open(
        input: &Input,
        track: &Track,
        extradata: Option<&[u8]>,
        x264: Option<u32>,
    ) -> Result<Self> {
        // SAFETY: the parameters belong to the open input; the context is freed by the wrapper.
        let context = unsafe {
            let par = input.parameters(track);
            let mut context = ffmpeg::codec::Context::new();
            let raw = context.as_mut_ptr();
            if raw.is_null() {
                return Err(Error::Alloc("a decoder"));
            }
            super::av::check("cannot use the codec parameters", {
                ffi::avcodec_parameters_to_context(raw, par)
            })?;
            if let Some(bytes) = extradata {
                set_extradata(&mut (*raw).extradata, &mut (*raw).extradata_size, bytes)?;
            }
            (*raw).pkt_timebase = ffi::AVRational {
                num: track.time_base.0 as i32,
                den: track.time_base.1 as i32,
            };
            (*raw).thread_count = 1;
            let (width, height) = ((*raw).width, (*raw).height);
            if i64::from(width) * i64::from(height) > MAX_PIXELS {
                return Err(Error::Limit(format!(
                    "frames of {width}x{height} are larger than {MAX_PIXELS} pixels"
                )));
            }
            // For a size that changes on the way.
            (*raw).max_pixels = MAX_PIXELS;
            context
        };
        let missing = || {
            Error::Unsupported(format!(
                "this libav has no decoder for {}; `kpack doctor` lists what it has",
                track.codec
            ))
        };
        let codec = ffmpeg::decoder::find(context.id()).ok_or_else(missing)?;
        let mut options = ffmpeg::Dictionary::new();
        if let Some(version) = x264 {
            // Holds until the track itself tells another.
            options.set("x264_build", version.to_string());
        }
        let opened = context
            .decoder()
            .open_as_with(codec, options)
            .map_err(av("cannot open the decoder"))?;
        Ok(Self { opened, errors: 0 })
    }

    /// Packets and frames that were damaged so far.
    pub fn errors(&self) -> u64 {
        self.errors
    }

    /// Says whether the frames of the next packets are wanted. Frames that are not, and that no
    /// other frame refers to, are then not decoded at all.
    pub fn set_wanted(&mut self, wanted: bool) {
        self.opened.skip_frame(if wanted {
            Discard::Default
        } else {
            Discard::NonReference
        });
    }

    /// Feeds one packet and hands out every frame that is ready. A damaged packet is counted.
    pub fn feed<E>(
        &mut self,
        packet: &Packet,
        mut frames: impl FnMut(&Frame) -> Result<(), E>,
    ) -> Result<(), E> {
        let _step = stopwatch::enter(Step::Decode);
        // A decoder whose frames are always taken out never refuses a packet for being full.
        // SAFETY: both contexts are valid; the packet is only read.
        let code = unsafe { ffi::avcodec_send_packet(self.opened.as_mut_ptr(), packet.as_ptr()) };
        if code < 0 && code != ffi::AVERROR_EOF {
            self.errors += 1;
        }
        self.receive(&mut frames)
    }

    /// Hands out the frames still held back. The decoder may be fed again from a key frame on.
    pub fn drain<E>(&mut self, mut frames: impl FnMut(&Frame) -> Result<(), E>) -> Result<(), E> {
        let _step = stopwatch::enter(Step::Decode);
        if self.opened.send_eof().is_err() {
            self.errors += 1;
        }
        let result = self.receive(&mut frames);
        self.opened.flush();
        result
    }

    fn receive<E>(&mut self, frames: &mut impl FnMut(&Frame) -> Result<(), E>) -> Result<(), E> {
        let mut frame = Frame::empty();
        let mut failures = 0;
        while failures < MAX_FAILURES {
            match self.opened.receive_frame(&mut frame.0) {
                Ok(()) => {
                    failures = 0;
                    self.errors += u64::from(frame.is_damaged());
                    frames(&frame)?;
                }
                Err(ffmpeg::Error::Eof | ffmpeg::Error::Other { errno: EAGAIN }) => break,
                // A damaged frame is not the end: the next may be whole.
                Err(_) => {
                    failures += 1;
                    self.errors += 1;
                }
            }
        }
        Ok(())
    }
}
