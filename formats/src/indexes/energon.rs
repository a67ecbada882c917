//! What `energon prepare` says of a tar: `SHARD.tar.idx`, and the rows of `index.sqlite`.

use crate::webdataset::{MemberReader, RawMember};
use crate::{Error, Result};

/// A sample as Energon's tables have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnergonSample {
    /// Folders and the name up to its first dot.
    pub key: String,
    /// Offset of the first header of its first member.
    pub offset: u64,
    /// Bytes up to the next sample, or up to the end of the last member of the tar, whatever lies
    /// between.
    pub length: u64,
    /// Its members, in their order.
    pub parts: Vec<EnergonPart>,
}

/// A member of a sample as Energon's tables have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnergonPart {
    /// All that follows the key and its dot, case kept.
    pub name: String,
    /// Offset of its data.
    pub offset: u64,
    /// Bytes of its data.
    pub length: u64,
}

/// Reads the samples of a tar as Energon counts them.
pub struct EnergonReader {
    members: MemberReader,
    /// The first member of the sample after.
    ahead: Option<(String, u64, EnergonPart)>,
    /// `SHARD.tar.idx` as far as it is known.
    index: Vec<u8>,
    ended: bool,
}

impl EnergonReader {
    /// Reads the members of `members` from the first on.
    pub fn new(members: MemberReader) -> Self {
        Self {
            members,
            ahead: None,
            index: Vec::new(),
            ended: false,
        }
    }

    /// The next sample; `None` at the end of the archive.
    ///
    /// # Errors
    /// Those of [`MemberReader::next_member`]; [`crate::Kind::Unsupported`] for a name that is not
    /// UTF-8, which no table can hold.
    pub fn next_sample(&mut self) -> Result<Option<EnergonSample>> {
        let first = match self.ahead.take() {
            Some(first) => Some(first),
            None => self.next_part()?,
        };
        let Some((key, offset, part)) = first else {
            return Ok(None);
        };
        self.index.extend_from_slice(&offset.to_le_bytes());
        let mut parts = vec![part];
        let end = loop {
            match self.next_part()? {
                Some((same, _, part)) if same == key => parts.push(part),
                Some(next) => {
                    let start = next.1;
                    self.ahead = Some(next);
                    break start;
                }
                None => break self.members.end().unwrap_or(offset),
            }
        };
        Ok(Some(EnergonSample {
            key,
            offset,
            length: end.saturating_sub(offset),
            parts,
        }))
    }

    /// `SHARD.tar.idx`, and the number of samples in it, when [`next_sample`](Self::next_sample) gave
    /// `None`.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] if there is no sample.
    pub fn finish(mut self) -> Result<(Vec<u8>, u64)> {
        let samples = self.index.len() as u64 / 8;
        match self.members.end().filter(|_| samples > 0) {
            Some(end) => self.index.extend_from_slice(&end.to_le_bytes()),
            None => {
                let e = Error::usage("the archive holds no samples for Energon");
                return Err(e.path(self.members.path()));
            }
        }
        Ok((self.index, samples))
    }

    /// Key, offset of the header and the rest of the next member that is part of a sample.
    fn next_part(&mut self) -> Result<Option<(String, u64, EnergonPart)>> {
        while !self.ended {
            let Some(member) = self.members.next_member()? else {
                self.ended = true;
                break;
            };
            let Some((key, name)) = cut(&member.name).filter(|_| !is_meta(&member.name)) else {
                continue;
            };
            let (Ok(key), Ok(name)) = (str::from_utf8(key), str::from_utf8(name)) else {
                return Err(not_text(&member).path(self.members.path()));
            };
            let part = EnergonPart {
                name: name.to_owned(),
                offset: member.data_offset,
                length: member.data.len() as u64,
            };
            return Ok(Some((key.to_owned(), member.start, part)));
        }
        Ok(None)
    }
}

fn not_text(member: &RawMember) -> Error {
    let shown = member.name.escape_ascii();
    Error::unsupported(format!(
        "the name of member \"{shown}\" is not UTF-8, and Energon's index holds text only: write the \
         archive anew with names that are"
    ))
    .offset(member.start)
}

/// Key and part name of a member, cut at the first dot of its last word; `None` if it is no part of
/// a sample. The key is never empty; behind the last dot in front of that one it has a folder and
/// something more, and no line ends before it: these are the bounds of the expression by which
/// webdataset and Energon cut names.
fn cut(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let base = name.iter().rposition(|b| *b == b'/').map_or(0, |s| s + 1);
    let dot = base + name.get(base..)?.iter().position(|b| *b == b'.')?;
    let before = name.get(..base)?;
    let (from, line) = match before.iter().rposition(|b| *b == b'.') {
        None => (0, &[][..]),
        Some(last) => {
            let slash = last + before.get(last..)?.iter().position(|b| *b == b'/')?;
            (slash + 1, before.get(..slash)?)
        }
    };
    let whole = from < dot && !line.contains(&b'\n');
    whole.then(|| (&name[..dot], &name[dot + 1..]))
}

