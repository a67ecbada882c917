//! A directory tree of media:
//!
//! ```text
//! DIR/clip.mp4               no label
//! DIR/class/clip.mp4         the folder is the label, and so for files deeper below it
//! DIR/split/clip.mp4         the first folder is a split's name: a split, no label
//! DIR/split/class/clip.mp4   both
//! ```
//!
//! Rows come in bytewise order of the path below DIR. Links are followed, loops are not.

use std::fs::File;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::media_kind::{HEAD, by_name, is_media_head};
use super::raw::{Gather, Raw, RawLabel, count, shown};
use super::{Problem, class_name, split_name};
use crate::sample::{Class, Stage};
use crate::{Error, Result};

/// What a scan found that became no row.
#[derive(Default)]
struct Others {
    /// Files that are no media.
    files: u64,
    /// Hidden folders and `._*` files.
    hidden: u64,
    /// Files that may be annotations, should there be no media at all.
    tables: Vec<PathBuf>,
}

/// Reads the tree below `dir` and returns the annotation files to read instead, if it holds no
/// media.
pub(super) fn read(dir: &Path, gather: &mut Gather<'_>) -> Result<Vec<PathBuf>> {
    let first = gather.rows.len();
    let (notes, mut others) = (gather.notes.len(), Others::default());
    let file = gather.start(dir);
    scan(dir, file, gather, &mut others)?;
    if gather.rows.len() == first {
        others.tables.sort_unstable();
        return Ok(others.tables);
    }
    let rows = gather.rows.get_mut(first..).unwrap_or_default();
    rows.sort_unstable_by(|a, b| {
        let (a, b) = (a.named.as_os_str(), b.named.as_os_str());
        a.as_encoded_bytes().cmp(b.as_encoded_bytes())
    });
    for raw in rows {
        describe(raw);
    }
    if others.files > 0 || others.hidden > 0 {
        let files = count(others.files, "file");
        let hidden = match others.hidden {
            0 => String::new(),
            n => format!(", and {n} hidden"),
        };
        let dir = shown(dir);
        let note = format!("{dir}: passed over {files} of other kinds{hidden}");
        gather.notes.insert(notes, note);
    }
    Ok(Vec::new())
}

/// Walks the tree: media become rows, the rest is counted, what cannot be read is noted.
fn scan(dir: &Path, file: u32, gather: &mut Gather<'_>, others: &mut Others) -> Result<()> {
    let exclude = gather.options.exclude.as_deref();
    let exclude = exclude.and_then(|p| p.canonicalize().ok());
    let mut hidden = 0;
    let walk = WalkDir::new(dir).follow_links(true).into_iter();
    let walk = walk.filter_entry(|entry| {
        let skip = entry.depth() > 0 && is_hidden(entry);
        hidden += u64::from(skip);
        !skip && !is_excluded(entry, exclude.as_deref())
    });
    let below = below_offset(dir);
    for entry in walk {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) => {
                let regular = entry.file_type().is_file();
                if regular && is_media(&entry) {
                    gather.rows.push(row(entry.into_path(), below, file));
                } else {
                    others.files += 1;
                    others.tables.extend(regular.then(|| entry.into_path()));
                }
            }
            Err(error) if error.depth() == 0 => return Err(unreadable(dir, error)),
            Err(error) => broken(&error, below, file, gather),
        }
    }
    others.hidden = hidden;
    Ok(())
}

fn row(named: PathBuf, below: usize, file: u32) -> Raw {
    Raw {
        named,
        below,
        file,
        ..Raw::default()
    }
}

/// Length of `dir` and its separator, as walked paths begin with them.
fn below_offset(dir: &Path) -> usize {
    let bytes = dir.as_os_str().as_encoded_bytes();
    bytes.len() + usize::from(bytes.last() != Some(&b'/'))
}

/// Folders that begin with a dot, and the resource forks that macOS leaves beside files.
fn is_hidden(entry: &DirEntry) -> bool {
    let name = entry.file_name().as_encoded_bytes();
    name.starts_with(b"._") || (name.starts_with(b".") && entry.file_type().is_dir())
}

/// Whether this is the folder that the run itself writes.
fn is_excluded(entry: &DirEntry, exclude: Option<&Path>) -> bool {
    exclude.is_some_and(|exclude| {
        entry.depth() > 0
            && entry.file_type().is_dir()
            && exclude.file_name() == Some(entry.file_name())
            && entry.path().canonicalize().is_ok_and(|p| p == exclude)
    })
}

fn is_media(entry: &DirEntry) -> bool {
    by_name(entry.file_name()).unwrap_or_else(|| {
        let mut head = Vec::new();
        File::open(entry.path())
            .and_then(|file| file.take(HEAD as u64).read_to_end(&mut head))
            .is_ok_and(|_| is_media_head(&head))
    })
}

fn unreadable(dir: &Path, error: walkdir::Error) -> Error {
    Error::Io {
        what: "cannot read folder",
        path: dir.to_owned(),
        source: error.into(),
    }
}

