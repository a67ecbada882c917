//! Encoders of libav, each with one thread: what they share, and [`AudioEncoder`] (AAC, Opus, FLAC).

use std::ffi::CString;
use std::ptr;
use std::sync::OnceLock;

use ffmpeg_the_third as ffmpeg;
use ffmpeg_the_third::ffi::{self, AVRational, AVSampleFormat};
use ffmpeg_the_third::packet::{Mut as _, Packet};

use super::av::{Error, Result, check, init};
use super::input::Input;
use super::mux::Muxer;
use super::picture::Yuv;
use crate::stopwatch::{self, Step};

/// An opened encoder and the stream of the muxer that takes its packets, if any.
pub(super) struct Encoder {
    context: ffmpeg::codec::Context,
    stream: Option<usize>,
    /// Ticks that a packet without a duration of its own lasts; the end of the last one counts.
    pub(super) step: i64,
    /// Ticks by which packets are written later.
    shift: i64,
}

impl Encoder {
    pub(super) fn new(name: &str) -> Result<(Self, *const ffi::AVCodec)> {
        init();
        let c_name = CString::new(name).unwrap_or_default();
        // SAFETY: a look-up by name, then a context for what it found; null is handled.
        unsafe {
            let codec = ffi::avcodec_find_encoder_by_name(c_name.as_ptr());
            if codec.is_null() {
                return Err(Error::Unsupported(format!(
                    "this libav has no encoder {name}; `kpack doctor` says how to get one"
                )));
            }
            let raw = ffi::avcodec_alloc_context3(codec);
            if raw.is_null() {
                return Err(Error::Alloc("an encoder"));
            }
            let context = ffmpeg::codec::Context::wrap(raw, None);
            (*raw).thread_count = 1;
            (*raw).flags |= (ffi::AV_CODEC_FLAG_GLOBAL_HEADER | ffi::AV_CODEC_FLAG_BITEXACT) as i32;
            Ok((
                Self {
                    context,
                    stream: None,
                    step: 0,
                    shift: 0,
                },
                codec,
            ))
        }
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut ffi::AVCodecContext {
        // SAFETY: handing out the pointer of an owned context.
        unsafe { self.context.as_mut_ptr() }
    }

    pub(super) fn raw(&mut self) -> &mut ffi::AVCodecContext {
        // SAFETY: the wrapper owns a valid context.
        unsafe { &mut *self.context.as_mut_ptr() }
    }

    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let (name, value) = (CString::new(name), CString::new(value));
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(Error::Alloc("an option"));
        };
        let options = self.raw().priv_data;
        // SAFETY: the private options of a fresh context; both texts are NUL-terminated.
        let code = unsafe { ffi::av_opt_set(options, name.as_ptr(), value.as_ptr(), 0) };
        check("cannot set an encoder option", code).map(|_| ())
    }

    pub(super) fn open(&mut self, codec: *const ffi::AVCodec) -> Result<()> {
        // SAFETY: the context was made for this codec.
        let code = unsafe { ffi::avcodec_open2(self.context.as_mut_ptr(), codec, ptr::null_mut()) };
        check("cannot open the encoder", code).map(|_| ())
    }

    /// Registers the encoder's stream with `muxer`; packets go there from now on.
    pub(super) fn attach(&mut self, muxer: &mut Muxer) -> Result<()> {
        let base = self.raw().time_base;
        // SAFETY: parameters are allocated, filled from the open encoder, copied, freed.
        unsafe {
            let mut parameters = ffi::avcodec_parameters_alloc();
            if parameters.is_null() {
                return Err(Error::Alloc("codec parameters"));
            }
            let code = ffi::avcodec_parameters_from_context(parameters, self.context.as_mut_ptr());
            let added = check("cannot read the encoder's parameters", code)
                .and_then(|_| muxer.add(parameters, base));
            ffi::avcodec_parameters_free(&mut parameters);
            self.stream = Some(added?);
        }
        Ok(())
    }

    /// Parameter sets, once it is open.
    pub(super) fn extradata(&self) -> &[u8] {
        // SAFETY: the extradata of a valid context have the size it says; none is null and 0.
        unsafe {
            let context = &*self.context.as_ptr();
            match (context.extradata, usize::try_from(context.extradata_size)) {
                (data, Ok(size)) if !data.is_null() => std::slice::from_raw_parts(data, size),
                _ => &[],
            }
        }
    }

    /// Encodes a frame (`None`: what is held back), and hands the packets to `muxer`.
    pub(super) fn encode(
        &mut self,
        frame: Option<&ffmpeg::Frame>,
        muxer: &mut Muxer,
    ) -> Result<()> {
        let (step, shift) = (self.step, self.shift);
        let stream = self.stream.unwrap_or(0);
        self.encode_to(frame, &mut |mut packet| {
            if packet.duration() == 0 {
                packet.set_duration(step);
            }
            packet.set_pts(packet.pts().map(|t| t + shift));
            packet.set_dts(packet.dts().map(|t| t + shift));
            muxer.write(packet, stream)
        })
    }

    /// Encodes a frame (`None`: what is held back), and hands out the packets.
    pub(super) fn encode_to(
        &mut self,
        frame: Option<&ffmpeg::Frame>,
        each: &mut dyn FnMut(Packet) -> Result<()>,
    ) -> Result<()> {
        let _step = stopwatch::enter(Step::Encode);
        // SAFETY: an open encoder; the frame is valid or null for the end.
        let code = unsafe {
            let frame = frame.map_or(ptr::null(), |f| f.as_ptr());
            ffi::avcodec_send_frame(self.context.as_mut_ptr(), frame)
        };
        check("cannot encode", code)?;
        loop {
            let mut packet = Packet::empty();
            // SAFETY: an open encoder and an empty packet.
            let code = unsafe {
                ffi::avcodec_receive_packet(self.context.as_mut_ptr(), packet.as_mut_ptr())
            };
            if code == -EAGAIN || code == ffi::AVERROR_EOF {
                return Ok(());
            }
            check("cannot encode", code)?;
            each(packet)?;
        }
    }
}

