#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::Time;
use crate::sample::Class;

/// A folder with these files of one byte each.
fn folder(files: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in files {
        put(dir.path(), file, "x");
    }
    dir
}

fn put(dir: &Path, file: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

fn read_one(path: &Path) -> Input {
    read(&[path.to_owned()], &ReadOptions::default()).unwrap()
}

fn keys(input: &Input) -> Vec<&str> {
    input.rows.iter().map(|r| r.clip.key.as_str()).collect()
}

fn problem(row: &Row) -> (&str, Class) {
    let problem = row.problem.as_ref().unwrap();
    (&problem.reason, problem.class)
}

#[test]
fn a_list_keeps_integers_as_indexes() {
    let dir = folder(&["my clip.mp4", "b.mp4", "c.mp4", "d.mp4"]);
    let text = "my clip.mp4 3\r\n\n./b.mp4\t0\nc.mp4\nd.mp4 -1\ngone.mp4 3";
    let input = read_one(&put(dir.path(), "list.txt", text));
    assert_eq!(keys(&input), ["my_clip", "b", "c", "d", "gone"]);
    let index = |row: &Row| row.clip.labels.first().map(|l| (l.index, l.text.clone()));
    let indexes: Vec<_> = input.rows.iter().map(index).collect();
    let three = Some((Some(3), None));
    assert_eq!(
        indexes,
        [three.clone(), Some((Some(0), None)), None, None, three]
    );
    assert_eq!(input.classes, ["0", "", "", "3"]);
    let (reason, class) = problem(&input.rows[4]);
    assert_eq!(class, Class::Missing);
    assert!(reason.contains("gone.mp4: not found") && reason.contains("list.txt line 6"));
    assert_eq!(input.rows[0].clip.source, "my clip.mp4");
    assert_eq!(
        input.rows[0].clip.media.as_deref(),
        Some(&*dir.path().join("my clip.mp4"))
    );
}

#[test]
fn a_table_takes_its_columns_in_any_order() {
    let dir = folder(&["v/a.mp4", "v/b,c.mp4"]);
    let text = "\u{feff}end,note,label,path,start,split\r\n20.5,\"say \"\"hi\"\"\nnow\",run,a.mp4,10,validate\r\n\
                1:00,,\"jump, high\",\"b,c.mp4\",,mine\r\n,,run,a.mp4,,\r\n";
    let list = put(dir.path(), "t.csv", text);
    let options = ReadOptions {
        media_dir: Some(dir.path().join("v")),
        ..ReadOptions::default()
    };
    let input = read(&[list], &options).unwrap();
    assert_eq!(keys(&input), ["a_000010_000020p5", "b_c", "a"]);
    assert!(input.rows.iter().all(|r| r.problem.is_none()));
    assert_eq!(input.classes, ["jump, high", "run"]);
    let clip = &input.rows[0].clip;
    assert_eq!(clip.split.as_deref(), Some("val"));
    assert_eq!(clip.columns["note"], "say \"hi\"\nnow");
    let span = |start: f64, end: f64| Span {
        start: Time::from_secs(start),
        end: Some(Time::from_secs(end)),
    };
    assert_eq!(clip.span, Some(span(10.0, 20.5)));
    assert_eq!(input.rows[1].clip.span, Some(span(0.0, 60.0)));
    assert_eq!(input.rows[1].clip.split.as_deref(), Some("mine"));
    assert_eq!(input.rows[2].clip.span, None);
}

#[test]
fn tabs_are_found_out() {
    let dir = folder(&["a, b.mp4"]);
    let input = read_one(&put(
        dir.path(),
        "t.tsv",
        "label\tpath\nhigh jump\ta, b.mp4\n",
    ));
    assert_eq!(keys(&input), ["a__b"]);
    assert_eq!(input.classes, ["high jump"]);
}

#[test]
fn a_bad_row_is_named_and_the_rest_is_read() {
    let dir = folder(&["a.mp4", "b.mp4", "c.mp4", "d.mp4"]);
    let text = "path,start,end\na.mp4,1,2\nb.mp4,soon,2\nc.mp4,5,4\n,1,2\nd.mp4,1\nd.mp4,1,2\n";
    let input = read_one(&put(dir.path(), "t.csv", text));
    let expected = [
        (1, "t.csv line 3 column 2 (start): `soon` is not a time"),
        (
            2,
            "t.csv line 4 column 3 (end): 4 s is not after the start at 5 s",
        ),
        (3, "t.csv line 5 column 1 (path): is empty"),
        (4, "t.csv line 6: 2 columns where 3 are expected"),
    ];
    for (row, reason) in expected {
        let (got, class) = problem(&input.rows[row]);
        assert!(got.contains(reason), "{got}");
        assert_eq!(class, Class::Corrupt);
    }
    assert!(input.rows[0].problem.is_none() && input.rows[5].problem.is_none());
}

#[test]
fn a_broken_table_is_an_error_with_its_line() {
    let dir = folder(&["a.mp4"]);
    let message = |text: &str| {
        let list = put(dir.path(), "t.csv", text);
        read(&[list], &ReadOptions::default())
            .unwrap_err()
            .to_string()
    };
    assert!(message("path,note\na.mp4,x\na.mp4,\"open\nb.mp4,y\n").contains("line 3: a quote"));
    assert!(message("label,note\nrun,abc\n").contains("no column `path`, `youtube_id`"));
    assert!(message("path,a,a\nx,y,z\n").contains("columns 2 and 3"));
    assert!(message("path,label\n").contains("holds no rows"));
}

#[test]
fn a_repeated_row_is_refused_and_the_first_is_kept() {
    let dir = folder(&["a.mp4"]);
    let list = put(dir.path(), "l.txt", "a.mp4 run\n./a.mp4 run\n");
    let input = read_one(&list);
    assert_eq!(input.rows[0].clip.key, "a");
    assert!(input.rows[0].problem.is_none());
    let (reason, _) = problem(&input.rows[1]);
    assert!(
        reason.contains("l.txt line 2 repeats") && reason.contains("l.txt line 1"),
        "{reason}"
    );
    assert_ne!(input.rows[1].clip.key, "a");

    let twice = [dir.path().to_owned(), dir.path().join("a.mp4")];
    let input = read(&twice, &ReadOptions::default()).unwrap();
    assert!(input.rows[0].problem.is_none() && input.rows[1].problem.is_some());
}

#[test]
fn labels_fix_the_indexes_and_refuse_the_unknown() {
    let dir = folder(&["run/a.mp4", "jump/b.mp4", "fly/c.mp4"]);
    let options = ReadOptions {
        labels: Some(put(dir.path(), "labels.txt", "run\nsit\njump\n")),
        ..ReadOptions::default()
    };
    let input = read(&[dir.path().to_owned()], &options).unwrap();
    assert_eq!(input.classes, ["run", "sit", "jump"]);
    let index = |row: &Row| row.clip.labels.first().and_then(|l| l.index);
    let indexes: Vec<_> = input.rows.iter().map(index).collect();
    assert_eq!(indexes, [None, Some(2), Some(0)]);
    let (reason, _) = problem(&input.rows[0]);
    assert!(
        reason.contains("`fly` is not in") && reason.contains("labels.txt"),
        "{reason}"
    );
}

#[test]
fn labels_know_folders_in_another_spelling() {
    let dir = folder(&[
        "long_jump/a.mp4",
        "massaging_persons_head/b.mp4",
        "high-jump/c.mp4",
    ]);
    let names = "high jump\nlong jump\nmassaging person's head\n";
    let options = ReadOptions {
        labels: Some(put(dir.path(), "labels.txt", names)),
        ..ReadOptions::default()
    };
    let input = read(&[dir.path().to_owned()], &options).unwrap();
    let found: Vec<_> = input.rows.iter().map(|row| &row.clip.labels[0]).collect();
    let found: Vec<_> = found.iter().map(|l| (l.index, l.text.as_deref())).collect();
    let expected = ["high jump", "long jump", "massaging person's head"];
    let expected: Vec<_> = (0..).map(Some).zip(expected.map(Some)).collect();
    assert_eq!(found, expected);
}

#[test]
fn folders_of_splits_are_known_by_all_their_names() {
    let dir = folder(&[
        "training/run/a.mp4",
        "Validation/run/b.mp4",
        "TEST/c.mp4",
        "testing/run/d.mp4",
    ]);
    let input = read(&[dir.path().to_owned()], &ReadOptions::default()).unwrap();
    let of = |row: &Row| {
        let label = row.clip.labels.first().and_then(|l| l.text.clone());
        (row.clip.split.clone().unwrap_or_default(), label)
    };
    let mut found: Vec<_> = input.rows.iter().map(of).collect();
    found.sort();
    let run = Some("run".to_owned());
    let expected = [
        ("test", None),
        ("test", run.clone()),
        ("train", run.clone()),
        ("val", run),
    ];
    assert_eq!(
        found,
        expected.map(|(split, label)| (split.to_owned(), label))
    );
}

#[test]
fn equal_paths_below_two_inputs_stay_apart() {
    let dir = folder(&["one/x/a.mp4", "two/x/a.mp4"]);
    let inputs = [dir.path().join("one"), dir.path().join("two")];
    let input = read(&inputs, &ReadOptions::default()).unwrap();
    assert!(
        input
            .rows
            .iter()
            .all(|r| r.clip.key.starts_with("x/a_mp4-"))
    );
    assert_ne!(input.rows[0].clip.key, input.rows[1].clip.key);
}

#[test]
fn a_folder_without_media_may_hold_annotations() {
    let dir = folder(&["ann/README.txt", "media/a.mp4"]);
    put(dir.path(), "ann/train.csv", "path,label\na.mp4,run\n");
    put(dir.path(), "ann/val.txt", "b.mp4 run\n");
    let options = ReadOptions {
        media_dir: Some(dir.path().join("media")),
        ..ReadOptions::default()
    };
    let input = read(&[dir.path().join("ann")], &options).unwrap();
    assert_eq!(keys(&input), ["a", "b"]);
    assert!(input.rows[0].problem.is_none() && input.rows[1].problem.is_some());
}

#[test]
fn names_and_indexes_do_not_mix_without_labels() {
    let dir = folder(&["a.mp4", "b.mp4"]);
    let one = put(dir.path(), "1.txt", "a.mp4 run\n");
    let two = put(dir.path(), "2.txt", "b.mp4 0\n");
    let error = read(&[one, two], &ReadOptions::default()).unwrap_err();
    assert!(error.to_string().contains("--labels FILE"), "{error}");
}

#[test]
fn an_input_that_is_not_there_is_an_error() {
    let error = read(&["no/such.mp4".into()], &ReadOptions::default()).unwrap_err();
    assert!(error.to_string().contains("no/such.mp4"));
}

#[test]
fn absolute_paths_are_named_by_their_file() {
    let dir = folder(&["deep/er/a.mp4"]);
    let path = dir.path().join("deep/er/a.mp4");
    let list = put(
        dir.path().join("lists").as_path(),
        "l.txt",
        path.display().to_string(),
    );
    assert_eq!(keys(&read_one(&list)), ["a"]);
}

#[test]
fn the_folder_being_written_is_passed_over() {
    let dir = folder(&["a.mp4", "out/b.mp4"]);
    let options = ReadOptions {
        exclude: Some(dir.path().join("out")),
        ..ReadOptions::default()
    };
    assert_eq!(
        keys(&read(&[dir.path().to_owned()], &options).unwrap()),
        ["a"]
    );
}

/// The rows of a table, of which no media is looked for.
fn rows(text: &str) -> Input {
    let dir = tempfile::tempdir().unwrap();
    let options = ReadOptions {
        annotations_only: true,
        ..ReadOptions::default()
    };
    read(&[put(dir.path(), "k.csv", text)], &options).unwrap()
}

#[test]
fn rows_are_named_by_their_own_line() {
    let header = "youtube_id,time_start,time_end\n";
    for text in [
        format!("{header}a,1,2\n\nb,1,2\n\n\nc,3,2\nd,1,2\n\"e\n\",1,2\nf,3,2\n"),
        format!("\n\n{header}a,1,2\nc,3,2\nd,1,2\ne,1,2\nf,3,2\n"),
        format!("{header}a,1,2\n\n\n\n\nc,3,2\n\n\n\nf,3,2"),
    ] {
        for text in [text.replace('\n', "\r\n"), text] {
            let input = rows(&text);
            let lines: Vec<&str> = text.lines().collect();
            let wrong = input.rows.iter().filter(|row| row.clip.source.len() == 1);
            let named: Vec<String> = wrong
                .filter_map(|row| {
                    let reason = row
                        .problem
                        .as_ref()
                        .filter(|p| p.reason.contains("not after"))?;
                    let (_, rest) = reason.reason.split_once(" line ")?;
                    let number: usize = rest.split(' ').next()?.parse().ok()?;
                    Some(lines[number - 1].to_owned())
                })
                .collect();
            assert_eq!(named, ["c,3,2", "f,3,2"], "{text:?}");
        }
    }
}

#[test]
fn a_row_without_a_path_names_no_media() {
    let input = rows("label,path\nrun\n");
    assert!(input.rows[0].problem.is_some());
    assert_eq!(input.rows[0].clip.media, None);
}
