//! Runs a harness without libFuzzer: the seeds, then changes of them that are the same each time, for
//! about a second. It finds less than a fuzzer with coverage, but it runs with every test, so that no
//! harness rots.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a harness runs; `KPACK_SMOKE_SECONDS` says otherwise.
fn patience() -> Duration {
    let seconds = std::env::var("KPACK_SMOKE_SECONDS");
    let seconds = seconds.ok().and_then(|text| text.parse().ok());
    Duration::from_secs_f64(seconds.unwrap_or(1.0))
}

/// No input may take longer than this, in a build without optimisation on a busy machine.
const LONGEST: Duration = Duration::from_secs(10);
/// Inputs do not grow beyond this.
const SIZE_MAX: usize = 64 << 10;

/// Gives `run` the files of `seeds` and changes of them. Where it panics, the input is kept as
/// `TMP/kpack-smoke-TARGET` and named.
pub(crate) fn smoke(seeds: &Path, run: impl Fn(&[u8])) {
    let target = seeds.file_name().unwrap_or_default().to_string_lossy();
    let corpus = corpus(seeds);
    assert!(!corpus.is_empty(), "{} holds no seeds", seeds.display());
    let (begun, patience) = (Instant::now(), patience());
    corpus.iter().for_each(|seed| one(&target, seed, &run));
    one(&target, b"", &run);
    let mut changed = 0_u64;
    while begun.elapsed() < patience {
        one(&target, &change(&corpus, changed), &run);
        changed += 1;
    }
    println!(
        "{target}: {} seeds, {changed} changes of them",
        corpus.len()
    );
}

fn corpus(seeds: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(seeds).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    let read = |path: &PathBuf| std::fs::read(path).expect("a seed can be read");
    paths.iter().map(read).collect()
}

fn one(target: &str, input: &[u8], run: &impl Fn(&[u8])) {
    let begun = Instant::now();
    let ended = catch_unwind(AssertUnwindSafe(|| run(input)));
    let took = begun.elapsed();
    if ended.is_err() || took > LONGEST {
        let kept = std::env::temp_dir().join(format!("kpack-smoke-{target}"));
        std::fs::write(&kept, input).expect("a temporary file");
        println!(
            "{target}: {took:.1?} for the input kept as {}",
            kept.display()
        );
    }
    if let Err(panic) = ended {
        resume_unwind(panic);
    }
    assert!(took <= LONGEST, "{target}: an input takes {took:.1?}");
}

/// Numbers that look random and are always the same for `state`.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides.max(1) as u64) as usize
    }
}

/// What parsers stumble over.
const BAITS: [&[u8]; 24] = [
    &[0xff; 8],
    &[0; 8],
    &[0x80; 10],
    &[0x7f, 0xff, 0xff, 0xff],
    &[0xff; 4],
    b"FFFF",
    b"\"",
    b",",
    b"\n",
    b"\r\n",
    b"[[[[[[[[",
    b"{\"a\":",
    b"]}",
    b"null",
    b"-1",
    b"1e999",
    b"99999999999999999999",
    b"../../x",
    b"/etc/passwd",
    b"\\u0000",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\0",
    b"0777777777777",
];

/// The `number`th input made of the seeds: one of them, changed in one to eight places.
fn change(corpus: &[Vec<u8>], number: u64) -> Vec<u8> {
    let mut dice = Dice(number.wrapping_mul(0xd134_2543_de82_ef95));
    let mut bytes = corpus[dice.roll(corpus.len())].clone();
    for _ in 0..=dice.roll(8) {
        let at = dice.roll(bytes.len() + 1);
        let end = (at + 1 + dice.roll(64)).min(bytes.len());
        match dice.roll(9) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << dice.roll(8),
            2 if at < bytes.len() => bytes[at] = dice.roll(256) as u8,
            3 if at < end => drop(bytes.drain(at..end)),
            4 => drop(bytes.splice(at..at, BAITS[dice.roll(BAITS.len())].iter().copied())),
            5 => {
                let bait = BAITS[dice.roll(BAITS.len())];
                let end = (at + bait.len()).min(bytes.len());
                drop(bytes.splice(at..end, bait.iter().copied()));
            }
            6 if at < end => {
                let part = bytes[at..end].to_vec();
                let times = 1 + dice.roll(20);
                drop(bytes.splice(at..at, part.repeat(times)));
            }
            7 => bytes.truncate(at),
            _ => {
                let other = &corpus[dice.roll(corpus.len())];
                let from = dice.roll(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
        }
        bytes.truncate(SIZE_MAX);
    }
    bytes
}