/// Whether a member is one of the archive's own, such as `__meta__/x`.
fn is_meta(name: &[u8]) -> bool {
    let top = match name.iter().position(|b| *b == b'/') {
        Some(slash) => &name[..slash],
        None => name.strip_suffix(b"\n").unwrap_or(name),
    };
    top.len() >= 4 && top.starts_with(b"__") && top.ends_with(b"__")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::path::Path;

    use super::*;
    use crate::ReadOptions;

    fn reader(fill: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> EnergonReader {
        let mut builder = tar::Builder::new(Vec::new());
        fill(&mut builder);
        let bytes = builder.into_inner().unwrap();
        let path = Path::new("x.tar");
        let options = ReadOptions::default();
        EnergonReader::new(MemberReader::of_bytes(bytes.into(), path, &options))
    }

    fn add(builder: &mut tar::Builder<Vec<u8>>, name: &[u8], size: usize) {
        let mut header = tar::Header::new_gnu();
        header.set_size(size as u64);
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name);
        header.set_cksum();
        builder.append(&header, &vec![b'x'; size][..]).unwrap();
    }

    fn rows(reader: &mut EnergonReader) -> Vec<String> {
        let mut rows = Vec::new();
        while let Some(s) = reader.next_sample().unwrap() {
            rows.push(format!("{} {} {}", s.key, s.offset, s.length));
            let part = |p: &EnergonPart| format!(".{} {} {}", p.name, p.offset, p.length);
            rows.extend(s.parts.iter().map(part));
        }
        rows
    }

    #[test]
    fn a_sample_reaches_to_the_next_and_the_last_to_the_end_of_the_members() {
        let mut reader = reader(|tar| {
            for (name, size) in [
                ("README", 1),
                ("d/a.jpg", 600),
                ("d/a.b.JSON", 0),
                ("between", 1),
                ("c.jpg", 2),
            ] {
                add(tar, name.as_bytes(), size);
            }
            let mut folder = tar::Header::new_gnu();
            folder.set_entry_type(tar::EntryType::Directory);
            tar.append_data(&mut folder, "late", &[][..]).unwrap();
        });
        let want = [
            "d/a 1024 3072",
            ".jpg 1536 600",
            ".b.JSON 3072 0",
            "c 4096 1536",
            ".jpg 4608 2",
        ];
        assert_eq!(rows(&mut reader), want);
        let offsets = [1024_u64, 4096, 5632].map(u64::to_le_bytes).concat();
        assert_eq!(reader.finish().unwrap(), (offsets, 2));
    }

    #[test]
    fn a_long_name_belongs_to_its_member_and_a_global_header_does_not() {
        let long = format!("{}.mp4", "l".repeat(150));
        let mut reader = reader(|tar| {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(tar::EntryType::XGlobalHeader);
            header.set_size(17);
            header.set_cksum();
            tar.append(&header, &b"17 comment=hello\n"[..]).unwrap();
            let mut header = tar::Header::new_gnu();
            header.set_size(1);
            tar.append_data(&mut header, &long, &b"x"[..]).unwrap();
        });
        let key = "l".repeat(150);
        let want = [format!("{key} 1024 2048"), ".mp4 2560 1".to_owned()];
        assert_eq!(rows(&mut reader), want);
    }

    #[test]
    fn names_are_cut_as_energon_cuts_them() {
        let shown = |name: &'static str| {
            let text = |bytes| str::from_utf8(bytes).unwrap();
            cut(name.as_bytes()).map(|(key, part)| (text(key), text(part)))
        };
        for (name, want) in [
            ("a.b.c", Some(("a", "b.c"))),
            ("d.x/a.b.c", Some(("d.x/a", "b.c"))),
            ("./d/a.JPG", Some(("./d/a", "JPG"))),
            ("a.", Some(("a", ""))),
            ("a.txt\n", Some(("a", "txt\n"))),
            ("d/.hid", Some(("d/", "hid"))),
            ("d.x/y/.hid", Some(("d.x/y/", "hid"))),
            ("d.x/.hid", None),
            (".hid", None),
            ("README", None),
            ("d.x/README", None),
            ("d.e\nx/a.txt", None),
            ("d\ne/a.txt", Some(("d\ne/a", "txt"))),
        ] {
            assert_eq!(shown(name), want, "{name:?}");
        }
        let metas = ["__meta__/x.json", "__m.m__", "__m.m__\n"];
        assert!(metas.iter().all(|name| is_meta(name.as_bytes())));
        let others = ["__meta__.json", "___/x.json", "x__/a.json"];
        assert!(!others.iter().any(|name| is_meta(name.as_bytes())));
    }

    #[test]
    fn what_no_table_can_hold_is_named() {
        let mut latin = reader(|tar| {
            add(tar, b"a.txt", 1);
            add(tar, b"\xe9.txt", 1);
        });
        let e = latin.next_sample().unwrap_err();
        assert_eq!(e.kind(), crate::Kind::Unsupported);
        assert!(e.message().contains("\"\\xe9.txt\""), "{e}");
        assert_eq!(e.at().offset, Some(1024));
        let mut none = reader(|tar| add(tar, b"README", 1));
        assert_eq!(none.next_sample().unwrap(), None);
        assert_eq!(none.finish().unwrap_err().kind(), crate::Kind::Usage);
    }
}
