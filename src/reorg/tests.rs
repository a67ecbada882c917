//! Interruptions, and what must never be lost.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;

use super::*;
use crate::source::{ReadOptions, read};

/// Sets `stop` after some files.
struct StopAfter<'a>(Cell<u64>, &'a AtomicBool);

impl Progress for StopAfter<'_> {
    fn outcome(&self, _: Outcome, _: u64, _: u64) {
        self.0.set(self.0.get().saturating_sub(1));
        if self.0.get() == 0 {
            self.1.store(true, Ordering::Relaxed);
        }
    }
}

fn tree(dir: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn run(media: &Path, out: &Path, arrange: &Arrange, after: u64) -> Report {
    let options = ReadOptions {
        exclude: Some(out.to_owned()),
        ..ReadOptions::default()
    };
    let input = read(&[media.to_owned()], &options).unwrap();
    let stop = AtomicBool::new(false);
    let watch = StopAfter(Cell::new(after), &stop);
    let arrange = Arrange {
        roots: vec![media.to_owned()],
        threads: 1,
        ..arrange.clone()
    };
    reorg(&input, out, &arrange, &watch, &stop).unwrap()
}

/// Every file below `dir` but the journal, with its content.
fn content(dir: &Path) -> BTreeMap<String, String> {
    let files = walkdir::WalkDir::new(dir).into_iter().map(Result::unwrap);
    files
        .filter(|entry| entry.path().is_file() && entry.file_name() != JOURNAL)
        .map(|entry| {
            let name = entry.path().strip_prefix(dir).unwrap();
            let text = fs::read_to_string(entry.path()).unwrap();
            (name.to_str().unwrap().to_owned(), text)
        })
        .collect()
}

fn clips() -> Vec<(String, String)> {
    let clip = |i: u32| {
        let class = ["high jump", "it's (odd)"][i as usize % 2];
        (format!("val/{class}/-{i:03}.mp4"), format!("clip {i}"))
    };
    (0..40).map(clip).collect()
}

#[test]
fn an_interrupted_run_is_continued_by_the_same_call() {
    for by in [By::Move, By::Copy, By::Hardlink, By::Symlink] {
        let dir = tempfile::tempdir().unwrap();
        let (media, out) = (dir.path().join("in"), dir.path().join("out"));
        let clips = clips();
        let files: Vec<(&str, &str)> = clips
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        tree(&media, &files);
        let arrange = Arrange {
            layout: TreeLayout::Class,
            spelling: Spelling::Torchvision,
            by,
            ..Arrange::default()
        };
        let first = run(&media, &out, &arrange, 13);
        assert!(
            first.remaining > 0 && first.placed >= 13,
            "{by:?} {first:?}"
        );
        assert_eq!(first.placed + first.remaining, 40);
        let second = run(&media, &out, &arrange, u64::MAX);
        assert_eq!(
            (second.collisions, second.duplicates, second.failed),
            (0, 0, 0),
            "{by:?}"
        );
        assert_eq!(first.placed + second.placed, 40, "{by:?}");
        let expected: BTreeMap<String, String> = clips
            .iter()
            .map(|(name, text)| {
                let name = name.replace("val/high jump", "high_jump");
                (name.replace("val/it's (odd)", "its_odd"), text.clone())
            })
            .collect();
        assert_eq!(content(&out), expected, "{by:?}");
        let moved = by == By::Move;
        assert_eq!(content(&media).len(), if moved { 0 } else { 40 }, "{by:?}");
        // Emptied folders go, the folder that was named stays.
        assert!(media.is_dir() && media.join("val").exists() != moved);
        let journal = fs::read_to_string(out.join(JOURNAL)).unwrap();
        let rows: Vec<Arranged> = journal
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(rows.len(), 40, "{by:?}");
        let labels: Vec<_> = rows.iter().filter_map(|row| row.label.as_deref()).collect();
        assert!(labels.contains(&"it's (odd)") && rows.iter().all(|r| r.split.is_some()));
    }
}

#[test]
fn nothing_is_overwritten_and_nothing_is_lost() {
    for by in [By::Move, By::Copy, By::Hardlink, By::Symlink] {
        let dir = tempfile::tempdir().unwrap();
        let (media, out) = (dir.path().join("in"), dir.path().join("out"));
        tree(
            &media,
            &[
                ("a/x.mp4", "one"),
                ("b/x.mp4", "one"),
                ("c/x.mp4", "two"),
                ("c/taken.mp4", "mine"),
            ],
        );
        tree(&out, &[("taken.mp4", "theirs")]);
        let arrange = Arrange {
            by,
            layout: TreeLayout::Flat,
            ..Arrange::default()
        };
        let dry = run(
            &media,
            &out,
            &Arrange {
                dry_run: true,
                ..arrange.clone()
            },
            u64::MAX,
        );
        let before = content(&out);
        assert_eq!(before.len(), 1);
        let report = run(&media, &out, &arrange, u64::MAX);
        assert_eq!(
            (report.placed, report.duplicates, report.collisions),
            (1, 1, 2),
            "{by:?}"
        );
        assert_eq!(
            (dry.placed, dry.duplicates, dry.collisions),
            (report.placed, report.duplicates, report.collisions),
            "{by:?}"
        );
        let now = content(&out);
        assert_eq!(
            (now["x.mp4"].as_str(), now["taken.mp4"].as_str()),
            ("one", "theirs")
        );
        assert_eq!(now.len(), 2, "nothing half done: {now:?}");
        let left = content(&media);
        for name in ["b/x.mp4", "c/x.mp4", "c/taken.mp4"] {
            assert!(left.contains_key(name), "{by:?} {name}");
        }
    }
}

#[test]
fn a_folder_is_arranged_in_itself() {
    let dir = tempfile::tempdir().unwrap();
    let media = dir.path().join("in");
    tree(
        &media,
        &[("run/a.mp4", "a"), ("jump/b.mp4", "b"), ("c.mp4", "c")],
    );
    let arrange = Arrange {
        by: By::Move,
        layout: TreeLayout::Flat,
        ..Arrange::default()
    };
    let report = run(&media, &media, &arrange, u64::MAX);
    assert_eq!((report.placed, report.there), (2, 1));
    let again = run(&media, &media, &arrange, u64::MAX);
    assert_eq!((again.placed, again.there), (0, 3));
    assert_eq!(content(&media).len(), 3);
    // The same folder by another way is the same folder, not a second name that may go.
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&media, dir.path().join("other")).unwrap();
        let report = run(&dir.path().join("other"), &media, &arrange, u64::MAX);
        assert_eq!((report.there, content(&media).len()), (3, 3));
    }
}

