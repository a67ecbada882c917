//! A list that a training code reads: a path on each line, then numbers and perhaps a label.
//!
//! ```text
//! path label                  mmaction2, PySlowFast, VideoMAE, PyTorchVideo
//! path,label                  PySlowFast with commas
//! path frames label           frame directories, and PySlowFast's three fields
//! path start frames label     mmaction2 with offsets
//! path label label ..         several classes
//! path start frames           VideoMAEv2's pre-training; `path 0 -1` for a whole video
//! ```
//!
//! The last field is the label, so a path may hold spaces; a line of a path alone has no label.
//! With a tab in the line the label is what follows the last tab, and may hold spaces itself.
//! Labels that are all integers are class indexes, -1 meaning none. Which numbers are labels is
//! found out from all lines: as many on each line are one label behind counts of frames, their
//! number changing from line to line are several labels.

use std::io::{BufRead, ErrorKind};
use std::path::{Path, PathBuf};

use crate::source::media_kind::by_name;
use crate::source::raw::{Gather, Raw, RawLabel, os_str, shown};
use crate::{Error, Result, bounded};

/// What the numbers behind a path are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Numbers {
    /// To be found out.
    Unknown,
    /// Counts of frames, then one label.
    FramesLabel,
    /// Labels.
    Labels,
    /// Start and count of frames.
    Frames,
}

/// Whether `head` begins with a line whose path names a media file.
pub(in crate::source) fn sniff(_: &Path, head: &[u8]) -> bool {
    first_line(head).is_some_and(|line| {
        let (path, _) = split(line, comma(head));
        by_name(os_str(path)) == Some(true)
    })
}

/// Reads the lines of `path`, and finds out what their numbers are.
pub(in crate::source) fn read(
    path: &Path,
    from: &mut dyn BufRead,
    gather: &mut Gather<'_>,
) -> Result<()> {
    read_as(path, from, gather, Numbers::Unknown)
}

/// Reads `path .. label` lines, where counts of frames may stand between.
pub(in crate::source) fn read_frames(
    path: &Path,
    from: &mut dyn BufRead,
    gather: &mut Gather<'_>,
) -> Result<()> {
    read_as(path, from, gather, Numbers::FramesLabel)
}

/// Reads `path label label ..` lines.
pub(in crate::source) fn read_labels(
    path: &Path,
    from: &mut dyn BufRead,
    gather: &mut Gather<'_>,
) -> Result<()> {
    read_as(path, from, gather, Numbers::Labels)
}

/// Reads `path start frames` lines.
pub(in crate::source) fn read_unlabelled(
    path: &Path,
    from: &mut dyn BufRead,
    gather: &mut Gather<'_>,
) -> Result<()> {
    read_as(path, from, gather, Numbers::Frames)
}

fn read_as(
    path: &Path,
    from: &mut dyn BufRead,
    gather: &mut Gather<'_>,
    numbers: Numbers,
) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let (first, file) = (gather.rows.len(), gather.start(path));
    let head = from.fill_buf().map_err(Error::io("cannot read", path))?;
    let comma = comma(head);
    let (mut line, mut end) = (Vec::new(), 0_u64);
    for number in 1.. {
        line.clear();
        let begin = end;
        match bounded::line(from, &mut line, bounded::LINE) {
            Ok(0) => break,
            Ok(got) => end += got as u64,
            Err(e) if e.kind() == ErrorKind::FileTooLarge => {
                return Err(Error::Input {
                    path: path.to_owned(),
                    message: format!("line {number} (at byte {begin}): {e}: is this a list?"),
                });
            }
            Err(e) => return Err(Error::io("cannot read", path)(e)),
        }
        let text = match number {
            1 => line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line),
            _ => &line,
        };
        let text = text.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let (mut raw, is_text) = row(text, comma);
        if !is_text {
            let what = "the label is not UTF-8 text: save the list as UTF-8";
            raw.refuse(format!("{} line {number}: {what}", shown(path)));
        }
        (raw.file, raw.line) = (file, number);
        gather.place(&mut raw, &folder);
        gather.rows.push(raw);
    }
    settle(gather.rows.get_mut(first..).unwrap_or_default(), numbers);
    gather.end(first);
    Ok(())
}

