//! Classes by name or glob.

use crate::{Error, Result};

/// Indexes of the classes that `wanted` means: the one of this very name, else those of this name
/// in another spelling, else those that match it as a glob.
pub(super) fn find(wanted: &str, classes: &[String]) -> Result<Vec<i64>> {
    if let Some(index) = position(wanted, classes) {
        return Ok(vec![index]);
    }
    let pattern: Vec<char> = plain(wanted).chars().collect();
    let matches = |name: &str| {
        let name: Vec<char> = plain(name).chars().collect();
        !name.is_empty() && glob(&pattern, &name)
    };
    let found = (0..).zip(classes).filter(|(_, name)| matches(name));
    let found: Vec<i64> = found.map(|(i, _)| i).collect();
    match found.is_empty() {
        false => Ok(found),
        true => Err(Error::usage(format!(
            "`{wanted}` is none of the {} classes{}: see kpack classes",
            classes.iter().filter(|name| !name.is_empty()).count(),
            hint(&plain(wanted), classes)
        ))),
    }
}

/// Index of the class of this name, in any spelling; an equal one goes before.
pub(super) fn position(wanted: &str, classes: &[String]) -> Option<i64> {
    let equal = classes.iter().position(|name| name == wanted);
    let spelled = || {
        let wanted = plain(wanted);
        let mut same = (0..classes.len())
            .filter(|i| classes.get(*i).map(|n| plain(n)).as_ref() == Some(&wanted));
        match (same.next(), same.next()) {
            (Some(one), None) => Some(one),
            _ => None,
        }
    };
    let found = equal.or_else(spelled).filter(|_| !wanted.is_empty());
    found.and_then(|i| i64::try_from(i).ok())
}

/// A class that has the first word in common.
fn hint(wanted: &str, classes: &[String]) -> String {
    let word = wanted.split(' ').next().unwrap_or_default();
    let near = classes
        .iter()
        .find(|name| !word.is_empty() && plain(name).contains(word));
    near.map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
}

/// A name without what spellings differ in: case, quotes, apostrophes, parentheses, `_` and `-`.
pub(in crate::source) fn plain(text: &str) -> String {
    let kept = text.chars().filter(|c| !"'\"()".contains(*c));
    kept.map(|c| match c {
        '_' | '-' => ' ',
        c => c.to_ascii_lowercase(),
    })
    .collect()
}

/// Whether `name` matches `pattern` as it is spelled.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let chars = |text: &str| text.chars().collect::<Vec<char>>();
    glob(&chars(pattern), &chars(name))
}

/// Whether the class `name` is `pattern` or matches it, in any spelling.
pub(crate) fn matches_class(pattern: &str, name: &str) -> bool {
    pattern == name || matches(&plain(pattern), &plain(name))
}

/// `*` for anything, `?` for one character, `[abc]` for one of these.
fn glob(pattern: &[char], name: &[char]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some(('*', rest)) => (0..=name.len()).any(|i| name.get(i..).is_some_and(|n| glob(rest, n))),
        Some(('[', rest)) if rest.contains(&']') => {
            let close = rest.iter().position(|c| *c == ']').unwrap_or(0);
            let (set, rest) = rest.split_at(close);
            let Some((first, name)) = name.split_first() else {
                return false;
            };
            set.contains(first) && glob(rest.get(1..).unwrap_or_default(), name)
        }
        Some((c, rest)) => match name.split_first() {
            Some((first, name)) => (*c == '?' || c == first) && glob(rest, name),
            None => false,
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn classes() -> Vec<String> {
        [
            "American football",
            "massaging person's head",
            "skiing (not slalom or crosscountry)",
            "skiing crosscountry",
            "",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    #[test]
    fn names_are_found_in_every_spelling() {
        let find = |wanted: &str| find(wanted, &classes()).unwrap();
        assert_eq!(find("massaging person's head"), [1]);
        assert_eq!(find("massaging_persons_head"), [1]);
        assert_eq!(find("american-football"), [0]);
        assert_eq!(find("skiing_not_slalom_or_crosscountry"), [2]);
        assert_eq!(find("skiing*"), [2, 3]);
        assert_eq!(find("*head"), [1]);
        assert_eq!(find("skiing cross?ountr[xyz]"), [3]);
    }

    #[test]
    fn an_unknown_name_is_told_with_one_like_it() {
        let error = find("skiing downhill", &classes()).unwrap_err().to_string();
        assert!(error.contains("none of the 4 classes"), "{error}");
        assert!(
            error.contains("did you mean `skiing (not slalom"),
            "{error}"
        );
        assert!(find("", &classes()).is_err());
    }
}