const EAGAIN: i32 = 11;

/// Copies a picture into a frame of its size.
pub(super) fn fill(frame: &mut ffmpeg::frame::Video, picture: &Yuv) -> Result<()> {
    // SAFETY: the frame is valid; when the encoder still refers to it, libav copies first.
    let code = unsafe { ffi::av_frame_make_writable(frame.as_mut_ptr()) };
    check("cannot reuse a frame", code)?;
    for (i, plane) in picture.planes().iter().enumerate() {
        let width = frame.plane_width(i) as usize;
        let height = frame.plane_height(i) as usize;
        let stride = frame.stride(i);
        let rows = frame.data_mut(i).chunks_mut(stride).take(height);
        for (y, row) in rows.enumerate() {
            row[..width].copy_from_slice(&plane.row(y)[..width]);
        }
    }
    Ok(())
}

/// Encodes interleaved f32 sound.
pub struct AudioEncoder {
    encoder: Encoder,
    channels: usize,
    next: i64,
}

impl AudioEncoder {
    /// FFmpeg's encoder `name` (`aac`, `libopus`, or `flac` of 16 bits) for `rate` Hz and `channels`.
    pub fn new(name: &str, rate: u32, channels: u32, muxer: &mut Muxer) -> Result<Self> {
        let mut made = Self::unmoved(name, rate, channels, muxer)?;
        if name == "libopus" && muxer.is_webm() && is_written_early() {
            made.encoder.shift = i64::from(made.encoder.raw().initial_padding);
        }
        Ok(made)
    }

    /// As [`Self::new`]; packets are written at the times that the encoder gives.
    fn unmoved(name: &str, rate: u32, channels: u32, muxer: &mut Muxer) -> Result<Self> {
        let (mut encoder, codec) = Encoder::new(name)?;
        let raw = encoder.raw();
        raw.sample_rate = rate as i32;
        raw.time_base = AVRational {
            num: 1,
            den: rate as i32,
        };
        raw.sample_fmt = match name {
            "flac" => AVSampleFormat::S16,
            "libopus" => AVSampleFormat::FLT,
            _ => AVSampleFormat::FLTP,
        };
        if name != "flac" {
            raw.bit_rate = 64_000 * i64::from(channels);
        }
        // SAFETY: the layout is plain data of the context.
        unsafe { ffi::av_channel_layout_default(&mut raw.ch_layout, channels as i32) };
        encoder.open(codec)?;
        encoder.attach(muxer)?;
        Ok(Self {
            encoder,
            channels: channels as usize,
            next: 0,
        })
    }

    /// Sample frames that each [`Self::push`] but the last must have.
    pub fn frame_size(&mut self) -> usize {
        match usize::try_from(self.encoder.raw().frame_size) {
            // Any length will do.
            Ok(0) | Err(_) => 1024,
            Ok(size) => size,
        }
    }

    /// Encodes the next stretch of sound.
    pub fn push(&mut self, samples: &[f32], muxer: &mut Muxer) -> Result<()> {
        let frame = self.frame(samples)?;
        self.encoder.encode(Some(&frame), muxer)
    }

