//! Energon's `split.yaml`, which users write by hand: read as far as it names shards, and added to
//! without a change to what stands there.
//!
//! ```text
//! split_parts:
//!   train:                 names, or patterns: s-{000..003}.tar, {a,b}.tar
//!   - a.tar
//!   val: []
//! exclude: []              shards, or SHARD/SAMPLE
//! ```
//!
//! Only this much of YAML is read: what goes beyond is an error with its line.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::words::{MOST, list, quoted, scalar, spread};
use crate::{Error, Result, bounded};

/// The list of splits of a dataset that Energon reads.
#[derive(Debug)]
pub(super) struct Splits {
    pub(super) path: PathBuf,
    text: String,
    json: bool,
    parts: Vec<Part>,
    exclude: Vec<String>,
    /// End of the line above the parts; 0 if there is none.
    head: usize,
}

#[derive(Debug)]
struct Part {
    name: String,
    shards: Vec<String>,
    /// Where the next name goes.
    at: usize,
    form: Form,
}

/// How the names of a part are written.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// Each on a line of its own behind so many blanks and a dash.
    Block(usize),
    /// `[a, b]`, here with or without a name.
    Flow { empty: bool },
}

impl Splits {
    /// That of the folder `meta`; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Input`] for what is not read, with its line; [`Error::Io`].
    pub(super) fn read(meta: &Path) -> Result<Option<Self>> {
        for name in ["split.yaml", "split.json"] {
            let path = meta.join(name);
            match bounded::read_text(&path, bounded::MANIFEST) {
                Ok(text) => return Self::parse(&path, text).map(Some),
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(Error::io("cannot read", &path)(e)),
            }
        }
        Ok(None)
    }

    fn parse(path: &Path, text: String) -> Result<Self> {
        let mut splits = Self {
            path: path.to_owned(),
            json: text.trim_start().starts_with('{'),
            text,
            parts: Vec::new(),
            exclude: Vec::new(),
            head: 0,
        };
        let parsed = match splits.json {
            true => splits.of_json(),
            false => splits.of_yaml(),
        };
        parsed.map_err(|what| {
            let help = "write it as energon prepare does, or have it made anew with --overwrite";
            Error::Input {
                path: path.to_owned(),
                message: format!("{what}: {help}"),
            }
        })?;
        Ok(splits)
    }

    fn of_json(&mut self) -> Result<(), String> {
        let value: Value =
            serde_json::from_str(&self.text).map_err(|e| format!("is no JSON: {e}"))?;
        let names = |value: &Value| -> Result<Vec<String>, String> {
            let all = value.as_array().ok_or("shards are not in a list")?;
            let text = |v: &Value| v.as_str().map(str::to_owned).ok_or("a shard is no text");
            let all: Result<Vec<String>, _> = all.iter().map(text).collect();
            spread(&all?)
        };
        let parts = value.get("split_parts").and_then(Value::as_object);
        for (name, shards) in parts.ok_or("split_parts is no object")? {
            self.parts.push(Part {
                name: name.clone(),
                shards: names(shards)?,
                at: 0,
                form: Form::Flow { empty: false },
            });
        }
        self.exclude = value.get("exclude").map_or(Ok(Vec::new()), names)?;
        Ok(())
    }

    fn of_yaml(&mut self) -> Result<(), String> {
        let text = std::mem::take(&mut self.text);
        let (mut at, mut top) = (0, String::new());
        for (number, line) in text.split('\n').enumerate() {
            let begin = at;
            at += line.len() + 1;
            let line = line.trim_end();
            let body = line.trim_start();
            if body.is_empty() || body.starts_with('#') || line == "---" {
                continue;
            }
            let place = (begin, line.len() - body.len());
            self.line(place, body, &mut top)
                .map_err(|what| format!("line {}: {what}", number + 1))?;
        }
        self.text = text;
        match self.head {
            0 => Err("has no split_parts".into()),
            _ => Ok(()),
        }
    }

