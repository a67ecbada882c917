//! Commands that cannot be understood, and plans.

use super::{kpack, put};

/// Runs a packing command on a folder with one file, and expects exit code 2 and this message.
fn refused(args: &[&str], message: &str) {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "run/a.mp4", "x");
    let (input, out) = (dir.path().join("run"), dir.path().join("out"));
    let (input, out) = (input.to_str().unwrap(), out.to_str().unwrap());
    let (command, options) = args.split_first().unwrap();
    let ended = kpack([*command, input, "-o", out].iter().chain(options));
    assert_eq!(ended.code, 2, "{args:?}: {}", ended.err);
    assert!(ended.err.contains(message), "{args:?}: {}", ended.err);
    assert!(ended.out.is_empty(), "{args:?}: {}", ended.out);
    assert!(!dir.path().join("out").exists(), "{args:?} wrote something");
}

#[test]
fn contradictions_say_what_to_do() {
    for (args, message) in [
        (
            &["webdataset", "--video", "copy", "--short-side", "256"][..],
            "use --video h264 to re-encode, or --frames",
        ),
        (&["webdataset", "--crf", "20"], "--crf needs --video h264"),
        (&["webdataset", "--compress", "zlib"], "use gzip or zstd"),
        (
            &["webdataset", "--video", "none"],
            "give --video, --frames or --audio",
        ),
        (&["webdataset", "--quality", "80"], "--video h264 --crf N"),
        (&["webdataset", "--upscale"], "needs --short-side or --size"),
        (
            &["webdataset", "--audio", "copy", "--channels", "1"],
            "use wav, flac or f32",
        ),
        (
            &["webdataset", "--shard-size", "1M", "--part", "0/2"],
            "use --shard-samples",
        ),
        (
            &["webdataset", "--shard-size", "1M", "--shards", "2"],
            "cannot be used with",
        ),
        (&["webdataset", "--name", "a/b"], "--name"),
        (
            &["webdataset", "--on-error", "fail", "--max-failures", "90%"],
            "use one",
        ),
        (
            &["frames", "--frame-name", "{:05}.png"],
            "add --image png, or end it with .jpg",
        ),
        (
            &["tfrecord", "--schema", "sound", "--frames", "5"],
            "leave out --video and --frames",
        ),
        (
            &["tfrecord", "--schema", "sound", "--audio", "wav"],
            "use --audio f32",
        ),
        (
            &[
                "frames",
                "--frames",
                "none",
                "--audio",
                "wav",
                "--frame-start",
                "0",
            ],
            "need --frames",
        ),
        (&["frames", "--frame-name", "frame.jpg"], "img_{:05}.jpg"),
        (&["frames", "--image", "png", "--quality", "80"], "lossless"),
    ] {
        refused(args, message);
    }
}

#[test]
fn values_say_what_is_expected() {
    for (args, message) in [
        (&["webdataset", "--frames", "fast"][..], "count:N"),
        (&["webdataset", "--size", "340"], "WIDTHxHEIGHT"),
        (&["webdataset", "--short-side", "0"], "1 to 32768"),
        (&["webdataset", "--shard-size", "1X"], "KiB"),
        (&["webdataset", "--part", "2/2"], "I/N"),
        (&["webdataset", "--max-failures", "200%"], "0% to 100%"),
        (&["webdataset", "-j", "0"], "1 to 4096"),
        (
            &["webdataset", "--image", "gif"],
            "[possible values: jpeg, png, webp]",
        ),
        (
            &["webdataset", "--input-format", "x"],
            "[possible values: media, jsonl, classes, json, ava, csv, list",
        ),
        (&["webdataset", "--no-such-option"], "unexpected argument"),
    ] {
        refused(args, message);
    }
}

