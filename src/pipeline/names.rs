//! Names of shards.
//!
//! | format | name |
//! |---|---|
//! | tar | `train-000000.tar`, `.tar.gz`, `.tar.zst` |
//! | TFRecord | `train-00000-of-00016.tfrecord`, `.tfrecord.gz`, `.tfrecord.zlib`, `.tfrecord.zst` |
//!
//! The compression shows in the name, because no reader of TFRecords looks at the bytes to find out.

use kpack_formats::{Compression, Format};

/// Stands for the number of shards while that is not known (`--shard-size`); as wide as a number.
const UNKNOWN: &str = "?????";

/// How the shards of one format are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Naming {
    /// Extension without its first dot.
    extension: String,
    /// Whether the number of shards is in the name.
    counted: bool,
}

impl Naming {
    pub(crate) fn new(format: &Format, compression: Compression) -> Self {
        let first = format.extensions.first().copied().unwrap_or(format.name);
        let more = match compression {
            Compression::None => "",
            Compression::Gzip => ".gz",
            Compression::Zlib => ".zlib",
            Compression::Zstd => ".zst",
        };
        Self {
            extension: format!("{first}{more}"),
            counted: format.name == "tfrecord",
        }
    }

    /// Name of shard `number` (from 0) of `of` shards; without `of` a counted name is provisional
    /// until [`settle`].
    pub(crate) fn shard(&self, prefix: &str, number: u32, of: Option<u32>) -> String {
        let extension = &self.extension;
        if !self.counted {
            return format!("{prefix}-{number:06}.{extension}");
        }
        let of = of.map_or(UNKNOWN.to_owned(), |of| format!("{of:05}"));
        format!("{prefix}-{number:05}-of-{of}.{extension}")
    }

    /// Whether `name` looks like a shard of `prefix`.
    pub(crate) fn is_shard(&self, prefix: &str, name: &str) -> bool {
        name.strip_prefix(prefix)
            .and_then(|rest| rest.strip_prefix('-'))
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            && name
                .strip_suffix(".kidx")
                .unwrap_or(name)
                .ends_with(&self.extension)
    }
}

/// Whether `name` still lacks the number of shards.
pub(crate) fn is_provisional(name: &str) -> bool {
    name.contains(UNKNOWN)
}

/// A provisional name with the number of shards filled in; any other name as it is.
pub(crate) fn settle(name: &str, of: u32) -> String {
    match name.rfind(UNKNOWN) {
        Some(at) => format!("{}{of:05}{}", &name[..at], &name[at + UNKNOWN.len()..]),
        None => name.to_owned(),
    }
}

/// A counted name with another number of shards; any other name as it is.
pub(crate) fn recount(name: &str, of: u32) -> String {
    if is_provisional(name) {
        return settle(name, of);
    }
    let (before, after) = match name.rfind("-of-") {
        Some(at) => name.split_at(at + 4),
        None => return name.to_owned(),
    };
    let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
    match digits {
        0 => name.to_owned(),
        digits => format!("{before}{of:05}{}", &after[digits..]),
    }
}

/// `text` as a part of a file name: bytes outside `[A-Za-z0-9_.-]`, and a leading dot or dash,
/// become `_`.
pub(crate) fn file_part(text: &str) -> String {
    let plain = |(i, c): (usize, char)| match c {
        '.' | '-' if i == 0 => '_',
        'A'..='Z' | 'a'..='z' | '0'..='9' | '_' | '.' | '-' => c,
        _ => '_',
    };
    text.char_indices().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(counted: bool) -> Naming {
        Naming {
            extension: if counted { "tfrecord.gz" } else { "tar" }.into(),
            counted,
        }
    }

    #[test]
    fn names_sort_and_match_the_globs_of_readers() {
        assert_eq!(naming(false).shard("train", 7, Some(9)), "train-000007.tar");
        assert_eq!(
            naming(true).shard("val", 3, Some(16)),
            "val-00003-of-00016.tfrecord.gz"
        );
    }

    #[test]
    fn provisional_names_are_settled_once() {
        let name = naming(true).shard("val", 3, None);
        assert!(is_provisional(&name));
        assert_eq!(settle(&name, 16), naming(true).shard("val", 3, Some(16)));
        let tar = naming(false).shard("val", 3, None);
        assert!(!is_provisional(&tar));
        assert_eq!(settle(&tar, 16), tar);
    }

    #[test]
    fn prefixes_are_safe_in_file_names() {
        assert_eq!(file_part("../a b"), "_.._a_b".replacen("_..", "_.", 1));
        assert_eq!(file_part("train"), "train");
    }

    #[test]
    fn foreign_files_are_told_from_shards() {
        assert!(naming(false).is_shard("train", "train-000001.tar"));
        assert!(naming(false).is_shard("train", "train-000001.tar.kidx"));
        assert!(!naming(false).is_shard("train", "train-notes.tar"));
        assert!(!naming(false).is_shard("train", "train.txt"));
    }
}
