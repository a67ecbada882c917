//! Trees of files, kpack's and other people's.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::{convert, converted, samples};

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
        let told = "passed over: 2 files that belong to no sample, for example ";
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
