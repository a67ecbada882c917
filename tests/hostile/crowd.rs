//! Good and bad files by the hundred in one run: counts add up, and neither memory nor descriptors nor
//! processes grow. `KPACK_CROWD=1000` says how many (`make kill-test`).
#![cfg(target_os = "linux")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use kpack::pipeline::{Dataset, Outcome};

use crate::media::fixture;
use crate::pipeline::rows;

const KINDS: [&str; 12] = [
    "media/tiny.mp4",
    "broken/flipped_bits.mp4",
    "media/bt709_full.mp4",
    "broken/zero.mp4",
    "media/vfr.mp4",
    "broken/garbage.avi",
    "media/odd_size.webm",
    "broken/truncated_moov_end.mp4",
    "media/tenbit.mp4",
    "broken/html.mp4",
    "media/no_audio.mp4",
    "broken/header_only.mkv",
];

fn crowd(dir: &Path, count: usize) -> PathBuf {
    let media = dir.join("media");
    fs::create_dir_all(&media).unwrap();
    for i in 0..count {
        let from = fixture(KINDS[i % KINDS.len()]);
        let extension = from.extension().unwrap().to_str().unwrap().to_owned();
        let to = media.join(format!("clip_{i:04}.{extension}"));
        if fs::hard_link(&from, &to).is_err() {
            fs::copy(from, to).unwrap();
        }
    }
    media
}

/// What a process has at a moment.
#[derive(Debug, Default, Clone, Copy)]
struct Look {
    kilobytes: u64,
    descriptors: usize,
    children: usize,
    zombies: usize,
}

fn stat(id: u32) -> Option<(String, u32)> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

fn look(id: u32, seen: &mut BTreeSet<u32>) -> Look {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = |text: &str| text.trim().trim_end_matches(" kB").parse().ok();
    let mut look = Look {
        kilobytes: resident.and_then(number).unwrap_or(0),
        descriptors: fs::read_dir(format!("/proc/{id}/fd")).map_or(0, Iterator::count),
        ..Look::default()
    };
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let other = entry.file_name().to_string_lossy().parse::<u32>();
        let Some((other, (state, parent))) = other.ok().and_then(|o| Some((o, stat(o)?))) else {
            continue;
        };
        if parent == id {
            seen.insert(other);
            match state == "Z" {
                true => look.zombies += 1,
                false => look.children += 1,
            }
        }
    }
    look
}

/// The most of each in some of the looks.
fn most(looks: &[Look]) -> Look {
    let most = |of: fn(&Look) -> u64| looks.iter().map(of).max().unwrap_or(0);
    Look {
        kilobytes: most(|look| look.kilobytes),
        descriptors: most(|look| look.descriptors as u64) as usize,
        children: most(|look| look.children as u64) as usize,
        zombies: most(|look| look.zombies as u64) as usize,
    }
}

#[test]
fn good_and_bad_files_leave_nothing_behind() {
    let count = std::env::var("KPACK_CROWD").ok();
    let count = count.and_then(|text| text.parse().ok()).unwrap_or(200);
    let dir = tempfile::tempdir().unwrap();
    let (media, out) = (crowd(dir.path(), count), dir.path().join("out"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_kpack"));
    command.arg("webdataset").arg(&media).arg("-o").arg(&out);
    command.args(["--frames", "all", "--short-side", "64", "-q", "-j2"]);
    // In debug builds some of the good ones kill their workers besides.
    command.env("KPACK_FAULT", "abort=clip_003,exit=clip_015");
    let mut process = command.stderr(Stdio::null()).spawn().unwrap();
    let (id, mut looks, mut seen) = (process.id(), Vec::new(), BTreeSet::new());
    let status = loop {
        if let Some(status) = process.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(10));
        looks.push(look(id, &mut seen));
    };
    assert_eq!(status.code(), Some(3));
    let rows = rows(&out);
    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    for row in &rows {
        let class = row.class.map_or("", |class| class.as_str());
        *outcomes
            .entry(format!("{:?} {class}", row.outcome))
            .or_default() += 1;
    }
    println!("{count} files: {outcomes:?}");
    let dataset = Dataset::read(&out).unwrap().unwrap();
    let done = rows
        .iter()
        .filter(|row| row.outcome == Outcome::Done)
        .count() as u64;
    assert_eq!((rows.len(), dataset.counts.clips), (count, count as u64));
    let counts = &dataset.counts;
    assert_eq!(counts.done + counts.failed + counts.skipped, count as u64);
    assert_eq!(counts.done, done);
    assert_eq!(counts.failures.values().sum::<u64>(), counts.failed);
    assert_eq!(
        dataset
            .shards
            .iter()
            .map(|shard| shard.samples)
            .sum::<u64>(),
        done
    );
    let third = looks.len() / 3;
    let (first, last) = (
        most(&looks[third / 2..2 * third]),
        most(&looks[2 * third..]),
    );
    println!(
        "{} looks, the middle {first:?}, the end {last:?}, {} workers in all",
        looks.len(),
        seen.len()
    );
    assert!(
        last.kilobytes < first.kilobytes * 5 / 4 + 16_000,
        "{first:?} {last:?}"
    );
    assert!(
        last.descriptors <= first.descriptors + 4,
        "{first:?} {last:?}"
    );
    // At its very first a process still has the descriptors of whoever started it: they are closed
    // only after it was given its own memory, and with that its number to us.
    let all = most(&looks[2..]);
    assert!(
        all.descriptors < 40 && all.children <= 3 && all.zombies <= 2,
        "{all:?}"
    );
    // Whoever was a worker is gone, or something else by now.
    std::thread::sleep(Duration::from_millis(100));
    let lives = |id: &&u32| {
        let line = fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
        line.contains("worker") && stat(**id).is_some_and(|(_, parent)| parent <= 1)
    };
    assert_eq!(seen.iter().find(lives), None);
}
