//! [`Recipe`]: what one sample holds. Plain data.

use serde::{Deserialize, Serialize};

use crate::media::{Coding, VideoCodec};

/// What one sample holds. Stored in `dataset.json`, so that a run can be repeated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// The clip's video blob.
    pub video: VideoRecipe,
    /// How a video blob is cut to the clip's time range.
    pub trim: Trim,
    /// Decoded pictures; `None` for no frames.
    pub frames: Option<FrameRecipe>,
    /// Size of decoded pictures and of a re-encoded video.
    pub size: Size,
    /// Whether `size` may enlarge.
    pub upscale: bool,
    /// Sound blob; `None` for no sound.
    pub audio: Option<AudioRecipe>,
    /// Whether decoded sound is also wanted as an `npy` blob of f32 (schemas `dmvr`, `sound`).
    pub waveform: bool,
    /// Which frames an encoded video has.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pace: Pace,
    /// The sound of an encoded video.
    #[serde(default, skip_serializing_if = "is_default")]
    pub video_sound: VideoSound,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Which frames an encoded video has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// Those of the source, at their times.
    #[default]
    Source,
    /// `num / den` a second, chosen as [`FrameChoice::Rate`] does; at least one.
    Rate {
        /// Numerator, at least 1.
        num: u32,
        /// Denominator, at least 1.
        den: u32,
    },
    /// Those of the source that do not repeat the one before, at their times; the last stays too,
    /// and one each second.
    Distinct,
}

/// The sound of an encoded video.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VideoSound {
    /// Encoded anew, as the container wants it: AAC in mp4, Opus in WebM.
    #[default]
    Encode,
    /// The source's own packets where the container takes them; else encoded, and the row says so.
    Copy,
    /// No sound.
    None,
}

/// The video blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "codec")]
pub enum VideoRecipe {
    /// No video blob.
    None,
    /// The source's own packets.
    Copy,
    /// H.264 by x264, one thread, so that bytes repeat.
    H264 {
        /// Constant rate factor, 0 (lossless) to 51. Default 23.
        crf: u8,
        /// x264 preset. Default `medium`.
        preset: Preset,
        /// Largest distance of key frames in frames; `None` is x264's default of 250.
        gop: Option<u32>,
    },
    /// HEVC by x265, likewise. Default crf 28.
    Hevc {
        /// Constant rate factor, 0 to 51.
        crf: u8,
        /// x265 preset.
        preset: Preset,
        /// Largest distance of key frames in frames; `None` is 250.
        gop: Option<u32>,
    },
    /// AV1 by libaom, likewise. Default crf 32.
    Av1 {
        /// Constant quality, 0 to 63.
        crf: u8,
        /// The preset of x264 that is about as slow.
        preset: Preset,
        /// Largest distance of key frames in frames; `None` is 250.
        gop: Option<u32>,
    },
    /// VP9 by libvpx, in WebM, likewise. Default crf 31.
    Vp9 {
        /// Constant quality, 0 to 63.
        crf: u8,
        /// The preset of x264 that is about as slow.
        preset: Preset,
        /// Largest distance of key frames in frames; `None` is 250.
        gop: Option<u32>,
    },
}

impl VideoRecipe {
    /// Encodes with `codec`.
    pub const fn encoded(codec: VideoCodec, crf: u8, preset: Preset, gop: Option<u32>) -> Self {
        match codec {
            VideoCodec::H264 => Self::H264 { crf, preset, gop },
            VideoCodec::Hevc => Self::Hevc { crf, preset, gop },
            VideoCodec::Av1 => Self::Av1 { crf, preset, gop },
            VideoCodec::Vp9 => Self::Vp9 { crf, preset, gop },
        }
    }

