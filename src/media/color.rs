//! Range and matrix: from the source's YCbCr to what JPEG means, BT.601 full range.
//!
//! With `Kr`, `Kb` of the source's matrix, R'G'B' follows from YCbCr by definition (ITU-R BT.601-7,
//! BT.709-6, BT.2020-2), and YCbCr of BT.601 from R'G'B' again. Both are linear, so one 3x3 matrix
//! does both. Primaries and transfer curve stay as they are: no gamut or tone mapping.

use ffmpeg_the_third::ffi::{AVColorRange, AVColorSpace, AVColorTransferCharacteristic as Trc};

use super::frame::Frame;

/// The coefficients that a source's YCbCr was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matrix {
    /// ITU-R BT.601 (and untagged sources).
    Bt601,
    /// ITU-R BT.709.
    Bt709,
    /// FCC 1953.
    Fcc,
    /// SMPTE 240M.
    Smpte240,
    /// ITU-R BT.2020, non-constant luminance.
    Bt2020,
}

/// How the samples of a picture are to be read as colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColorInfo {
    /// Matrix coefficients.
    pub matrix: Matrix,
    /// Whether luma runs from 0 to 255 instead of 16 to 235.
    pub full_range: bool,
    /// Whether the transfer curve is one of high dynamic range (PQ or HLG).
    pub high_dynamic_range: bool,
}

impl Matrix {
    /// All, in the order of their numbers.
    pub(super) const ALL: [Self; 5] = [
        Self::Bt601,
        Self::Bt709,
        Self::Fcc,
        Self::Smpte240,
        Self::Bt2020,
    ];

    /// `(Kr, Kb)` of the standard.
    pub(super) const fn coefficients(self) -> (f64, f64) {
        match self {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
            Matrix::Fcc => (0.30, 0.11),
            Matrix::Smpte240 => (0.212, 0.087),
            Matrix::Bt2020 => (0.2627, 0.0593),
        }
    }
    /// libswscale's number for it (`SWS_CS_*`).
    pub(super) const fn sws(self) -> i32 {
        match self {
            Matrix::Bt601 => 5,
            Matrix::Bt709 => 1,
            Matrix::Fcc => 4,
            Matrix::Smpte240 => 7,
            Matrix::Bt2020 => 9,
        }
    }
}

impl ColorInfo {
    /// What JPEG (JFIF) means.
    pub const JPEG: ColorInfo = ColorInfo {
        matrix: Matrix::Bt601,
        full_range: true,
        high_dynamic_range: false,
    };

    /// What a decoded frame is tagged with; untagged is BT.601 limited.
    pub fn of(frame: &Frame) -> Self {
        let raw = frame.raw();
        let matrix = match raw.colorspace {
            AVColorSpace::BT709 => Matrix::Bt709,
            AVColorSpace::FCC => Matrix::Fcc,
            AVColorSpace::SMPTE240M => Matrix::Smpte240,
            AVColorSpace::BT2020_NCL | AVColorSpace::BT2020_CL => Matrix::Bt2020,
            _ => Matrix::Bt601,
        };
        let full_range = raw.color_range == AVColorRange::JPEG || is_jpeg_format(raw.format);
        let high_dynamic_range =
            raw.color_trc == Trc::SMPTE2084 || raw.color_trc == Trc::ARIB_STD_B67;
        Self {
            matrix,
            full_range,
            high_dynamic_range,
        }
    }
}

/// The old `yuvj*` pixel formats, which mean full range.
pub(super) fn is_jpeg_format(format: i32) -> bool {
    use ffmpeg_the_third::ffi::AVPixelFormat as P;
    [
        P::YUVJ420P,
        P::YUVJ422P,
        P::YUVJ444P,
        P::YUVJ440P,
        P::YUVJ411P,
    ]
    .iter()
    .any(|p| p.0 == format)
}
