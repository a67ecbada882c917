#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::source::{ReadOptions, read};

/// Three classes of ten training and two validation clips each, and an unlabelled one.
fn input() -> Input {
    let mut text = "label,youtube_id,time_start,time_end,split,is_cc\n".to_owned();
    for class in ["zumba", "archery", "high jump"] {
        for i in 0..12 {
            let split = if i < 10 { "train" } else { "val" };
            text.push_str(&format!(
                "{class},-{}{i:02},{i},{},{split},1\n",
                &class[..3],
                i + 10
            ));
        }
    }
    text.push_str(",unknown,0,10,train,0\n");
    parse("k.csv", &text)
}

fn parse(name: &str, text: &str) -> Input {
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join(name);
    fs::write(&path, text).unwrap();
    let options = ReadOptions {
        annotations_only: true,
        ..ReadOptions::default()
    };
    read(&[path], &options).unwrap()
}

fn ids(input: &Input, split: &str) -> Vec<String> {
    let rows = input.rows.iter().map(|row| &row.clip);
    let rows = rows.filter(|clip| clip.split.as_deref() == Some(split));
    rows.map(|clip| clip.source.clone()).collect()
}

fn run(selection: &Selection) -> (Input, Selected) {
    let mut input = input();
    let selected = select(&mut input, selection).unwrap();
    (input, selected)
}

#[test]
fn classes_are_chosen_and_keep_their_indexes() {
    let selection = Selection {
        classes: vec!["high_jump".to_owned(), "zum*".to_owned()],
        ..Selection::default()
    };
    let (input, selected) = run(&selection);
    assert_eq!(
        (selected.classes, selected.clips, selected.others),
        (2, 24, 13)
    );
    assert_eq!(input.classes, ["archery", "high jump", "zumba"]);
    let left: BTreeSet<_> = input.rows.iter().flat_map(|r| indexes(&r.clip)).collect();
    assert_eq!(left, BTreeSet::from([1, 2]));

    let selection = Selection {
        first: Some(1),
        ..Selection::default()
    };
    assert!(
        run(&selection)
            .0
            .rows
            .iter()
            .all(|r| indexes(&r.clip).eq([0]))
    );
}

#[test]
fn chance_hangs_on_the_seed_alone() {
    let drawn = |seed, random, per_class| {
        let selection = Selection {
            random,
            per_class,
            seed: Some(seed),
            ..Selection::default()
        };
        ids(&run(&selection).0, "train")
    };
    assert_eq!(drawn(1, Some(2), None), drawn(1, Some(2), None));
    assert!((0..20).any(|seed| drawn(seed, Some(1), None) != drawn(99, Some(1), None)));
    let (three, all) = (drawn(5, None, Some(3)), drawn(5, None, Some(10)));
    assert_eq!((three.len(), all.len()), (10, 31));
    // What is drawn of a class does not hang on which other classes there are.
    let selection = Selection {
        classes: vec!["archery".to_owned()],
        per_class: Some(3),
        seed: Some(5),
        ..Selection::default()
    };
    let alone = ids(&run(&selection).0, "train");
    assert!(alone.len() == 3 && alone.iter().all(|id| three.contains(id)));
}

#[test]
fn a_quota_takes_the_first_and_never_repeats() {
    let selection = Selection {
        per_class: Some(11),
        ..Selection::default()
    };
    let (input, selected) = run(&selection);
    assert_eq!((selected.clips, selected.spare), (37, 0));
    let distinct: HashSet<_> = input.rows.iter().map(|row| &row.clip.key).collect();
    assert_eq!(distinct.len(), input.rows.len());
    let selection = Selection {
        classes: vec!["zumba".to_owned()],
        per_class: Some(2),
        only: Some(
            [
                "-zum00_000000_000010",
                "-zum05_000005_000015",
                "-zum07_000007_000017",
            ]
            .map(str::to_owned)
            .into(),
        ),
        ..Selection::default()
    };
    assert_eq!(ids(&run(&selection).0, "train"), ["-zum00", "-zum05"]);
}

