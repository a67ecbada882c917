//! Black and frozen pictures.

use std::io::Cursor;

use image::{ImageReader, Limits};

/// Side in pixels of what is compared.
pub(super) const SIDE: usize = 64;

/// Brightness of a picture on a grid of [`SIDE`] x [`SIDE`] points.
pub(super) type Luma = Vec<u8>;

/// What a run of pictures looks like.
#[derive(Debug, Default)]
pub(super) struct Looks {
    pictures: u64,
    bright: bool,
    moves: bool,
    last: Luma,
}

impl Looks {
    pub(super) fn add(&mut self, luma: Luma) {
        let sum: u64 = luma.iter().map(|v| u64::from(*v)).sum();
        // Video's black is 16; noise and a logo do not count.
        let bright = luma.iter().filter(|v| **v > 40).count();
        self.bright |= sum > 24 * luma.len() as u64 || bright * 100 > luma.len();
        let apart = |(a, b): (&u8, &u8)| u64::from(a.abs_diff(*b));
        let apart: u64 = self.last.iter().zip(&luma).map(apart).sum();
        self.moves |= self.pictures > 0 && apart * 2 > luma.len() as u64;
        self.pictures += 1;
        self.last = luma;
    }
    pub(super) fn is_black(&self) -> bool {
        self.pictures > 0 && !self.bright
    }
    /// Whether three pictures or more show the same.
    pub(super) fn is_frozen(&self) -> bool {
        self.pictures > 2 && !self.moves
    }
}

/// Whether a whole picture decodes.
pub(crate) fn decodes(bytes: &[u8]) -> Result<(), String> {
    luma(bytes).map(|_| ())
}

/// Decodes a whole picture and gives its brightness.
pub(super) fn luma(bytes: &[u8]) -> Result<Luma, String> {
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|e| e.to_string())?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(2 << 30);
    reader.limits(limits);
    let picture = reader.decode().map_err(|e| e.to_string())?.into_luma8();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let pixels = picture.as_raw();
    let grid = (0..SIDE * SIDE).map(|i| {
        let (x, y) = (i % SIDE * width / SIDE, i / SIDE * height / SIDE);
        pixels.get(y * width + x).copied().unwrap_or(0)
    });
    Ok(grid.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(values: &[u8]) -> Looks {
        let mut looks = Looks::default();
        for value in values {
            looks.add(vec![*value; SIDE * SIDE]);
        }
        looks
    }

    #[test]
    fn black_and_frozen_are_told_from_dark_and_slow() {
        assert!(looks(&[0, 16, 17]).is_black());
        assert!(!looks(&[0, 16, 90]).is_black());
        assert!(looks(&[90, 90, 90]).is_frozen());
        assert!(!looks(&[90, 92, 90]).is_frozen());
        assert!(!looks(&[90, 90]).is_frozen(), "two pictures say little");
    }
}
