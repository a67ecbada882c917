//! Black and frozen pictures.

use std::fs::File;
use std::io::Cursor;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use image::{ImageReader, Limits};
use serde::{Deserialize, Serialize};

use crate::pulse;
use crate::source::Problem;
use crate::worker::Task;

/// Side in pixels of what is compared.
pub(super) const SIDE: usize = 64;

/// Brightness of a picture on a grid of [`SIDE`] x [`SIDE`] points.
pub(super) type Luma = Vec<u8>;

/// What a run of pictures looks like.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Looks {
    pictures: u64,
    bright: bool,
    moves: bool,
    first: Luma,
    last: Luma,
}

impl Looks {
    pub(super) fn add(&mut self, luma: Luma) {
        let sum: u64 = luma.iter().map(|v| u64::from(*v)).sum();
        // Video's black is 16; noise and a logo do not count.
        let bright = luma.iter().filter(|v| **v > 40).count();
        self.bright |= sum > 24 * luma.len() as u64 || bright * 100 > luma.len();
        match self.pictures {
            0 => self.first.clone_from(&luma),
            _ => self.moves |= moved(&self.last, &luma),
        }
        self.pictures += 1;
        self.last = luma;
    }
    /// Adds what comes next.
    pub(super) fn join(&mut self, next: Looks) {
        if self.pictures == 0 || next.pictures == 0 {
            if next.pictures > 0 {
                *self = next;
            }
            return;
        }
        self.bright |= next.bright;
        self.moves |= next.moves || moved(&self.last, &next.first);
        self.pictures = self.pictures.saturating_add(next.pictures);
        self.last = next.last;
    }
    pub(super) fn pictures(&self) -> u64 {
        self.pictures
    }
    pub(super) fn is_black(&self) -> bool {
        self.pictures > 0 && !self.bright
    }
    /// Whether three pictures or more show the same.
    pub(super) fn is_frozen(&self) -> bool {
        self.pictures > 2 && !self.moves
    }
}

/// Whether the second picture shows something else.
fn moved(one: &Luma, two: &Luma) -> bool {
    let apart = |(a, b): (&u8, &u8)| u64::from(a.abs_diff(*b));
    let apart: u64 = one.iter().zip(two).map(apart).sum();
    apart * 2 > two.len() as u64
}

/// Decodes pictures that lie one behind the other in a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Glance {
    /// Of each its length in bytes, and whether it is a frame.
    pub(crate) pictures: Vec<(u64, bool)>,
}

/// What is seen.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Glanced {
    /// Numbers of pictures that cannot be decoded, from 0, and why.
    pub(crate) broken: Vec<(usize, String)>,
    /// Of the frames among the others.
    pub(super) looks: Looks,
}

impl Task for Glance {
    type Answer = Glanced;

    fn run(&self, file: &Arc<File>, _: &mut Vec<u8>) -> Result<Glanced, Problem> {
        let (mut glanced, mut bytes, mut at) = (Glanced::default(), Vec::new(), 0);
        for (i, (length, is_frame)) in self.pictures.iter().enumerate() {
            pulse::step();
            match read(file, at, *length, &mut bytes).and_then(|()| luma(&bytes)) {
                Ok(luma) if *is_frame => glanced.looks.add(luma),
                Ok(_) => {}
                Err(e) => glanced.broken.push((i, e)),
            }
            at = at.saturating_add(*length);
        }
        Ok(glanced)
    }
}

/// Reads one picture.
fn read(file: &File, at: u64, length: u64, into: &mut Vec<u8>) -> Result<(), String> {
    let there = file.metadata().map_or(0, |meta| meta.len());
    if at.saturating_add(length) > there {
        return Err("the file is shorter than it was".to_owned());
    }
    into.resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
    file.read_exact_at(into, at).map_err(|e| e.to_string())
}

/// Decodes a whole picture and gives its brightness.
fn luma(bytes: &[u8]) -> Result<Luma, String> {
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

    #[test]
    fn runs_that_are_joined_are_one_run() {
        let joined = |one: &[u8], two: &[u8]| {
            let mut all = looks(one);
            all.join(looks(two));
            (all.pictures(), all.is_black(), all.is_frozen())
        };
        assert_eq!(joined(&[], &[90]), (1, false, false));
        assert_eq!(joined(&[0, 16], &[]), (2, true, false));
        assert_eq!(joined(&[90], &[90, 90]), (3, false, true));
        assert_eq!(joined(&[90, 90], &[92, 92]), (4, false, false));
        assert_eq!(joined(&[0, 0], &[0, 90]), (4, false, false));
    }
}