fn first_line(head: &[u8]) -> Option<&[u8]> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let mut lines = head.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    lines.find(|line| !line.is_empty())
}

/// Whether commas separate the fields: the first one stands behind the name of a media file.
fn comma(head: &[u8]) -> bool {
    let line = first_line(head).unwrap_or_default();
    let cell = line.split(|b| *b == b',').next().unwrap_or_default();
    cell.len() < line.len() && by_name(os_str(unquote(cell))) == Some(true)
}

/// A line's row, all of its numbers as labels for now, and whether its label is text.
fn row(line: &[u8], comma: bool) -> (Raw, bool) {
    let named = |path: &[u8]| Raw {
        named: PathBuf::from(os_str(unquote(path))),
        ..Raw::default()
    };
    let mut numbers = Vec::new();
    let mut rest = line;
    while let (before, Some(number)) = last_number(rest, comma) {
        numbers.push(RawLabel::Index(number));
        rest = before;
    }
    if !numbers.is_empty() {
        numbers.reverse();
        let mut raw = named(rest);
        raw.labels = numbers;
        return (raw, true);
    }
    let (path, label) = split(line, comma);
    let mut raw = named(path);
    match label.map(std::str::from_utf8) {
        Some(Ok(label)) => raw.labels.push(RawLabel::Text(label.to_owned())),
        Some(Err(_)) => return (raw, false),
        None => {}
    }
    (raw, true)
}

/// The last field of a line if it is a number, and what stands before it.
fn last_number(line: &[u8], comma: bool) -> (&[u8], Option<i64>) {
    let (path, Some(field)) = halves(line, comma) else {
        return (line, None);
    };
    let number = std::str::from_utf8(field).ok().and_then(|f| f.parse().ok());
    let number = number.filter(|n| *n >= -1 && !path.is_empty());
    (path, number)
}

/// Path and label of a trimmed line that is not empty.
fn split(line: &[u8], comma: bool) -> (&[u8], Option<&[u8]>) {
    let (path, label) = halves(line, comma);
    // `my clip.mp4` is a path with a space, not the label `clip.mp4`.
    let tab = line.contains(&b'\t');
    if !comma && !tab && label.is_some_and(|l| by_name(os_str(unquote(l))) == Some(true)) {
        return (unquote(line), None);
    }
    (unquote(path), label.filter(|label| !label.is_empty()))
}

/// What stands before and behind the last separator.
fn halves(line: &[u8], comma: bool) -> (&[u8], Option<&[u8]>) {
    let tab = line.iter().rposition(|b| *b == b'\t');
    let at = match comma {
        true => line.iter().rposition(|b| *b == b','),
        false => tab.or_else(|| line.iter().rposition(u8::is_ascii_whitespace)),
    };
    let Some(at) = at else {
        return (line, None);
    };
    let (path, label) = line.split_at(at);
    let label = label.get(1..).unwrap_or_default().trim_ascii();
    (path.trim_ascii_end(), Some(label))
}

/// A path with a space may stand in quotes.
fn unquote(path: &[u8]) -> &[u8] {
    let inside = path.strip_prefix(b"\"").and_then(|p| p.strip_suffix(b"\""));
    inside.unwrap_or(path)
}

