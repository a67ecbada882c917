//! The program packs real clips, is killed at moments spread over the whole run, and goes on: the same
//! bytes as of an undisturbed run, and no clip made again whose row was written.
//!
//! A few kills of each kind with every test; `make kill-test` (`KPACK_KILLS=100`) does it at length.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::media::fixture;
use crate::pipeline::{Files, assert_same, files, noise};

/// Threads of a run, and with that the most clips that may be in flight.
const THREADS: usize = 2;
const IN_FLIGHT: usize = 32 * THREADS;

fn kills() -> usize {
    let kills = std::env::var("KPACK_KILLS").ok();
    kills.and_then(|text| text.parse().ok()).unwrap_or(4)
}

/// Hard links of small clips; each tenth is longer, each fifteenth broken.
fn clips(dir: &Path, count: usize) -> PathBuf {
    let media = dir.join("media");
    for i in 0..count {
        let name = match i {
            i if i % 10 == 7 => "media/no_audio.mp4",
            i if i % 15 == 3 => "broken/truncated_moov_end.mp4",
            _ => "media/tiny.mp4",
        };
        let to = media.join(format!("class {}/clip_{i:03}.mp4", i % 4));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        let from = fixture(name);
        if fs::hard_link(&from, &to).is_err() {
            fs::copy(from, to).unwrap();
        }
    }
    media
}

/// One kind of run and what was counted.
struct Chain<'a> {
    args: &'a [&'a str],
    media: PathBuf,
    out: PathBuf,
    /// Where the program says which clips it begins.
    begun: PathBuf,
    part: Option<usize>,
    /// Keys whose rows were written before a kill.
    settled: HashSet<String>,
    kills: usize,
    repeated: usize,
    most: usize,
}

