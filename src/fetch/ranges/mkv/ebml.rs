//! Elements of EBML (RFC 8794), in a file that is fetched in parts and in memory.

use super::super::Halt;
use super::super::parts::Parts;

/// Bytes of the longest head: an id of 4 and a size of 8.
const HEAD: u64 = 12;
/// Longest element that is fetched whole.
const SMALL: u64 = 2 << 20;

/// An element and where it lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element {
    pub(super) id: u32,
    pub(super) at: u64,
    /// Where its content begins.
    pub(super) body: u64,
    pub(super) end: u64,
}

impl Element {
    /// The element at `at`, which ends before `end`. One without a size is unusual.
    pub(super) fn at(parts: &mut Parts<'_, '_>, at: u64, end: u64) -> Result<Self, Halt> {
        let left = end.saturating_sub(at).min(HEAD);
        let bytes = parts.peek(at, left as usize)?;
        let (id, size, head) = head(&bytes).ok_or(Halt::Whole)?;
        let body = at + head as u64;
        let last = body.checked_add(size).filter(|last| *last <= end);
        let end = last.ok_or(Halt::Whole)?;
        Ok(Self { id, at, body, end })
    }

    /// All of its content, if it is small.
    pub(super) fn read(&self, parts: &mut Parts<'_, '_>) -> Result<Vec<u8>, Halt> {
        match self.end - self.body > SMALL {
            true => Err(Halt::Whole),
            false => parts.bytes(self.body..self.end),
        }
    }
}

/// Id and size of the element that begins `bytes`, and the bytes that tell them.
fn head(bytes: &[u8]) -> Option<(u32, u64, usize)> {
    let (id, width) = number(bytes, 4)?;
    let (size, more) = number(bytes.get(width..)?, 8)?;
    // All ones: not known.
    let known = (1 << (7 * more)) - 1;
    let size = size & known;
    (size != known).then_some((u32::try_from(id).ok()?, size, width + more))
}

/// A number of as many bytes as its first one tells, with the bit that tells it.
pub(super) fn number(bytes: &[u8], longest: usize) -> Option<(u64, usize)> {
    let width = bytes.first()?.leading_zeros() as usize + 1;
    let bytes = bytes.get(..width).filter(|_| width <= longest)?;
    Some((uint(bytes), width))
}

/// The elements in a content, as far as they are whole.
pub(super) fn children(mut bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let (id, size, width) = head(bytes)?;
        let end = width.checked_add(usize::try_from(size).ok()?)?;
        let content = bytes.get(width..end)?;
        bytes = bytes.get(end..)?;
        Some((id, content))
    })
}

/// The content of the first element with this id.
pub(super) fn child(bytes: &[u8], id: u32) -> Option<&[u8]> {
    children(bytes)
        .find(|child| child.0 == id)
        .map(|child| child.1)
}

/// An unsigned number.
pub(super) fn uint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, byte| (n << 8) | u64::from(*byte))
}

/// The head of an element without meaning that takes `length` bytes; `None` for a single one.
pub(super) fn void(length: u64) -> Option<Vec<u8>> {
    const VOID: u8 = 0xec;
    match length {
        0 => Some(Vec::new()),
        1 => None,
        2..16 => Some(vec![VOID, 0x80 | (length - 2) as u8]),
        _ => {
            let size = (1 << 56) | (length - 9);
            Some([&[VOID], &size.to_be_bytes()[..]].concat())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_void_has_the_length_that_it_is_asked_for() {
        for length in [2, 3, 15, 16, 17, 200, 70_000, 1 << 40] {
            let bytes = void(length).unwrap();
            let (id, size, width) = head(&bytes).unwrap();
            assert_eq!((id, size + width as u64), (0xec, length));
        }
        assert!(void(1).is_none());
    }

    #[test]
    fn sizes_that_are_not_known_or_cut_off_are_no_elements() {
        assert_eq!(
            head(&[0x1f, 0x43, 0xb6, 0x75, 0x82]),
            Some((0x1f43_b675, 2, 5))
        );
        assert_eq!(head(&[0x1f, 0x43, 0xb6, 0x75, 0xff]), None);
        assert_eq!(head(&[0xa3, 0x01]), None);
        assert_eq!(head(&[0xa3, 0x00]), None);
        assert_eq!(head(&[0x00; 12]), None);
        let two = [0xa3, 0x81, 7, 0xa0, 0x80, 0xe7, 0x85, 1];
        let found: Vec<_> = children(&two).collect();
        assert_eq!(found, [(0xa3, &[7][..]), (0xa0, &[][..])]);
    }
}
