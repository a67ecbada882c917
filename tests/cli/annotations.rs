//! Annotation files as input: packing what is there of them, and what published ones hold.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{kpack, put};

pub(super) const HEADER: &str = "label,youtube_id,time_start,time_end,split,is_cc\n";

/// A clip of 12 s with a key frame each 10 s, under `name` below `dir`.
pub(super) fn clip(dir: &Path, name: &str) {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/media/gop250.mp4");
    put(dir, name, fs::read(fixture).unwrap());
}

pub(super) fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// The lines of a file of JSON objects.
fn objects(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The published files, where they are.
fn published() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("KPACK_SHARED").map_or_else(beside, PathBuf::from);
    let dir = shared.join("data/annotations");
    if dir.is_dir() {
        return Some(dir);
    }
    println!(
        "skipped: no published annotation files in {}",
        dir.display()
    );
    None
}

#[test]
fn rows_are_packed_from_clips_and_from_long_sources() {
    let dir = tempfile::tempdir().unwrap();
    let media = dir.path().join("m");
    clip(&media, "-3B32lodo2M_000417_000429.mp4");
    clip(&media, "val/massaging_persons_head/_x-9EnSwbXx.mp4");
    let rows = format!(
        "{HEADER}abseiling,gone-forever,10,20,val,0\n\
         \"massaging person's head\",_x-9EnSwbXx,2.01,5,val,1\n\
         zumba,-3B32lodo2M,417,429,val,0\n\
         zumba,bad_times_00,9,soon,val,0\n"
    );
    let csv = put(dir.path(), "k.csv", rows);
    let out = dir.path().join("out");
    let args = ["--frames", "all", "--schema", "dmvr", "-q"];
    let paths = [
        text(&csv),
        "--media-dir".into(),
        text(&media),
        "-o".into(),
        text(&out),
    ];
    let command = ["tfrecord".to_owned()].into_iter().chain(paths);
    let ended = kpack(command.chain(args.map(str::to_owned)));
    assert_eq!(ended.code, 3, "{}", ended.err);
    let rows = objects(&out.join("samples.jsonl"));
    let field = |name: &str| -> Vec<&Value> { rows.iter().map(|row| &row[name]).collect() };
    assert_eq!(field("outcome"), ["failed", "done", "done", "failed"]);
    assert_eq!(
        field("class"),
        [
            &"missing".into(),
            &Value::Null,
            &Value::Null,
            &"corrupt".into()
        ]
    );
    assert_eq!(rows[1]["key"], "_x-9EnSwbXx_000002p01_000005");
    assert_eq!(
        (&rows[1]["label_index"], &rows[2]["label_index"]),
        (&1.into(), &2.into())
    );
    // Three seconds but for the first picture, which is shown before the start.
    assert_eq!(
        (&rows[1]["frames"], &rows[2]["frames"]),
        (&74.into(), &300.into())
    );
    assert_eq!(
        (&rows[1]["start"], &rows[1]["got_start"]),
        (&2.01.into(), &2.04.into())
    );
    assert_eq!(
        (&rows[2]["start"], &rows[2]["end"]),
        (&417.0.into(), &429.0.into())
    );
    assert_eq!(
        (&rows[1]["index"], &rows[2]["index"]),
        (&0.into(), &1.into())
    );
    assert!(
        rows[3]["reason"]
            .as_str()
            .unwrap()
            .contains("k.csv line 5 column 4 (time_end): `soon`")
    );
    let labels = fs::read_to_string(out.join("labels.txt")).unwrap();
    assert_eq!(labels, "abseiling\nmassaging person's head\nzumba\n");
}

