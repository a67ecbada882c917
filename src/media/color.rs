//! Range and matrix: from the source's YCbCr to what JPEG means, BT.601 full range.
//!
//! With `Kr`, `Kb` of the source's matrix, R'G'B' follows from YCbCr by definition (ITU-R BT.601-7,
//! BT.709-6, BT.2020-2), and YCbCr of BT.601 from R'G'B' again. Both are linear, so one 3x3 matrix
//! does both. Primaries and transfer curve stay as they are: no gamut or tone mapping.

use ffmpeg_the_third::ffi::{AVColorRange, AVColorSpace, AVColorTransferCharacteristic as Trc};

use super::frame::Frame;
use super::picture::Yuv;

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
    /// `(Kr, Kb)` of the standard.
    const fn coefficients(self) -> (f64, f64) {
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

/// Row-major 3x3 from (Y - offset, Cb - 128, Cr - 128) of the source to those of BT.601 full range.
fn to_jpeg(from: ColorInfo) -> [[f64; 3]; 3] {
    let (kr, kb) = from.matrix.coefficients();
    let kg = 1.0 - kr - kb;
    let (ys, cs) = if from.full_range {
        (1.0, 1.0)
    } else {
        (255.0 / 219.0, 255.0 / 224.0)
    };
    let rgb = [
        [ys, 0.0, 2.0 * (1.0 - kr) * cs],
        [
            ys,
            -2.0 * kb * (1.0 - kb) / kg * cs,
            -2.0 * kr * (1.0 - kr) / kg * cs,
        ],
        [ys, 2.0 * (1.0 - kb) * cs, 0.0],
    ];
    let (r, b) = Matrix::Bt601.coefficients();
    let y = [r, 1.0 - r - b, b];
    let cb = [-y[0] / (2.0 * (1.0 - b)), -y[1] / (2.0 * (1.0 - b)), 0.5];
    let cr = [0.5, -y[1] / (2.0 * (1.0 - r)), -y[2] / (2.0 * (1.0 - r))];
    let mut out = [[0.0; 3]; 3];
    for (row, weights) in out.iter_mut().zip([y, cb, cr]) {
        for (column, cell) in row.iter_mut().enumerate() {
            *cell = (0..3).map(|k| weights[k] * rgb[k][column]).sum();
        }
    }
    out
}

/// Converts a picture in place to BT.601 full range, in one pass over its planes.
pub(super) fn convert_to_jpeg(picture: &mut Yuv, from: ColorInfo) {
    if from.full_range && from.matrix == Matrix::Bt601 {
        return;
    }
    let m = to_jpeg(from);
    // Fixed point with 13 fraction bits: 219 * 1.2 * 2^13 fits 32 bits with room.
    let fixed = |x: f64| (x * 8192.0).round() as i32;
    let luma = Luma {
        scale: fixed(m[0][0]),
        offset: if from.full_range { 0 } else { 16 },
    };
    let (width, height) = (picture.width as usize, picture.height as usize);
    let [y, u, v] = &mut picture.planes;
    if from.matrix == Matrix::Bt601 {
        let scale = fixed(m[1][1]);
        y.rows_mut(height)
            .for_each(|row| luma.expand(&mut row[..width]));
        for plane in [u, v] {
            plane
                .rows_mut(height.div_ceil(2))
                .for_each(|row| expand_chroma(row, scale));
        }
        return;
    }
    let chroma = Chroma {
        luma: [fixed(m[0][1]), fixed(m[0][2])],
        cb: [fixed(m[1][1]), fixed(m[1][2])],
        cr: [fixed(m[2][1]), fixed(m[2][2])],
    };
    let mut correction = vec![0_i16; width.div_ceil(2)];
    let mut luma_rows = y.rows_mut(height);
    for (us, vs) in u
        .rows_mut(height.div_ceil(2))
        .zip(v.rows_mut(height.div_ceil(2)))
    {
        chroma.convert(us, vs, &mut correction);
        for row in luma_rows.by_ref().take(2) {
            luma.expand_corrected(&mut row[..width], &correction);
        }
    }
}

const HALF: i32 = 1 << 12;

struct Luma {
    scale: i32,
    offset: i32,
}

impl Luma {
    fn expand(&self, row: &mut [u8]) {
        for y in row {
            let wide = ((i32::from(*y) - self.offset) * self.scale + HALF) >> 13;
            *y = wide.clamp(0, 255) as u8;
        }
    }

    /// The correction is per chroma sample: it serves two luma samples in a row.
    fn expand_corrected(&self, row: &mut [u8], correction: &[i16]) {
        let mut pairs = row.chunks_exact_mut(2);
        for (pair, c) in pairs.by_ref().zip(correction) {
            for y in pair {
                *y = self.corrected(*y, *c);
            }
        }
        if let ([y], Some(c)) = (pairs.into_remainder(), correction.last()) {
            *y = self.corrected(*y, *c);
        }
    }

    fn corrected(&self, y: u8, correction: i16) -> u8 {
        let wide = ((i32::from(y) - self.offset) * self.scale + HALF) >> 13;
        (wide + i32::from(correction)).clamp(0, 255) as u8
    }
}

fn expand_chroma(row: &mut [u8], scale: i32) {
    for c in row {
        let wide = ((i32::from(*c) - 128) * scale + HALF) >> 13;
        *c = (wide + 128).clamp(0, 255) as u8;
    }
}

struct Chroma {
    luma: [i32; 2],
    cb: [i32; 2],
    cr: [i32; 2],
}

impl Chroma {
    fn convert(&self, us: &mut [u8], vs: &mut [u8], correction: &mut [i16]) {
        for ((u, v), c) in us.iter_mut().zip(vs).zip(correction) {
            let (cb, cr) = (i32::from(*u) - 128, i32::from(*v) - 128);
            let mix = |k: &[i32; 2]| (k[0] * cb + k[1] * cr + HALF) >> 13;
            *c = mix(&self.luma) as i16;
            *u = (mix(&self.cb) + 128).clamp(0, 255) as u8;
            *v = (mix(&self.cr) + 128).clamp(0, 255) as u8;
        }
    }
}
