//! What parsers would misread, in words that name it.

use super::{Entry, FrameFiles, Rendered};

/// Result of a check: on refusal, what is wrong and what to do, on one line.
pub(super) type Check<T = ()> = Result<T, String>;

/// A path that is not empty and has no line break or other control character.
pub(super) fn printable(path: &str) -> Check {
    if path.is_empty() {
        return Err("the path is empty".to_owned());
    }
    // U+2028 and U+2029 end a line for Python's splitlines.
    let ends_line = |c: &char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    match path.chars().find(ends_line) {
        Some(c) => Err(format!(
            "the path {path:?} holds the control character {:?}, which ends a line or a field: \
             rename it",
            c
        )),
        None => Ok(()),
    }
}

/// A path that a parser splitting at white space takes for one field.
pub(super) fn one_field(path: &str) -> Check {
    printable(path)?;
    if path.contains(char::is_whitespace) {
        return Err(format!(
            "the path {path:?} holds a space, where this consumer ends a field: rename it, or \
             give the folders another spelling with kpack reorg"
        ));
    }
    Ok(())
}

/// Texts that pandas reads as no value, or as truth values.
const NOT_TEXT: &[&str] = &[
    "#N/A", "#NA", "-1.#IND", "-1.#QNAN", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL", "None",
    "n/a", "null", "True", "TRUE", "true", "False", "FALSE", "false",
];

/// As [`one_field`], for lists that pandas reads: it takes quotes away, and a path that looks like
/// a number (`00123`) is one.
pub(super) fn pandas_field(path: &str) -> Check {
    one_field(path)?;
    if path.contains('"') {
        return Err(format!(
            "the path {path:?} holds a quote, which this consumer's CSV reader takes away: \
             rename it"
        ));
    }
    if path.parse::<f64>().is_ok() || NOT_TEXT.contains(&path) {
        return Err(format!(
            "the path {path:?} is no text for this consumer's CSV reader: put something in front \
             with --prefix or --absolute"
        ));
    }
    Ok(())
}

/// The index of the only label; `None` for an unlabelled clip.
pub(super) fn index(entry: &Entry) -> Check<Option<i64>> {
    match indexes(entry)?.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(*one)),
        many => Err(format!(
            "has {} labels, and this consumer reads one",
            many.len()
        )),
    }
}

/// The indexes of all labels.
pub(super) fn indexes(entry: &Entry) -> Check<Vec<i64>> {
    let index = |label: &crate::Label| match (label.index, &label.text) {
        (Some(index), _) if index >= 0 => Ok(index),
        (_, Some(text)) => Err(format!("the label {text:?} has no index in the class map")),
        _ => Err("the label has no index in the class map".to_owned()),
    };
    entry.labels.iter().map(index).collect()
}

/// The name of the only label; `None` for an unlabelled clip. A label without a name is its index.
pub(super) fn name(entry: &Entry) -> Check<Option<String>> {
    match entry.labels.as_slice() {
        [] => Ok(None),
        [one] => match (&one.text, one.index) {
            (Some(text), _) => Ok(Some(text.clone())),
            (None, Some(index)) => Ok(Some(index.to_string())),
            (None, None) => Ok(None),
        },
        many => Err(format!(
            "has {} labels, and this consumer reads one",
            many.len()
        )),
    }
}

/// The folder of frames, if it is named as those before it: consumers know one template only.
pub(super) fn frames<'a>(entry: &'a Entry, first: Option<&FrameFiles>) -> Check<&'a FrameFiles> {
    let files = entry
        .files
        .as_ref()
        .ok_or("is no folder of frames: pack them with kpack frames")?;
    match first {
        Some(first) if first.template() != files.template() || first.first != files.first => {
            Err(format!(
                "its frames are named {} from {}, those of other clips {} from {}, and this \
                 consumer knows one name",
                files.template(),
                files.first,
                first.template(),
                first.first
            ))
        }
        _ => Ok(files),
    }
}

/// Writes each entry with `line`, which may add several lines, or says why it cannot be written.
pub(super) fn lines(
    entries: &[Entry],
    header: &str,
    mut line: impl FnMut(&Entry, &mut String) -> Check,
) -> Rendered {
    let mut out = Rendered {
        text: header.to_owned(),
        ..Rendered::default()
    };
    for (i, entry) in entries.iter().enumerate() {
        let before = out.text.len();
        match line(entry, &mut out.text) {
            Ok(()) => out.written += 1,
            Err(reason) => {
                out.text.truncate(before);
                out.refused.push((i, reason));
            }
        }
    }
    out
}
