//! Classes and subsets of annotation files.

use std::fs;

use serde_json::Value;

use super::annotations::{HEADER, clip, text};
use super::{kpack, put};

#[test]
fn classes_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let rows = format!(
        "{HEADER}zumba,-a,0,10,val,0\nzumba,b,0,9,val,0\narchery,b,20,30,train,0\n,c,1,11,val,0\n"
    );
    let csv = text(&put(dir.path(), "k.csv", rows));
    let ended = kpack(["classes", &csv, "--json"]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(
        report["classes"],
        serde_json::json!({"archery": {"index": 0, "count": 1}, "zumba": {"index": 1, "count": 2}})
    );
    for (name, number) in [
        ("rows", 4),
        ("unlabelled", 1),
        ("unique_ids", 3),
        ("ids_with_several_clips", 1),
        ("ids_starting_with_dash", 1),
        ("durations_not_10_s", 1),
    ] {
        assert_eq!(report[name], number, "{name}");
    }
    let groups = put(
        dir.path(),
        "g.json",
        r#"{"dancing": ["zumba", "tango"], "all": ["zumba", "archery"]}"#,
    );
    let ended = kpack(["classes", &csv, "--categories", &text(&groups)]);
    assert!(
        ended.out.contains("dancing (no rows have tango)"),
        "{}",
        ended.out
    );
    assert!(
        ended.out.contains("      2          3  all"),
        "{}",
        ended.out
    );

    let bad = text(&put(
        dir.path(),
        "bad.csv",
        format!("{HEADER}zumba,-a,0,10,val\n"),
    ));
    let ended = kpack(["classes", &bad]);
    assert_eq!(ended.code, 3);
    assert!(
        ended.err.contains("bad.csv line 2: 5 columns where 6"),
        "{}",
        ended.err
    );
}

