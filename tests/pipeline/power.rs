//! What a power cut leaves of a tree: no row tells of a sample whose files were not synced before.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use kpack::pipeline::{Options, Plan, PlanOptions, Summary, Target, TreeWriter, pack};
use kpack::progress::NoProgress;
use kpack::source::Clip;
use kpack::tree::{FrameNames, Tree, TreeLayout, TreeOptions};
use kpack_formats::{Extent, Meta, Result, Sample};

use super::{assert_same, files, input, make, number, quiet_panics, recipe};

const CLIPS: usize = 200;

fn tree(out: &Path) -> Tree {
    let options = TreeOptions {
        layout: TreeLayout::Flat,
        frames: Some(FrameNames::default()),
    };
    Tree::new(out, &input(CLIPS), options).unwrap()
}

fn run(out: &Path, tree: &dyn TreeWriter, stop_at: Option<u64>) -> Summary {
    quiet_panics();
    let target = Target::Tree(tree);
    let plan = Plan::new(input(CLIPS), recipe(), target, PlanOptions::default()).unwrap();
    let options = Options {
        threads: 2,
        ..Options::default()
    };
    let stop = AtomicBool::new(false);
    let stopping = |clip: &Clip, state: &mut Vec<u8>| {
        if Some(number(clip)) == stop_at {
            stop.store(true, Relaxed);
        }
        make(clip, state)
    };
    pack(&plan, out, target, &options, stopping, &NoProgress, &stop).unwrap()
}

/// What was written, and what of it was synced.
#[derive(Default)]
struct Disk {
    cached: Vec<String>,
    kept: Vec<String>,
    syncs: u32,
}

/// A tree that knows which of its samples would survive.
struct Watched<'a> {
    tree: Tree,
    out: &'a Path,
    disk: Mutex<Disk>,
}

impl TreeWriter for Watched<'_> {
    fn describe(&self) -> Meta {
        self.tree.describe()
    }
    fn place(&self, clip: &Clip) -> String {
        self.tree.place(clip)
    }
    fn write(&self, clip: &Clip, sample: &Sample) -> Result<Extent> {
        let extent = self.tree.write(clip, sample)?;
        let mut disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        disk.cached.push(self.place(clip));
        Ok(extent)
    }
    fn sync(&self) -> Result<()> {
        let mut disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        let Disk { cached, kept, .. } = &mut *disk;
        kept.append(cached);
        disk.syncs += 1;
        // The manifest and the rows are not there before what they tell of.
        assert!(!self.out.join("dataset.json").exists());
        assert!(!self.out.join("samples.jsonl").exists());
        self.tree.sync()
    }
    fn confirm(&self, place: &str, length: u64, crc32c: u32) -> bool {
        self.tree.confirm(place, length, crc32c)
    }
    fn remove(&self, place: &str) -> Result<()> {
        self.tree.remove(place)
    }
}

fn log(out: &Path) -> String {
    fs::read_to_string(out.join(".kpack/part-0-of-1.jsonl")).unwrap()
}

#[test]
fn samples_are_synced_before_the_rows_that_tell_of_them() {
    for stop_at in [None, Some(20), Some(45)] {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path();
        let watched = Watched {
            tree: tree(out),
            out,
            disk: Mutex::default(),
        };
        run(out, &watched, stop_at);
        let disk = watched.disk.into_inner().unwrap();
        assert!(disk.syncs > 0 && disk.kept.len() > 10);
        // What was begun behind a stop may be written and have no row.
        let told = match stop_at {
            None => fs::read_to_string(out.join("samples.jsonl")).unwrap(),
            Some(_) => log(out),
        };
        let named = |place: &&String| told.contains(&format!("\"path\":\"{place}\""));
        assert_eq!(disk.cached.iter().find(named), None, "{stop_at:?}");
        if stop_at.is_some() {
            let last = told.lines().last().unwrap();
            assert!(last.starts_with("{\"synced\":"), "{last}");
        }
    }
}

/// A file system may have a file's length and not its bytes. Of samples that were synced only names
/// and lengths are looked at, of all others every byte.
#[test]
fn samples_that_were_not_synced_are_read_again() {
    let whole = tempfile::tempdir().unwrap();
    run(whole.path(), &tree(whole.path()), None);
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path();
    run(out, &tree(out), Some(20));
    let rows = log(out).lines().count();
    let unsynced: String = log(out)
        .lines()
        .filter(|line| !line.starts_with("{\"synced\""))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(unsynced.lines().count() < rows);
    fs::write(out.join(".kpack/part-0-of-1.jsonl"), unsynced).unwrap();
    let frame = out.join("class/clip_0/img_00001.jpg");
    let length = fs::metadata(&frame).unwrap().len();
    fs::write(&frame, vec![0; length as usize]).unwrap();
    let summary = run(out, &tree(out), None);
    assert_eq!(summary.counts.settled(), CLIPS as u64);
    assert_same(&files(out), &files(whole.path()), "after a power cut");
}
