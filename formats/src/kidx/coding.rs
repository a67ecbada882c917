//! Numbers, names and places as bytes.

use crate::kidx::TEXT_MAX;

pub(super) fn put(buffer: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        buffer.push(number as u8 | 0x80);
        number >>= 7;
    }
    buffer.push(number as u8);
}

pub(super) fn take(body: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = body.split_first()?;
        *body = rest;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Zigzag: small numbers of either sign take few bytes.
pub(super) fn put_signed(buffer: &mut Vec<u8>, number: i64) {
    put(buffer, ((number << 1) ^ (number >> 63)) as u64);
}

pub(super) fn take_signed(body: &mut &[u8]) -> Option<i64> {
    let number = take(body)?;
    Some((number >> 1) as i64 ^ -((number & 1) as i64))
}

pub(super) fn put_text(buffer: &mut Vec<u8>, before: &str, text: &str) {
    let same = before
        .bytes()
        .zip(text.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    put(buffer, same as u64);
    put(buffer, (text.len() - same) as u64);
    buffer.extend_from_slice(&text.as_bytes()[same..]);
}

pub(super) fn take_text(body: &mut &[u8], before: &str) -> Option<String> {
    let same = usize::try_from(take(body)?).ok()?;
    let more = usize::try_from(take(body)?).ok()?;
    let (more, rest) = body.split_at_checked(more)?;
    *body = rest;
    if same + more.len() > TEXT_MAX {
        return None;
    }
    String::from_utf8([before.as_bytes().get(..same)?, more].concat()).ok()
}

pub(super) fn put_place(buffer: &mut Vec<u8>, end: u64, offset: u64, length: u64, crc32c: u32) {
    put_signed(buffer, offset.wrapping_sub(end) as i64);
    put(buffer, length);
    buffer.extend_from_slice(&crc32c.to_le_bytes());
}

pub(super) fn take_place(body: &mut &[u8], end: u64) -> Option<(u64, u64, u32)> {
    let gap = take_signed(body)?;
    let length = take(body)?;
    let (crc, rest) = body.split_first_chunk::<4>()?;
    *body = rest;
    Some((
        end.wrapping_add(gap as u64),
        length,
        u32::from_le_bytes(*crc),
    ))
}
