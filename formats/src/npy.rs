//! NumPy `.npy` arrays of 32-bit floats: decoded sound.
//!
//! ```text
//! 0   6   93 "NUMPY"
//! 6   2   version: 1.0, 2.0 or 3.0
//! 8   2   length of the header text (4 bytes from version 2.0 on), little-endian
//!     n   {'descr': '<f4', 'fortran_order': False, 'shape': (16000, 2), } spaces, newline
//!         so that the data begin at a multiple of 64
//!         data, little-endian, channels interleaved
//! ```
//!
//! The shape is `(n,)` for one channel and `(n, channels)` for more.

use crate::{Error, Result};

const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest header that is looked at, in bytes.
pub(crate) const HEADER_MAX: usize = 64 << 10;

/// Shape and place of the samples in an `.npy` blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Array {
    /// Sample frames (instants), each of `channels` values.
    pub frames: u64,
    /// Channels, at least 1.
    pub channels: u64,
    /// Whether the shape has one dimension.
    pub flat: bool,
    /// Where the data begin.
    pub data_offset: u64,
}

impl Array {
    /// Bytes of the data.
    fn data_bytes(&self) -> Option<u64> {
        self.frames.checked_mul(self.channels)?.checked_mul(4)
    }
}

/// The header in front of `frames` sample frames of `channels` values.
pub fn header(frames: u64, channels: u64) -> Vec<u8> {
    let shape = match channels {
        1 => format!("({frames},)"),
        _ => format!("({frames}, {channels})"),
    };
    let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    let whole = (10 + text.len() + 1).next_multiple_of(64);
    let mut header = Vec::with_capacity(whole);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&[1, 0]);
    header.extend_from_slice(&((whole - 10) as u16).to_le_bytes());
    header.extend_from_slice(text.as_bytes());
    header.resize(whole - 1, b' ');
    header.push(b'\n');
    header
}

/// An `.npy` file of interleaved `samples`.
pub fn encode(samples: &[f32], channels: u64) -> Vec<u8> {
    let channels = channels.max(1);
    let mut bytes = header(samples.len() as u64 / channels, channels);
    bytes.reserve(samples.len() * 4);
    samples
        .iter()
        .for_each(|s| bytes.extend_from_slice(&s.to_le_bytes()));
    bytes
}

/// The samples of an `.npy` file of little-endian 32-bit floats, interleaved.
///
/// # Errors
/// As [`parse_header`].
pub fn parse(bytes: &[u8]) -> Result<(Array, Vec<f32>)> {
    let array = parse_header(bytes, bytes.len() as u64)?;
    let data = &bytes[array.data_offset as usize..];
    let (quads, _) = data.as_chunks::<4>();
    Ok((
        array,
        quads.iter().map(|q| f32::from_le_bytes(*q)).collect(),
    ))
}

/// Reads the header from the first bytes of an `.npy` file of `total` bytes.
///
/// # Errors
/// [`crate::Kind::Corrupt`] if this is no `.npy` or its length does not fit its shape,
/// [`crate::Kind::Unsupported`] for another element type, order or number of dimensions.
pub fn parse_header(head: &[u8], total: u64) -> Result<Array> {
    let broken = || Error::corrupt("the npy header is damaged");
    if !head.starts_with(MAGIC) {
        return Err(Error::corrupt("not an npy array"));
    }
    let (start, length) = match head.get(6..12).ok_or_else(broken)? {
        [1, _, a, b, ..] => (10, usize::from(u16::from_le_bytes([*a, *b]))),
        [2 | 3, _, a, b, c, d] => (12, u32::from_le_bytes([*a, *b, *c, *d]) as usize),
        _ => return Err(Error::unsupported("npy version is neither 1, 2 nor 3")),
    };
    let end = start + length;
    let text = head
        .get(start..end)
        .and_then(|t| std::str::from_utf8(t).ok())
        .ok_or_else(broken)?;
    let descr = value_of(text, "descr").ok_or_else(broken)?;
    if !descr.starts_with("'<f4'") && !descr.starts_with("\"<f4\"") {
        return Err(Error::unsupported(
            "npy elements are not little-endian 32-bit floats ('<f4')",
        ));
    }
    let shape = shape(value_of(text, "shape").ok_or_else(broken)?).ok_or_else(broken)?;
    let (frames, channels, flat) = match shape[..] {
        [n] => (n, 1, true),
        [n, c] if c > 0 => (n, c, false),
        _ => {
            return Err(Error::unsupported(
                "npy shape is neither (n,) nor (n, channels)",
            ));
        }
    };
    let fortran = value_of(text, "fortran_order")
        .ok_or_else(broken)?
        .starts_with("True");
    if fortran && channels > 1 {
        return Err(Error::unsupported("npy array is in Fortran order"));
    }
    let array = Array {
        frames,
        channels,
        flat,
        data_offset: end as u64,
    };
    let fits = array.data_bytes().and_then(|n| n.checked_add(end as u64)) == Some(total);
    fits.then_some(array).ok_or_else(|| {
        Error::corrupt(format!(
            "npy shape ({frames}, {channels}) does not fit its {total} bytes"
        ))
    })
}

/// What follows `'name':` in the header's dictionary.
fn value_of<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let at = text
        .find(&format!("'{name}'"))
        .or_else(|| text.find(&format!("\"{name}\"")))?;
    Some(
        text[at + name.len() + 2..]
            .trim_start()
            .strip_prefix(':')?
            .trim_start(),
    )
}

fn shape(text: &str) -> Option<Vec<u64>> {
    let (inside, _) = text.strip_prefix('(')?.split_once(')')?;
    let parts = inside.split(',').map(str::trim).filter(|p| !p.is_empty());
    parts
        .map(|p| p.trim_end_matches('L').parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::Kind;

    #[test]
    fn mono_matches_what_numpy_saves() {
        let bytes = encode(&[1.0, -0.5, 0.25], 1);
        assert_eq!(bytes.len(), 128 + 12);
        assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00\x76\x00");
        let text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }";
        assert_eq!(&bytes[10..10 + text.len()], text);
        assert_eq!(bytes[127], b'\n');
        let (array, samples) = parse(&bytes).unwrap();
        assert_eq!((array.frames, array.channels, array.flat), (3, 1, true));
        assert_eq!(samples, [1.0, -0.5, 0.25]);
    }

    #[test]
    fn stereo_and_empty_round_trip() {
        let (array, samples) = parse(&encode(&[1.0, 2.0, 3.0, 4.0], 2)).unwrap();
        assert_eq!((array.frames, array.channels, samples.len()), (2, 2, 4));
        assert_eq!(parse(&encode(&[], 1)).unwrap().0.frames, 0);
    }

    #[test]
    fn damage_and_other_arrays_are_told_apart() {
        let good = encode(&[1.0; 5], 1);
        for cut in 0..good.len() {
            assert_eq!(
                parse(&good[..cut]).unwrap_err().kind(),
                Kind::Corrupt,
                "cut at {cut}"
            );
        }
        let text = String::from_utf8_lossy(&good[10..127]).into_owned();
        for (from, to) in [("<f4", "<f8"), ("(5,)", "(1, 1, 5)"), ("(5,)", "()")] {
            let mut other = good[..10].to_vec();
            other.extend_from_slice(text.replace(from, to).as_bytes());
            other.resize(good.len(), b' ');
            assert!(parse(&other).is_err(), "{to}");
        }
    }
}
