//! `kpack list`: what is there, as each dataloader reads it.

mod ava;
mod packed;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{Ended, kpack, put};

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new("fixtures").join(name)).unwrap()
}

/// Six good clips in two splits and two classes with awkward names, two that are none.
fn media(dir: &Path) {
    let tiny = fixture("media/tiny.mp4");
    for place in [
        "train/massaging_person's_head/-3B32lodo2M_000010_000020.mp4",
        "train/massaging_person's_head/it's,(odd)_000000_000010.mp4",
        "train/run/a_000000_000010.mp4",
        "train/run/b_000000_000010.mp4",
        "val/run/c_000000_000010.mp4",
        "val/massaging_person's_head/d_000000_000010.mp4",
    ] {
        put(dir, place, &tiny);
    }
    put(dir, "train/run/zero_000000_000010.mp4", b"");
    put(
        dir,
        "val/run/text_000000_000010.mp4",
        fixture("broken/text.mp4"),
    );
}

fn list(dir: &Path, consumer: &str, more: &[&str]) -> Ended {
    let dir = dir.to_str().unwrap();
    kpack(["list", dir, "--for", consumer].iter().chain(more))
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.as_ref().display()))
}

#[test]
fn only_what_exists_and_decodes_is_listed_by_split() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    media(dir);
    let ended = list(dir, "slowfast", &["--json"]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    let out = dir.join("lists/slowfast");
    assert_eq!(
        read(out.join("train.csv")),
        "train/massaging_person's_head/-3B32lodo2M_000010_000020.mp4 0\n\
         train/massaging_person's_head/it's,(odd)_000000_000010.mp4 0\n\
         train/run/a_000000_000010.mp4 1\ntrain/run/b_000000_000010.mp4 1\n"
    );
    assert_eq!(
        read(out.join("val.csv")),
        "val/massaging_person's_head/d_000000_000010.mp4 0\nval/run/c_000000_000010.mp4 1\n"
    );
    assert_eq!(
        read(out.join("labels.txt")),
        "massaging_person's_head\nrun\n"
    );
    let left: Vec<Value> = read(out.join("left-out.jsonl"))
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let paths: Vec<&str> = left
        .iter()
        .map(|one| one["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        paths,
        [
            "train/run/zero_000000_000010.mp4",
            "val/run/text_000000_000010.mp4"
        ]
    );
    assert!(left.iter().all(|one| one["class"] == "not-a-video"));
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(report["lists"][0]["clips"], 4);
    assert_eq!(report["left_out"].as_array().unwrap().len(), 2);
    // Lists in the folder are no media, so a second run gives the same and replaces nothing.
    assert_eq!(list(dir, "slowfast", &[]).code, 3);
}

#[test]
fn paths_get_a_prefix_or_are_absolute() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, out) = (dir.path().join("in"), dir.path().join("out"));
    put(&dir, "run/with space.mp4", fixture("media/tiny.mp4"));
    let to = out.to_str().unwrap();
    let lines = |more: &[&str]| {
        let ended = list(
            &dir,
            "pytorchvideo",
            &[&["-o", to, "--overwrite"], more].concat(),
        );
        assert_eq!(ended.code, 0, "{}", ended.err);
        read(out.join("data.txt"))
    };
    assert_eq!(lines(&[]), "run/with space.mp4 0\n");
    assert_eq!(
        lines(&["--prefix", "/data/k/"]),
        "/data/k/run/with space.mp4 0\n"
    );
    let absolute = lines(&["--absolute"]);
    assert_eq!(
        absolute,
        format!("{}/run/with space.mp4 0\n", dir.display())
    );
    assert!(Path::new(absolute.trim_end().trim_end_matches(" 0")).is_file());
}

#[test]
fn a_list_of_another_content_is_not_replaced_unasked() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for name in ["a", "b", "c", "d", "e"] {
        put(dir, &format!("{name}.mp4"), fixture("media/tiny.mp4"));
    }
    let list_of = |more: &[&str]| list(dir, "slowfast", more);
    assert_eq!(list_of(&[]).code, 0);
    let plain = read(dir.join("lists/slowfast/data.csv"));
    assert_eq!(plain, "a.mp4 -1\nb.mp4 -1\nc.mp4 -1\nd.mp4 -1\ne.mp4 -1\n");
    let refused = list_of(&["--shuffle", "1"]);
    assert_eq!(refused.code, 2);
    assert!(
        refused.err.contains("data.csv") && refused.err.contains("--overwrite"),
        "{}",
        refused.err
    );
    assert_eq!(read(dir.join("lists/slowfast/data.csv")), plain);
    let shuffled = |seed: &str| {
        assert_eq!(list_of(&["--overwrite", "--shuffle", seed]).code, 0);
        read(dir.join("lists/slowfast/data.csv"))
    };
    let one = shuffled("1");
    assert_ne!(one, plain);
    assert_eq!(shuffled("1"), one);
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&one), sorted(&plain));
}