    /// Reads a line that stands at `begin` behind `indent` blanks; `top` is the outermost name in
    /// front of it.
    fn line(
        &mut self,
        (begin, indent): (usize, usize),
        body: &str,
        top: &mut String,
    ) -> Result<(), String> {
        let end = begin + indent + body.len();
        if let Some(item) = body.strip_prefix("- ") {
            let names = spread(&[scalar(item)?])?;
            let before: usize = self.parts.iter().map(|part| part.shards.len()).sum();
            if before + self.exclude.len() + names.len() > MOST {
                return Err("stands for too many shards, with those in front of it".into());
            }
            return match (top.as_str(), self.parts.last_mut()) {
                ("exclude", _) => {
                    self.exclude.extend(names);
                    Ok(())
                }
                ("split_parts", Some(part)) if matches!(part.form, Form::Block(_)) => {
                    part.shards.extend(names);
                    (part.at, part.form) = (end, Form::Block(indent));
                    Ok(())
                }
                _ => Err("a name of no list".into()),
            };
        }
        let (name, rest) = body.split_once(':').ok_or("neither a list nor a name")?;
        let name = scalar(name)?;
        let rest = match rest.trim_start() {
            comment if comment.starts_with('#') => "",
            rest => rest,
        };
        if indent == 0 {
            match name.as_str() {
                "split_parts" if rest.is_empty() => self.head = end,
                "exclude" => self.exclude.extend(spread(&list(rest)?.0)?),
                _ => return Err(format!("{name} is not read here")),
            }
            *top = name;
            return Ok(());
        }
        if top.as_str() != "split_parts" {
            return Err("a name that is of no part".into());
        }
        let (names, close) = list(rest)?;
        let (at, form) = match close {
            None => (end, Form::Block(indent)),
            Some(close) => {
                let empty = names.is_empty();
                (end - rest.len() + close, Form::Flow { empty })
            }
        };
        self.parts.push(Part {
            name,
            shards: spread(&names)?,
            at,
            form,
        });
        Ok(())
    }

    /// The shards that are named, in the order of the parts; without those left out.
    pub(super) fn shards(&self) -> impl Iterator<Item = &String> {
        let out: HashSet<&String> = self.exclude.iter().collect();
        let all = self.parts.iter().flat_map(|part| &part.shards);
        all.filter(move |name| !out.contains(name))
    }

    /// The shards in any part, and those left out.
    pub(super) fn named(&self) -> impl Iterator<Item = &String> {
        let all = self.parts.iter().flat_map(|part| &part.shards);
        all.chain(&self.exclude)
    }

    /// The text with these shards at the end of their parts.
    ///
    /// # Errors
    /// [`Error::Input`] if it cannot be written.
    pub(super) fn with(&self, shards: &[(String, String)]) -> Result<String> {
        if shards.is_empty() {
            return Ok(self.text.clone());
        }
        if self.json {
            return self.json_with(shards);
        }
        let mut parts: Vec<&str> = shards.iter().map(|(split, _)| split.as_str()).collect();
        parts.sort_unstable();
        parts.dedup();
        let mut inserts = Vec::new();
        for split in parts {
            let of_it = shards.iter().filter(|(other, _)| other == split);
            let names: Vec<String> = of_it.map(|(_, name)| quoted(name)).collect();
            inserts.push(match self.parts.iter().find(|part| part.name == split) {
                Some(part) => (part.at, part.form.after(&names)),
                None => self.new_part(split, &names),
            });
        }
        // From the end on, so that the places in front stay.
        inserts.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let mut text = self.text.clone();
        for (at, insert) in inserts {
            text.insert_str(at, &insert);
        }
        Ok(text)
    }

    /// A part that is not there yet, and its place: in front of the others.
    fn new_part(&self, split: &str, names: &[String]) -> (usize, String) {
        let rest = self.text.get(self.head..).unwrap_or_default();
        let key = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with('#');
        let next = rest.lines().skip(1).find(key).unwrap_or_default();
        let indent = match next.len() - next.trim_start().len() {
            0 => 2,
            indent => indent,
        };
        let names = Form::Block(indent).after(names);
        let split = quoted(split);
        (
            self.head,
            format!("\n{}{split}:{names}", " ".repeat(indent)),
        )
    }

    fn json_with(&self, shards: &[(String, String)]) -> Result<String> {
        let wrong = |e| Error::Input {
            path: self.path.clone(),
            message: format!("is no JSON: {e}"),
        };
        let mut value: Value = serde_json::from_str(&self.text).map_err(wrong)?;
        for (split, name) in shards {
            let list = &mut value["split_parts"][split];
            match list.as_array_mut() {
                Some(list) => list.push(name.as_str().into()),
                None => *list = vec![name.as_str()].into(),
            }
        }
        serde_json::to_string_pretty(&value).map_err(wrong)
    }
}

impl Form {
    /// What is inserted behind the names that are there.
    fn after(self, names: &[String]) -> String {
        match self {
            Form::Block(indent) => {
                let line = |name: &String| format!("\n{}- {name}", " ".repeat(indent));
                names.iter().map(line).collect()
            }
            Form::Flow { empty: true } => names.join(", "),
            Form::Flow { empty: false } => format!(", {}", names.join(", ")),
        }
    }
}
