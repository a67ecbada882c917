//! Lists of what kpack packed: shards, frame folders.

use std::fs;

use super::{fixture, kpack, list, put, read};

#[test]
fn a_dataset_of_shards_lists_its_media_and_only_dmvr_takes_time_ranges() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let clip = put(dir, "long.mp4", fixture("media/h264_bframes_aac.mp4"));
    put(dir, "whole.mp4", fixture("media/tiny.mp4"));
    let table = "path,start,end,label\nlong.mp4,0.5,1.5,run\nlong.mp4,2,3,jump\nwhole.mp4,,,run\ngone.mp4,,,run\n";
    let table = put(dir, "t.csv", table);
    let (table, out) = (table.to_str().unwrap(), dir.join("out"));
    let ended = kpack([
        "webdataset",
        table,
        "-q",
        "--frames",
        "count:1",
        "-o",
        out.to_str().unwrap(),
    ]);
    assert_eq!(ended.code, 3, "{}", ended.err);

    let ended = list(&out, "dmvr", &[]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(
        ended.err.contains("1 row of the dataset gave no sample"),
        "{}",
        ended.err
    );
    let (clip, whole) = (clip.display(), dir.join("whole.mp4"));
    let text = read(out.join("lists/dmvr/data.csv"));
    let head = format!(
        "video_path,start,end,label\n{clip},0.5,1.5,run\n{clip},2,3,jump\n{},0,0.1",
        whole.display()
    );
    assert!(
        text.starts_with(&head) && text.ends_with(",run\n"),
        "{text}"
    );
    assert_eq!(read(out.join("lists/dmvr/labels.txt")), "jump\nrun\n");

    let ended = list(&out, "slowfast", &[]);
    assert_eq!(ended.code, 3);
    assert!(
        ended.err.contains("time range of a longer file"),
        "{}",
        ended.err
    );
    assert_eq!(
        read(out.join("lists/slowfast/data.csv")),
        format!("{} 1\n", whole.display())
    );
    fs::remove_file(whole).unwrap();
    let ended = list(
        &out,
        "slowfast",
        &["-o", dir.join("again").to_str().unwrap()],
    );
    assert!(
        ended.err.contains("whole.mp4: not found (missing)"),
        "{}",
        ended.err
    );
}

