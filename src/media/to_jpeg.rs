//! Planes of any matrix and range to BT.601 full range, as JPEG means them.
//!
//! The arithmetic fits 16 bits, so that eight samples go through one instruction on any x86-64 or
//! ARM: a sample with 7 fraction bits times a factor with 13, of which the high half is kept, is a
//! level with 4 fraction bits. It is off by less than 3/16 of a level before it is rounded. The
//! factors are constants of each kind of source: only then does the compiler see that they are
//! narrow.

use super::color::{ColorInfo, Matrix};
use super::picture::Yuv;

/// Converts a picture in place.
pub(super) fn convert_to_jpeg(picture: &mut Yuv, from: ColorInfo) {
    const FCC: u8 = Matrix::Fcc as u8;
    const BT601: u8 = Matrix::Bt601 as u8;
    const BT709: u8 = Matrix::Bt709 as u8;
    const BT2020: u8 = Matrix::Bt2020 as u8;
    const SMPTE240: u8 = Matrix::Smpte240 as u8;
    match (from.matrix, from.full_range) {
        (Matrix::Bt601, true) => {}
        (Matrix::Bt601, false) => Kind::<BT601, false>::stretch(picture),
        (Matrix::Bt709, true) => Kind::<BT709, true>::convert(picture),
        (Matrix::Bt709, false) => Kind::<BT709, false>::convert(picture),
        (Matrix::Fcc, true) => Kind::<FCC, true>::convert(picture),
        (Matrix::Fcc, false) => Kind::<FCC, false>::convert(picture),
        (Matrix::Smpte240, true) => Kind::<SMPTE240, true>::convert(picture),
        (Matrix::Smpte240, false) => Kind::<SMPTE240, false>::convert(picture),
        (Matrix::Bt2020, true) => Kind::<BT2020, true>::convert(picture),
        (Matrix::Bt2020, false) => Kind::<BT2020, false>::convert(picture),
    }
}

/// A kind of source: its matrix and whether its range is full.
struct Kind<const MATRIX: u8, const FULL: bool>;

impl<const MATRIX: u8, const FULL: bool> Kind<MATRIX, FULL> {
    /// Row-major, from (Y - offset, Cb - 128, Cr - 128), with 13 fraction bits.
    const M: [[i16; 3]; 3] = fixed(to_jpeg(Matrix::ALL[MATRIX as usize], FULL));
    const OFFSET: i16 = if FULL { 0 } else { 16 };

    /// Where the matrix is that of JPEG: each plane for itself.
    fn stretch(picture: &mut Yuv) {
        let (width, height) = (picture.width as usize, picture.height as usize);
        let [y, u, v] = &mut picture.planes;
        for row in y.rows_mut(height) {
            for y in &mut row[..width] {
                *y = nearest(times(i16::from(*y) - Self::OFFSET, Self::M[0][0]));
            }
        }
        for plane in [u, v] {
            for row in plane.rows_mut(height.div_ceil(2)) {
                for c in row {
                    *c = nearest(times(i16::from(*c) - 128, Self::M[1][1]) + (128 << 4));
                }
            }
        }
    }

    fn convert(picture: &mut Yuv) {
        let (width, height) = (picture.width as usize, picture.height as usize);
        let [y, u, v] = &mut picture.planes;
        // One correction for each luma sample: a chroma sample serves two in a row, in two rows.
        let mut correction = vec![0_i16; width.next_multiple_of(2)];
        let mut luma_rows = y.rows_mut(height);
        for (us, vs) in u
            .rows_mut(height.div_ceil(2))
            .zip(v.rows_mut(height.div_ceil(2)))
        {
            Self::chroma(us, vs, &mut correction);
            for row in luma_rows.by_ref().take(2) {
                for (y, c) in row[..width].iter_mut().zip(&correction) {
                    *y = level(times(i16::from(*y) - Self::OFFSET, Self::M[0][0]) + c);
                }
            }
        }
    }

    fn chroma(us: &mut [u8], vs: &mut [u8], correction: &mut [i16]) {
        let (pairs, _) = correction.as_chunks_mut::<2>();
        for ((u, v), c) in us.iter_mut().zip(vs).zip(pairs) {
            let (cb, cr) = (i16::from(*u) - 128, i16::from(*v) - 128);
            *c = [times(cb, Self::M[0][1]) + times(cr, Self::M[0][2]); 2];
            let to_cb = times(cb, Self::M[1][1]) + times(cr, Self::M[1][2]);
            let to_cr = times(cb, Self::M[2][1]) + times(cr, Self::M[2][2]);
            *u = level(to_cb + (128 << 4));
            *v = level(to_cr + (128 << 4));
        }
    }
}

