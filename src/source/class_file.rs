//! The file of `--labels`, in any shape that is found in the wild:
//!
//! ```text
//! one name a line            the line's number, from 0, is the index; a blank line is a hole
//! #12 name   12 name         index and name
//! id,name    name,index      CSV or TSV, the header or the digits say which column is which
//! ["name", ..]               JSON: the position is the index
//! {"name": 12, ..}           JSON; {"12": "name", ..} too
//! item { name: "n" id: 12 }  TensorFlow's label map, as AVA has it (`label_id` too)
//! ```

use std::path::Path;

use serde_json::Value;

use super::pbtxt;
use super::raw::{one_line, shown};
use crate::{Error, Result, bounded};

/// The largest class index: what stands for a class must fit a list of all of them.
pub(super) const MAX_INDEX: i64 = 999_999;

/// Index and name, with the line (or position) for messages.
pub(super) type Entry = (i64, String, usize);

/// What a file says of classes, where it names no clips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClassKind {
    /// Names and their indexes.
    Map,
    /// Groups of names.
    Groups,
}

/// Whether a file that begins with `head` is about classes and not about clips.
pub(super) fn sniff(head: &[u8]) -> Option<ClassKind> {
    let text = String::from_utf8_lossy(head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head));
    let text = text.trim_start();
    if let Some(list) = text.strip_prefix('[') {
        return list.trim_start().starts_with('"').then_some(ClassKind::Map);
    }
    if let Some(object) = text.strip_prefix('{') {
        let mut keys = serde_json::Deserializer::from_str(object).into_iter::<String>();
        let key = keys.next()?.ok()?;
        if ["version", "database", "taxonomy"].contains(&key.as_str()) {
            return None;
        }
        let rest = object.get(keys.byte_offset()..)?.trim_start();
        let value = rest.strip_prefix(':')?.trim_start();
        let index = key.parse::<u32>().is_ok() && value.starts_with('"');
        return match value.bytes().next()? {
            b'[' => Some(ClassKind::Groups),
            b'0'..=b'9' => Some(ClassKind::Map),
            _ => index.then_some(ClassKind::Map),
        };
    }
    if pbtxt::is(text) {
        return Some(ClassKind::Map);
    }
    let mut lines = text.lines().map(str::trim);
    let first = lines.next()?;
    let numbered = first.starts_with('#') && hash_index(first).is_some();
    // Clips have an id and a label too, but the id of a class is its index.
    let indexed = |line| {
        index_and_name(line)
            .or_else(|| name_and_index(line))
            .is_some()
    };
    let table = is_header(first) && lines.next().is_some_and(indexed);
    (numbered || table).then_some(ClassKind::Map)
}

