//! [`VideoEncoder`] (x264) and [`AudioEncoder`] (AAC, FLAC), each with one thread.

use std::ffi::CString;
use std::ptr;

use ffmpeg_the_third as ffmpeg;
use ffmpeg_the_third::ffi::{self, AVPixelFormat, AVRational, AVSampleFormat};
use ffmpeg_the_third::packet::{Mut as _, Packet};

use super::av::{Error, Result, check, init};
use super::color::{ColorInfo, Matrix};
use super::mux::Muxer;
use super::picture::Yuv;
use crate::stopwatch::{self, Step};

/// Settings of x264.
#[derive(Debug, Clone, Copy)]
pub struct X264<'a> {
    /// Constant rate factor, 0 to 51.
    pub crf: u8,
    /// Preset name.
    pub preset: &'a str,
    /// Largest distance of key frames, in frames.
    pub gop: Option<u32>,
}

/// An opened encoder and the stream of the muxer that takes its packets, if any.
pub(super) struct Encoder {
    context: ffmpeg::codec::Context,
    stream: Option<usize>,
    /// Ticks that a packet without a duration of its own lasts; the end of the last one counts.
    step: i64,
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
    fn attach(&mut self, muxer: &mut Muxer) -> Result<()> {
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
    fn encode(&mut self, frame: Option<&ffmpeg::Frame>, muxer: &mut Muxer) -> Result<()> {
        let (step, stream) = (self.step, self.stream.unwrap_or(0));
        self.encode_to(frame, &mut |mut packet| {
            if packet.duration() == 0 {
                packet.set_duration(step);
            }
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

/// Encodes planes as H.264 by x264, keeping the source's range and matrix as tags.
pub struct VideoEncoder {
    encoder: Encoder,
    frame: ffmpeg::frame::Video,
}

impl VideoEncoder {
    /// For pictures of `size` (even sides), with times in ticks of `base` seconds.
    pub fn new(
        size: (u32, u32),
        base: (i64, i64),
        fps: f64,
        color: ColorInfo,
        settings: X264<'_>,
        muxer: &mut Muxer,
    ) -> Result<Self> {
        let (mut encoder, codec) = Encoder::new("libx264")?;
        let raw = encoder.raw();
        (raw.width, raw.height) = (size.0 as i32, size.1 as i32);
        raw.pix_fmt = AVPixelFormat::YUV420P;
        raw.time_base = AVRational {
            num: base.0 as i32,
            den: base.1 as i32,
        };
        if fps > 0.0 {
            raw.framerate = AVRational {
                num: (fps * 1000.0).round() as i32,
                den: 1000,
            };
        }
        if let Some(gop) = settings.gop {
            raw.gop_size = i32::try_from(gop).unwrap_or(i32::MAX);
        } else {
            raw.gop_size = 250;
        }
        raw.color_range = match color.full_range {
            true => ffi::AVColorRange::JPEG,
            false => ffi::AVColorRange::MPEG,
        };
        raw.colorspace = match color.matrix {
            Matrix::Bt601 => ffi::AVColorSpace::SMPTE170M,
            Matrix::Bt709 => ffi::AVColorSpace::BT709,
            Matrix::Fcc => ffi::AVColorSpace::FCC,
            Matrix::Smpte240 => ffi::AVColorSpace::SMPTE240M,
            Matrix::Bt2020 => ffi::AVColorSpace::BT2020_NCL,
        };
        encoder.set("preset", settings.preset)?;
        encoder.set("crf", &settings.crf.to_string())?;
        if reads_stray_memory() {
            encoder.set("x264-params", "asm=AVX2,FMA3,BMI2")?;
        }
        encoder.open(codec)?;
        encoder.attach(muxer)?;
        if fps > 0.0 {
            encoder.step = (base.1 as f64 / base.0 as f64 / fps).round() as i64;
        }
        let frame = ffmpeg::frame::Video::new(ffmpeg::format::Pixel::YUV420P, size.0, size.1);
        Ok(Self { encoder, frame })
    }

    /// Encodes one picture, shown at `pts` ticks.
    pub fn push(&mut self, picture: &Yuv, pts: i64, muxer: &mut Muxer) -> Result<()> {
        fill(&mut self.frame, picture)?;
        self.frame.set_pts(Some(pts));
        self.encoder.encode(Some(&self.frame), muxer)
    }

    /// Encodes what is held back.
    pub fn finish(&mut self, muxer: &mut Muxer) -> Result<()> {
        self.encoder.encode(None, muxer)
    }
}

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

/// Whether x264 would use its AVX-512 code here. That of its macroblock tree reads memory that was
/// never written where the width is no multiple of 128 pixels (seen in r3095), so the bytes change
/// from run to run; up to AVX2 they are always the same.
pub(super) fn reads_stray_memory() -> bool {
    #[cfg(target_arch = "x86_64")]
    let found = std::arch::is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    let found = false;
    found
}

/// Encodes interleaved f32 sound.
pub struct AudioEncoder {
    encoder: Encoder,
    channels: usize,
    next: i64,
}

impl AudioEncoder {
    /// FFmpeg's encoder `name` (`aac` or `flac`, 16 bits) for `rate` Hz and `channels`.
    pub fn new(name: &str, rate: u32, channels: u32, muxer: &mut Muxer) -> Result<Self> {
        let (mut encoder, codec) = Encoder::new(name)?;
        let raw = encoder.raw();
        raw.sample_rate = rate as i32;
        raw.time_base = AVRational {
            num: 1,
            den: rate as i32,
        };
        raw.sample_fmt = if name == "flac" {
            AVSampleFormat::S16
        } else {
            AVSampleFormat::FLTP
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

/// A sample in [-1, 1] as 16 bits, rounded to nearest, as libswresample does.
pub fn to_i16(sample: f32) -> i16 {
    (sample * 32_768.0)
        .round_ties_even()
        .clamp(-32_768.0, 32_767.0) as i16
}
