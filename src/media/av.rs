//! Errors, set-up and versions of libav.

use std::ffi::{CStr, CString};
use std::sync::Once;

use ffmpeg_the_third as ffmpeg;
use ffmpeg_the_third::ffi;

/// Result of a media operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What libav, or a limit of ours, said.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A libav call failed.
    #[error("{what}: {error}", error = av_text(error))]
    Av {
        /// What was being done.
        what: &'static str,
        /// libav's error. Part of the message, so not chained.
        error: ffmpeg::Error,
    },
    /// The media is well formed but not of a kind that is read or written here.
    #[error("{0}")]
    Unsupported(String),
    /// The media asks for more than a limit.
    #[error("{0}")]
    Limit(String),
    /// No memory, or a context that could not be made.
    #[error("libav could not make {0}")]
    Alloc(&'static str),
    /// The picture encoder failed.
    #[error("cannot encode a picture: {0}")]
    Image(String),
}

impl Error {
    /// Whether an encoder failed, not what was decoded.
    pub fn is_encoding(&self) -> bool {
        match self {
            Self::Av { what, .. } => what.contains("encode"),
            Self::Image(_) => true,
            _ => false,
        }
    }
}

/// The system's number for a failed read.
const EIO: i32 = 5;

fn av_text(e: &ffmpeg::Error) -> String {
    match e {
        // What libav says of any end of the data where it expects more.
        ffmpeg::Error::Other { errno: EIO } => "the data ends early or cannot be read".to_owned(),
        ffmpeg::Error::Other { errno } => std::io::Error::from_raw_os_error(*errno).to_string(),
        e => e.to_string(),
    }
}

/// Turns libav's return code into a result.
pub(super) fn check(what: &'static str, code: i32) -> Result<i32> {
    if code < 0 {
        Err(Error::Av {
            what,
            error: ffmpeg::Error::from(code),
        })
    } else {
        Ok(code)
    }
}

/// For `map_err` on calls of the safe wrapper.
pub(super) fn av(what: &'static str) -> impl FnOnce(ffmpeg::Error) -> Error {
    move |error| Error::Av { what, error }
}

/// Silences libav's own log, once: what matters comes back as errors and counts.
pub(super) fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| ffmpeg::log::set_level(ffmpeg::log::Level::Quiet));
}

/// Versions of the libraries in use, as `major.minor.micro`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Versions {
    /// The FFmpeg release or build, such as `5.1.9`.
    pub ffmpeg: String,
    /// libavcodec.
    pub avcodec: String,
    /// libavformat.
    pub avformat: String,
    /// libswscale.
    pub swscale: String,
    /// libswresample.
    pub swresample: String,
}

/// Versions of the libraries that this process runs with.
pub fn versions() -> Versions {
    // SAFETY: these functions take nothing and read constants; the text is static.
    unsafe {
        Versions {
            ffmpeg: CStr::from_ptr(ffi::av_version_info())
                .to_string_lossy()
                .into_owned(),
            avcodec: dotted(ffi::avcodec_version()),
            avformat: dotted(ffi::avformat_version()),
            swscale: dotted(ffi::swscale_version()),
            swresample: dotted(ffi::swresample_version()),
        }
    }
}

fn dotted(v: u32) -> String {
    format!("{}.{}.{}", v >> 16, (v >> 8) & 0xff, v & 0xff)
}

/// Whether this libav has a decoder of that name (`h264`, `libdav1d`).
pub fn has_decoder(name: &str) -> bool {
    let Ok(name) = CString::new(name) else {
        return false;
    };
    // SAFETY: a lookup by a NUL-terminated name.
    unsafe { !ffi::avcodec_find_decoder_by_name(name.as_ptr()).is_null() }
}

/// Whether this libav has an encoder of that name (`libx264`, `aac`, `flac`, `libwebp`).
pub fn has_encoder(name: &str) -> bool {
    let Ok(name) = CString::new(name) else {
        return false;
    };
    // SAFETY: a lookup by a NUL-terminated name.
    unsafe { !ffi::avcodec_find_encoder_by_name(name.as_ptr()).is_null() }
}