#[test]
fn a_subset_keeps_the_indexes_of_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut rows = HEADER.to_owned();
    for class in ["archery", "high jump", "zumba"] {
        for i in 0..10 {
            rows.push_str(&format!(
                "{class},-{}{i},{i},{},train,0\n",
                &class[..3],
                i + 10
            ));
        }
    }
    let csv = text(&put(dir.path(), "k.csv", rows));
    let groups = text(&put(dir.path(), "g.json", r#"{"jumps": ["high jump"]}"#));
    let sub = dir.path().join("s.csv");
    let args = [
        "subset",
        &csv,
        "-o",
        &text(&sub),
        "--class",
        "zum*",
        "--categories",
        &groups,
        "--category",
        "jumps",
    ];
    let more = [
        "--per-class",
        "4",
        "--val-fraction",
        "0.3",
        "--seed",
        "7",
        "--json",
    ];
    let ended = kpack(args.iter().chain(&more));
    assert_eq!(ended.code, 0, "{}", ended.err);
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(
        (&report["clips"], &report["carved_validation"]),
        (&8.into(), &4.into())
    );
    assert_eq!(report["classes"], serde_json::json!(["high jump", "zumba"]));
    let written = fs::read_to_string(&sub).unwrap();
    assert_eq!(written.lines().count(), 9);
    assert!(written.starts_with(HEADER) && !written.contains("archery"));

    let again = kpack(args.iter().chain(&more));
    assert!(
        again.code == 2 && again.err.contains("--overwrite"),
        "{}",
        again.err
    );
    let overwrite = [&more[..], &["--overwrite"]].concat();
    assert_eq!(kpack(args.iter().chain(&overwrite)).code, 0);
    assert_eq!(
        fs::read_to_string(&sub).unwrap(),
        written,
        "the same seed gives the same rows"
    );

    let labels = text(&dir.path().join("s.labels.txt"));
    let ended = kpack(["classes", &text(&sub), "--labels", &labels, "--json"]);
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(
        report["classes"]["zumba"],
        serde_json::json!({"index": 2, "count": 4})
    );
    assert_eq!(report["splits"], serde_json::json!({"train": 4, "val": 4}));

    let some = text(&dir.path().join("t.csv"));
    let ended = kpack([
        "subset",
        &csv,
        "-o",
        &some,
        "--class",
        "zumba",
        "high_jump",
        "-q",
    ]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(fs::read_to_string(&some).unwrap().lines().count(), 21);
    let nano = text(&dir.path().join("n.csv"));
    let ended = kpack([
        "subset",
        &csv,
        "-o",
        &nano,
        "--shape",
        "nano",
        "--classes-first",
        "1",
        "-q",
    ]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(
        fs::read_to_string(&nano)
            .unwrap()
            .starts_with("archery,-arc0,0,10,train\r\n")
    );
    let ended = kpack([
        "subset",
        &csv,
        "-o",
        &nano,
        "--overwrite",
        "--class",
        "zumbba",
    ]);
    assert!(
        ended.code == 2 && ended.err.contains("`zumbba` is none of the 3 classes"),
        "{}",
        ended.err
    );
}

#[test]
fn a_subset_of_what_is_there_and_of_what_was_packed() {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..3 {
        clip(dir.path(), &format!("v{i}.mp4"));
    }
    put(dir.path(), "v3.mp4", "no video");
    let row = |i: u32| format!("run,v{i},0,{},train,0\n", if i == 1 { 99 } else { 10 });
    let rows: String = [5, 3, 1, 2, 0].map(row).concat();
    let csv = text(&put(dir.path(), "k.csv", HEADER.to_owned() + &rows));
    let (out, sub) = (text(&dir.path().join("out")), dir.path().join("s.csv"));
    let ids = || -> Vec<String> {
        let text = fs::read_to_string(&sub).unwrap();
        let ids = text
            .lines()
            .skip(1)
            .filter_map(|line| line.split(',').nth(1));
        ids.map(str::to_owned).collect()
    };
    let common = [
        "subset",
        &csv,
        "-o",
        &text(&sub),
        "--overwrite",
        "--per-class",
        "2",
        "-q",
    ];
    let here = text(dir.path());
    assert_eq!(kpack(common.iter().chain(&["--media-dir", &here])).code, 0);
    assert_eq!(ids(), ["v3", "v1"]);
    let nowhere = text(&dir.path().join("nowhere"));
    fs::create_dir(&nowhere).unwrap();
    let ended = kpack(common.iter().chain(&["--media-dir", &nowhere]));
    assert!(
        ended.code == 2 && ended.err.contains("5 clips are missing"),
        "{}",
        ended.err
    );
    let ended = kpack(["webdataset", &csv, "-o", &out, "--frames", "1", "-q"]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert_eq!(kpack(common.iter().chain(&["--done-in", &out])).code, 0);
    assert_eq!(ids(), ["v1", "v2"]);
}

#[test]
fn what_holds_no_annotations_is_refused_with_what_is_expected() {
    let dir = tempfile::tempdir().unwrap();
    let video = fs::read("fixtures/media/tiny.mp4").unwrap();
    let noise: Vec<u8> = (0..200_u8).map(|i| i.wrapping_mul(151)).collect();
    for (name, bytes, word) in [
        ("x.csv.gz", &b"\x1f\x8b\x08\0rest"[..], "gzip"),
        ("video.csv", &video, "is video or sound"),
        ("video.mp4", &video, "is video or sound"),
        ("noise.csv", &noise, "is no text"),
    ] {
        let path = text(&put(dir.path(), name, bytes));
        let ended = kpack(["classes", &path]);
        assert_eq!(ended.code, 2, "{name}: {}{}", ended.out, ended.err);
        assert!(
            ended.err.contains(name) && ended.err.contains(word),
            "{}",
            ended.err
        );
    }
}

#[test]
fn validation_is_carved_from_training_alone() {
    let dir = tempfile::tempdir().unwrap();
    let rows = format!("{HEADER}zumba,-a,0,10,val,0\nzumba,b,0,9,val,0\n");
    let csv = text(&put(dir.path(), "k.csv", rows));
    let out = dir.path().join("mini.csv");
    let ended = kpack(["subset", &csv, "-o", &text(&out), "--val-fraction", "0.1"]);
    assert_eq!(ended.code, 2, "{}", ended.err);
    assert!(
        ended.err.contains("no training clips to carve") && ended.err.contains("only val"),
        "{}",
        ended.err
    );
    assert!(!out.exists());
}

#[test]
fn a_label_map_of_ava_names_the_actions() {
    let dir = tempfile::tempdir().unwrap();
    let csv = text(&put(
        dir.path(),
        "ava_val.csv",
        "abc,2.5,0.1,0.2,0.3,0.4,2\n",
    ));
    let map = "item {\n  name: \"bend/bow\"\n  id: 1\n}\nitem {\n  name: \"crawl\"\n  id: 2\n}\n";
    let map = text(&put(dir.path(), "a.pbtxt", map));
    let ended = kpack(["classes", &csv, "--labels", &map, "--json"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    let classes = serde_json::json!({"bend/bow": {"index": 1, "count": 0}, "crawl": {"index": 2, "count": 1}});
    assert_eq!(report["classes"], classes);
}
