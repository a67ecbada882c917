//! [`VideoEncoder`]: pictures into H.264, HEVC, AV1 or VP9, with one thread, so that bytes repeat.

use ffmpeg_the_third as ffmpeg;
use ffmpeg_the_third::ffi::{self, AVPixelFormat, AVRational};

use super::av::Result;
use super::codec::VideoCodec;
use super::color::{ColorInfo, Matrix};
use super::encode::{Encoder, fill};
use super::mux::Muxer;
use super::picture::Yuv;

/// How a video is encoded.
#[derive(Debug, Clone, Copy)]
pub struct Coding<'a> {
    /// The codec.
    pub codec: VideoCodec,
    /// Constant rate factor, 0 to [`VideoCodec::max_crf`].
    pub crf: u8,
    /// Name of one of x264's presets; for other codecs that which is about as slow.
    pub preset: &'a str,
    /// Largest distance of key frames, in frames; 250 without.
    pub gop: Option<u32>,
}

/// Encodes planes, keeping the source's range and matrix as tags.
pub struct VideoEncoder {
    encoder: Encoder,
    frame: ffmpeg::frame::Video,
}

impl VideoEncoder {
    /// For pictures of `size` (even sides), with times in ticks of `base` seconds, about `fps` of
    /// them a second (0 where unknown).
    pub fn new(
        size: (u32, u32),
        base: (i64, i64),
        fps: f64,
        color: ColorInfo,
        coding: Coding<'_>,
        muxer: &mut Muxer,
    ) -> Result<Self> {
        let (mut encoder, codec) = Encoder::new(coding.codec.encoder())?;
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
        let gop = i32::try_from(coding.gop.unwrap_or(250)).unwrap_or(i32::MAX);
        raw.gop_size = gop;
        tag(raw, color);
        encoder.set("crf", &coding.crf.to_string())?;
        configure(&mut encoder, coding, gop, fps)?;
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

/// Says what the colours mean.
fn tag(raw: &mut ffi::AVCodecContext, color: ColorInfo) {
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
}

/// The encoder's own options: its speed, and nothing that depends on the machine.
fn configure(encoder: &mut Encoder, coding: Coding<'_>, gop: i32, fps: f64) -> Result<()> {
    match coding.codec {
        VideoCodec::H264 => {
            encoder.set("preset", coding.preset)?;
            match reads_stray_memory() {
                true => encoder.set("x264-params", "asm=AVX2,FMA3,BMI2"),
                false => Ok(()),
            }
        }
        VideoCodec::Hevc => {
            encoder.set("preset", coding.preset)?;
            // It would write to standard error, its settings into the stream, and use all cores. A
            // key frame is where decoding can begin: no open groups.
            let mut own = format!(
                "log-level=none:info=0:pools=none:frame-threads=1:wpp=0:open-gop=0:keyint={gop}:min-keyint=1"
            );
            if fps > 0.0 {
                own.push_str(&format!(":fps={}/1000", (fps * 1000.0).round()));
            }
            encoder.set("x265-params", &own)
        }
        VideoCodec::Av1 => {
            // Bits are what the quality takes.
            encoder.raw().bit_rate = 0;
            encoder.set("row-mt", "0")?;
            encoder.set("cpu-used", speed(coding.preset, 8))
        }
        VideoCodec::Vp9 => {
            encoder.raw().bit_rate = 0;
            encoder.set("deadline", "good")?;
            encoder.set("row-mt", "0")?;
            encoder.set("cpu-used", speed(coding.preset, 5))
        }
    }
}

/// The speed of AOM's and VPX's encoders, `most` at most, that stands for a preset of x264.
fn speed(preset: &str, most: usize) -> &'static str {
    const SPEEDS: [&str; 9] = ["0", "1", "2", "3", "4", "5", "6", "7", "8"];
    let speed = match preset {
        "ultrafast" => 8,
        "superfast" => 7,
        "veryfast" => 6,
        "faster" => 5,
        "fast" => 5,
        "medium" => 4,
        "slow" => 3,
        "slower" => 2,
        _ => 1,
    };
    SPEEDS.get(speed.min(most)).copied().unwrap_or("4")
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