#[cfg(unix)]
#[test]
fn links_are_moved_without_breaking_them() {
    let dir = tempfile::tempdir().unwrap();
    let (media, out) = (dir.path().join("in"), dir.path().join("out"));
    tree(dir.path(), &[("store/a.mp4", "a")]);
    fs::create_dir_all(media.join("run")).unwrap();
    std::os::unix::fs::symlink("../../store/a.mp4", media.join("run/a.mp4")).unwrap();
    let arrange = Arrange {
        by: By::Move,
        layout: TreeLayout::Flat,
        ..Arrange::default()
    };
    assert_eq!(run(&media, &out, &arrange, u64::MAX).placed, 1);
    assert_eq!(content(&out)["a.mp4"], "a");
    assert!(!media.join("run/a.mp4").exists() && dir.path().join("store/a.mp4").exists());
}

#[test]
fn spellings_come_back_and_classes_do_not_melt_together() {
    let dir = tempfile::tempdir().unwrap();
    let (media, out) = (dir.path().join("in"), dir.path().join("out"));
    tree(&media, &[("its_odd/a.mp4", "a"), ("other/b.mp4", "b")]);
    let arrange = Arrange {
        layout: TreeLayout::Class,
        names: vec!["it's (odd)".to_owned()],
        by: By::Copy,
        ..Arrange::default()
    };
    let report = run(&media, &out, &arrange, u64::MAX);
    let names: Vec<String> = content(&out).into_keys().collect();
    assert_eq!(names, ["it's (odd)/a.mp4", "other/b.mp4"]);
    assert!(
        report.notes.iter().any(|note| note.contains("other")),
        "{:?}",
        report.notes
    );

    tree(&media, &[("a b/x.mp4", "x"), ("a_b/y.mp4", "y")]);
    let input = read(std::slice::from_ref(&media), &ReadOptions::default()).unwrap();
    let arrange = Arrange {
        spelling: Spelling::Underscore,
        layout: TreeLayout::Class,
        ..Arrange::default()
    };
    let stop = AtomicBool::new(false);
    let error = reorg(&input, &out, &arrange, &crate::progress::NoProgress, &stop).unwrap_err();
    assert!(error.to_string().contains("`a b` and `a_b`"), "{error}");
}

