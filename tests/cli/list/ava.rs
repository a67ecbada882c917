//! Boxes of AVA: from the table through the frames to the list.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{fixture, kpack, list, put, read};

/// Packs the table of `dir` into frames and gives what each clip's JSON says of its first box.
fn frames(dir: &Path, table: &str, out: &str, choice: &str) -> impl Fn(&str) -> Value + use<> {
    let out = dir.join(out);
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (table, media, to) = (path(&dir.join(table)), path(&dir.join("m")), path(&out));
    let media = ["frames", &table, "--media-dir", &media, "-o", &to];
    let more = ["--layout", "flat", "-q", "--frames", choice];
    let ended = kpack(media.iter().chain(&more));
    assert_eq!(ended.code, 0, "{}", ended.err);
    move |key| {
        let json = fs::read(out.join(format!("{key}.json"))).unwrap();
        let json: Value = serde_json::from_slice(&json).unwrap();
        json["annotations"][0]["frame"].clone()
    }
}

#[test]
fn a_box_has_the_index_of_the_picture_that_shows_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    put(dir, "m/abc.mp4", fixture("media/h264_bframes_aac.mp4"));
    put(dir, "m/vfr.mp4", fixture("media/vfr.mp4"));
    put(dir, "m/tin.mp4", fixture("media/tiny.mp4"));
    put(
        dir,
        "ava_train.csv",
        "abc,2.000000,0.1,0.2,0.3,0.4,80\nvfr,1.000000,0.1,0.2,0.3,0.4,80\n\
         tin,3.000000,0.1,0.2,0.3,0.4,80\n",
    );
    // What each picture shows is in its sample's times.
    for choice in ["all", "30", "7", "count:8", "keyframes"] {
        let out = choice.replace(':', "");
        let frame = frames(dir, "ava_train.csv", &out, choice);
        for (key, at) in [("abc_000002", 2.0), ("vfr_000001", 1.0)] {
            let json = read(dir.join(&out).join(format!("{key}.json")));
            let json: Value = serde_json::from_str(&json).unwrap();
            let times = json["frame_times"].as_array().unwrap();
            let times: Vec<f64> = times.iter().map(|t| t.as_f64().unwrap()).collect();
            let shown = times.iter().copied().filter(|t| *t <= at + 1e-3);
            let shown = shown.reduce(f64::max).unwrap_or(times[0]);
            let index = usize::try_from(frame(key).as_u64().unwrap()).unwrap();
            assert_eq!(times[index], shown, "{choice} {key}");
        }
        // The clip ends before.
        assert_eq!(frame("tin_000003"), Value::Null, "{choice}");
    }
}

#[test]
fn boxes_of_ava_come_from_the_table_through_frames_to_the_list() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    put(dir, "m/-abc.mp4", fixture("media/h264_bframes_aac.mp4"));
    put(dir, "m/def.mp4", fixture("media/gop250.mp4"));
    let table = "-abc,2.000000,0.1,0.2,0.3,0.4,80\n-abc,2.000000,0.1,0.2,0.3,0.4,12\n\
                 def,5.000000,0.5,0.2,0.9,0.4,3,7\ndef,9.000000\n";
    let table = put(dir, "ava_train.csv", table);
    let (table, media, out) = (table.to_str().unwrap(), dir.join("m"), dir.join("out"));
    let media = media.to_str().unwrap();
    let to = out.to_str().unwrap();
    let args = [
        "frames",
        table,
        "--media-dir",
        media,
        "-o",
        to,
        "--layout",
        "flat",
        "--frames",
        "30",
        "-q",
    ];
    let ended = kpack(args);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let ended = list(&out, "mmaction2-ava", &[]);
    assert_eq!(ended.code, 3);
    assert!(
        ended.err.contains("def_000009: has no boxes"),
        "{}",
        ended.err
    );
    assert_eq!(
        read(out.join("lists/mmaction2-ava/train.csv")),
        "-abc_000002,0002,0.1,0.2,0.3,0.4,80,-1\n-abc_000002,0002,0.1,0.2,0.3,0.4,12,-1\n\
         def_000005,0003,0.5,0.2,0.9,0.4,3,7\n"
    );
}
