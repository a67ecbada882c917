//! Each consumer's parse rule, implemented again from its description, reads its list back.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod spaced;
mod tables;

use super::*;

/// A video file with a label.
fn video(path: &str, label: Option<(i64, &str)>) -> Entry {
    let label = label.map(|(index, text)| Label {
        index: Some(index),
        text: Some(text.to_owned()),
    });
    Entry {
        path: path.to_owned(),
        place: path.to_owned(),
        labels: label.into_iter().collect(),
        range: Some((0.0, 10.5)),
        frames: Some(263),
        ..Entry::default()
    }
}

/// A folder of frames `img_00001.jpg` on.
fn folder(path: &str, count: u64, label: Option<(i64, &str)>) -> Entry {
    Entry {
        files: Some(FrameFiles {
            before: "img_".to_owned(),
            width: 5,
            after: ".jpg".to_owned(),
            first: 1,
            count,
        }),
        ..video(path, label)
    }
}

const PERSON: (i64, &str) = (2, "massaging person's head");
const GAME: (i64, &str) = (1, "passing American football (not in game)");

fn videos() -> Vec<Entry> {
    vec![
        video("run/-3B32lodo2M_000010_000020.mp4", Some((0, "abseiling"))),
        video("run/it's,(odd)_000000_000010.mp4", Some(PERSON)),
        video("run/with space_000000_000010.mp4", Some(GAME)),
        video("none_000000_000010.mp4", None),
        video("two\nlines.mp4", Some(PERSON)),
        video("quo\"te.mp4", Some(PERSON)),
    ]
}

fn folders() -> Vec<Entry> {
    let mut odd = folder("run/odd", 7, Some(PERSON));
    odd.files.as_mut().unwrap().first = 0;
    vec![
        folder("run/-a", 163, Some(PERSON)),
        folder("run/it's,b", 1, Some(GAME)),
        folder("run/with space", 3, Some(GAME)),
        folder("c", 300, None),
        odd,
    ]
}

fn render(name: &str, entries: &[Entry]) -> Rendered {
    consumer(name).unwrap().render(entries)
}

/// Paths of the refused entries, in order.
fn refused<'a>(rendered: &Rendered, entries: &'a [Entry]) -> Vec<&'a str> {
    let path = |(i, reason): &(usize, String)| {
        assert!(!reason.is_empty() && !reason.contains('\n'), "{reason}");
        entries[*i].path.as_str()
    };
    rendered.refused.iter().map(path).collect()
}

/// What a list has to say of an entry: path and label index.
fn said(entries: &[Entry], skip: &[usize]) -> Vec<(String, i64)> {
    let keep = (0..entries.len()).filter(|i| !skip.contains(i));
    keep.map(|i| {
        let label = entries[i].labels.first().and_then(|l| l.index);
        (entries[i].path.clone(), label.unwrap_or(-1))
    })
    .collect()
}

/// Python's iteration over the lines of a text file.
fn lines_of(text: &str) -> Vec<&str> {
    assert!(!text.contains('\r'), "a line break of another kind");
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().collect()
}

#[test]
fn several_labels_are_several_fields_where_the_consumer_takes_them() {
    let mut entry = folder("a.b", 9, Some((4, "x")));
    entry.labels.push(Label {
        index: Some(6),
        text: None,
    });
    let entries = [entry];
    for (name, text) in [
        ("mmaction2-video", "a.b 4 6\n"),
        ("mmaction2-rawframe", "a.b 9 4 6\n"),
        ("mmaction2-audio", "a.b 263 4 6\n"),
    ] {
        let list = render(name, &entries);
        assert_eq!(list.text, text);
        assert!(list.notes[0].contains("multi_class"));
    }
    assert!(
        render("slowfast-frames", &entries)
            .text
            .ends_with("img_00009.jpg \"4,6\"\n")
    );
    for name in [
        "slowfast",
        "videomae",
        "pytorchvideo",
        "dmvr",
        "showmax",
        "nano",
    ] {
        let list = render(name, &entries);
        assert!(list.refused[0].1.contains("2 labels"), "{name}");
    }
}

#[test]
fn names_and_files_are_of_their_own() {
    let names: Vec<&str> = CONSUMERS.iter().map(|c| c.name).collect();
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
    assert!(
        CONSUMERS
            .iter()
            .all(|c| c.file.contains("{}") && !c.about.is_empty())
    );
    let mut files = folder("a", 1, None).files.unwrap();
    assert_eq!(files.template(), "img_{:05}.jpg");
    assert_eq!(files.name(123_456), "img_123456.jpg");
    files.width = 0;
    assert_eq!(
        (files.template().as_str(), files.name(7).as_str()),
        ("img_{}.jpg", "img_7.jpg")
    );
}
