//! DALI's index beside a shard. DALI believes every number of it: what ends behind the shard crashes it.

use std::collections::HashMap;
use std::io::{BufReader, ErrorKind};
use std::path::Path;

use kpack_formats::indexes::members;
use kpack_formats::tfrecord::RecordReader;
use kpack_formats::webdataset::MemberReader;
use kpack_formats::{ReadOptions, Result as FormatResult};

use super::{Damage, Report};
use crate::bounded;
use crate::mmap::{Walk, map};

/// Checks the indexes of a plain shard that lie where DALI and the tfrecord package look for them.
/// One damage for each index.
pub(super) fn check(shard: &Path, is_tar: bool, report: &mut Report) {
    let Some(name) = shard.file_name().and_then(|name| name.to_str()) else {
        return;
    };
    let stem = name.split('.').next().unwrap_or_default();
    let extensions: &[&str] = if is_tar { &["idx"] } else { &["idx", "index"] };
    for extension in extensions {
        let path = shard.with_file_name(format!("{stem}.{extension}"));
        if path == shard || !path.is_file() {
            continue;
        }
        let mut check = Check::new(shard, is_tar);
        if let Err(e) = check.read(&path) {
            let what = match e.kind() {
                ErrorKind::FileTooLarge => format!("line {}: {e}", check.line),
                _ => format!("cannot be read: {e}"),
            };
            report.damaged(Damage::of(&path, what));
        }
        report.bytes += check.bytes;
        report.damage.extend(check.damage(&path));
    }
}

/// An index while it is read.
struct Check {
    is_tar: bool,
    /// Length of the shard.
    shard: u64,
    /// What lies where in the shard: offset and length; none of a damaged one.
    known: Option<HashMap<u64, u64>>,
    /// Samples by the first line, and how the lines behind it are made.
    samples: Option<(u64, Columns)>,
    /// Of another format with the same names.
    foreign: bool,
    line: u64,
    bytes: u64,
    /// Lines with places.
    found: u64,
    /// The first that is wrong, and how many are.
    wrong: Option<(u64, String)>,
    wrongs: u64,
}

/// Words of a member: extension, offset, size, and of the newer version its name.
type Columns = usize;

impl Check {
    fn new(shard: &Path, is_tar: bool) -> Self {
        Self {
            is_tar,
            shard: std::fs::metadata(shard).map_or(0, |meta| meta.len()),
            known: places(shard, is_tar),
            samples: None,
            foreign: false,
            line: 0,
            bytes: 0,
            found: 0,
            wrong: None,
            wrongs: 0,
        }
    }

    fn read(&mut self, path: &Path) -> std::io::Result<()> {
        let (mut file, mut line) = (BufReader::new(bounded::open(path)?), Vec::new());
        loop {
            self.line += 1;
            line.clear();
            let n = bounded::line(&mut file, &mut line, bounded::ROW)?;
            if n == 0 || self.foreign {
                return Ok(());
            }
            self.bytes += n as u64;
            let text = String::from_utf8_lossy(&line);
            let words: Vec<&str> = text.split_whitespace().collect();
            let checked = match (self.is_tar, self.line) {
                (true, 1) => self.head(&words),
                (true, _) => self.sample(&words),
                (false, _) => self.record(&words),
            };
            if let Err(what) = checked {
                self.wrongs += 1;
                let line = self.line;
                self.wrong.get_or_insert((line, what));
                if self.is_tar && line == 1 {
                    return Ok(());
                }
            }
        }
    }

    fn head(&mut self, words: &[&str]) -> Result<(), String> {
        let columns = match words {
            ["v1.2", _] => 4,
            ["v1.1", _] => 3,
            [one, two] if number(one).is_some() && number(two).is_some() => {
                self.foreign = true;
                return Ok(());
            }
            _ => return Err("does not say v1.2 and the number of samples".into()),
        };
        let samples = words.get(1).and_then(|word| number(word));
        let samples = samples.filter(|samples| *samples > 0);
        let samples = samples.ok_or("says no number of samples")?;
        self.samples = Some((samples, columns));
        Ok(())
    }

