//! Pictures in memory of our own: [`Yuv`] planes and [`Rgb`] pixels, and turning them upright.

use super::track::Rotation;

/// Rows start at multiples of this, as libswscale's vector code likes it.
const ALIGN: usize = 64;

/// One plane of 8-bit samples.
#[derive(Debug, Clone, Default)]
pub struct Plane {
    pub(super) data: Vec<u8>,
    pub(super) stride: usize,
}

impl Plane {
    fn resize(&mut self, width: usize, height: usize) {
        self.stride = width.next_multiple_of(ALIGN);
        // One row more than needed: vector code may write past the end of the last row.
        self.data.resize(self.stride * (height + 1), 0);
    }

    pub(super) fn rows_mut(&mut self, count: usize) -> impl Iterator<Item = &mut [u8]> {
        self.data.chunks_exact_mut(self.stride.max(1)).take(count)
    }

    /// The samples of row `y`, padding included.
    pub fn row(&self, y: usize) -> &[u8] {
        &self.data[y * self.stride..(y + 1) * self.stride]
    }
    /// Bytes from one row to the next.
    pub fn stride(&self) -> usize {
        self.stride
    }
    /// All rows, one after the other.
    pub fn data(&self) -> &[u8] {
        &self.data
    }
}

/// A picture of 8-bit Y, Cb, Cr planes, chroma at half size both ways (4:2:0), rounded up.
///
/// Buffers are kept when the picture is resized, so one picture serves a whole clip.
#[derive(Debug, Clone, Default)]
pub struct Yuv {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    pub(super) planes: [Plane; 3],
}

impl Yuv {
    /// Makes room for `width` x `height`; the content is undefined after.
    pub(super) fn resize(&mut self, width: u32, height: u32) {
        let (w, h) = (width as usize, height as usize);
        (self.width, self.height) = (width, height);
        self.planes[0].resize(w.next_multiple_of(2), h.next_multiple_of(2));
        self.planes[1].resize(w.div_ceil(2), h.div_ceil(2));
        self.planes[2].resize(w.div_ceil(2), h.div_ceil(2));
    }

    /// The Y, Cb and Cr planes.
    pub fn planes(&self) -> &[Plane; 3] {
        &self.planes
    }

    /// Copies the last column and row of luma outwards to even sizes, which JPEG's 4:2:0 blocks
    /// reach into.
    pub(super) fn pad_to_even(&mut self) {
        let (width, height) = (self.width as usize, self.height as usize);
        let luma = &mut self.planes[0];
        if width % 2 == 1 {
            luma.rows_mut(height)
                .for_each(|row| row[width] = row[width - 1]);
        }
        if height % 2 == 1 {
            let last = (height - 1) * luma.stride;
            luma.data
                .copy_within(last..last + luma.stride, last + luma.stride);
        }
    }

    /// Turns the picture upright, into `out`.
    pub(super) fn turned_into(&self, rotation: Rotation, out: &mut Yuv) {
        let (w, h) = (self.width, self.height);
        let (ow, oh) = if rotation.swaps() { (h, w) } else { (w, h) };
        out.resize(ow, oh);
        for (i, (from, to)) in self.planes.iter().zip(&mut out.planes).enumerate() {
            let half = |n: u32| {
                if i == 0 {
                    n as usize
                } else {
                    n.div_ceil(2) as usize
                }
            };
            turn::<1>((&from.data, from.stride), (half(w), half(h)), rotation, to);
        }
    }
}

/// A picture of 8-bit R, G, B pixels without padding.
#[derive(Debug, Clone, Default)]
pub struct Rgb {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    pub(super) plane: Plane,
}

impl Rgb {
    pub(super) fn resize(&mut self, width: u32, height: u32) {
        (self.width, self.height) = (width, height);
        self.plane.resize(width as usize * 3, height as usize);
    }

    pub(super) fn turned_into(&self, rotation: Rotation, out: &mut Rgb) {
        let (w, h) = (self.width as usize, self.height as usize);
        let (ow, oh) = if rotation.swaps() {
            (self.height, self.width)
        } else {
            (self.width, self.height)
        };
        out.resize(ow, oh);
        turn::<3>(
            (&self.plane.data, self.plane.stride),
            (w, h),
            rotation,
            &mut out.plane,
        );
    }

    /// The pixels row by row, three bytes each, without padding.
    pub fn packed(&self) -> Vec<u8> {
        let row = self.width as usize * 3;
        (0..self.height as usize)
            .flat_map(|y| self.plane.row(y)[..row].iter().copied())
            .collect()
    }
}

/// Mirrors and turns `size` samples of `N` bytes each.
fn turn<const N: usize>(
    (from, stride): (&[u8], usize),
    (w, h): (usize, usize),
    rotation: Rotation,
    to: &mut Plane,
) {
    let (ow, oh) = if rotation.swaps() { (h, w) } else { (w, h) };
    for (oy, row) in to.rows_mut(oh).enumerate() {
        for (ox, cell) in row.chunks_exact_mut(N).take(ow).enumerate() {
            let (mut x, y) = match rotation.turns {
                0 => (ox, oy),
                1 => (oy, h - 1 - ox),
                2 => (w - 1 - ox, h - 1 - oy),
                _ => (w - 1 - oy, ox),
            };
            if rotation.mirror {
                x = w - 1 - x;
            }
            let at = y * stride + x * N;
            cell.copy_from_slice(&from[at..at + N]);
        }
    }
}