/// A list that kpack wrote is an input that kpack packs, with the same classes.
#[test]
fn lists_come_back_as_input() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    media(dir);
    for consumer in ["slowfast", "mmaction2-video", "videomae", "pytorchvideo"] {
        assert_eq!(list(dir, consumer, &[]).code, 3);
        let out = dir.join("lists").join(consumer);
        let train = ["train.csv", "train.txt"].map(|name| out.join(name));
        let train = train.iter().find(|path| path.exists()).unwrap();
        let dataset = dir.join(format!("ds-{consumer}"));
        let labels = out.join("labels.txt");
        let args = [
            "webdataset",
            train.to_str().unwrap(),
            "--media-dir",
            dir.to_str().unwrap(),
            "--labels",
            labels.to_str().unwrap(),
            "-q",
            "-o",
            dataset.to_str().unwrap(),
        ];
        let ended = kpack(args);
        assert_eq!(ended.code, 0, "{consumer}: {}", ended.err);
        let rows: BTreeMap<String, String> = read(dataset.join("samples.jsonl"))
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|row| (row["source"].to_string(), row["label"].to_string()))
            .collect();
        assert_eq!(rows.len(), 4, "{consumer}");
        let odd = rows
            .iter()
            .find(|(source, _)| source.contains("-3B32lodo2M"))
            .unwrap();
        assert_eq!(odd.1, "\"massaging_person's_head\"");
    }
}

/// Shards of trimmed clips: their rows have times in the source, of which each file is the clip.
#[test]
fn classes_are_numbered_as_torchvision_sorts_its_folders() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    media(dir);
    fs::rename(dir.join("val"), dir.join("test")).unwrap();
    fs::remove_dir_all(dir.join("test/run")).unwrap();
    let ended = list(dir, "torchvision", &[]);
    assert_eq!(ended.code, 3);
    assert!(
        ended.err.contains("not have the same class folders"),
        "{}",
        ended.err
    );
    let text = read(dir.join("lists/torchvision/train.csv"));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "youtube_id,time_start,time_end,label");
    assert_eq!(lines[1], "-3B32lodo2M,10,20,massaging_person's_head");
    assert_eq!(lines[2], "\"it's,(odd)\",0,10,massaging_person's_head");
    assert_eq!(lines.len(), 5);
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_no_text_is_left_out_by_name() {
    use std::os::unix::ffi::OsStrExt as _;

    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    put(dir, "run/a.mp4", fixture("media/tiny.mp4"));
    let name = std::ffi::OsStr::from_bytes(b"non\xffutf.mp4");
    fs::copy(dir.join("run/a.mp4"), dir.join("run").join(name)).unwrap();
    let ended = list(dir, "slowfast", &[]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert_eq!(read(dir.join("lists/slowfast/data.csv")), "run/a.mp4 0\n");
    assert!(
        ended
            .err
            .contains("run/non\\xffutf.mp4: the name is not UTF-8"),
        "{}",
        ended.err
    );
}

#[test]
fn what_is_to_be_known_of_one_split_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let video = dir.join("a.mp4");
    fs::write(&video, fixture("media/tiny.mp4")).unwrap();
    let (video, out) = (video.to_str().unwrap(), dir.join("out"));
    let to = out.to_str().unwrap();
    let ended = kpack(["frames", video, "-o", to, "-q", "--layout", "flat"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let tree = dir.join("tree");
    for (place, first) in [("train/run/a", 1), ("val/run/a", 0)] {
        for k in 1..=3 {
            let frame = fs::read(out.join(format!("a/img_{k:05}.jpg"))).unwrap();
            put(
                &tree,
                &format!("{place}/img_{:05}.jpg", k - 1 + first),
                frame,
            );
        }
    }
    let ended = list(&tree, "mmaction2-rawframe", &[]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(
        ended
            .err
            .contains("note: val: the frames are named img_{:05}.jpg from 0"),
        "{}",
        ended.err
    );
}

#[test]
fn a_folder_without_clips_and_an_unknown_consumer_say_what_is_expected() {
    let dir = tempfile::tempdir().unwrap();
    let ended = list(dir.path(), "slowfast", &[]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("no media"), "{}", ended.err);
    let ended = list(dir.path(), "mmaction2-rawframe", &[]);
    assert!(ended.err.contains("no folder of pictures"), "{}", ended.err);
    let ended = list(dir.path(), "caffe", &[]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("slowfast-frames"), "{}", ended.err);
}