/// Keeps those of each row's numbers that are labels.
fn settle(rows: &mut [Raw], numbers: Numbers) {
    let indexes = |raw: &Raw| match raw.labels.first() {
        Some(RawLabel::Index(_)) => Some(raw.labels.len()),
        _ => None,
    };
    let most = rows.iter().filter_map(indexes).max().unwrap_or(0);
    let least = rows.iter().filter_map(indexes).min().unwrap_or(0);
    let whole = |raw: &Raw| raw.labels == [RawLabel::Index(0), RawLabel::Index(-1)];
    let directories = rows
        .first()
        .is_some_and(|raw| by_name(raw.named.as_os_str()) != Some(true));
    let numbers = match numbers {
        Numbers::Unknown if most < 2 => Numbers::Labels,
        Numbers::Unknown if rows.iter().all(whole) => Numbers::Frames,
        Numbers::Unknown if most == least && (most == 2 || (most == 3 && directories)) => {
            Numbers::FramesLabel
        }
        Numbers::Unknown if directories => {
            // A count of frames stands first, whatever follows.
            let counted = rows.iter_mut().filter(|raw| indexes(raw).is_some());
            counted.for_each(|raw| drop(raw.labels.remove(0)));
            Numbers::Labels
        }
        known => known,
    };
    for raw in rows.iter_mut().filter(|raw| indexes(raw).is_some()) {
        match numbers {
            Numbers::FramesLabel => drop(raw.labels.drain(..raw.labels.len() - 1)),
            Numbers::Frames => raw.labels.clear(),
            Numbers::Unknown | Numbers::Labels => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_field_is_the_label() {
        let case = |line: &'static str| split(line.as_bytes(), false);
        assert_eq!(case("a.mp4 3"), (&b"a.mp4"[..], Some(&b"3"[..])));
        assert_eq!(
            case("my clip.mp4   run"),
            (&b"my clip.mp4"[..], Some(&b"run"[..]))
        );
        assert_eq!(case("a.mp4"), (&b"a.mp4"[..], None));
        assert_eq!(case("my clip.mp4"), (&b"my clip.mp4"[..], None));
        assert_eq!(
            case("a b.mp4\thigh jump"),
            (&b"a b.mp4"[..], Some(&b"high jump"[..]))
        );
    }

    #[test]
    fn a_list_is_known_by_its_first_path() {
        let path = Path::new("train.csv");
        assert!(sniff(path, b"\xef\xbb\xbf\n/a/b c.mp4 12\n"));
        assert!(sniff(path, b"/a/b c.mp4,12\n"));
        assert!(sniff(path, b"\"/a/b c.mp4\" 12\n"));
        assert!(!sniff(path, b"label,youtube_id,time_start\n"));
        assert!(!sniff(path, b"Read me first.\n"));
    }

    /// The labels of each line.
    fn labels(lines: &[&str]) -> Vec<Vec<i64>> {
        let comma = comma(lines[0].as_bytes());
        let mut rows: Vec<Raw> = lines
            .iter()
            .map(|line| row(line.as_bytes(), comma).0)
            .collect();
        settle(&mut rows, Numbers::Unknown);
        let index = |label: &RawLabel| match label {
            RawLabel::Index(index) => *index,
            RawLabel::Text(_) => -9,
        };
        rows.iter()
            .map(|raw| raw.labels.iter().map(index).collect())
            .collect()
    }

    #[test]
    fn numbers_are_told_apart_by_all_lines() {
        assert_eq!(
            labels(&["a.mp4 3", "b c.mp4 -1", "d.mp4"]),
            [vec![3], vec![-1], vec![]]
        );
        assert_eq!(labels(&["a.mp4,3", "b c.mp4,4"]), [[3], [4]]);
        assert_eq!(labels(&["a.mp4 300 3", "b c.mp4 250 4"]), [[3], [4]]);
        assert_eq!(labels(&["d/a 163 1", "d/b c 258 2"]), [[1], [2]]);
        assert_eq!(labels(&["d/a 12 163 3", "d/b 98 12 4"]), [[3], [4]]);
        assert_eq!(labels(&["d/a 163 1 3", "d/b 98 4"]), [vec![1, 3], vec![4]]);
        assert_eq!(
            labels(&["a.mp4 1 3 5", "b.mp4 2"]),
            [vec![1, 3, 5], vec![2]]
        );
        assert_eq!(labels(&["a.mp4 0 -1", "b.mp4 0 -1"]), [vec![0; 0], vec![]]);
    }
}