#[test]
fn validation_is_carved_from_training() {
    let selection = Selection {
        val_fraction: Some(0.25),
        ..Selection::default()
    };
    let (input, selected) = run(&selection);
    // Three of ten in each class, rounded up, and the one without a class.
    assert_eq!(selected.carved, 10);
    assert_eq!(ids(&input, "val").len(), 10);
    assert_eq!(ids(&input, "test").len(), 6);
    assert!(
        ids(&input, "test")
            .iter()
            .all(|id| id.ends_with("10") || id.ends_with("11"))
    );
    assert_eq!(input.rows.len(), 37);
    let tenth = Selection {
        val_fraction: Some(0.1),
        classes: vec!["*".to_owned()],
        ..Selection::default()
    };
    assert_eq!(run(&tenth).1.carved, 3);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let message = |selection: Selection| select(&mut input(), &selection).unwrap_err().to_string();
    let with = |edit: fn(&mut Selection)| {
        let mut selection = Selection::default();
        edit(&mut selection);
        message(selection)
    };
    assert!(with(|s| s.classes.push("zumbaa".into())).contains("none of the 3 classes"));
    assert!(with(|s| s.categories.push("sports".into())).contains("no category"));
    assert!(with(|s| s.val_fraction = Some(1.0)).contains("no share"));
    assert!(with(|s| s.per_class = Some(0)).contains("leave nothing"));
}

#[test]
fn what_is_written_reads_back_equal() {
    let text = |input: &Input, shape| {
        let mut out = Vec::new();
        write(input, shape, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let clips = |input: &Input| -> Vec<_> {
        let clips = input.rows.iter().map(|row| row.clip.clone());
        clips
            .map(|c| (c.key, c.span, c.split, c.labels, c.columns))
            .collect()
    };
    let input = input();
    for (name, shape) in [("k.csv", Shape::Table), ("k.jsonl", Shape::JsonLines)] {
        let again = parse(name, &text(&input, shape));
        assert_eq!(clips(&again), clips(&input), "{name}");
    }
    assert!(
        text(&input, Shape::Table)
            .starts_with("label,youtube_id,time_start,time_end,split,is_cc\n")
    );

    let error = write(&input, Shape::Nano, &mut Vec::new()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("unknown_000000_000010: has no single class"),
        "{error}"
    );
    let mut labelled = input;
    labelled.rows.retain(|row| !row.clip.labels.is_empty());
    let nano = text(&labelled, Shape::Nano);
    assert!(nano.starts_with("zumba,-zum00,0,10,train\r\n") && nano.contains(",validate\r\n"));
    assert_eq!(parse("n.csv", &nano).rows.len(), 36);
}

#[test]
fn boxes_of_ava_are_selected_one_by_one() {
    let text =
        "abc,902.500000,0.1,0.2,0.3,0.4,80\nabc,902.500000,0.1,0.2,0.3,0.4,12\nabd,3.000000\n";
    let mut input = parse("ava.csv", text);
    let survey = Survey::of(&input);
    assert_eq!((survey.rows, survey.unlabelled, survey.ids), (3, 1, 2));
    let counts: Vec<_> = survey
        .classes
        .iter()
        .map(|c| (c.name.as_str(), c.index, c.count))
        .collect();
    assert_eq!(counts, [("12", 12, 1), ("80", 80, 1)]);
    let mut all = Vec::new();
    write(&input, Shape::Table, &mut all).unwrap();
    assert_eq!(String::from_utf8(all).unwrap(), text);
    let selection = Selection {
        classes: vec!["80".to_owned()],
        ..Selection::default()
    };
    select(&mut input, &selection).unwrap();
    let mut one = Vec::new();
    write(&input, Shape::Table, &mut one).unwrap();
    assert_eq!(
        String::from_utf8(one).unwrap(),
        text.lines().next().unwrap().to_owned() + "\n"
    );
}
