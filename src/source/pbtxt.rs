//! A label map as protocol buffer text, as TensorFlow's detection API and AVA have it:
//!
//! ```text
//! item {
//!   name: "bend/bow (at the waist)"
//!   id: 1
//! }
//! ```
//!
//! Blocks may be called `label`, and indexes `label_id`; other fields are passed over.

use super::class_file::Entry;

/// Whether the text is such a map.
pub(super) fn is(text: &str) -> bool {
    let mut words = Words::of(text);
    let block = matches!(words.next(), Some((_, Word::Name("item" | "label"))));
    block && matches!(words.next(), Some((_, Word::Open)))
}

/// Index and name of every item.
pub(super) fn read(text: &str) -> Result<Vec<Entry>, String> {
    let mut words = Words::of(text);
    let mut entries = Vec::new();
    while let Some((line, word)) = words.next() {
        match (word, words.next()) {
            (Word::Name("item" | "label"), Some((_, Word::Open))) => {
                entries.push(item(&mut words, line)?);
            }
            _ => {
                return Err(format!(
                    "line {line}: expected `item {{ name: \"..\" id: 1 }}`"
                ));
            }
        }
    }
    Ok(entries)
}

/// The fields of an item that begins in `first`.
fn item(words: &mut Words<'_>, first: usize) -> Result<Entry, String> {
    let (mut index, mut name) = (None, None);
    loop {
        let (line, word) = words
            .next()
            .ok_or_else(|| format!("line {first}: an item that is never closed"))?;
        let field = match word {
            Word::Close => {
                let entry = index.zip(name).map(|(index, name)| (index, name, line));
                return entry
                    .ok_or_else(|| format!("line {line}: an item without both name and id"));
            }
            Word::Name(field) => field,
            _ => return Err(format!("line {line}: expected a field, such as `id: 1`")),
        };
        match (field, words.next()) {
            ("name", Some((_, Word::Text(text)))) => name = Some(text),
            ("id" | "label_id", Some((line, Word::Name(value)))) => {
                let value = value.parse::<i64>();
                let wrong = |_| format!("line {line}: `{}` is no whole number", words.last);
                index = Some(value.map_err(wrong)?);
            }
            ("name" | "id" | "label_id", _) | (_, None | Some((_, Word::Open | Word::Close))) => {
                return Err(format!(
                    "line {line}: `{field}` has no value that is understood"
                ));
            }
            _ => {}
        }
    }
}

/// What the text is made of.
enum Word<'a> {
    Open,
    Close,
    /// A text in quotes.
    Text(String),
    /// Anything else: a field's name, a number.
    Name(&'a str),
}

/// The words of a text with the line of each, from 1.
struct Words<'a> {
    rest: &'a str,
    line: usize,
    /// The last name.
    last: &'a str,
}

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Self {
        Self {
            rest: text,
            line: 1,
            last: "",
        }
    }

    /// Passes over white space, comments, and what stands between words.
    fn space(&mut self) {
        loop {
            let rest = self.rest;
            let between = |c: char| !(c.is_whitespace() || matches!(c, ':' | ',' | ';'));
            let end = match rest.starts_with('#') {
                true => rest.find('\n'),
                false => rest.find(between),
            };
            let (space, next) = rest.split_at(end.unwrap_or(rest.len()));
            self.line += space.matches('\n').count();
            self.rest = next;
            if space.is_empty() {
                return;
            }
        }
    }

    /// The text in quotes at which the rest begins.
    fn text(&mut self, quote: char) -> Word<'a> {
        let (mut text, mut escaped) = (String::new(), false);
        let mut chars = self.rest.char_indices().skip(1);
        let end = loop {
            match chars.next() {
                None => break self.rest.len(),
                Some((_, c)) if escaped => {
                    text.push(c);
                    escaped = false;
                }
                Some((_, '\\')) => escaped = true,
                Some((i, c)) if c == quote => break i + 1,
                Some((_, c)) => text.push(c),
            }
        };
        self.rest = self.rest.get(end..).unwrap_or_default();
        Word::Text(text)
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = (usize, Word<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.space();
        let line = self.line;
        let word = match self.rest.chars().next()? {
            quote @ ('"' | '\'') => self.text(quote),
            brace @ ('{' | '}') => {
                self.rest = self.rest.get(1..).unwrap_or_default();
                match brace {
                    '{' => Word::Open,
                    _ => Word::Close,
                }
            }
            _ => {
                let ends = |c: char| c.is_whitespace() || ":,;{}\"'#".contains(c);
                let (name, rest) = self
                    .rest
                    .split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
                (self.last, self.rest) = (name, rest);
                Word::Name(name)
            }
        };
        Some((line, word))
    }
}