/// A link that leads nowhere is a row if its name is a video's; everything else is a note.
fn broken(error: &walkdir::Error, below: usize, file: u32, gather: &mut Gather<'_>) {
    let path = error.path().unwrap_or(Path::new(""));
    if let Some(ancestor) = error.loop_ancestor() {
        let (path, ancestor) = (shown(path), shown(ancestor));
        let note = format!("{path}: not followed, the link leads back to {ancestor}");
        gather.notes.push(note);
        return;
    }
    let why = error
        .io_error()
        .map_or_else(|| error.to_string(), ToString::to_string);
    let media = path.file_name().and_then(by_name) == Some(true);
    if media {
        let mut raw = row(path.to_owned(), below, file);
        raw.problem = Some(Problem {
            stage: Stage::Plan,
            class: Class::Missing,
            reason: format!("{}: the link leads nowhere: {why}", shown(path)),
        });
        gather.rows.push(raw);
    } else {
        let path = shown(path);
        gather
            .notes
            .push(format!("{path}: passed over, cannot be read: {why}"));
    }
}

/// Reads split and label off the folders.
fn describe(raw: &mut Raw) {
    let folders: Vec<_> = match raw.below().parent() {
        Some(parent) => parent.components().take(2).collect(),
        None => return,
    };
    let mut folders = folders.into_iter().filter_map(|c| match c {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    let mut class = folders.next();
    let split = class.and_then(|name| name.to_str()).and_then(split_name);
    if split.is_some() {
        class = folders.next();
    }
    let label = class.map(|name| RawLabel::Text(class_name(name)));
    raw.split = split.map(str::to_owned);
    raw.labels.extend(label);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::fs;
    use std::path::Path;

    use crate::source::{Input, ReadOptions, read};

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        dir
    }

    fn read_dir(dir: &Path) -> Input {
        read(&[dir.to_owned()], &ReadOptions::default()).unwrap()
    }

    fn lines(input: &Input) -> Vec<String> {
        let line = |row: &crate::source::Row| {
            let clip = &row.clip;
            let label = clip.labels.first().and_then(|l| l.text.clone());
            let split = clip.split.clone().unwrap_or_default();
            format!("{} {split} {}", clip.key, label.unwrap_or_default())
        };
        input.rows.iter().map(line).collect()
    }

    #[test]
    fn folders_are_splits_and_labels() {
        let dir = tree(&[
            "validate/run/b.mp4",
            "train/a.mp4",
            "jump/deep/er/c.webm",
            "top.mkv",
            "test/run/a.wav",
        ]);
        let input = read_dir(dir.path());
        assert_eq!(
            lines(&input),
            [
                "jump/deep/er/c  jump",
                "test/run/a test run",
                "top  ",
                "train/a train ",
                "validate/run/b val run",
            ]
        );
        assert_eq!(input.classes, ["jump", "run"]);
        let label = &input.rows.last().unwrap().clip.labels[0];
        assert_eq!(label.index, Some(1));
    }

    #[test]
    fn order_is_bytewise_by_relative_path() {
        let dir = tree(&["a/x.mp4", "a.mp4", "a-b.mp4", "B.mp4"]);
        let keys: Vec<_> = read_dir(dir.path())
            .rows
            .into_iter()
            .map(|r| r.clip.key)
            .collect();
        assert_eq!(keys, ["B", "a-b", "a", "a/x"]);
    }

    #[test]
    fn only_media_become_rows_and_the_rest_is_one_note() {
        let dir = tree(&[
            "a.mp4",
            "notes.txt",
            "t.csv",
            "._a.mp4",
            ".git/b.mp4",
            "c.ts",
        ]);
        fs::write(dir.path().join("noext"), b"\0\0\0\x18ftypisom").unwrap();
        let input = read_dir(dir.path());
        assert_eq!(lines(&input), ["a  ", "noext  "]);
        assert_eq!(input.notes.len(), 1);
        assert!(input.notes[0].contains("3 files of other kinds, and 2 hidden"));
    }

    #[test]
    fn a_folder_without_media_is_an_error_that_names_it() {
        let dir = tree(&["readme.txt"]);
        let error = read(&[dir.path().to_owned()], &ReadOptions::default()).unwrap_err();
        let name = dir.path().display().to_string();
        assert!(error.to_string().contains(&name), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_loops_end() {
        use std::os::unix::fs::symlink;
        let dir = tree(&["run/a.mp4"]);
        symlink("..", dir.path().join("run/up")).unwrap();
        symlink("run", dir.path().join("walk")).unwrap();
        symlink("gone.mp4", dir.path().join("b.mp4")).unwrap();
        let input = read_dir(dir.path());
        assert_eq!(lines(&input), ["b  ", "run/a  run", "walk/a  walk"]);
        let problem = input.rows[0].problem.as_ref().unwrap();
        assert_eq!(problem.class, crate::sample::Class::Missing);
        assert!(input.notes.iter().any(|n| n.contains("leads back")));
    }

    #[cfg(unix)]
    #[test]
    fn names_of_any_bytes_get_safe_keys() {
        use std::os::unix::ffi::OsStrExt as _;
        let names: [&[u8]; 5] = [
            b"\xff\xfe.mp4",
            b"a\nb.mp4",
            b"it's \"x\".mp4",
            b"-x.mp4",
            b"\xc3\xa4.mp4",
        ];
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            let path = dir.path().join(std::ffi::OsStr::from_bytes(name));
            fs::write(path, "x").unwrap();
        }
        let input = read_dir(dir.path());
        let keys: Vec<_> = input.rows.iter().map(|r| r.clip.key.as_str()).collect();
        assert_eq!(keys[..3], ["-x", "a_b", "it_s__x_"]);
        // What is no ASCII is told apart by a hash.
        assert!(keys[3].starts_with("_-") && keys[4].starts_with("__-"));
        assert!(input.rows.iter().all(|r| r.clip.media.is_some()));
    }
}
