#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use crate::Time;
use crate::source::{Clip, Input, NamedBy, ReadOptions, read};

fn put(dir: &Path, file: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

fn only_rows() -> ReadOptions {
    ReadOptions {
        annotations_only: true,
        ..ReadOptions::default()
    }
}

/// Reads one file of this name and text.
fn rows(name: &str, text: impl AsRef<[u8]>) -> Input {
    let dir = tempfile::tempdir().unwrap();
    read(&[put(dir.path(), name, text)], &only_rows()).unwrap()
}

/// `KEY label index split` of each row, or the row's problem.
fn lines(input: &Input) -> Vec<String> {
    let line = |row: &crate::source::Row| match &row.problem {
        Some(problem) => problem.reason.clone(),
        None => line(&row.clip),
    };
    input.rows.iter().map(line).collect()
}

fn line(clip: &Clip) -> String {
    let labels = clip.labels.iter().map(|label| {
        let index = label.index.unwrap_or(-1);
        format!(" {}={index}", label.text.as_deref().unwrap_or(""))
    });
    let labels: String = labels.collect();
    let split = clip.split.as_deref().unwrap_or("-");
    format!("{}{labels} {split}", clip.key)
}

const KINETICS: [&str; 3] = [
    "-3B32lodo2M_000059_000069 \"quoted\" (yes)=0 train",
    "_9EnS_wbXxu_000010_000020 person's head=1 val",
    "0wR5jVB-WPk_000417_000427 person's head=1 val",
];

#[test]
fn kinetics_tables_are_read_in_every_spelling() {
    let plain = "label,youtube_id,time_start,time_end,split\n\
                 \"\"\"quoted\"\" (yes)\",-3B32lodo2M,59,69,train\n\
                 person's head,_9EnS_wbXxu,10,20,validate\n\
                 person's head,0wR5jVB-WPk,417,427,validation\n";
    let other_order = "\u{feff}time_end,is_cc,split,time_start,youtube_id,label\r\n\
                 69,0,train,59,-3B32lodo2M,\"\"\"quoted\"\" (yes)\"\r\n\
                 20,1,val,10.0,_9EnS_wbXxu,\"person's head\"\r\n\
                 7:07,1,valid,6:57,0wR5jVB-WPk,\"person's head\"\r\n";
    let (_, headerless) = plain.split_once('\n').unwrap();
    let tabs = plain.replace(',', "\t");
    for text in [
        plain,
        other_order,
        headerless,
        &headerless.replace('\n', "\r\n"),
        &tabs,
    ] {
        assert_eq!(lines(&rows("k.csv", text)), KINETICS, "{text}");
    }
    let input = rows("k.csv", other_order);
    assert_eq!(input.rows[1].clip.columns["is_cc"], "1");
    let clip = &input.rows[2].clip;
    assert_eq!(
        (clip.source.as_str(), clip.named_by),
        ("0wR5jVB-WPk", NamedBy::Id)
    );
    assert_eq!(clip.span.unwrap().start, Time::from_secs(417.0));
}

#[test]
fn clips_without_labels_have_none() {
    for text in [
        "youtube_id,time_start,time_end,split\n-6bJUbfpnQ0,17,27,test\n",
        "-6bJUbfpnQ0,17,27,test\n",
        "label,youtube_id,time_start,time_end,split\n,-6bJUbfpnQ0,17,27,test\n",
    ] {
        let input = rows("t.csv", text);
        assert_eq!(lines(&input), ["-6bJUbfpnQ0_000017_000027 test"], "{text}");
        assert!(input.classes.is_empty());
    }
    // A table of an id and a class is no class map.
    assert_eq!(
        lines(&rows("k.csv", "id,label\nabc,run\n")),
        ["abc run=0 -"]
    );
    // A file's name says the split where no row does.
    let input = rows(
        "kinetics-600_val.csv",
        "youtube_id,time_start,time_end\nabc,1,2\n",
    );
    assert_eq!(lines(&input), ["abc_000001_000002 val"]);
}

#[test]
fn json_of_every_publisher_is_read() {
    let deepmind = r#"{"-3B32lodo2M": {"annotations": {"label": "\"quoted\" (yes)", "segment": [59.0, 69.0]},
        "duration": 10.0, "subset": "training", "url": "https://www.youtube.com/watch?v=-3B32lodo2M"},
        "_9EnS_wbXxu": {"annotations": {"label": "person's head", "segment": [10, 20]}, "subset": "validate"},
        "0wR5jVB-WPk": {"annotations": {"label": "person's head", "segment": [417.0, 427.0]}, "subset": "val"}}"#;
    let activitynet = r#"{"version": "1.3", "taxonomy": [{"nodeName": "x"}], "database": {
        "-3B32lodo2M": {"subset": "training", "annotations": [{"segment": [59.0, 69.0], "label": "\"quoted\" (yes)"}]},
        "_9EnS_wbXxu": {"subset": "validation", "annotations": [{"segment": [10, 20], "label": "person's head"}]},
        "0wR5jVB-WPk": {"subset": "validation", "annotations": [{"segment": [417, 427], "label": "person's head"}]}}}"#;
    let list = r#"[{"youtube_id": "-3B32lodo2M", "time_start": 59, "time_end": 69, "label": "\"quoted\" (yes)", "split": "train"},
        {"youtube_id": "_9EnS_wbXxu", "start": 10.0, "end": "20", "class": "person's head", "subset": "val"},
        {"url": "https://youtu.be/0wR5jVB-WPk", "start": "6:57", "end": 427, "label": "person's head", "split": "val"}]"#;
    for text in [deepmind, activitynet, list] {
        assert_eq!(lines(&rows("k.json", text)), KINETICS, "{text}");
    }
    let objects: Vec<serde_json::Value> = serde_json::from_str(list).unwrap();
    let text: Vec<String> = objects.iter().map(ToString::to_string).collect();
    assert_eq!(lines(&rows("k.jsonl", text.join("\n\n"))), KINETICS);
    assert_eq!(lines(&rows("k.txt", text.join("\r\n"))), KINETICS);
    let numbers =
        "{\"label\": 3, \"path\": \"a.mp4\"}\n{\"labels\": [0, 3], \"path\": \"b.mp4\"}\n";
    assert_eq!(lines(&rows("k.jsonl", numbers)), ["a =3 -", "b =0 =3 -"]);

    let showmax = r#"{"abc": "high jump", "-x1": "archery"}"#;
    assert_eq!(
        lines(&rows("k400_train.json", showmax)),
        ["abc high jump=1 train", "-x1 archery=0 train"]
    );
    assert_eq!(lines(&rows("m_test.json", r#"{"abc": ""}"#)), ["abc test"]);
    let note = &rows("k.json", deepmind).notes[0];
    assert!(note.contains("cannot hold two clips"), "{note}");
    assert_eq!(
        rows("k.json", deepmind).rows[0].clip.columns["duration"],
        10.0
    );
}

#[test]
fn bad_rows_are_named_by_line_and_column() {
    let first = |name: &str, text: &str| lines(&rows(name, text)).remove(0);
    let cases = [
        (
            "t.csv",
            "label,youtube_id,time_start,time_end\nrun,abc,soon,9\n",
            "t.csv line 2 column 3 (time_start): `soon` is not a time",
        ),
        (
            "t.csv",
            "label,youtube_id,time_start,time_end\r\nrun,,1,9\r\n",
            "line 2 column 2 (youtube_id): is empty",
        ),
        (
            "t.csv",
            "label,youtube_id,time_start,time_end\nrun,abc,9,9\n",
            "column 4 (time_end): 9 s is not after the start at 9 s",
        ),
        (
            "t.csv",
            "youtube_id,time_start,time_end\na,b,1,2\n",
            "line 2: 4 columns where 3 are expected",
        ),
        (
            "a.csv",
            "abc,902.5,0.1,0.2,1.3,0.4,7\nabc,902.5,0,0,1,1,7\n",
            "line 1 column 5 (x2): `1.3` is not a share",
        ),
        (
            "a.csv",
            "abc,902.5,0.1\nabc,902.5,0,0,1,1,7\n",
            "line 1: 3 columns where 2, 7 or 8",
        ),
        (
            "d.json",
            "{\n  \"abc\": {\"annotations\": {\"label\": \"x\", \"segment\": [5]}}}",
            "line 2 column 10 (segment): [5] is not [start, end]",
        ),
        (
            "l.json",
            "[\n {\"youtube_id\": \"a\", \"start\": true}]",
            "line 2 column 2 (start): true is neither",
        ),
        (
            "l.jsonl",
            "{\"label\": \"x\"}\n",
            "line 1 column 1: names no video",
        ),
        (
            "l.jsonl",
            "{\"id\": \"x\"\n{}",
            "line 1 column 10: is no JSON object",
        ),
    ];
    for (name, text, reason) in cases {
        let got = first(name, text);
        assert!(got.contains(reason), "{got}\n{reason}");
    }
    // The line is right behind CRLF too.
    let crlf = rows(
        "t.csv",
        "run,abc,1,2,val\r\nrun,abd,1,2,val\r\nrun,abe,x,2,val\r\n",
    );
    assert!(
        lines(&crlf)[2].contains("t.csv line 3 column 3"),
        "{:?}",
        lines(&crlf)
    );
}

#[test]
fn what_is_no_clip_list_is_an_error() {
    let error = |name: &str, text: &str| {
        let dir = tempfile::tempdir().unwrap();
        let input = put(dir.path(), name, text);
        read(&[input], &ReadOptions::default())
            .unwrap_err()
            .to_string()
    };
    assert!(error("k.json", "{\"a\": {\"annotations\"}").contains("line 1 column"));
    assert!(error("map.csv", "#0 a\r\n#1 b\r\n").contains("--labels"));
    assert!(error("classes.json", "[\"a\", \"b\"]").contains("--labels"));
    assert!(error("index.json", "{\"a\": 0, \"b\": 1}").contains("--labels"));
    assert!(error("groups.json", "{\"g\": [\"a\", \"b\"]}").contains("--categories"));
}

#[test]
fn lists_of_training_codes_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let list = |text: &str, format: Option<&str>| {
        let options = ReadOptions {
            input_format: format.map(str::to_owned),
            ..only_rows()
        };
        lines(&read(&[put(dir.path(), "list.txt", text)], &options).unwrap())
    };
    assert_eq!(
        list("k/my clip.mp4 3\nb.mp4 0\n", None),
        ["k/my_clip =3 -", "b =0 -"]
    );
    assert_eq!(list("a.mp4,3\nb.mp4,0\n", None), ["a =3 -", "b =0 -"]);
    assert_eq!(
        list("a.mp4 300 3\nb.mp4 250 0\n", None),
        ["a =3 -", "b =0 -"]
    );
    assert_eq!(
        list("d/a 163 1\nd/b 98 0\n", None),
        ["d/a =1 -", "d/b =0 -"]
    );
    assert_eq!(list("a.mp4 1 2\nb.mp4 0\n", None), ["a =1 =2 -", "b =0 -"]);
    assert_eq!(list("a.mp4 1 2\n", Some("list-labels")), ["a =1 =2 -"]);
    assert_eq!(list("a.mp4 1 2\n", Some("list-frames")), ["a =2 -"]);
    assert_eq!(list("d/a 9601 300\n", Some("list-unlabelled")), ["d/a -"]);
    assert_eq!(list("a.mp4 0 -1\nb.mp4 0 -1\n", None), ["a -", "b -"]);
    let dmvr = "video_path,start,end,label,caption\n/v/a.mp4,1.5,6.0,space,a telescope\n";
    assert_eq!(list(dmvr, None), ["a space=0 -"]);
    let slowfast = "original_vido_id video_id frame_id path labels\n\
                    V1 0 0 V1/V1_000001.jpg \"2,7\"\nV1 0 1 V1/V1_000002.jpg \"2,7\"\n";
    assert_eq!(list(slowfast, None), ["V1 =2 =7 -"]);
}

#[test]
fn files_are_merged_by_id_and_range() {
    let dir = tempfile::tempdir().unwrap();
    let head = "label,youtube_id,time_start,time_end,split\n";
    put(
        dir.path(),
        "1.csv",
        format!("{head}run,abc,1,11,train\nrun,abc,20,30,train\n"),
    );
    put(
        dir.path(),
        "2.csv",
        format!("{head}walk,abc,1,11,train\nrun,abd,1,11,val\nrun,abd,1,11,val\n"),
    );
    put(
        dir.path(),
        "3.csv",
        "youtube_id,time_start,time_end\nabc,20,30\nabe,1,11\n",
    );
    put(dir.path(), "map.csv", "#0 run\n#1 walk\n");
    let input = read(&[dir.path().to_owned()], &only_rows()).unwrap();
    assert_eq!(
        lines(&input),
        [
            "abc_000001_000011 run=0 train",
            "abc_000020_000030 run=0 train",
            "abd_000001_000011 run=0 val",
            "abe_000001_000011 -"
        ]
    );
    let notes = input.notes.join("\n");
    assert!(
        notes.contains("1.csv line 2") && notes.contains("2.csv line 2 give different classes"),
        "{notes}"
    );
    assert!(
        notes.contains("3 rows with the id and range of an earlier one"),
        "{notes}"
    );
    assert!(notes.contains("map.csv: passed over"), "{notes}");
}

#[test]
fn ava_rows_become_one_clip_a_window() {
    let text = "-5KQ66BBWC4,902.5,0.1,0.2,0.3,0.4,80\n-5KQ66BBWC4,902.9,0.1,0.2,0.3,0.4,12\n\
                -5KQ66BBWC4,902.5,0.5,0.5,1,1,9,3\nabc,2.25\nabc,1.5\nabd,3.999\n";
    let input = rows("ava_kinetics_train_v1.0.csv", text);
    assert_eq!(
        lines(&input),
        [
            "-5KQ66BBWC4_000902 =9 =12 =80 train",
            "abc_000002 train",
            "abc_000001 train",
            "abd_000003 train"
        ]
    );
    let ranges: Vec<_> = input
        .rows
        .iter()
        .map(|row| row.clip.span.unwrap())
        .collect();
    let seconds: Vec<_> = ranges
        .iter()
        .map(|s| (s.start.secs(), s.end.unwrap().secs()))
        .collect();
    assert_eq!(
        seconds,
        [(899.0, 905.0), (0.0, 6.0), (0.0, 6.0), (0.0, 6.0)]
    );
    let annotations = &input.rows[0].clip.columns["annotations"];
    assert_eq!(annotations.as_array().unwrap().len(), 3);
    assert_eq!(
        annotations[1],
        serde_json::json!({"timestamp": 902.9, "clip_timestamp": 3.9, "box": [0.1, 0.2, 0.3, 0.4], "label": 12})
    );
    assert_eq!(annotations[2]["person"], 3);
    let at = |row: usize| input.rows[row].clip.columns["annotations"][0]["clip_timestamp"].as_f64();
    assert_eq!((at(1), at(2), at(3)), (Some(2.25), Some(1.5), Some(3.999)));

    // Lists of AVA's videos have an end below zero.
    let list = rows(
        "v.csv",
        "youtube_id,time_start,time_end\nabc,12.000000,-1.000000\n",
    );
    assert_eq!(lines(&list), ["abc_000012 -"]);
    assert_eq!(list.rows[0].clip.span.unwrap().start, Time::from_secs(9.0));
}

proptest::proptest! {
    /// Whatever a file holds, it is read or refused, and a refusal says the file.
    #[test]
    fn any_text_is_read_or_refused(
        name in "(train|val|x)[.](csv|tsv|json|jsonl|txt)",
        parts in proptest::collection::vec(
            "(label|youtube_id|time_start|path|timestamp|id|#0 a|abc|-x_1|a b[.]mp4|[0-9]{1,3}|-1[.]0|0[.]5|1e400|,|\t| |;|\"|\n|\r\n|[{]|[}]|:|\\[|\\]|\"a\"|\"segment\"|\u{feff}|\u{e9}|\u{0})",
            0..60,
        ),
        format in proptest::option::of(0..crate::source::READERS.len()),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let file = put(dir.path(), &name, parts.concat());
        let options = ReadOptions {
            input_format: format.map(|i| crate::source::READERS[i].name.to_owned()),
            ..ReadOptions::default()
        };
        match read(&[file], &options) {
            Ok(input) => {
                let keys: std::collections::BTreeSet<_> = input.rows.iter().map(|r| &r.clip.key).collect();
                proptest::prop_assert_eq!(keys.len(), input.rows.len());
                crate::source::select::Survey::of(&input);
            }
            Err(error) => proptest::prop_assert!(error.to_string().contains(&name), "{}", error),
        }
    }
}