#[test]
fn every_packing_command_takes_annotations() {
    let dir = tempfile::tempdir().unwrap();
    clip(dir.path(), "-abc.mp4");
    let csv = put(
        dir.path(),
        "ava_train.csv",
        "-abc,4.000000,0.1,0.2,0.3,0.4,12\n",
    );
    for (command, args, files) in [
        ("webdataset", &[][..], &["train-000000.tar"][..]),
        ("tfrecord", &[], &["train-00000-of-00001.tfrecord"]),
        (
            "frames",
            &["--frames", "10"],
            &["12/-abc_000004/img_00060.jpg", "12/-abc_000004.json"],
        ),
        (
            "audio",
            &["--layout", "flat", "--no-audio", "silence"],
            &["-abc_000004.wav"],
        ),
    ] {
        let out = dir.path().join(format!("out-{command}"));
        let mut all = vec![
            command.to_owned(),
            text(&csv),
            "-o".into(),
            text(&out),
            "-q".into(),
        ];
        all.extend(args.iter().map(|arg| (*arg).to_owned()));
        let ended = kpack(all);
        assert_eq!(ended.code, 0, "{command}: {}", ended.err);
        for file in files {
            assert!(out.join(file).exists(), "{command}: no {file}");
        }
    }
    let meta = fs::read_to_string(dir.path().join("out-frames/12/-abc_000004.json")).unwrap();
    let meta: Value = serde_json::from_str(&meta).unwrap();
    let meta = meta.get("meta").unwrap_or(&meta);
    // The window is 1 to 7 s, and there are ten pictures a second.
    let annotation = &meta["annotations"][0];
    assert_eq!(annotation["frame"], 30);
    assert_eq!(annotation["clip_timestamp"], 3.0);
    assert_eq!(annotation["box"], serde_json::json!([0.1, 0.2, 0.3, 0.4]));
}

#[test]
fn the_published_files_give_the_published_numbers() {
    let Some(dir) = published() else { return };
    // Classes, rows, ids, ids with several clips, ids with a dash, other than 10 s, latest start.
    for (file, numbers) in [
        (
            "kinetics-400_val.csv",
            [400, 19_906, 19_906, 0, 644, 0, 6_724],
        ),
        (
            "kinetics-400_test.csv",
            [0, 38_685, 38_685, 0, 548, 0, 6_621],
        ),
        (
            "kinetics-600_val.csv",
            [600, 30_000, 29_994, 6, 744, 0, 14_846],
        ),
        (
            "kinetics-600_test.csv",
            [0, 72_924, 72_924, 0, 1_252, 0, 23_770],
        ),
        (
            "kinetics-700_val.csv",
            [700, 35_000, 34_946, 54, 319, 6, 7_346],
        ),
        (
            "kinetics-700_test.csv",
            [0, 70_000, 69_700, 298, 3_710, 25, 12_449],
        ),
        (
            "ava_kinetics_test_v1.0.csv",
            [0, 64_304, 64_061, 234, 3_404, 0, 12_454],
        ),
    ] {
        let path = dir.join(file);
        if !path.exists() {
            println!("skipped: no {}", path.display());
            continue;
        }
        let ended = kpack(["classes", &text(&path), "--json"]);
        assert_eq!(ended.code, 0, "{file}: {}", ended.err);
        let report: Value = serde_json::from_str(&ended.out).unwrap();
        let names = [
            "rows",
            "unique_ids",
            "ids_with_several_clips",
            "ids_starting_with_dash",
            "durations_not_10_s",
            "max_start",
        ];
        let number = |name: &str| report[name].as_f64().unwrap() as u64;
        let mut got = vec![report["classes"].as_object().unwrap().len() as u64];
        got.extend(names.map(number));
        assert_eq!(got, numbers, "{file}");
    }
}

#[test]
fn a_handful_of_clips_of_a_published_file() {
    let Some(dir) = published() else { return };
    let work = tempfile::tempdir().unwrap();
    let media = work.path().join("m");
    clip(&media, "0wR5jVB-WPk_000417_000427.mp4");
    clip(&media, "val/air_drumming/At8LPKnA9Zg_000134_000144.mkv");
    let out = work.path().join("out");
    let csv = text(&dir.join("kinetics-400_val.csv"));
    let ended = kpack([
        "tfrecord",
        &csv,
        "--media-dir",
        &text(&media),
        "-o",
        &text(&out),
        "-q",
    ]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    let rows = objects(&out.join("samples.jsonl"));
    assert_eq!(rows.len(), 19_906);
    let done: Vec<_> = rows.iter().filter(|row| row["outcome"] == "done").collect();
    let got: Vec<_> = done
        .iter()
        .map(|row| (&row["label_index"], &row["index"]))
        .collect();
    assert_eq!(got, [(&0.into(), &0.into()), (&1.into(), &1.into())]);
    let missing = rows
        .iter()
        .filter(|row| row["class"] == "missing" && row["index"].is_null());
    assert_eq!(missing.count(), 19_904);
}