    /// How the video is encoded; `None` where it is copied, or not wanted.
    pub const fn coding(&self) -> Option<Coding<'static>> {
        let (codec, crf, preset, gop) = match *self {
            Self::None | Self::Copy => return None,
            Self::H264 { crf, preset, gop } => (VideoCodec::H264, crf, preset, gop),
            Self::Hevc { crf, preset, gop } => (VideoCodec::Hevc, crf, preset, gop),
            Self::Av1 { crf, preset, gop } => (VideoCodec::Av1, crf, preset, gop),
            Self::Vp9 { crf, preset, gop } => (VideoCodec::Vp9, crf, preset, gop),
        };
        let preset = preset.name();
        Some(Coding {
            codec,
            crf,
            preset,
            gop,
        })
    }
}

/// x264's presets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "x264's own names")]
pub enum Preset {
    Ultrafast,
    Superfast,
    Veryfast,
    Faster,
    Fast,
    #[default]
    Medium,
    Slow,
    Slower,
    Veryslow,
}

impl Preset {
    /// x264's own name.
    pub const fn name(self) -> &'static str {
        match self {
            Preset::Ultrafast => "ultrafast",
            Preset::Superfast => "superfast",
            Preset::Veryfast => "veryfast",
            Preset::Faster => "faster",
            Preset::Fast => "fast",
            Preset::Medium => "medium",
            Preset::Slow => "slow",
            Preset::Slower => "slower",
            Preset::Veryslow => "veryslow",
        }
    }
}

/// How a video blob is cut to the clip's time range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trim {
    /// Decode and re-encode: first frame at or after the start, last before the end.
    #[default]
    Exact,
    /// As exact, but only the groups of pictures that the edges cut are encoded, where the source
    /// allows it (H.264 of the usual kind); else all of it, and its row says why.
    Smart,
    /// Whole packets from the key frame at or before the start; the achieved times are recorded.
    Copy,
    /// Not at all: the whole source.
    None,
}

/// Which frames become pictures, and how they are coded.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FrameRecipe {
    /// Which frames.
    pub choice: FrameChoice,
    /// Picture coding.
    pub image: ImageCodec,
    /// 1 to 100 for JPEG and WebP; PNG is lossless.
    pub quality: u8,
}

/// Which frames of a clip are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FrameChoice {
    /// Every decoded frame.
    All,
    /// `num / den` frames per second: the picture shown at `start + k * den / num` for
    /// `k = 0 .. round(duration * num / den) - 1`.
    Rate {
        /// Numerator, at least 1.
        num: u32,
        /// Denominator, at least 1.
        den: u32,
    },
    /// The pictures shown at the centres of this many equal parts.
    Count(u32),
    /// Key frames only.
    Keyframes,
}

/// Picture coding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the codecs' own names")]
pub enum ImageCodec {
    #[default]
    Jpeg,
    Png,
    Webp,
}

impl ImageCodec {
    /// Extension of the files.
    pub const fn extension(self) -> &'static str {
        match self {
            ImageCodec::Jpeg => "jpg",
            ImageCodec::Png => "png",
            ImageCodec::Webp => "webp",
        }
    }
}

/// Size of pictures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Size {
    /// As in the source.
    #[default]
    Source,
    /// The shorter side gets this length, the other keeps the ratio.
    ShortSide(u32),
    /// Exactly this, whatever the ratio.
    Exact {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
}

/// The sound blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioRecipe {
    /// Coding of the sound.
    pub codec: AudioCodec,
    /// Sample rate in Hz; `None` keeps the source's.
    pub sample_rate: Option<u32>,
    /// 1 or 2; `None` keeps the source's.
    pub channels: Option<u32>,
    /// What a clip without sound becomes.
    pub no_audio: NoAudio,
}

/// Coding of a sound blob.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AudioCodec {
    /// The source's own packets in a container of their kind.
    Copy,
    /// 16-bit PCM in WAV.
    #[default]
    Wav,
    /// 16-bit FLAC.
    Flac,
    /// 32-bit float in NumPy's `.npy`, shape `(n,)` or `(n, channels)`, in [-1, 1].
    F32,
}

/// What a clip without sound becomes where sound is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoAudio {
    /// A sample with `has_audio: false`.
    #[default]
    Keep,
    /// A `skipped` row.
    Skip,
    /// Silence of the clip's length.
    Silence,
}