#[test]
fn help_has_an_example_and_the_exit_codes() {
    for command in [
        "webdataset",
        "tfrecord",
        "frames",
        "audio",
        "classes",
        "subset",
        "inspect",
        "list",
        "reorg",
        "stats",
        "doctor",
    ] {
        let ended = kpack([command, "--help"]);
        assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{command}");
        assert!(
            ended.out.contains(&format!("  kpack {command} ")),
            "{command}"
        );
        assert!(ended.out.contains("Exit codes:"), "{command}");
    }
}

#[test]
fn what_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let out = out.to_str().unwrap();
    let ended = kpack(["webdataset", "no/such/input.mp4", "-o", out]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("no/such/input.mp4"), "{}", ended.err);

    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let ended = kpack(["webdataset", empty.to_str().unwrap(), "-o", out]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("empty: no media"), "{}", ended.err);
}

#[test]
fn a_list_that_is_wrong_is_a_wrong_command() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    for name in [
        "bad_no_path_column.csv",
        "bad_unclosed_quote.csv",
        "bad_empty.csv",
    ] {
        let list = crate::media::fixture(&format!("lists/{name}"));
        let (list, out) = (list.to_str().unwrap(), out.to_str().unwrap());
        let ended = kpack(["webdataset", list, "-o", out]);
        assert_eq!(ended.code, 2, "{name}: {}", ended.err);
    }
    let clips = crate::media::fixture("lists/clips.csv");
    let (clips, out) = (clips.to_str().unwrap(), out.to_str().unwrap());
    let ended = kpack(["webdataset", clips, "-o", out, "--labels", "/no/such/file"]);
    assert_eq!(ended.code, 2, "{}", ended.err);
    assert!(ended.err.contains("/no/such/file"), "{}", ended.err);
}

#[test]
fn copied_sound_cannot_be_cut() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "a.mp4", "x");
    let list = put(dir.path(), "l.csv", "path,start,end\na.mp4,1,2\n");
    let (list, out) = (list.to_str().unwrap(), dir.path().join("out"));
    let ended = kpack([
        "audio",
        list,
        "-o",
        out.to_str().unwrap(),
        "--audio",
        "copy",
    ]);
    assert_eq!(ended.code, 2);
    assert!(
        ended.err.contains("a.mp4: --audio copy cannot cut"),
        "{}",
        ended.err
    );
}

#[test]
fn a_dry_run_writes_nothing_and_tells_the_plan() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["run/a.mp4", "run/b.mp4", "jump/c.mp4"] {
        put(dir.path(), &format!("in/{name}"), "x");
    }
    put(dir.path(), "labels.txt", "run\n");
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (input, out, labels) = (path("in"), path("out"), path("labels.txt"));
    let args = [
        "tfrecord",
        &input,
        "-o",
        &out,
        "--labels",
        &labels,
        "--dry-run",
        "--json",
    ];
    let ended = kpack(args);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let plan: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((&plan["clips"], &plan["samples"]), (&3.into(), &2.into()));
    let problem = &plan["problem_rows"][0];
    let reason = problem["reason"].as_str().unwrap();
    assert!(
        reason.contains("`jump`") && reason.contains("labels.txt"),
        "{reason}"
    );
    assert!(!dir.path().join("out").exists());
}

#[test]
fn names_that_begin_with_a_dash_go_behind_two() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "-x.mp4", "x");
    for args in [&["--", "-x.mp4"][..], &["./-x.mp4"]] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_kpack"));
        command
            .current_dir(dir.path())
            .args(["webdataset", "-o", "out", "--dry-run", "-q"]);
        let status = command.args(args).output().unwrap().status;
        assert_eq!(status.code(), Some(0), "{args:?}");
    }
}

#[test]
fn doctor_names_what_it_looks_at() {
    let ended = kpack(["doctor", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let checks = report["checks"].as_array().unwrap();
    for name in ["kpack", "yt-dlp", "open files", "free space"] {
        assert!(checks.iter().any(|check| check["name"] == name), "{name}");
    }
}
