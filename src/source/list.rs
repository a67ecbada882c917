//! A list of `path label` lines.
//!
//! The last field is the label, so a path may hold spaces; a line of a path alone has no label.
//! With a tab in the line the label is what follows the last tab, and may hold spaces itself.
//! Labels that are all integers are class indexes, -1 meaning none.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use super::media_kind::by_name;
use super::raw::{Gather, Raw, RawLabel, os_str, shown};
use crate::{Error, Result};

/// Whether `head` begins with a line whose path names a media file.
pub(super) fn sniff(_: &Path, head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let mut lines = head.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    lines.find(|line| !line.is_empty()).is_some_and(|line| {
        let (path, _) = split(line);
        by_name(os_str(path)) == Some(true)
    })
}

/// Reads the lines of `path`.
pub(super) fn read(path: &Path, from: &mut dyn BufRead, gather: &mut Gather<'_>) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let (first, file) = (gather.rows.len(), gather.start(path));
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let got = from.read_until(b'\n', &mut line);
        if got.map_err(Error::io("cannot read", path))? == 0 {
            break;
        }
        let text = match number {
            1 => line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line),
            _ => &line,
        };
        let text = text.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let (media, label) = split(text);
        let mut raw = Raw {
            named: PathBuf::from(os_str(media)),
            file,
            line: number,
            ..Raw::default()
        };
        match label.map(std::str::from_utf8) {
            Some(Ok(label)) => raw.label = Some(RawLabel::Text(label.to_owned())),
            Some(Err(_)) => raw.refuse(format!(
                "{} line {number}: the label is not UTF-8 text: save the list as UTF-8",
                shown(path)
            )),
            None => {}
        }
        gather.place(&mut raw, &folder);
        gather.rows.push(raw);
    }
    gather.end(first);
    Ok(())
}

/// Path and label of a trimmed line that is not empty.
fn split(line: &[u8]) -> (&[u8], Option<&[u8]>) {
    let tab = line.iter().rposition(|b| *b == b'\t');
    let Some(at) = tab.or_else(|| line.iter().rposition(u8::is_ascii_whitespace)) else {
        return (line, None);
    };
    let (path, label) = line.split_at(at);
    let label = label.trim_ascii_start();
    // `my clip.mp4` is a path with a space, not the label `clip.mp4`.
    if tab.is_none() && by_name(os_str(label)) == Some(true) {
        return (line, None);
    }
    (path.trim_ascii_end(), Some(label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_field_is_the_label() {
        let case = |line: &'static str| split(line.as_bytes());
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
        assert!(!sniff(path, b"label,youtube_id,time_start\n"));
        assert!(!sniff(path, b"Read me first.\n"));
    }
}
