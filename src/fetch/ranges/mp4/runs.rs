//! Tables of run lengths, read from the nearer end, and written anew without what was not read.

use std::ops::Range;

use super::super::Halt;
use super::super::parts::Parts;
use super::boxes::{Found, u32_at};
use super::track::Tables;

/// Bytes of the head of a table: version, flags, count.
const HEAD: u64 = 8;
/// Tables that are no longer are fetched whole.
const SHORT: u64 = 16 << 10;
/// Entries at the beginning that are read in any case.
const FRONT: usize = 63;

/// The entries of a table behind its head of `from` bytes.
pub(super) fn entries<const W: usize>(
    bytes: &[u8],
    from: usize,
) -> Result<impl Iterator<Item = [u32; W]>, Halt> {
    let count = u32_at(bytes, 4)? as usize;
    let bytes = bytes.get(from..).ok_or(Halt::Whole)?;
    Ok(parse(bytes).take(count))
}

fn parse<const W: usize>(bytes: &[u8]) -> impl Iterator<Item = [u32; W]> {
    bytes.chunks_exact(W * 4).map(|entry| {
        let (numbers, _) = entry.as_chunks::<4>();
        std::array::from_fn(|i| numbers.get(i).map_or(0, |n| u32::from_be_bytes(*n)))
    })
}

/// Entries of one end of a table, or all of them.
struct End<const W: usize> {
    entries: Vec<[u32; W]>,
    side: Side,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    All,
    Front,
    Back,
}

/// Reads a table from the end that is nearer to `samples` of `total`, until `told` says that as many
/// samples are told of as lie between that end and them.
fn nearer<const W: usize>(
    parts: &mut Parts<'_, '_>,
    table: &Found,
    (samples, total): (&Range<u64>, u64),
    told: impl Fn(&End<W>) -> Result<u64, Halt>,
) -> Result<End<W>, Halt> {
    let width = W as u64 * 4;
    let head = parts.bytes(table.body..table.body + HEAD)?;
    let count = u64::from(u32_at(&head, 4)?);
    if table.len() < HEAD + count * width || samples.end > total || count > total {
        return Err(Halt::Whole);
    }
    let (side, needed) = match total - samples.start < samples.end {
        true => (Side::Back, total - samples.start),
        false => (Side::Front, samples.end),
    };
    // Runs are about as long everywhere; where they are not, more is read.
    let mut some = count * needed / total + count / 32 + 256;
    if count * width <= SHORT {
        some = count;
    }
    loop {
        let side = if some >= count { Side::All } else { side };
        let which = match side {
            Side::All => 0..count,
            Side::Front => 0..some,
            Side::Back => count - some..count,
        };
        let begin = table.body + HEAD;
        let bytes = parts.bytes(begin + which.start * width..begin + which.end * width)?;
        let entries = parse(&bytes).collect();
        let end = End { entries, side };
        let enough = if side == Side::All { total } else { needed };
        let told = told(&end)?;
        if (side == Side::All && told == enough) || (side != Side::All && told >= enough) {
            return Ok(end);
        }
        if side == Side::All || told > total {
            return Err(Halt::Whole);
        }
        some += some / 4 + 256;
    }
}

fn put<const W: usize>(
    parts: &mut Parts<'_, '_>,
    table: &Found,
    entries: impl Iterator<Item = [u32; W]>,
) -> Result<(), Halt> {
    let bytes: Vec<u8> = entries.flatten().flat_map(u32::to_be_bytes).collect();
    let count = bytes.len() / (W * 4);
    let count = u32::try_from(count).map_err(|_| Halt::Whole)?;
    if HEAD + bytes.len() as u64 > table.len() {
        return Err(Halt::Whole);
    }
    let bytes = [&count.to_be_bytes(), &bytes[..]].concat();
    parts.put(table.body + 4, bytes)
}

/// Makes `ctts` one of the delays at the beginning and those of `samples`.
pub(super) fn thin_delays(
    parts: &mut Parts<'_, '_>,
    tables: &Tables,
    samples: Range<u64>,
) -> Result<(), Halt> {
    let Some(table) = &tables.delays else {
        return Ok(());
    };
    // With negative delays all of them count: the least one moves the track.
    let version = parts.peek(table.body, 1)?;
    let negative = |entry: &[u32; 2]| entry[1] > i32::MAX as u32;
    if version != [0] {
        return parts.fetch(table.at..table.end);
    }
    let total = u64::from(tables.samples);
    let sum = |entries: &[[u32; 2]]| entries.iter().map(|entry| u64::from(entry[0])).sum::<u64>();
    let told = |end: &End<2>| match end.entries.iter().any(negative) {
        true => Err(Halt::Whole),
        false => Ok(sum(&end.entries)),
    };
    let end = nearer(parts, table, (&samples, total), told)?;
    if end.side == Side::All {
        return Ok(());
    }
    let front = match end.side {
        Side::Back => {
            let begin = table.body + HEAD;
            let bytes = parts.bytes(begin..begin + FRONT as u64 * 8)?;
            parse(&bytes).collect()
        }
        _ => Vec::new(),
    };
    let first = front.first().or(end.entries.first()).ok_or(Halt::Whole)?;
    let left = total.checked_sub(sum(&front) + sum(&end.entries));
    let left = left.and_then(|left| u32::try_from(left).ok());
    let left = [left.ok_or(Halt::Whole)?, first[1]];
    let (before, after) = match end.side {
        Side::Back => (front, end.entries),
        _ => (end.entries, Vec::new()),
    };
    let all = before.into_iter().chain([left]).chain(after);
    put(parts, table, all.filter(|entry| entry[0] > 0))
}

