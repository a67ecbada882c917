//! The words of hand-written YAML, as far as lists of shards need it.

use serde_json::json;

/// Most shards that patterns may name.
pub(super) const MOST: usize = 4 << 20;
/// Most bytes of them.
const BYTES: usize = 256 << 20;

/// A text as YAML takes it: in quotes unless it is a plain word.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/' | '.');
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(plain);
    match word {
        true => text.to_owned(),
        false => json!(text).to_string(),
    }
}

/// A text in quotes, or without; a comment may follow.
pub(super) fn scalar(text: &str) -> Result<String, String> {
    let text = text.trim();
    let (word, rest) = match text.chars().next() {
        Some(quote @ ('"' | '\'')) => in_quotes(text, quote)?,
        Some('{' | '[' | '&' | '*' | '!' | '|' | '>' | '%' | '@' | '`' | '?' | ',' | '#')
        | None => {
            return Err(format!("{text:?} is not read as a name"));
        }
        _ => {
            let end = text.find(" #").unwrap_or(text.len());
            let (word, rest) = text.split_at(end);
            if word.contains(": ") || word.ends_with(':') {
                return Err(format!("{word:?} is not read as a name"));
            }
            (word.trim().to_owned(), rest)
        }
    };
    let rest = rest.trim();
    match rest.is_empty() || rest.starts_with('#') {
        true => Ok(word),
        false => Err(format!("{rest:?} follows a name")),
    }
}

/// A text in quotes, and what follows it.
fn in_quotes(text: &str, quote: char) -> Result<(String, &str), String> {
    let (mut word, mut rest) = (String::new(), text.get(1..).unwrap_or_default());
    loop {
        let open = || format!("{text:?} has no end");
        let at = rest.find([quote, '\\']).ok_or_else(open)?;
        let (before, after) = rest.split_at(at);
        word.push_str(before);
        rest = after.get(1..).unwrap_or_default();
        match (quote, after.starts_with('\\')) {
            ('\'', true) => word.push('\\'),
            ('\'', false) if rest.starts_with('\'') => {
                word.push('\'');
                rest = rest.get(1..).unwrap_or_default();
            }
            (_, true) => {
                let next = rest
                    .chars()
                    .next()
                    .filter(|c| matches!(c, '"' | '\\' | '/'));
                let next =
                    next.ok_or_else(|| format!("{text:?} has an escape that is not read"))?;
                word.push(next);
                rest = rest.get(1..).unwrap_or_default();
            }
            (_, false) => return Ok((word, rest)),
        }
    }
}

/// The names of a list on one line, and where it is closed; no names and no place where nothing
/// stands.
pub(super) fn list(text: &str) -> Result<(Vec<String>, Option<usize>), String> {
    if text.is_empty() {
        return Ok((Vec::new(), None));
    }
    let wrong = || format!("{text:?} is not read as a list");
    let mut rest = text.strip_prefix('[').ok_or_else(wrong)?.trim_start();
    let mut names = Vec::new();
    while !rest.starts_with(']') {
        let (name, after) = match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => in_quotes(rest, quote)?,
            _ => {
                let end = rest.find([',', ']', '{', '[', '#']).ok_or_else(wrong)?;
                let (name, after) = rest.split_at(end);
                (scalar(name)?, after)
            }
        };
        names.push(name);
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(next) => next.trim_start(),
            None if after.starts_with(']') => after,
            None => return Err(wrong()),
        };
    }
    let end = rest.get(1..).unwrap_or_default().trim();
    if !(end.is_empty() || end.starts_with('#')) {
        return Err(wrong());
    }
    Ok((names, Some(text.len() - rest.len())))
}

/// The names that these patterns stand for: `s-{000..003}.tar`, `{a,b}.tar`.
pub(super) fn spread(patterns: &[String]) -> Result<Vec<String>, String> {
    let (mut names, mut bytes) = (Vec::new(), 0_usize);
    for pattern in patterns {
        let mut open = vec![pattern.clone()];
        while let Some(text) = open.pop() {
            let Some((before, rest)) = text.split_once('{') else {
                names.push(text);
                continue;
            };
            let (inside, after) = rest
                .split_once('}')
                .filter(|(inside, _)| !inside.contains('{'))
                .ok_or_else(|| format!("the braces of {pattern:?} are not read"))?;
            let words = alternatives(inside)
                .ok_or_else(|| format!("the braces of {pattern:?} are not read"))?;
            bytes += words.len() * text.len();
            if names.len() + open.len() + words.len() > MOST || bytes > BYTES {
                return Err(format!("{pattern:?} stands for too many shards"));
            }
            let all = words.iter().rev();
            open.extend(all.map(|word| format!("{before}{word}{after}")));
        }
    }
    Ok(names)
}

/// What stands in braces: numbers from one to another, or words.
fn alternatives(inside: &str) -> Option<Vec<String>> {
    let Some((first, last)) = inside.split_once("..") else {
        let words = inside.split(',').map(str::to_owned);
        return inside.contains(',').then(|| words.collect());
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(first) || !digits(last) {
        return None;
    }
    let padded = [first, last]
        .iter()
        .any(|t| t.len() > 1 && t.starts_with('0'));
    let width = if padded {
        first.len().max(last.len())
    } else {
        1
    };
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    if first.abs_diff(last) >= MOST as u64 || width > 20 {
        return None;
    }
    let shown = |n: u64| format!("{n:0width$}");
    Some(match first <= last {
        true => (first..=last).map(shown).collect(),
        false => (last..=first).rev().map(shown).collect(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn patterns_are_spread_as_in_a_shell() {
        let of = |pattern: &str| spread(&[pattern.to_owned()]);
        assert_eq!(
            of("s-{08..11}.tar").unwrap(),
            ["s-08.tar", "s-09.tar", "s-10.tar", "s-11.tar"]
        );
        assert_eq!(of("{a,b}/{1..2}").unwrap(), ["a/1", "a/2", "b/1", "b/2"]);
        assert_eq!(of("{2..1}").unwrap(), ["2", "1"]);
        for wrong in [
            "{a",
            "{a}",
            "{a,{b,c}}",
            "{0..99999999999}",
            "{1..4000000}{1..9}",
        ] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_are_read_as_yaml_writes_them() {
        assert_eq!(scalar("'it''s' # so").unwrap(), "it's");
        assert_eq!(scalar(r#""a\"b""#).unwrap(), "a\"b");
        assert_eq!(scalar("s-{0..3}.tar").unwrap(), "s-{0..3}.tar");
        assert_eq!(
            list("[a.tar, 'b, c'] # so").unwrap(),
            (vec!["a.tar".into(), "b, c".into()], Some(14))
        );
        assert_eq!(list("[]").unwrap(), (vec![], Some(1)));
        for wrong in ["[a", "a", "[{a}]", "[a] b", "!x"] {
            assert!(list(wrong).is_err(), "{wrong}");
        }
        assert_eq!(quoted("0.tar"), "\"0.tar\"");
    }
}