impl Chain<'_> {
    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kpack"));
        command
            .arg(self.args[0])
            .arg(&self.media)
            .args(&self.args[1..]);
        command.arg("-o").arg(&self.out).args(["-q", "-j2"]);
        if let Some(part) = self.part {
            command.args(["--part", &format!("{part}/2")]);
        }
        command.env("KPACK_BEGUN", &self.begun);
        command.stderr(Stdio::null());
        command
    }

    fn log(&self) -> PathBuf {
        let (part, parts) = self.part.map_or((0, 1), |part| (part, 2));
        self.out
            .join(format!(".kpack/part-{part}-of-{parts}.jsonl"))
    }

    /// Keys of the rows in the log, whole lines only.
    fn rows(&self) -> Vec<String> {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let key = |line: &str| {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            row["row"]["row"]["key"].as_str().map(str::to_owned)
        };
        whole.lines().filter_map(key).collect()
    }

    fn begun(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.begun).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Runs until `rows` rows are written, and a little longer, then kills; whether it came to that.
    fn killed_at(&mut self, rows: usize, pause: Duration) -> bool {
        let before = self.begun().len();
        let had = self.rows().len();
        let mut child = self.command().spawn().unwrap();
        let killed = loop {
            if child.try_wait().unwrap().is_some() {
                break false;
            }
            if rows == 0 || self.rows().len() >= rows {
                std::thread::sleep(pause);
                break kill(&mut child);
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let begun = self.begun().split_off(before);
        let again = begun.iter().find(|key| self.settled.contains(*key));
        assert_eq!(again, None, "its row was written before the kill");
        if killed {
            let mut now = self.rows();
            // The log goes when all is done.
            let done = self.out.join("dataset.json").exists();
            assert!(done || now.len() >= had, "{had} rows, now {}", now.len());
            if done {
                now = begun.clone();
            }
            let written = now.len().saturating_sub(if done { 0 } else { had });
            let flying = begun.len().saturating_sub(written);
            assert!(flying <= IN_FLIGHT, "{flying} clips in flight");
            self.most = self.most.max(flying);
            self.settled.extend(now);
            self.kills += 1;
        }
        killed
    }

    /// Kills at `kills` moments from the start to the last row and behind it, then runs to the end.
    fn run(&mut self, kills: usize, clips: usize) {
        for i in 0..kills {
            let early = i < kills / 20 + 1;
            let rows = if early { 0 } else { (i + 1) * clips / kills };
            let pause = noise(i as u64) % if early { 120_000 } else { 3000 };
            if !self.killed_at(rows, Duration::from_micros(pause)) && rows >= clips {
                break;
            }
        }
        let ended = self.command().status().unwrap();
        assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
        let again = self.begun().len();
        let once: HashSet<String> = self.begun().into_iter().collect();
        self.repeated = again - once.len();
    }
}

/// Whether it was alive.
fn kill(child: &mut Child) -> bool {
    let _ = child.kill();
    child.wait().unwrap().code().is_none()
}

fn undisturbed(args: &[&str], media: &Path, out: &Path) -> Files {
    let mut chain = chain(args, media, out);
    chain.run(0, 0);
    files(out)
}

fn chain<'a>(args: &'a [&'a str], media: &Path, out: &Path) -> Chain<'a> {
    Chain {
        args,
        media: media.to_owned(),
        out: out.to_owned(),
        begun: out.with_extension("begun"),
        part: None,
        settled: HashSet::new(),
        kills: 0,
        repeated: 0,
        most: 0,
    }
}

/// All moments of one kind, in one part or in two.
fn survives(name: &str, args: &[&str], in_parts: bool) {
    let kills = kills();
    let count = if kills > 20 { 300 } else { 60 };
    let dir = tempfile::tempdir().unwrap();
    let media = clips(dir.path(), count);
    let want = undisturbed(args, &media, &dir.path().join("whole"));
    let out = dir.path().join("out");
    let mut told = (0, 0, 0);
    let parts: &[Option<usize>] = if in_parts {
        &[Some(1), Some(0)]
    } else {
        &[None]
    };
    for part in parts {
        let mut chain = chain(args, &media, &out);
        chain.part = *part;
        chain.begun = out.with_extension(format!("begun{part:?}"));
        chain.run(kills / parts.len(), count / parts.len());
        told = (
            told.0 + chain.kills,
            told.1 + chain.repeated,
            told.2.max(chain.most),
        );
    }
    if in_parts {
        for i in 0..4 {
            let mut merge = Command::new(env!("CARGO_BIN_EXE_kpack"));
            merge.args(["merge", "-q"]).arg(&out);
            let mut merge = merge.stderr(Stdio::null()).spawn().unwrap();
            if i < 3 {
                std::thread::sleep(Duration::from_millis(20 + noise(i) % 60));
                told.0 += usize::from(kill(&mut merge));
            }
            let _ = merge.wait().unwrap();
        }
    }
    assert_same(&files(&out), &want, name);
    let (kills, repeated, most) = told;
    assert!(kills > 0, "{name}: it was never killed");
    println!(
        "{name}: killed {kills} times, {repeated} of {count} clips made again, {most} at most in flight"
    );
}

const FRAMES: [&str; 4] = ["--frames", "all", "--audio", "none"];

fn with_frames<'a>(command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&[command], &FRAMES[..], more].concat()
}

#[test]
fn tar() {
    let args = with_frames("webdataset", &["--shard-samples", "16"]);
    survives("tar", &args, false);
}

#[test]
fn records() {
    let args = with_frames("tfrecord", &["--shard-samples", "16"]);
    survives("tfrecord", &args, false);
}

#[test]
fn compressed_tar() {
    let args = with_frames(
        "webdataset",
        &["--shard-samples", "16", "--compress", "zstd"],
    );
    survives("tar.zst", &args, false);
}

#[test]
fn compressed_records() {
    let args = with_frames("tfrecord", &["--shards", "5", "--compress", "gzip"]);
    survives("tfrecord GZIP", &args, false);
}

#[test]
fn frame_directories() {
    survives("frames", &["frames", "--layout", "class"], false);
}

#[test]
fn shuffled() {
    let args = with_frames("webdataset", &["--shuffle", "7", "--shard-samples", "16"]);
    survives("--shuffle", &args, false);
}

#[test]
fn cut_by_size() {
    let args = with_frames("webdataset", &["--shard-size", "200k"]);
    survives("--shard-size", &args, false);
}

#[test]
fn two_parts() {
    let args = with_frames("tfrecord", &["--shard-samples", "8"]);
    survives("two parts merged", &args, true);
}
