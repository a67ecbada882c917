//! The formats, and opening a shard of any of them.

use std::path::Path;

use crate::input::{HEAD, Input};
use crate::{Error, Format, Layout, ReadOptions, Reading, Result, framedir, tfrecord, webdataset};

/// All formats. Names on the command line, help and docs come from here.
pub static FORMATS: &[Format] = &[webdataset::FORMAT, tfrecord::FORMAT, framedir::FORMAT];

/// The format of this name.
pub fn format(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

/// The format of the shard or tree at `path`, from its first bytes (inflated if they are
/// compressed). Where these decide nothing, as in an empty or damaged file, the file name does.
///
/// # Errors
/// [`crate::Kind::Unsupported`] if neither says anything; [`crate::Kind::Io`].
pub fn sniff(path: &Path) -> Result<&'static Format> {
    if path.is_dir() {
        let tree = FORMATS
            .iter()
            .find(|format| matches!(format.layout, Layout::Tree));
        return tree.ok_or_else(|| Error::unsupported("folders are not read").path(path));
    }
    // A pipe would wait for ever, and cannot be read from its begin again; a device has no end.
    if std::fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
        return Err(Error::unsupported("is no regular file").path(path));
    }
    let mut input = Input::open(path, sniff_plain)?;
    // A damaged compressed head is left to the reader, which says where it is damaged.
    let got = input.fill(HEAD).unwrap_or(0);
    let head = &input.peek()[..got.min(HEAD)];
    let by_bytes = FORMATS.iter().find(|format| (format.sniff)(head));
    let unread = || UNREAD.iter().find(|(magic, _)| head.starts_with(magic));
    if let (None, Some((_, other))) = (by_bytes, unread()) {
        let text = format!(
            "is compressed with {other}, which is not read: decompress it, or use gzip or zstd"
        );
        return Err(Error::unsupported(text).path(path));
    }
    by_bytes.or_else(|| by_name(path)).ok_or_else(|| {
        Error::unsupported("neither its bytes nor its name are those of a shard").path(path)
    })
}

/// First bytes of files in compressions that kpack does not read.
const UNREAD: [(&[u8], &str); 4] = [
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"LZIP", "lzip"),
];

pub(crate) fn sniff_plain(head: &[u8]) -> bool {
    FORMATS.iter().any(|format| (format.sniff)(head))
}

/// By extension; `.gz`, `.zst` and the like behind it, and `-00000-of-00016`, do not matter.
fn by_name(path: &Path) -> Option<&'static Format> {
    let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
    let stem = |part: &str| part.split('-').next().unwrap_or_default().to_owned();
    let parts: Vec<String> = name.split('.').skip(1).map(stem).collect();
    let has = |format: &&Format| {
        format
            .extensions
            .iter()
            .any(|e| parts.iter().any(|p| p == e))
    };
    FORMATS.iter().find(has)
}

/// Opens the shard or tree at `path`, whatever its format and compression.
///
/// # Errors
/// As [`sniff`]; and what opening it gives.
pub fn open(path: &Path, options: &ReadOptions) -> Result<Reading> {
    (sniff(path)?.open)(path, options)
}