    /// Encodes what is held back.
    pub fn finish(&mut self, muxer: &mut Muxer) -> Result<()> {
        self.encoder.encode(None, muxer)
    }

    fn frame(&mut self, samples: &[f32]) -> Result<ffmpeg::frame::Audio> {
        let count = samples.len() / self.channels.max(1);
        let mut frame = ffmpeg::frame::Audio::empty();
        let context = self.encoder.raw();
        let format = context.sample_fmt;
        // SAFETY: the frame is described before its buffers are allocated, as libav demands.
        unsafe {
            let raw = &mut *frame.as_mut_ptr();
            raw.format = format.0;
            raw.sample_rate = context.sample_rate;
            raw.nb_samples = i32::try_from(count).unwrap_or(0);
            raw.pts = self.next;
            let code = ffi::av_channel_layout_copy(&mut raw.ch_layout, &context.ch_layout);
            check("cannot copy the channel layout", code)?;
            check(
                "cannot allocate sound",
                ffi::av_frame_get_buffer(frame.as_mut_ptr(), 0),
            )?;
            let planes = (*frame.as_ptr()).extended_data;
            if format == AVSampleFormat::S16 {
                let to = std::slice::from_raw_parts_mut((*planes).cast::<i16>(), samples.len());
                for (to, from) in to.iter_mut().zip(samples) {
                    *to = to_i16(*from);
                }
            } else if format == AVSampleFormat::FLT {
                let to = std::slice::from_raw_parts_mut((*planes).cast::<f32>(), samples.len());
                to.copy_from_slice(samples);
            } else {
                for channel in 0..self.channels {
                    let plane = (*planes.add(channel)).cast::<f32>();
                    let to = std::slice::from_raw_parts_mut(plane, count);
                    for (to, from) in to
                        .iter_mut()
                        .zip(samples[channel..].iter().step_by(self.channels))
                    {
                        *to = *from;
                    }
                }
            }
        }
        self.next += count as i64;
        Ok(frame)
    }
}

/// Whether this libav writes Opus into WebM at the times of its packets, of which the first is before
/// 0, where WebM has no times. Readers take off what the decoder drops, and newer versions add it.
fn is_written_early() -> bool {
    static EARLY: OnceLock<bool> = OnceLock::new();
    *EARLY.get_or_init(|| is_moved_by_readers().unwrap_or(false))
}

/// Whether Opus whose first packet is written at 0 is read before it.
fn is_moved_by_readers() -> Result<bool> {
    let mut muxer = Muxer::new("webm")?;
    let mut encoder = AudioEncoder::unmoved("libopus", 48_000, 1, &mut muxer)?;
    let dropped = i64::from(encoder.encoder.raw().initial_padding);
    encoder.encoder.shift = dropped;
    encoder.push(&[0.0; 960], &mut muxer)?;
    encoder.finish(&mut muxer)?;
    let mut input = Input::open_blob(muxer.finish()?.into())?;
    let packet = input.next_packet()?;
    let at = input.audio().zip(packet.and_then(|packet| packet.pts()));
    // WebM's ticks are milliseconds.
    let half = dropped * 1_000_000_000 / 48_000 / 2;
    Ok(at.is_some_and(|(track, ticks)| track.nanos(ticks) < -half))
}

/// A sample in [-1, 1] as 16 bits, rounded to nearest, as libswresample does.
pub fn to_i16(sample: f32) -> i16 {
    (sample * 32_768.0)
        .round_ties_even()
        .clamp(-32_768.0, 32_767.0) as i16
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    #![allow(clippy::print_stdout, reason = "a skipped test is told")]

    use super::*;

    #[test]
    fn sound_in_webm_begins_where_it_begins() {
        if !super::super::has_encoder("libopus") {
            println!("skipped: this libav has no encoder libopus");
            return;
        }
        let mut muxer = Muxer::new("webm").unwrap();
        let mut encoder = AudioEncoder::new("libopus", 48_000, 1, &mut muxer).unwrap();
        encoder.push(&[0.0; 960], &mut muxer).unwrap();
        encoder.finish(&mut muxer).unwrap();
        let mut input = Input::open_blob(muxer.finish().unwrap().into()).unwrap();
        let dropped = i64::from(encoder.encoder.raw().initial_padding) * 1_000_000_000 / 48_000;
        let packet = input.next_packet().unwrap().unwrap();
        let at = input.audio().unwrap().nanos(packet.pts().unwrap());
        assert!((at + dropped).abs() <= 1_000_000, "{at} {dropped}");
    }
}
