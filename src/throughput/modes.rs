//! One pass through a corpus in each order.

use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use bytes::Bytes;
use kpack_formats::{Blob, ReadOptions, Sample};

use super::corpus::Corpus;
use super::{Pass, Task};
use crate::loader::Shard;
use crate::mmap::{Walk, map};
use crate::pipeline::shuffle;
use crate::{Error, Result};

const PAGE: usize = 4096;

/// Runs `each` for the numbers below `count` on `threads` threads; each takes the next that is
/// left.
pub(super) fn spread(
    count: usize,
    threads: usize,
    each: impl Fn(usize, &mut Pass) -> Result<()> + Sync,
) -> Result<Pass> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut pass = Pass::default();
        loop {
            let number = next.fetch_add(1, Relaxed);
            if number >= count {
                return Ok(pass);
            }
            each(number, &mut pass)?;
        }
    };
    let passes: Vec<Result<Pass>> = std::thread::scope(|scope| {
        let running: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut passes = vec![work()];
        for one in running {
            passes.push(one.join().unwrap_or_else(|_| {
                Err(Error::usage(
                    "a measuring thread panicked; please report this",
                ))
            }));
        }
        passes
    });
    let mut all = Pass::default();
    for pass in passes {
        let pass = pass?;
        all.samples += pass.samples;
        all.bytes += pass.bytes;
        all.frames += pass.frames;
        all.latencies.extend(pass.latencies);
    }
    Ok(all)
}

/// The files through `read`, in steps of 1 MiB.
pub(super) fn read_loop(corpus: &Corpus, threads: usize) -> Result<Pass> {
    spread(corpus.shards.len(), threads, |number, pass| {
        let Some(shard) = corpus.shards.get(number) else {
            return Ok(());
        };
        let mut buffer = vec![0; 1 << 20];
        let path = &shard.found.path;
        let mut file = File::open(path).map_err(Error::io("cannot open", path))?;
        loop {
            let n = file
                .read(&mut buffer)
                .map_err(Error::io("cannot read", path))?;
            if n == 0 {
                break;
            }
            black_box(&buffer[..n]);
            pass.bytes += n as u64;
        }
        pass.samples += shard.places.len() as u64;
        Ok(())
    })
}

/// Each shard front to back, by its format's reader.
pub(super) fn sequential(corpus: &Corpus, task: &Task) -> Result<Pass> {
    spread(corpus.shards.len(), task.threads, |number, pass| {
        let Some(shard) = corpus.shards.get(number) else {
            return Ok(());
        };
        let bytes = open(shard, Walk::Whole)?;
        let mut reader = shard.reader(bytes.clone(), 0, &options(task))?;
        let mut begun = Instant::now();
        for number in 0.. {
            let Some(sample) = reader.next_sample()? else {
                break;
            };
            let (offset, length) = reader.position();
            let extent = bytes.slice(offset as usize..(offset + length) as usize);
            shard.check(number, &extent, !task.crc)?;
            look(&sample, task);
            begun = count(pass, length, begun);
        }
        Ok(())
    })
}

/// The shards in random order, the samples of each in random order.
pub(super) fn shuffled(corpus: &Corpus, task: &Task) -> Result<Pass> {
    let mut order: Vec<usize> = (0..corpus.shards.len()).collect();
    shuffle(&mut order, task.seed);
    spread(order.len(), task.threads, |number, pass| {
        let Some(shard) = order.get(number).and_then(|i| corpus.shards.get(*i)) else {
            return Ok(());
        };
        let bytes = open(shard, Walk::Parts)?;
        let mut samples: Vec<usize> = (0..shard.places.len()).collect();
        shuffle(&mut samples, task.seed ^ number as u64);
        let mut begun = Instant::now();
        for sample in samples {
            let length = one(shard, task, &bytes, sample)?;
            begun = count(pass, length, begun);
        }
        Ok(())
    })
}

/// Every sample once, anywhere.
pub(super) fn random(corpus: &Corpus, task: &Task) -> Result<Pass> {
    let bytes = |shard| open(shard, Walk::Parts);
    let mapped: Result<Vec<Bytes>> = corpus.shards.iter().map(bytes).collect();
    let mapped = mapped?;
    let mut order: Vec<(u32, u32)> = Vec::new();
    for (i, shard) in corpus.shards.iter().enumerate() {
        order.extend((0..shard.places.len()).map(|n| (i as u32, n as u32)));
    }
    shuffle(&mut order, task.seed);
    /// Samples that a thread takes at a time.
    const STEP: usize = 16;
    let steps: Vec<&[(u32, u32)]> = order.chunks(STEP).collect();
    spread(steps.len(), task.threads, |number, pass| {
        let mut begun = Instant::now();
        for (i, n) in steps.get(number).copied().unwrap_or_default() {
            let at = *i as usize;
            let (Some(shard), Some(bytes)) = (corpus.shards.get(at), mapped.get(at)) else {
                continue;
            };
            let length = one(shard, task, bytes, *n as usize)?;
            begun = count(pass, length, begun);
        }
        Ok(())
    })
}

fn options(task: &Task) -> ReadOptions {
    ReadOptions {
        unchecked: !task.crc,
        ..ReadOptions::default()
    }
}

fn open(shard: &Shard, walk: Walk) -> Result<Bytes> {
    let path = &shard.found.path;
    let bytes = map(path, walk).map_err(Error::io("cannot map", path))?;
    shard.is_still(bytes.len() as u64)?;
    Ok(bytes)
}

pub(super) fn count(pass: &mut Pass, length: u64, begun: Instant) -> Instant {
    let now = Instant::now();
    pass.samples += 1;
    pass.bytes += length;
    let nanos = (now - begun).as_nanos();
    pass.latencies
        .push(u32::try_from(nanos).unwrap_or(u32::MAX));
    now
}

/// Reads the sample of this number alone and gives the length of its extent.
fn one(shard: &Shard, task: &Task, bytes: &Bytes, number: usize) -> Result<u64> {
    let place = shard.place(number)?;
    let extent = bytes.slice(place.offset as usize..(place.offset + place.length) as usize);
    let sample = shard.sample(number, extent, !task.crc)?;
    look(&sample, task);
    Ok(place.length)
}

/// Looks at one byte of each page of a sample, unless all were looked at to check them.
fn look(sample: &Sample, task: &Task) {
    if !task.crc {
        let mut sum = 0_u8;
        for blob in sample.blobs.values() {
            if let Blob::Bytes(bytes) = blob {
                let pages = bytes.iter().step_by(PAGE).chain(bytes.last());
                sum = pages.fold(sum, |sum, b| sum ^ b);
            }
        }
        black_box(sum);
    }
    black_box(sample);
}
