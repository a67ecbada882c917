//! Trees of files, kpack's and other people's.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::json;

use super::{convert, converted, samples};
use crate::cli::kpack;
use crate::media::fixture;

fn put(root: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

#[test]
fn files_of_video2dataset_keep_captions_and_metadata() {
    let dir = tempfile::tempdir().unwrap();
    let src = dir.path().join("src");
    let json = "{\n    \"url\": \"https://x/v.mp4\"\n}";
    put(
        &src,
        &[
            ("00000/000000000.mp4", "video"),
            ("00000/000000000.txt", "caption ü"),
            ("00000/000000000.json", json),
            ("00000/000000001.mp4", "video"),
            ("00000/000000001.json", "{\"fps\":25}"),
            ("00000.parquet", "PAR1"),
            ("00000_stats.json", "{}"),
        ],
    );
    for target in ["webdataset", "tfrecord", "frames"] {
        let out = dir.path().join(target);
        let ended = convert(&src, &out, &[target]);
        assert_eq!(ended.code, 0, "{}", ended.err);
        let told = "passed over: 2 files of no sample, for example ";
        assert!(ended.err.contains(told), "{}", ended.err);
        let all = samples(&out);
        let one = &all["00000/000000000"];
        let names: Vec<_> = one.blobs.keys().map(String::as_str).collect();
        assert_eq!(names, ["json", "mp4", "txt"], "{target}");
        assert_eq!(one.blobs["json"].1, crc32c::crc32c(json.as_bytes()));
        assert_eq!(all["00000/000000001"].meta, json!({"fps": 25}));
    }
    // MDS has one set of columns, found before anything is read.
    let src = src.join("00000");
    let first = ["mds", "--key", "000000000"];
    let mds = converted(&src, &dir.path().join("mds"), &first);
    let index = fs::read_to_string(mds.join("index.json")).unwrap();
    assert!(index.contains("\"txt\""), "{index}");
}

#[test]
fn a_damaged_json_of_a_sample_is_a_failed_row() {
    let dir = tempfile::tempdir().unwrap();
    let src = dir.path().join("src");
    put(
        &src,
        &[
            ("a/one_1.jpg", "1"),
            ("a/one_2.jpg", "2"),
            ("b/one_1.jpg", "1"),
        ],
    );
    let frames = converted(&src, &dir.path().join("frames"), &["frames"]);
    let path = frames.join("a.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, &text[..text.len() - 3]).unwrap();
    let ended = convert(&frames, &dir.path().join("out"), &["webdataset"]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert!(ended.err.contains("the JSON is damaged"), "{}", ended.err);
    assert_eq!(samples(&dir.path().join("out")).len(), 1);
}

#[test]
fn optical_flow_is_no_frame_and_class_folders_are_labels() {
    let dir = tempfile::tempdir().unwrap();
    let src = dir.path().join("src");
    put(
        &src,
        &[
            ("train/кошка/v1/img_00001.jpg", "1"),
            ("train/кошка/v1/img_00002.jpg", "2"),
            ("train/кошка/v1/flow_x_00001.jpg", "x"),
            ("train/кошка/v1/flow_y_00001.jpg", "y"),
            ("train/archery/v1/img_00001.jpg", "3"),
            ("val/archery/v2.mp4", "video"),
            ("val/archery/v2.json", "{ \"fps\": 25 }"),
        ],
    );
    let out = converted(&src, &dir.path().join("out"), &["webdataset"]);
    let labels = fs::read_to_string(out.join("labels.txt")).unwrap();
    assert_eq!(labels, "archery\nкошка\n");
    assert!(out.join("train-000000.tar").is_file() && out.join("val-000000.tar").is_file());
    let all = samples(&out);
    let cat = all.iter().find(|(key, _)| key.contains("__")).unwrap();
    let names: Vec<_> = cat.1.blobs.keys().map(String::as_str).collect();
    let expected = [
        "000001.jpg",
        "000002.jpg",
        "flow_x_00001.jpg",
        "flow_y_00001.jpg",
    ];
    assert_eq!(names, expected);
    assert_eq!(cat.1.labels[0].index, Some(1));
    assert_eq!(cat.1.labels[0].text.as_deref(), Some("кошка"));
    // Beside a JSON that stays as it is there is a place for the index only.
    assert_eq!(all["val/archery/v2"].labels[0].index, Some(0));
    let args = ["webdataset", "--class", "archery"];
    let some = converted(&src, &dir.path().join("some"), &args);
    assert_eq!(samples(&some).len(), 2);
    let frames = converted(&out, &dir.path().join("frames"), &["frames"]);
    let back = converted(&frames, &dir.path().join("back"), &["webdataset"]);
    assert_eq!(samples(&back), all);
}

#[test]
fn order_comes_back_from_frame_directories() {
    let dir = tempfile::tempdir().unwrap();
    let src = dir.path().join("src");
    for i in 0..9 {
        let name = format!("c{}/v{i}/img_00001.jpg", i % 2);
        put(&src, &[(name.as_str(), &i.to_string())]);
    }
    let args = ["webdataset", "--shuffle", "7"];
    let first = converted(&src, &dir.path().join("first"), &args);
    let frames = converted(&first, &dir.path().join("frames"), &["frames"]);
    let last = converted(&frames, &dir.path().join("last"), &["webdataset"]);
    let tar = |dir: &Path| fs::read(dir.join("data-000000.tar")).unwrap();
    assert!(tar(&first) == tar(&last));
    // What the rows tell of and is not there, or not whole, is not passed over in silence.
    fs::remove_dir_all(frames.join("c0/v0")).unwrap();
    fs::remove_file(frames.join("c0/v0.json")).unwrap();
    fs::write(frames.join("c1/v1.json"), "{\"source\"").unwrap();
    let ended = convert(&frames, &dir.path().join("out"), &["webdataset"]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    let rows = fs::read_to_string(dir.path().join("out/samples.jsonl")).unwrap();
    for (key, class) in [("c0/v0", "missing"), ("c1/v1", "corrupt")] {
        let row = format!("{{\"key\":\"{key}\"");
        let row = rows.lines().find(|line| line.starts_with(&row)).unwrap();
        assert!(row.contains(&format!("\"class\":\"{class}\"")), "{row}");
    }
    assert_eq!(samples(&dir.path().join("out")).len(), 7);
}

#[test]
fn class_folders_of_any_script_pack_into_every_format_under_the_same_keys() {
    let dir = tempfile::tempdir().unwrap();
    let src = dir.path().join("src");
    for (class, name) in [
        ("кошка", "a"),
        ("собак", "a"),
        ("猫狗", "кот"),
        ("((x))", "b"),
    ] {
        let to = src.join(class).join(format!("{name}.mp4"));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(fixture("media/gop250.mp4"), to).unwrap();
    }
    let src = src.to_str().unwrap();
    let mut all = Vec::new();
    let more = ["--video", "copy", "--frames", "none"];
    for command in ["webdataset", "tfrecord", "frames"] {
        let out = dir.path().join(command);
        let mut args = vec![command, src, "-o", out.to_str().unwrap()];
        args.extend(more);
        let ended = kpack(args);
        assert_eq!(ended.code, 0, "{}", ended.err);
        all.push(samples(&out));
    }
    // The tree of files has the same keys as its clips.
    let args = ["webdataset"];
    all.push(samples(&converted(
        Path::new(src),
        &dir.path().join("o"),
        &args,
    )));
    let keys = |i: usize| all[i].keys().collect::<Vec<_>>();
    assert_eq!(keys(0).len(), 4);
    for i in 1..4 {
        assert_eq!(keys(i), keys(0));
        let labels = |i: usize| all[i].values().map(|one| one.labels.clone());
        assert!(labels(i).eq(labels(0)));
    }
    let tops: BTreeSet<_> = keys(0).iter().map(|k| k.split('/').next()).collect();
    assert_eq!(tops.len(), 4);
    for from in ["tfrecord", "frames"] {
        let to = dir.path().join(format!("{from}-back"));
        let back = converted(&dir.path().join(from), &to, &["webdataset"]);
        assert_eq!(samples(&back).keys().collect::<Vec<_>>(), keys(0));
    }
}