#[test]
fn trimmed_clips_of_a_kinetics_table_are_listed_whole() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let clip = fixture("media/h264_bframes_aac.mp4");
    put(dir, "m/-3B32lodo2M_000059_000063.mp4", &clip);
    put(dir, "m/abcdefghijk.mp4", &clip);
    let table = "label,youtube_id,time_start,time_end,split\n\
                 massaging person's head,-3B32lodo2M,59,63,val\nrun,abcdefghijk,0,2,val\nrun,abcdefghijk,1,3,val\n";
    let table = put(dir, "k.csv", table);
    let (table, media, out) = (table.to_str().unwrap(), dir.join("m"), dir.join("out"));
    let (media, to) = (media.to_str().unwrap(), out.to_str().unwrap());
    let ended = kpack([
        "webdataset",
        table,
        "--media-dir",
        media,
        "-o",
        to,
        "-q",
        "--frames",
        "1",
    ]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let ended = list(&out, "slowfast", &[]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert_eq!(
        ended.err.matches("time range of a longer file").count(),
        2,
        "{}",
        ended.err
    );
    let text = read(out.join("lists/slowfast/val.csv"));
    assert_eq!(text, format!("{media}/-3B32lodo2M_000059_000063.mp4 0\n"));
    assert_eq!(list(&out, "dmvr", &[]).code, 0);
    let text = read(out.join("lists/dmvr/val.csv"));
    let lines: Vec<&str> = text.lines().skip(1).collect();
    let whole = format!("{media}/-3B32lodo2M_000059_000063.mp4,0,4,massaging person's head");
    assert_eq!(lines[0], whole);
    assert_eq!(lines[1], format!("{media}/abcdefghijk.mp4,0,2,run"));
    assert_eq!(lines[2], format!("{media}/abcdefghijk.mp4,1,3,run"));
}

#[test]
fn frame_folders_are_counted_and_gaps_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (input, out) = (dir.path().join("in"), dir.path().join("out"));
    put(&input, "val/run/a.mp4", fixture("media/tiny.mp4"));
    put(&input, "val/run/b.mp4", fixture("media/tiny.mp4"));
    let to = out.to_str().unwrap();
    let ended = kpack([
        "frames",
        input.to_str().unwrap(),
        "-o",
        to,
        "-q",
        "--layout",
        "split-class",
        "--audio",
        "wav",
    ]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(list(&out, "mmaction2-rawframe", &[]).code, 0);
    let text = read(out.join("lists/mmaction2-rawframe/val.txt"));
    assert_eq!(text, "val/run/a 3 0\nval/run/b 3 0\n");
    // The same tree without kpack's own files is a tree made by others.
    for name in ["dataset.json", "samples.jsonl", "labels.txt"] {
        fs::remove_file(out.join(name)).unwrap();
    }
    assert_eq!(list(&out, "mmaction2-rawframe", &[]).code, 0);
    assert_eq!(read(out.join("lists/mmaction2-rawframe/val.txt")), text);
    fs::remove_file(out.join("val/run/a/img_00002.jpg")).unwrap();
    let ended = list(&out, "videomaev2-frames", &[]);
    assert_eq!(ended.code, 3);
    assert!(
        ended.err.contains("img_00002.jpg is missing"),
        "{}",
        ended.err
    );
    assert_eq!(
        read(out.join("lists/videomaev2-frames/val.csv")),
        "val/run/b 3 0\n"
    );
}

#[test]
fn media_named_from_another_folder_are_missing_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    put(dir, "m/a.mp4", fixture("media/tiny.mp4"));
    let pack = std::process::Command::new(env!("CARGO_BIN_EXE_kpack"))
        .args(["webdataset", "m", "-o", "out", "-q"])
        .current_dir(dir)
        .status();
    assert!(pack.unwrap().success());
    let ended = list(&dir.join("out"), "slowfast", &[]);
    assert_eq!(ended.code, 3);
    assert!(
        ended
            .err
            .contains("relative to the folder that kpack packed in"),
        "{}",
        ended.err
    );
}

#[test]
fn frames_that_do_not_decode_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let (input, out) = (dir.path().join("in"), dir.path().join("out"));
    for name in ["a", "cut", "empty", "late"] {
        put(&input, &format!("{name}.mp4"), fixture("media/tiny.mp4"));
    }
    let (from, to) = (input.to_str().unwrap(), out.to_str().unwrap());
    let ended = kpack(["frames", from, "-o", to, "-q", "--layout", "flat"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let cut = |name: &str| {
        let path = out.join(name);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() * 2 / 3]).unwrap();
    };
    cut("cut/img_00001.jpg");
    cut("late/img_00003.jpg");
    fs::write(out.join("empty/img_00002.jpg"), b"").unwrap();
    // As a dataset of kpack, and as a tree that others made.
    for _ in 0..2 {
        let lines = |more: &[&str]| {
            let ended = list(
                &out,
                "mmaction2-rawframe",
                &[&["--overwrite"], more].concat(),
            );
            assert_eq!(ended.code, 3);
            for word in [
                "cut: the frame img_00001.jpg does not decode",
                "empty: the frame img_00002.jpg is empty",
            ] {
                assert!(ended.err.contains(word), "{}", ended.err);
            }
            read(out.join("lists/mmaction2-rawframe/data.txt"))
        };
        assert_eq!(lines(&[]), "a 3\nlate 3\n");
        assert_eq!(lines(&["--decode"]), "a 3\n");
        let _ = fs::remove_file(out.join("samples.jsonl"));
        let _ = fs::remove_dir_all(out.join(".kpack"));
    }
}
