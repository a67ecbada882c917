//! Index files of other readers, byte for byte as their own tools make them.
//!
//! ```text
//! DALI wds2idx        v1.2 SAMPLES \n, then a line a sample: EXT OFFSET SIZE NAME for each member
//! DALI, tfrecord      OFFSET SIZE \n for each record, framing included
//! Energon .tar.idx    u64 little-endian: first header of each sample, then the end of the last member
//! wids JSON           the shards with their MD5, number of samples and length
//! ```
//!
//! Offsets of DALI are those of a member's data. Nothing here is of use for a compressed shard: all
//! of these readers seek in the file itself.

mod energon;
mod wids;

use std::fmt::Write as _;

use bytes::Bytes;

use crate::tfrecord::RecordReader;
use crate::webdataset::MemberReader;
use crate::{Error, Result};

pub use energon::{EnergonPart, EnergonReader, EnergonSample};
pub use wids::{WidsSamples, WidsShard, wids, wids_samples};

/// Where one regular member of a tar lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its path as the archive has it.
    pub name: Bytes,
    /// Offset of its first header block.
    pub start: u64,
    /// Offset of its data.
    pub data: u64,
    /// Bytes of its data.
    pub length: u64,
}

/// The regular members that `reader` gives.
///
/// # Errors
/// Those of the reader.
pub fn members(mut reader: MemberReader) -> Result<Vec<Listed>> {
    let mut all = Vec::new();
    while let Some(member) = reader.next_member()? {
        all.push(Listed {
            name: member.name.into(),
            start: member.start,
            data: member.data_offset,
            length: member.data.len() as u64,
        });
    }
    Ok(all)
}

/// What DALI's `wds2idx` writes for a tar with these members, which should not hold those of type `7`
/// (contiguous files): it leaves them out.
///
/// # Errors
/// [`crate::Kind::Unsupported`] for a name with white space, which DALI would misread;
/// [`crate::Kind::Usage`] if there is no sample.
pub fn wds2idx(members: &[Listed]) -> Result<String> {
    let (mut lines, mut last, mut samples) = (String::new(), None, 0_u64);
    for member in members {
        let name = listed_name(&member.name)?;
        let (key, extension) = split_as_dali(&name);
        if key.is_empty() || key.ends_with('/') {
            continue;
        }
        if last.as_deref() == Some(key) {
            lines.push(' ');
        } else {
            if samples > 0 {
                lines.push('\n');
            }
            samples += 1;
            last = Some(key.to_owned());
        }
        let (offset, length) = (member.data, member.length);
        write!(lines, "{extension} {offset} {length} {name}").map_err(|_| no_samples())?;
    }
    if samples == 0 {
        return Err(no_samples());
    }
    Ok(format!("v1.2 {samples}\n{lines}\n"))
}

fn no_samples() -> Error {
    Error::usage("the archive holds no samples, and DALI takes no empty index")
}

/// Key and extension as `wds2idx` cuts them. Without a dot it cuts off the last character.
fn split_as_dali(name: &str) -> (&str, &str) {
    let base = name.rfind('/').map_or(0, |slash| slash + 1);
    match name.get(base..).and_then(|rest| rest.find('.')) {
        Some(dot) => {
            let (key, rest) = name.split_at(base + dot);
            (key, rest.strip_prefix('.').unwrap_or(rest))
        }
        None => {
            let last = name.char_indices().next_back().map_or(0, |(at, _)| at);
            (name.get(..last).unwrap_or_default(), name)
        }
    }
}

/// A name as GNU tar lists it in a UTF-8 locale, which is what `wds2idx` reads: Python sees to such a
/// locale where none is set.
fn listed_name(name: &[u8]) -> Result<String> {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                ' ' | '\n' | '\r' | '\t' => {
                    let shown = String::from_utf8_lossy(name);
                    return Err(Error::unsupported(format!(
                        "member {shown:?} has white space in its name, and DALI's index cannot hold \
                         it: kpack convert writes names without"
                    )));
                }
                '\\' => text.push_str("\\\\"),
                '\x07' => text.push_str("\\a"),
                '\x08' => text.push_str("\\b"),
                '\x0b' => text.push_str("\\v"),
                '\x0c' => text.push_str("\\f"),
                c if is_printed(c) => text.push(c),
                c => octal(c.encode_utf8(&mut [0; 4]).as_bytes(), &mut text),
            }
        }
        octal(chunk.invalid(), &mut text);
    }
    Ok(text)
}

fn octal(bytes: &[u8], text: &mut String) {
    for b in bytes {
        text.push_str(&format!("\\{b:03o}"));
    }
}

/// Whether tar prints a character as it is. Code points that are not assigned yet count as such.
fn is_printed(c: char) -> bool {
    let no_character = u32::from(c) & 0xfffe == 0xfffe;
    !(c.is_control() || no_character || matches!(c, '\u{2028}' | '\u{2029}'))
}

/// What `tfrecord2idx` writes, DALI's and that of the tfrecord package alike, and the records.
///
/// # Errors
/// Those of the reader.
pub fn tfrecord2idx(mut reader: RecordReader) -> Result<(String, u64)> {
    let (mut text, mut records) = (String::new(), 0);
    while reader.next_record()?.is_some() {
        let (offset, length) = reader.position();
        text.push_str(&format!("{offset} {length}\n"));
        records += 1;
    }
    Ok((text, records))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn listed(list: &[(&'static str, u64, u64)]) -> Vec<Listed> {
        let one = |&(name, start, length): &(&'static str, u64, u64)| Listed {
            name: Bytes::from_static(name.as_bytes()),
            start,
            data: start + 512,
            length,
        };
        list.iter().map(one).collect()
    }

    #[test]
    fn the_published_examples_come_out() {
        let two = listed(&[
            ("a.jpg", 0, 64),
            ("a.cls", 1024, 2),
            ("b.jpg", 2048, 64),
            ("b.cls", 3072, 2),
        ]);
        let text =
            "v1.2 2\njpg 512 64 a.jpg cls 1536 2 a.cls\njpg 2560 64 b.jpg cls 3584 2 b.cls\n";
        assert_eq!(wds2idx(&two).unwrap(), text);
    }

    #[test]
    fn what_readers_pass_over_is_passed_over() {
        let odd = listed(&[
            ("d/.hid", 0, 1),
            ("__meta__/x.json", 1024, 1),
            ("d.x/a.b.c", 2048, 1),
            ("README", 3072, 1),
        ]);
        let text = wds2idx(&odd).unwrap();
        assert!(text.contains("b.c 2560 1 d.x/a.b.c\n"), "{text}");
        assert!(text.starts_with("v1.2 3\njson 1536"), "{text}");
        assert!(wds2idx(&listed(&[("a b.jpg", 0, 1)])).is_err());
        assert!(wds2idx(&[]).is_err());
    }

    #[test]
    fn names_are_listed_as_tar_lists_them() {
        let name = "é猫\\\u{7}\u{7f}\u{85}\u{2028}\u{fffe}".as_bytes();
        let want = "é猫\\\\\\a\\177\\302\\205\\342\\200\\250\\357\\277\\276";
        assert_eq!(listed_name(name).unwrap(), want);
        assert_eq!(listed_name(b"bad\xe9.jpg").unwrap(), "bad\\351.jpg");
    }
}
