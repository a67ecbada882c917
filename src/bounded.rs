//! Files read whole and lines read one by one, up to a length: a file that never ends, or is all one
//! line, ends in an error that says so, and not in the memory.

use std::fs::File;
use std::io::{self, BufRead, ErrorKind, Read as _};
use std::path::Path;

/// Longest `dataset.json`, and other JSON that is not about single samples.
pub(crate) const MANIFEST: u64 = 64 << 20;
/// Longest `labels.txt`, and other files with a class on each line.
pub(crate) const CLASSES: u64 = 64 << 20;
/// Longest line of `samples.jsonl` and of the logs: the row of a clip with all its columns.
pub(crate) const ROW: u64 = 32 << 20;
/// Longest JSON beside a sample.
pub(crate) const BESIDE: u64 = 256 << 20;
/// Longest text that is parsed into values of any kind, which take many times its size.
pub(crate) const VALUES: u64 = 8 << 20;
/// Longest row of a table or line of a list.
pub(crate) const LINE: u64 = 1 << 20;
/// Most columns of a table, and most fields of an object that describes a clip.
pub(crate) const COLUMNS: usize = 4096;

/// Opens a regular file. A pipe would wait for ever, and a device never end.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    if !std::fs::metadata(path)?.is_file() {
        let text = "is no regular file";
        return Err(io::Error::new(ErrorKind::InvalidInput, text));
    }
    File::open(path)
}

/// All bytes of a regular file that holds at most `most`.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => Err(too_long(most)),
        false => Ok(bytes),
    }
}

/// As [`read`], of a text.
pub(crate) fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let text = String::from_utf8(read(path, most)?);
    text.map_err(|_| io::Error::new(ErrorKind::InvalidData, "is not UTF-8 text"))
}

/// Appends to `line` what stands up to the next line feed, and that; gives the number of bytes, 0 at
/// the end. Of a line of more than `most` bytes nothing more is read.
pub(crate) fn line<R: BufRead + ?Sized>(
    from: &mut R,
    line: &mut Vec<u8>,
    most: u64,
) -> io::Result<usize> {
    let mut from = from;
    let got = (&mut from).take(most + 1).read_until(b'\n', line)?;
    match got as u64 > most && line.last() != Some(&b'\n') {
        true => Err(too_long(most)),
        false => Ok(got),
    }
}

fn too_long(most: u64) -> io::Error {
    let text = format!("is longer than {most} bytes");
    io::Error::new(ErrorKind::FileTooLarge, text)
}

/// A text for a message, on one line: of a long one the begin and the end, because what is quoted may be
/// all of a file and what is wrong with it stands behind it.
pub(crate) fn brief(text: &str) -> String {
    /// Bytes of the begin.
    const BEGIN: usize = 280;
    /// Bytes of the end.
    const END: usize = 160;
    let mut shown = String::new();
    let mut put = |part: &str| {
        for c in part.chars() {
            match c.is_control() {
                true => shown.extend(c.escape_default()),
                false => shown.push(c),
            }
        }
    };
    if text.len() <= BEGIN + END {
        put(text);
        return shown;
    }
    let whole = |i: &usize| text.is_char_boundary(*i);
    let begin = (0..=BEGIN).rev().find(whole).unwrap_or(0);
    let mut end = text.len() - END..text.len();
    let end = end.find(whole).unwrap_or(text.len());
    put(&text[..begin]);
    put(" .. ");
    put(&text[end..]);
    shown
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn what_is_too_long_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, b"12345\n678").unwrap();
        assert_eq!(read(&path, 9).unwrap(), b"12345\n678");
        let text = read(&path, 8).unwrap_err().to_string();
        assert_eq!(text, "is longer than 8 bytes");
        assert!(read(dir.path(), 9).is_err(), "a folder");
        #[cfg(unix)]
        assert!(read(Path::new("/dev/zero"), 9).is_err());
    }

    #[test]
    fn lines_are_read_one_by_one_up_to_their_limit() {
        let lines = |most: u64| {
            let (mut from, mut all) = (io::Cursor::new(b"123\n\n1234\n12"), Vec::new());
            loop {
                let mut one = Vec::new();
                match line(&mut from, &mut one, most) {
                    Ok(0) => return Ok(all),
                    Ok(n) => all.push((n, one)),
                    Err(e) => return Err(e.to_string()),
                }
            }
        };
        assert_eq!(lines(5).unwrap().len(), 4);
        assert_eq!(lines(4).unwrap().len(), 4, "its line feed does not count");
        assert!(lines(3).is_err());
    }

    #[test]
    fn a_quotation_is_short_and_one_line() {
        assert_eq!(brief("a b"), "a b");
        assert_eq!(brief("a\nb"), "a\\nb");
        let long = brief(&format!("`{}` is no time", "é".repeat(5000)));
        assert!(long.len() < 500 && long.starts_with("`é"), "{long}");
        assert!(long.ends_with("é` is no time"), "{long}");
    }
}
