//! Files of their own per sample, written by the workers.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use kpack::pipeline::{Options, Outcome, Plan, PlanOptions, Summary, Target, TreeWriter, pack};
use kpack::progress::NoProgress;
use kpack::source::Clip;
use kpack_formats::{Blob, Error, Extent, Meta, Sample};

use super::{Files, assert_same, count, files, input, make, number, recipe, rows};

struct OneFile(PathBuf);

impl TreeWriter for OneFile {
    fn describe(&self) -> Meta {
        Meta::from_iter([("format".to_owned(), "one-file".into())])
    }
    fn place(&self, clip: &Clip) -> String {
        clip.key.clone()
    }
    fn write(&self, clip: &Clip, sample: &Sample) -> kpack_formats::Result<Extent> {
        if number(clip) == 16 {
            return Err(Error::limit("too many frames"));
        }
        let path = self.0.join(self.place(clip) + ".bin");
        let Blob::Bytes(bytes) = &sample.blobs["000001.jpg"] else {
            unreachable!()
        };
        fs::create_dir_all(path.parent().unwrap())
            .and_then(|()| fs::write(&path, bytes))
            .map_err(|e| Error::io("cannot write", e).path(&path))?;
        let (length, crc32c) = (bytes.len() as u64, crc32c::crc32c(bytes));
        Ok(Extent {
            offset: 0,
            length,
            crc32c,
            members: Vec::new(),
        })
    }
    fn confirm(&self, place: &str, length: u64, crc32c: u32) -> bool {
        let bytes = fs::read(self.0.join(format!("{place}.bin"))).unwrap_or_default();
        (bytes.len() as u64, crc32c::crc32c(&bytes)) == (length, crc32c)
    }
    fn remove(&self, place: &str) -> kpack_formats::Result<()> {
        let _ = fs::remove_file(self.0.join(format!("{place}.bin")));
        Ok(())
    }
}

fn run(out: &std::path::Path, clips: usize, overwrite: bool, stop_at: Option<u64>) -> Summary {
    let tree = OneFile(out.to_owned());
    let target = Target::Tree(&tree);
    let plan = Plan::new(input(clips), recipe(), target, PlanOptions::default()).unwrap();
    let options = Options {
        threads: 2,
        overwrite,
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

fn undisturbed(clips: usize) -> Files {
    let out = tempfile::tempdir().unwrap();
    run(out.path(), clips, false, None);
    files(out.path())
}

#[test]
fn workers_write_and_rows_say_where() {
    let out = tempfile::tempdir().unwrap();
    let summary = run(out.path(), 60, false, None);
    let rows = rows(out.path());
    assert_eq!((summary.counts.settled(), summary.shards), (60, 0));
    for row in rows.iter().filter(|row| row.outcome == Outcome::Done) {
        let bytes = fs::read(out.path().join(row.path.clone().unwrap() + ".bin")).unwrap();
        assert_eq!(row.length, Some(bytes.len() as u64));
    }
    assert_eq!(count(&rows, Outcome::Done), summary.counts.done);
    assert!(
        rows[16]
            .reason
            .as_ref()
            .unwrap()
            .contains("too many frames")
    );
}

#[test]
fn an_interrupted_tree_is_continued_and_what_changed_is_written_again() {
    let want = undisturbed(60);
    let out = tempfile::tempdir().unwrap();
    run(out.path(), 60, false, Some(30));
    fs::write(out.path().join("class/clip_10.bin"), "rot").unwrap();
    run(out.path(), 60, false, None);
    assert_same(&files(out.path()), &want, "continued");
}

#[test]
fn overwrite_removes_the_files_of_the_old_tree_only() {
    let want = undisturbed(30);
    for stop_at in [None, Some(40)] {
        let out = tempfile::tempdir().unwrap();
        run(out.path(), 60, false, stop_at);
        fs::write(out.path().join("class/mine.bin"), "mine").unwrap();
        run(out.path(), 30, true, None);
        let mut got = files(out.path());
        assert_eq!(got.remove("class/mine.bin").unwrap(), b"mine");
        if stop_at.is_none() {
            assert_same(&got, &want, "after overwrite");
        }
    }
}