/// `sample` (-256 to 255) times `factor`, with 4 fraction bits, rounded down.
#[inline(always)]
fn times(sample: i16, factor: i16) -> i16 {
    ((i32::from(sample << 7) * i32::from(factor)) >> 16) as i16
}

/// One product as a sample: what was rounded down before makes no difference.
#[inline(always)]
fn nearest(sixteenths: i16) -> u8 {
    ((sixteenths + 8) >> 4).clamp(0, 255) as u8
}

/// A sum of products as a sample. One sixteenth besides the half makes up for what rounding each of
/// them down loses on average.
#[inline(always)]
fn level(sixteenths: i16) -> u8 {
    ((sixteenths + 9) >> 4).clamp(0, 255) as u8
}

/// With 13 fraction bits; every factor is below 4 in magnitude.
const fn fixed(m: [[f64; 3]; 3]) -> [[i16; 3]; 3] {
    let mut out = [[0; 3]; 3];
    let mut i = 0;
    while i < 9 {
        let scaled = m[i / 3][i % 3] * 8192.0;
        let half = if scaled < 0.0 { -0.5 } else { 0.5 };
        out[i / 3][i % 3] = (scaled + half) as i16;
        i += 1;
    }
    out
}

/// Row-major 3x3 from (Y - offset, Cb - 128, Cr - 128) of the source to those of BT.601 full range.
const fn to_jpeg(matrix: Matrix, full: bool) -> [[f64; 3]; 3] {
    let (kr, kb) = matrix.coefficients();
    let kg = 1.0 - kr - kb;
    let (ys, cs) = if full {
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
    let g = 1.0 - r - b;
    let weights = [
        [r, g, b],
        [-r / (2.0 * (1.0 - b)), -g / (2.0 * (1.0 - b)), 0.5],
        [0.5, -g / (2.0 * (1.0 - r)), -b / (2.0 * (1.0 - r))],
    ];
    let mut out = [[0.0; 3]; 3];
    let mut i = 0;
    while i < 9 {
        let (row, column) = (i / 3, i % 3);
        let w = weights[row];
        out[row][column] = w[0] * rgb[0][column] + w[1] * rgb[1][column] + w[2] * rgb[2][column];
        i += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kind of source, against the definition in floating point.
    #[test]
    fn samples_are_within_a_level_of_the_definition() {
        for matrix in Matrix::ALL {
            for full_range in [false, true] {
                let m = to_jpeg(matrix, full_range);
                let from = ColorInfo {
                    matrix,
                    full_range,
                    high_dynamic_range: false,
                };
                let mut worst: f64 = 0.0;
                for seed in 0..4096_u32 {
                    // Colours from a grid that is a little off the round numbers.
                    let [y, u, v] = [seed & 15, seed >> 4 & 15, seed >> 8].map(|n| (n * 17) as u8);
                    let mut picture = Yuv::default();
                    picture.resize(2, 2);
                    for (plane, value) in picture.planes.iter_mut().zip([y, u, v]) {
                        plane.rows_mut(2).for_each(|row| row.fill(value));
                    }
                    convert_to_jpeg(&mut picture, from);
                    let offset = if full_range { 0.0 } else { 16.0 };
                    let x = [
                        f64::from(y) - offset,
                        f64::from(u) - 128.0,
                        f64::from(v) - 128.0,
                    ];
                    for (k, plane) in picture.planes().iter().enumerate() {
                        let sum: f64 = (0..3).map(|c| m[k][c] * x[c]).sum();
                        let base = if k == 0 { 0.0 } else { 128.0 };
                        let exact = (sum + base).clamp(0.0, 255.0);
                        worst = worst.max((f64::from(plane.row(0)[0]) - exact).abs());
                    }
                }
                // Without a matrix there is one product, which is rounded to nearest.
                let most = if matrix == Matrix::Bt601 { 0.51 } else { 0.75 };
                assert!(worst < most, "{matrix:?} {full_range}: off by {worst}");
            }
        }
    }
}
