//! Templates of addresses and names: `{id}_{start:06}_{end:06}.mp4`.

use std::fmt::Write as _;

use crate::source::spelling::Spelling;
use crate::source::{Clip, Span};
use crate::tree::TreeLayout;
use crate::{Error, Result, Time};

/// A template that was understood.
#[derive(Debug, Clone)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    /// The field, and the least number of digits.
    Field(Field, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Id,
    Key,
    Start,
    End,
}

/// What a template is filled with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) id: &'a str,
    pub(super) key: &'a str,
    pub(super) span: Option<Span>,
}

impl Template {
    /// Reads a template; `option` is named in errors.
    pub(super) fn parse(text: &str, option: &str) -> Result<Self> {
        let wrong = |what: &str| {
            Error::usage(format!(
                "{option} {text}: {what}; use {{id}}, {{key}}, {{start}}, {{end}}, or {{start:06}} for six digits"
            ))
        };
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| wrong("`{` without `}`"))?;
            let (name, digits) = name.split_once(':').unwrap_or((name, "0"));
            let field = match name {
                "id" => Field::Id,
                "key" => Field::Key,
                "start" => Field::Start,
                "end" => Field::End,
                _ => return Err(wrong(&format!("`{name}` is no field"))),
            };
            let digits = digits.parse().ok().filter(|n| *n <= 20);
            let digits = digits.ok_or_else(|| wrong("the digits are not 0 to 20"))?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Field(field, digits));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }

    /// Whether the time range is part of it.
    pub(super) fn has_range(&self) -> bool {
        let is = |part: &Part| matches!(part, Part::Field(Field::Start | Field::End, _));
        self.0.iter().any(is)
    }

    /// Whether there is anything to fill in.
    pub(super) fn has_fields(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Field(..)))
    }

    /// An address: what is filled in is percent-encoded, `-` for a range that has no end.
    pub(super) fn address(&self, fields: Fields<'_>) -> String {
        self.fill(fields, encode, '.')
    }

    /// A name below a folder: what is filled in holds no separator, and fractions of seconds are
    /// written `12p5`.
    pub(super) fn name(&self, fields: Fields<'_>) -> String {
        self.fill(fields, safe, 'p')
    }

    fn fill(&self, fields: Fields<'_>, text: fn(&str, &mut String), point: char) -> String {
        let mut out = String::with_capacity(48);
        for part in &self.0 {
            match part {
                Part::Text(t) => out.push_str(t),
                Part::Field(Field::Id, _) => text(fields.id, &mut out),
                Part::Field(Field::Key, _) => text(fields.key, &mut out),
                Part::Field(Field::Start, n) => {
                    let start = fields.span.map_or(Time::ZERO, |span| span.start);
                    time(start, *n, point, &mut out);
                }
                Part::Field(Field::End, n) => match fields.span.and_then(|span| span.end) {
                    Some(end) => time(end, *n, point, &mut out),
                    None => out.push_str("end"),
                },
            }
        }
        out
    }
}

fn time(time: Time, digits: usize, point: char, out: &mut String) {
    let (whole, part) = (time.nanos() / 1_000_000_000, time.nanos() % 1_000_000_000);
    let _ = write!(out, "{whole:0digits$}");
    if part > 0 {
        let part = format!("{part:09}");
        out.push(point);
        out.push_str(part.trim_end_matches('0'));
    }
}

fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

/// The folders of a clip below MEDIA, each with `/` behind it. What is not known has none.
pub(super) fn folders(clip: &Clip, layout: TreeLayout) -> String {
    let split = clip.split.clone().filter(|_| layout.has_split());
    let class = clip.labels.first().filter(|_| layout.has_class());
    let class = class.and_then(|label| match (&label.text, label.index) {
        (Some(text), _) => Some(text.clone()),
        (None, index) => index.map(|index| index.to_string()),
    });
    let mut folders = String::new();
    for name in split.into_iter().chain(class) {
        folders.push_str(&Spelling::Raw.folder(&name));
        folders.push('/');
    }
    folders
}

/// Letters, digits, `_`, `-` and inner dots stay; all else becomes `_`.
pub(super) fn safe(text: &str, out: &mut String) {
    for (i, c) in text.chars().enumerate() {
        let fits = c.is_alphanumeric() || matches!(c, '_' | '-') || (c == '.' && i > 0);
        out.push(if fits { c } else { '_' });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn names_and_addresses_are_filled() {
        let seconds = |s: f64| Time::from_secs(s);
        let span = Some(Span {
            start: seconds(7.0),
            end: Some(seconds(17.5)),
        });
        let fields = Fields {
            id: "../-a b",
            key: "k",
            span,
        };
        let name = Template::parse("{id}_{start:06}_{end:06}", "--name-template").unwrap();
        assert_eq!(name.name(fields), "_._-a_b_000007_000017p5");
        let url = Template::parse("http://h/{id}?s={start}&e={end}", "--url-template").unwrap();
        assert_eq!(url.address(fields), "http://h/..%2F-a%20b?s=7&e=17.5");
        assert!(url.has_range());
        for bad in ["{nope}", "{id", "{start:x}"] {
            let error = Template::parse(bad, "--name-template").unwrap_err();
            assert!(error.to_string().contains("{start:06}"), "{error}");
        }
    }
}
