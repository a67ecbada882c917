//! `kpack stats`: what is there, counted.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{kpack, put};

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new("fixtures").join(name)).unwrap()
}

fn report(args: &[&str]) -> Value {
    let ended = kpack(["stats", "--json", "-q"].iter().chain(args));
    assert_eq!(ended.code, 0, "{}", ended.err);
    serde_json::from_str(&ended.out).unwrap()
}

fn states(value: &Value) -> [u64; 5] {
    ["clips", "found", "missing", "short", "corrupt"].map(|name| value[name].as_u64().unwrap())
}

fn bar(report: &Value, histogram: &str, value: &str) -> u64 {
    let bars = report[histogram].as_array().unwrap();
    let bar = bars.iter().find(|bar| bar["value"] == value);
    bar.map_or(0, |bar| bar["clips"].as_u64().unwrap())
}

/// Four seconds of 25 frames a second under names that ask for 4 s and for 10 s.
fn media(dir: &Path) {
    let clip = fixture("media/h264_bframes_aac.mp4");
    put(
        dir,
        "train/person's head/-3B32lodo2M_000010_000014.mp4",
        &clip,
    );
    put(dir, "train/person's head/short_000010_000020.mp4", &clip);
    put(
        dir,
        "val/person's head/-3B32lodo2M_000010_000014.mp4",
        &clip,
    );
    put(dir, "val/run/odd.webm", fixture("media/odd_size.webm"));
    put(dir, "val/run/text.mp4", fixture("broken/text.mp4"));
}

#[test]
fn a_folder_is_counted_by_split_and_class_with_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    media(dir.path());
    let report = report(&[dir.path().to_str().unwrap()]);
    assert_eq!(states(&report["total"]), [5, 3, 0, 1, 1]);
    assert_eq!(states(&report["splits"]["train"]), [2, 1, 0, 1, 0]);
    assert_eq!(states(&report["classes"]["person's head"]), [3, 2, 0, 1, 0]);
    assert_eq!(states(&report["classes"]["run"]), [2, 1, 0, 0, 1]);
    assert_eq!(bar(&report, "video_codec", "h264"), 3);
    assert_eq!(bar(&report, "video_codec", "vp9"), 1);
    assert_eq!(bar(&report, "size", "161x121"), 1);
    assert_eq!(bar(&report, "audio_codec", "none"), 1);
    assert_eq!(bar(&report, "fps", "25"), 4);
    let duration = &report["duration"];
    assert_eq!(
        (&duration["known"], &duration["max"]),
        (&4.into(), &4.0.into())
    );
    let failures = report["failures"].as_array().unwrap();
    let kinds: Vec<_> = failures
        .iter()
        .map(|f| (&f["state"], &f["class"]))
        .collect();
    assert!(
        kinds.contains(&(&"short".into(), &"too-short".into())),
        "{kinds:?}"
    );
    assert!(
        kinds.contains(&(&"corrupt".into(), &"not-a-video".into())),
        "{kinds:?}"
    );
    // One video is in both splits, and as the same clip.
    let overlap = &report["overlaps"][0];
    assert_eq!(
        (&overlap["videos"], &overlap["clips"]),
        (&1.into(), &1.into())
    );
    assert_eq!(overlap["examples"][0], "-3B32lodo2M");
}

#[test]
fn colours_of_a_known_picture_come_out() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "bars.mp4", fixture("media/full_range.mp4"));
    let path = dir.path().to_str().unwrap();
    let report_of = |threads| report(&[path, "-j", threads])["channels"].clone();
    let channels = report_of("1");
    let expected: Value =
        serde_json::from_slice(&fs::read("fixtures/expected.json").unwrap()).unwrap();
    let bars = expected["bars_rgb"].as_array().unwrap();
    for channel in 0..3 {
        let values: Vec<f64> = bars
            .iter()
            .map(|bar| bar[channel].as_f64().unwrap() / 255.0)
            .collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let square = values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64;
        let std = (square - mean * mean).sqrt();
        let got = |name: &str| channels[name][channel].as_f64().unwrap();
        assert!(
            (got("mean") - mean).abs() < 0.02,
            "{channel}: {} {mean}",
            got("mean")
        );
        assert!(
            (got("std") - std).abs() < 0.02,
            "{channel}: {} {std}",
            got("std")
        );
    }
    assert_eq!(report_of("3"), channels);
    assert_eq!(report(&[path, "--means", "0"])["channels"], Value::Null);
}

#[test]
fn a_table_says_what_is_missing_and_what_two_versions_share() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    put(
        dir,
        "m/abcdefghijk_000010_000020.mp4",
        fixture("media/h264_bframes_aac.mp4"),
    );
    let head = "label,youtube_id,time_start,time_end,split\n";
    let one = put(
        dir,
        "one.csv",
        format!("{head}run,abcdefghijk,10,20,val\nrun,-bcdefghijk,0,10,val\n"),
    );
    let two = put(
        dir,
        "two.csv",
        format!("{head}run,abcdefghijk,50,60,train\nrun,zzcdefghijk,0,10,train\n"),
    );
    let (one, two, media) = (one.to_str().unwrap(), two.to_str().unwrap(), dir.join("m"));
    let media = media.to_str().unwrap();
    let alone = report(&[one, "--media-dir", media]);
    assert_eq!(states(&alone["total"]), [2, 0, 1, 1, 0]);
    let both = report(&[one, two, "--media-dir", media]);
    let overlap = &both["overlaps"][0];
    assert_eq!(
        (&overlap["videos"], &overlap["clips"]),
        (&1.into(), &0.into())
    );
    assert_eq!(overlap["one"]["split"], "val");
    assert_eq!(overlap["two"]["input"], two);
}

#[test]
fn a_packed_dataset_is_counted_from_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    let (input, out) = (dir.path().join("in"), dir.path().join("out"));
    media(&input);
    let to = out.to_str().unwrap();
    let ended = kpack([
        "webdataset",
        input.to_str().unwrap(),
        "-o",
        to,
        "-q",
        "--frames",
        "2",
    ]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    let manifest = out.join("dataset.json");
    for path in [to, manifest.to_str().unwrap()] {
        let report = report(&[path]);
        assert_eq!(states(&report["total"]), [5, 4, 0, 0, 1]);
        assert_eq!(report["failures_by_class"]["not-a-video"], 1);
        assert_eq!(bar(&report, "video_codec", "h264"), 3);
        assert_eq!(report["duration"]["known"], 4);
    }
    let ended = kpack(["stats", to, "--means", "0"]);
    assert!(
        ended.out.contains("person's head") && ended.out.contains("not-a-video"),
        "{}",
        ended.out
    );
}

#[test]
fn the_page_holds_everything_and_loads_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    media(&input);
    let html = dir.path().join("page.html");
    let args = [
        "stats",
        input.to_str().unwrap(),
        "--html",
        html.to_str().unwrap(),
        "-q",
    ];
    assert_eq!(kpack(args).code, 0);
    let page = fs::read_to_string(html).unwrap();
    assert_eq!(
        page.matches("data:image/jpeg;base64,/9j/").count(),
        2,
        "one picture a class"
    );
    assert!(page.contains("person&#39;s head") && page.contains("not-a-video"));
    assert!(page.matches("<svg").count() >= 6);
    for outside in ["http:", "https:", "<script", "<link", "url(", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
}
