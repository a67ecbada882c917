//! Finds the whole records of a damaged file. There is no marker to look for, but a record's header
//! has a checksum of its own: behind damage every byte is tried as the begin of one, and one counts
//! only if its data match their checksum too.

use super::frame::{HEADER, OVERHEAD, length, mask};
use super::sample_of;
use crate::salvage::{Pieces, Stretch};
use crate::{Blob, Limits, Result};

/// Longest record that is looked for behind damage: a chance match must not cost hours.
const SEARCHED_MAX: u64 = 2 << 30;

/// The records of `shard` from byte `from` on, and what lies between them. `stem` begins the keys of
/// records that have none.
///
/// # Errors
/// [`crate::Kind::Io`].
pub fn salvage(shard: &Blob, from: u64, stem: &str) -> Result<Vec<Stretch>> {
    let (mut found, mut at) = (Vec::new(), from);
    let mut pieces = Pieces::of(shard);
    while at < shard.len() {
        let stretch = match length(pieces.get(at, HEADER)?) {
            Some(length) if fits(shard, at, length) => {
                let (key, is_whole) = record(shard, at, length, stem, found.len())?;
                let lost = (!is_whole).then(|| "the record's data do not match".to_owned());
                let mut end = at + length + OVERHEAD;
                // Bytes that are missing or too many inside it move all that follows.
                if !is_whole && !begins(&mut pieces, end, shard.len())? {
                    end = search(shard, &mut pieces, at + 1)?;
                }
                (key, end - at, lost)
            }
            known => {
                let next = search(shard, &mut pieces, at + 1)?;
                let lost = match known {
                    Some(_) => "the record ends behind the end of the shard",
                    None => "the record's length does not match its checksum",
                };
                (None, next - at, Some(lost.to_owned()))
            }
        };
        let (key, length, lost) = stretch;
        found.push(Stretch {
            key,
            offset: at,
            length,
            lost,
        });
        at += length;
    }
    Ok(found)
}

/// Whether a record begins at `at`, or the shard ends there.
fn begins(pieces: &mut Pieces<'_>, at: u64, end: u64) -> Result<bool> {
    Ok(at == end || length(pieces.get(at, HEADER)?).is_some())
}

fn fits(shard: &Blob, at: u64, length: u64) -> bool {
    let end = at.checked_add(OVERHEAD).and_then(|n| n.checked_add(length));
    end.is_some_and(|end| end <= shard.len())
}

/// Key of the record at `at`, and whether its data match.
fn record(
    shard: &Blob,
    at: u64,
    length: u64,
    stem: &str,
    number: usize,
) -> Result<(Option<String>, bool)> {
    if !matches(shard, at, length)? {
        return Ok((None, false));
    }
    if length > SEARCHED_MAX {
        return Ok((None, true));
    }
    let mut payload = vec![0; length as usize];
    shard.read_at(at + HEADER as u64, &mut payload)?;
    let fallback = || format!("{stem}-{number:06}");
    let sample = sample_of(payload.into(), &Limits::default(), fallback);
    Ok((sample.ok().map(|sample| sample.key), true))
}

fn matches(shard: &Blob, at: u64, length: u64) -> Result<bool> {
    let (begin, mut done, mut crc, mut buffer) = (at + HEADER as u64, 0, 0, Vec::new());
    while done < length {
        buffer.resize((length - done).min(1 << 20) as usize, 0);
        shard.read_at(begin + done, &mut buffer)?;
        crc = crc32c::crc32c_append(crc, &buffer);
        done += buffer.len() as u64;
    }
    let mut stored = [0; 4];
    shard.read_at(begin + length, &mut stored)?;
    Ok(stored == mask(crc).to_le_bytes())
}

/// Where the next whole record begins, at `from` or later; else the end.
fn search(shard: &Blob, pieces: &mut Pieces<'_>, from: u64) -> Result<u64> {
    /// Bytes tried at a time.
    const STEP: usize = 64 << 10;
    let mut at = from;
    while at + OVERHEAD <= shard.len() {
        let bytes = pieces.get(at, STEP + HEADER)?;
        let tries = bytes.len().saturating_sub(HEADER - 1).min(STEP);
        let left = shard.len() - at;
        let candidate = (0..tries).find_map(|i| {
            let head = bytes.get(i..i + HEADER)?;
            // The upper bytes of a length that fits are zero: that sorts out nearly all.
            let stated = u64::from_le_bytes(*head.first_chunk::<8>()?);
            let fits = stated <= SEARCHED_MAX && stated + OVERHEAD + i as u64 <= left;
            let stated = fits.then(|| length(head)).flatten()?;
            Some((i as u64, stated))
        });
        match candidate {
            Some((i, stated)) if matches(shard, at + i, stated)? => return Ok(at + i),
            Some((i, _)) => at += i + 1,
            None => at += tries.max(1) as u64,
        }
    }
    Ok(shard.len())
}