    fn sample(&mut self, words: &[&str]) -> Result<(), String> {
        let Some((samples, columns)) = self.samples else {
            return Ok(());
        };
        if words.is_empty() && self.found >= samples {
            return Ok(());
        }
        self.found += 1;
        if words.is_empty() || !words.len().is_multiple_of(columns) {
            return Err("does not have an extension, offset, size and name for each member".into());
        }
        for member in words.chunks(columns) {
            let (offset, size) = (member.get(1).copied(), member.get(2).copied());
            let offset = self.place(offset, size)?;
            if !offset.is_multiple_of(512) {
                return Err(format!("offset {offset} is no multiple of 512"));
            }
        }
        Ok(())
    }

    fn record(&mut self, words: &[&str]) -> Result<(), String> {
        if self.line == 1 && words.first().is_some_and(|word| word.starts_with("v1.")) {
            self.foreign = true;
            return Ok(());
        }
        match words {
            [] => Ok(()),
            [offset, size] => {
                self.found += 1;
                self.place(Some(offset), Some(size)).map(|_| ())
            }
            _ => Err("is not the offset and size of a record".into()),
        }
    }

    /// The offset, if what lies there has that size.
    fn place(&self, offset: Option<&str>, size: Option<&str>) -> Result<u64, String> {
        let both = offset.and_then(number).zip(size.and_then(number));
        let (offset, size) = both.ok_or("offset or size is no number")?;
        let shard = self.shard;
        if offset.checked_add(size).is_none_or(|end| end > shard) {
            return Err(format!(
                "offset {offset} and size {size} end behind the {shard} bytes of the shard"
            ));
        }
        let what = if self.is_tar { "member" } else { "record" };
        let known = self.known.as_ref();
        match known.is_some_and(|known| known.get(&offset) != Some(&size)) {
            true => Err(format!(
                "the shard has no {what} of {size} bytes at offset {offset}"
            )),
            false => Ok(offset),
        }
    }

    fn damage(self, path: &Path) -> Option<Damage> {
        let help = "DALI would crash or read other bytes: kpack index --for dali makes it anew";
        let what = match (self.wrong, self.samples) {
            _ if self.foreign => return None,
            (Some((line, what)), _) => match self.wrongs {
                1 => format!("line {line}: {what}"),
                n => format!("line {line} (and {} more): {what}", n - 1),
            },
            (None, Some((samples, _))) if samples != self.found => {
                let found = self.found;
                format!("line 1: says {samples} samples, and {found} follow")
            }
            (None, None) if self.found == 0 => "line 1: holds nothing".to_owned(),
            _ => return None,
        };
        Some(Damage::of(path, format!("{what}; {help}")))
    }
}

fn number(word: &str) -> Option<u64> {
    let digits = word.bytes().all(|b| b.is_ascii_digit());
    word.parse().ok().filter(|_| digits)
}

/// Offset and length of all members or records of a shard; `None` of one that is damaged, which is
/// told elsewhere.
fn places(shard: &Path, is_tar: bool) -> Option<HashMap<u64, u64>> {
    let bytes = map(shard, Walk::Parts).ok()?;
    let options = ReadOptions {
        concatenated: false,
        unchecked: true,
        ..ReadOptions::default()
    };
    if is_tar {
        let all = members(MemberReader::of_bytes(bytes, shard, &options)).ok()?;
        return Some(all.into_iter().map(|m| (m.data, m.length)).collect());
    }
    records(RecordReader::of_bytes(bytes, shard, &options)).ok()
}

fn records(mut reader: RecordReader) -> FormatResult<HashMap<u64, u64>> {
    let mut all = HashMap::new();
    while reader.next_record()?.is_some() {
        let (offset, length) = reader.position();
        all.insert(offset, length);
    }
    Ok(all)
}