/// Names by index; a hole is an empty name.
pub(super) fn read(path: &Path) -> Result<Vec<String>> {
    let bytes = bounded::read(path, bounded::CLASSES)
        .map_err(Error::io("cannot read the labels of", path))?;
    let bad = |message: String| Error::Input {
        path: path.to_owned(),
        message,
    };
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| bad("is not UTF-8 text: expected the class names".to_owned()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let entries = match text.trim_start().as_bytes().first() {
        Some(b'[' | b'{') if text.len() as u64 > bounded::VALUES => {
            let most = bounded::VALUES;
            return Err(bad(format!(
                "is JSON of more than {most} bytes: write one name a line"
            )));
        }
        Some(b'[' | b'{') => json(text).map_err(bad)?,
        Some(_) if pbtxt::is(text) => pbtxt::read(text).map_err(bad)?,
        Some(_) => lines(text).map_err(bad)?,
        None => return Err(bad("is empty: expected one class name a line".to_owned())),
    };
    names(entries).map_err(|message| bad(format!("{message} (labels of {})", shown(path))))
}

fn json(text: &str) -> Result<Vec<Entry>, String> {
    const WANT: &str = "expected a JSON list of names, or an object of names and their indexes";
    let value: Value = serde_json::from_str(text).map_err(|e| format!("{e}: {WANT}"))?;
    let name = |value: &Value| value.as_str().map(str::to_owned);
    let entries: Option<Vec<Entry>> = match &value {
        Value::Array(list) => (0..)
            .zip(list)
            .map(|(i, v)| Some((i, name(v)?, i as usize + 1)))
            .collect(),
        Value::Object(map) => (1..)
            .zip(map)
            .map(|(n, (key, v))| match v.as_i64() {
                Some(index) => Some((index, key.clone(), n)),
                None => Some((key.parse().ok()?, name(v)?, n)),
            })
            .collect(),
        _ => None,
    };
    entries.ok_or_else(|| WANT.to_owned())
}

fn lines(text: &str) -> Result<Vec<Entry>, String> {
    let lines: Vec<(usize, &str)> = (1..).zip(text.lines().map(str::trim)).collect();
    let full = || lines.iter().filter(|(_, line)| !line.is_empty());
    let all = |parse: fn(&str) -> Option<(i64, String)>, skip: usize| {
        let entry = |(n, line): &(usize, &str)| parse(line).map(|(i, name)| (i, name, *n));
        full().skip(skip).map(entry).collect::<Option<Vec<Entry>>>()
    };
    let has_header = full().next().is_some_and(|(_, line)| is_header(line));
    let below_header = || all(index_and_name, 1).or_else(|| all(name_and_index, 1));
    if has_header
        && full().count() > 1
        && let Some(entries) = below_header()
    {
        return Ok(entries);
    }
    let numbered = all(hash_index, 0).or_else(|| all(index_and_name, 0));
    if let Some(entries) = numbered.or_else(|| all(name_and_index, 0)) {
        return Ok(entries);
    }
    let hashed = |line: &str| line.starts_with('#') && hash_index(line).is_some();
    let odd = full().find(|(_, line)| !hashed(line));
    if let (Some((n, line)), true) = (odd, full().any(|(_, line)| hashed(line))) {
        return Err(format!(
            "line {n}: `{line}` is not `#index name`, as other lines are"
        ));
    }
    let plain = lines
        .into_iter()
        .map(|(n, name)| (n as i64 - 1, name.to_owned(), n));
    Ok(plain.collect())
}

/// Whether a line names one column of indexes and one of names.
fn is_header(line: &str) -> bool {
    let cells: Vec<String> = line
        .split([',', '\t'])
        .map(|c| unquote(c).to_lowercase())
        .collect();
    let any = |words: &[&str]| cells.iter().any(|c| words.contains(&c.as_str()));
    cells.len() == 2
        && any(&[
            "id",
            "index",
            "idx",
            "label_id",
            "class_id",
            "label_index",
            "class_index",
        ])
        && any(&["name", "label", "class", "class_name", "label_name"])
}

/// `#12 name` and `12 name`.
fn hash_index(line: &str) -> Option<(i64, String)> {
    let line = line.strip_prefix('#').unwrap_or(line);
    let (index, name) = line.split_once(char::is_whitespace)?;
    Some((index.parse().ok()?, name.trim().to_owned()))
}

/// `12,name`.
fn index_and_name(line: &str) -> Option<(i64, String)> {
    let (index, name) = line.split_once([',', '\t'])?;
    Some((unquote(index).parse().ok()?, unquote(name)))
}

/// `name,12`.
fn name_and_index(line: &str) -> Option<(i64, String)> {
    let (name, index) = line.rsplit_once([',', '\t'])?;
    Some((unquote(index).parse().ok()?, unquote(name)))
}

/// A CSV cell without its quotes.
fn unquote(cell: &str) -> String {
    let cell = cell.trim();
    match cell.strip_prefix('"').and_then(|c| c.strip_suffix('"')) {
        Some(inside) => inside.replace("\"\"", "\""),
        None => cell.to_owned(),
    }
}

fn names(entries: Vec<Entry>) -> Result<Vec<String>, String> {
    let mut names: Vec<String> = Vec::new();
    let mut seen = std::collections::HashMap::new();
    for (index, name, line) in entries {
        let name = one_line(name);
        if name.is_empty() {
            continue;
        }
        if !(0..=MAX_INDEX).contains(&index) {
            return Err(format!(
                "line {line}: {index} is no class index: expected 0 to {MAX_INDEX}"
            ));
        }
        if let Some(first) = seen.insert(name.clone(), line) {
            return Err(format!(
                "line {line}: `{name}` stands already on line {first}"
            ));
        }
        let at = index as usize;
        if names.len() <= at {
            names.resize(at + 1, String::new());
        }
        match names.get_mut(at) {
            Some(slot) if slot.is_empty() => *slot = name,
            _ => return Err(format!("line {line}: index {index} stands there twice")),
        }
    }
    if names.is_empty() {
        return Err("holds no class name: expected one a line".to_owned());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn parse(text: &str) -> Result<Vec<String>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("labels");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn every_shape_gives_the_same_names() {
        for text in [
            "jump\nrun, fast\nwalk\n",
            "\u{feff}#0 jump\r\n#1 run, fast\r\n#2 walk\r\n",
            "2 walk\n0 jump\n1 run, fast\n",
            "id,name\n0,jump\n1,\"run, fast\"\n2,walk\n",
            "name,index\njump,0\n\"run, fast\",1\nwalk,2\n",
            "index\tname\n0\tjump\n1\trun, fast\n2\twalk\n",
            r#"["jump", "run, fast", "walk"]"#,
            r#"{"walk": 2, "jump": 0, "run, fast": 1}"#,
            r#"{"2": "walk", "0": "jump", "1": "run, fast"}"#,
        ] {
            assert_eq!(
                parse(text).unwrap(),
                ["jump", "run, fast", "walk"],
                "{text}"
            );
        }
    }

    #[test]
    fn a_label_map_of_tensorflow_names_its_indexes() {
        let ava = "item {\n  name: \"bend/bow (at the waist)\"\n  id: 1\n}\n\
                   item {\n  name: \"don't \\\"x\\\"\"\n  id: 3\n}\n";
        let names = ["", "bend/bow (at the waist)", "", "don't \"x\""];
        assert_eq!(parse(ava).unwrap(), names);
        assert_eq!(sniff(ava.as_bytes()), Some(ClassKind::Map));
        let other = "# AVA\nlabel { name: 'jump' label_id: 0 label_type: PERSON_MOVEMENT }\n\
                     label{label_id:1,name:\"run\"}";
        assert_eq!(parse(other).unwrap(), ["jump", "run"]);
        // Names that only look like one.
        assert_eq!(
            parse("item\nlabel maker\n").unwrap(),
            ["item", "label maker"]
        );
    }

    #[test]
    fn holes_keep_their_place() {
        assert_eq!(parse("a\n\nb\n").unwrap(), ["a", "", "b"]);
        assert_eq!(parse("#1 a\n#3 b\n").unwrap(), ["", "a", "", "b"]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let message = |text: &str| parse(text).unwrap_err().to_string();
        assert!(message("a\nb\na\n").contains("line 3: `a` stands already on line 1"));
        assert!(message("0,a\n0,b\n").contains("line 2: index 0"));
        assert!(message("0,a\n99999999,b\n").contains("expected 0 to 999999"));
        assert!(message("{\"a\": [1]}").contains("expected a JSON list"));
        assert!(message("").contains("is empty"));
        assert!(message("#0 a\nb\n").contains("line 2: `b` is not `#index name`"));
        assert!(message("item {\n  name: \"a\"\n}\n").contains("line 3: an item without"));
        assert!(message("item {\n  name: \"a\"\n  id: x\n}\n").contains("line 3: `x`"));
        assert!(message("item {\n  name: \"a\"\n  id: 1\n").contains("line 1: an item that is"));
    }
}