/// Runs of chunks that have as many samples: the first chunk and the one behind the last, from 0 on,
/// samples in each, and the first sample.
pub(super) struct Chunks(Vec<(Range<u64>, u64, u64)>);

impl Chunks {
    /// The chunks in which `samples` lie, and all samples of these.
    pub(super) fn of(&self, samples: Range<u64>) -> Option<(Range<u64>, Range<u64>)> {
        let of = |sample: u64| {
            let holds = |run: &&(Range<u64>, u64, u64)| {
                let (chunks, each, first) = run;
                (*first..first + (chunks.end - chunks.start) * each).contains(&sample)
            };
            let (chunks, each, first) = self.0.iter().find(holds)?;
            let before = (sample - first) / each;
            Some((chunks.start + before, first + before * each, *each))
        };
        let (first, begin, _) = of(samples.start)?;
        let (last, at, each) = of(samples.end.checked_sub(1)?)?;
        Some((begin..at + each, first..last + 1))
    }
}

/// Makes `stsc` one of the chunks of `samples`; the others have some samples each.
pub(super) fn thin_chunks(
    parts: &mut Parts<'_, '_>,
    tables: &Tables,
    samples: Range<u64>,
) -> Result<Chunks, Halt> {
    let table = tables.chunk_runs.as_ref().ok_or(Halt::Whole)?;
    let (total, chunks) = (u64::from(tables.samples), u64::from(tables.chunks));
    let told = |end: &End<3>| Ok(known(end, chunks)?.1);
    // Where all samples have the same length, libav counts in chunks.
    let wanted = match tables.sizes {
        Some(_) => samples,
        None => 0..total,
    };
    let end = nearer(parts, table, (&wanted, total), told)?;
    let (mut runs, samples) = known(&end, chunks)?;
    let begin = if end.side == Side::Back {
        total - samples
    } else {
        0
    };
    for run in &mut runs {
        run.2 += begin;
    }
    let run = |chunk: u64, each: u64| {
        let number = |n: u64| u32::try_from(n).map_err(|_| Halt::Whole);
        Ok::<_, Halt>([number(chunk + 1)?, number(each)?, 1])
    };
    // Chunks that were not read: the first has what the others do not, which have one each.
    let unread = |chunks: Range<u64>, samples: u64| {
        let others = (chunks.end - chunks.start).checked_sub(1);
        let first = others.and_then(|others| samples.checked_sub(others));
        let first = first.filter(|first| *first > 0).ok_or(Halt::Whole)?;
        let mut unread = vec![run(chunks.start, first)?];
        if others > Some(0) {
            unread.push(run(chunks.start + 1, 1)?);
        }
        Ok::<_, Halt>(unread)
    };
    let read = runs
        .iter()
        .map(|(chunks, each, _)| run(chunks.start, *each));
    let read = read.collect::<Result<Vec<_>, _>>()?;
    let (first, last) = match (runs.first(), runs.last()) {
        (Some(first), Some(last)) => (first.0.start, last.0.end),
        _ => return Err(Halt::Whole),
    };
    match end.side {
        Side::All => {}
        Side::Front => {
            let rest = unread(last..chunks, total - samples)?;
            put(parts, table, read.into_iter().chain(rest))?;
        }
        Side::Back => {
            let rest = unread(0..first, begin)?;
            put(parts, table, rest.into_iter().chain(read))?;
        }
    }
    Ok(Chunks(runs))
}

/// The runs of chunks of which entries tell both ends, their first samples counted from the first of
/// these, and how many samples they have.
#[allow(clippy::type_complexity, reason = "the type is that of `Chunks`")]
fn known(end: &End<3>, chunks: u64) -> Result<(Vec<(Range<u64>, u64, u64)>, u64), Halt> {
    let mut samples = 0_u64;
    let mut runs = Vec::with_capacity(end.entries.len());
    let behind = (end.side != Side::Front).then_some(chunks + 1);
    let nexts = end.entries.iter().skip(1).map(|next| u64::from(next[0]));
    for (entry, next) in end.entries.iter().zip(nexts.chain(behind)) {
        let (first, each) = (u64::from(entry[0]), u64::from(entry[1]));
        if first == 0 || next <= first || next > chunks + 1 || each == 0 || entry[2] != 1 {
            return Err(Halt::Whole);
        }
        runs.push((first - 1..next - 1, each, samples));
        samples += (next - first) * each;
    }
    Ok((runs, samples))
}