/// What a crash can leave: both names of a file that was being moved, half of a copy, half a line.
#[test]
fn what_a_crash_left_is_taken_up() {
    let dir = tempfile::tempdir().unwrap();
    let (media, out) = (dir.path().join("in"), dir.path().join("out"));
    tree(&media, &[("run/a.mp4", "a"), ("run/b.mp4", "b")]);
    tree(&out, &[(".b.mp4.tmp", "half"), (JOURNAL, "{\"path\":\"x")]);
    fs::hard_link(media.join("run/a.mp4"), out.join("a.mp4")).unwrap();
    let arrange = Arrange {
        by: By::Move,
        layout: TreeLayout::Flat,
        ..Arrange::default()
    };
    let report = run(&media, &out, &arrange, u64::MAX);
    assert_eq!((report.placed, report.left.len()), (2, 0), "{report:?}");
    assert_eq!(content(&media).len(), 0);
    assert_eq!(content(&out)["a.mp4"], "a");
    assert_eq!(content(&out)["b.mp4"], "b");
    let journal = fs::read_to_string(out.join(JOURNAL)).unwrap();
    assert_eq!(journal.lines().count(), 3, "{journal}");
    // A half copy is begun anew, and its name is used no more.
    tree(&media, &[("run/b.mp4", "b")]);
    fs::remove_file(out.join("b.mp4")).unwrap();
    let by_copy = Arrange {
        by: By::Copy,
        ..arrange
    };
    assert_eq!(run(&media, &out, &by_copy, u64::MAX).placed, 1);
    assert!(!out.join(".b.mp4.tmp").exists());
}

#[cfg(unix)]
#[test]
fn links_follow_files_that_are_moved_with_them() {
    use std::os::unix::fs::symlink;

    let dir = tempfile::tempdir().unwrap();
    let (media, out) = (dir.path().join("in"), dir.path().join("out"));
    tree(&media, &[("z/file.mp4", "x"), ("a/same.mp4", "y")]);
    symlink("../z/file.mp4", media.join("a/link.mp4")).unwrap();
    symlink("../a/same.mp4", media.join("z/same.mp4")).unwrap();
    let arrange = Arrange {
        layout: TreeLayout::Flat,
        by: By::Move,
        ..Arrange::default()
    };
    let report = run(&media, &out, &arrange, u64::MAX);
    assert_eq!((report.placed, report.duplicates), (3, 1), "{report:?}");
    let names = content(&out);
    assert_eq!(
        names.keys().collect::<Vec<_>>(),
        ["file.mp4", "link.mp4", "same.mp4"]
    );
    assert_eq!(names["link.mp4"], "x");
    assert!(
        fs::symlink_metadata(out.join("link.mp4"))
            .unwrap()
            .is_symlink()
    );
    // What is left still leads to its file.
    assert_eq!(
        content(&media).into_iter().collect::<Vec<_>>(),
        [("z/same.mp4".into(), "y".into())]
    );
}

#[test]
fn a_full_disk_is_no_fault_of_a_file() {
    for kind in [
        std::io::ErrorKind::StorageFull,
        std::io::ErrorKind::QuotaExceeded,
    ] {
        assert!(place::failed(kind.into(), Path::new("out/a.mp4")).is_err());
    }
    let told = place::failed(std::io::ErrorKind::PermissionDenied.into(), Path::new("a"));
    assert_eq!(told.unwrap().0, Fate::Failed);
}
