//! Finds the whole records of a damaged file. There is no marker to look for, but a record's header
//! has a checksum of its own: behind damage every byte is tried as the begin of one, and one counts
//! only if its data match their checksum too.

use super::frame::{HEADER, OVERHEAD, length, mask};
use super::sample_of;
use crate::crc::crc32c_join;
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
    let mut sums = Sums::of(shard);
    while at < shard.len() {
        let stretch = match length(pieces.get(at, HEADER)?) {
            Some(length) if fits(shard, at, length) => {
                let (key, is_whole) = record(shard, at, length, stem, found.len())?;
                let lost = (!is_whole).then(|| "the record's data do not match".to_owned());
                let mut end = at + length + OVERHEAD;
                // Bytes that are missing or too many inside it move all that follows.
                if !is_whole && !begins(&mut pieces, end, shard.len())? {
                    end = search(shard, &mut pieces, &mut sums, at + 1)?;
                }
                (key, end - at, lost)
            }
            known => {
                let next = search(shard, &mut pieces, &mut sums, at + 1)?;
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
    let begin = at + HEADER as u64;
    let crc = hash(shard, begin, length, 0)?;
    is_stored(shard, begin + length, crc)
}

/// Whether the masked `crc` stands at byte `at`.
fn is_stored(shard: &Blob, at: u64, crc: u32) -> Result<bool> {
    let mut stored = [0; 4];
    shard.read_at(at, &mut stored)?;
    Ok(stored == mask(crc).to_le_bytes())
}

/// `crc` continued over a stretch of the shard.
fn hash(shard: &Blob, begin: u64, length: u64, mut crc: u32) -> Result<u32> {
    let (mut done, mut buffer) = (0, Vec::new());
    while done < length {
        buffer.resize((length - done).min(1 << 20) as usize, 0);
        shard.read_at(begin + done, &mut buffer)?;
        crc = crate::crc32c_append(crc, &buffer);
        done += buffer.len() as u64;
    }
    Ok(crc)
}

/// Checksums of stretches at little cost each: a file of nothing but headers that claim all that
/// follows would else be read as often as it has headers.
struct Sums<'a> {
    shard: &'a Blob,
    /// Bytes that may still be hashed the plain way.
    budget: u64,
    /// CRC-32C of the first 0, [`Sums::STEP`], 2 x [`Sums::STEP`], .. bytes.
    steps: Vec<u32>,
}

impl<'a> Sums<'a> {
    const STEP: u64 = 16 << 10;

    fn of(shard: &'a Blob) -> Self {
        Self {
            shard,
            budget: shard.len().saturating_mul(4),
            steps: Vec::new(),
        }
    }

    /// As [`matches`].
    fn matches(&mut self, at: u64, length: u64) -> Result<bool> {
        if let Some(left) = self.budget.checked_sub(length) {
            self.budget = left;
            return matches(self.shard, at, length);
        }
        if self.steps.is_empty() {
            self.fill()?;
        }
        let begin = at + HEADER as u64;
        // The sum up to the end is that up to the begin, moved on, and the stretch's own.
        let before = crc32c_join(self.up_to(begin)?, 0, length);
        let crc = self.up_to(begin + length)? ^ before;
        is_stored(self.shard, begin + length, crc)
    }

    fn fill(&mut self) -> Result<()> {
        let (mut at, mut crc) = (0, 0);
        while at + Self::STEP <= self.shard.len() {
            self.steps.push(crc);
            crc = hash(self.shard, at, Self::STEP, crc)?;
            at += Self::STEP;
        }
        self.steps.push(crc);
        Ok(())
    }

    /// CRC-32C of the first `end` bytes.
    fn up_to(&self, end: u64) -> Result<u32> {
        let step = end / Self::STEP;
        let crc = self.steps.get(step as usize).copied().unwrap_or(0);
        hash(self.shard, step * Self::STEP, end % Self::STEP, crc)
    }
}

/// Where the next whole record begins, at `from` or later; else the end.
fn search(shard: &Blob, pieces: &mut Pieces<'_>, sums: &mut Sums<'_>, from: u64) -> Result<u64> {
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
            Some((i, stated)) if sums.matches(at + i, stated)? => return Ok(at + i),
            Some((i, _)) => at += i + 1,
            None => at += tries.max(1) as u64,
        }
    }
    Ok(shard.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::super::frame::{record_footer, record_header};
    use super::*;

    /// Headers that all claim what follows them to the end, and behind them one whole record.
    #[test]
    fn lying_headers_do_not_cost_the_square_of_their_number() {
        let mut bytes = vec![7; 5];
        let (count, tail) = (100_000_usize, b"whole".len() as u64 + OVERHEAD);
        for i in 0..count {
            let claimed = (count - 1 - i) * HEADER;
            bytes.extend(record_header(claimed as u64 + tail - 4));
        }
        let whole = bytes.len() as u64;
        bytes.extend(record_header(5));
        bytes.extend(b"whole");
        bytes.extend(record_footer(crate::crc32c(b"whole")));
        let begun = std::time::Instant::now();
        let found = salvage(&Blob::from(bytes), 0, "x").unwrap();
        // Hashing for each to the end would be 60 GB.
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
        let last = found.last().unwrap();
        assert_eq!((last.offset, last.length), (whole, tail));
        assert_eq!(last.lost, None);
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn sums_are_those_of_the_stretch() {
        let bytes: Vec<u8> = (0..70_000_u32)
            .map(|i| (i.wrapping_mul(i) >> 3) as u8)
            .collect();
        let shard = Blob::from(bytes.clone());
        let mut sums = Sums::of(&shard);
        sums.fill().unwrap();
        for end in [0, 1, 16383, 16384, 16385, 65536, 70_000] {
            let crc = crate::crc32c(&bytes[..end as usize]);
            assert_eq!(sums.up_to(end).unwrap(), crc, "{end}");
        }
    }
}
