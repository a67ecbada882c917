//! The number of threads changes no byte.

use super::fixture;
use crate::cli::kpack;
use crate::pipeline::{assert_same, files};

#[test]
fn one_and_two_threads_write_the_same_bytes() {
    let all = ["media", "classes", "broken"].map(fixture);
    let all: Vec<&str> = all.iter().map(|path| path.to_str().unwrap()).collect();
    let list = [fixture("lists/clips.csv")];
    let list: Vec<&str> = list.iter().map(|path| path.to_str().unwrap()).collect();
    let cases: [(&[&str], &[&str]); 7] = [
        (
            &all,
            &[
                "webdataset",
                "--frames",
                "5",
                "--audio",
                "wav",
                "--shard-samples",
                "10",
            ],
        ),
        (
            &all,
            &[
                "webdataset",
                "--frames",
                "2",
                "--shuffle",
                "7",
                "--shard-size",
                "500k",
            ],
        ),
        (
            &all,
            &[
                "tfrecord",
                "--frames",
                "3",
                "--audio",
                "f32",
                "--shards",
                "3",
                "--shuffle",
                "1",
            ],
        ),
        (&all, &["tfrecord", "--shards", "4", "--compress", "gzip"]),
        (
            &all,
            &[
                "frames", "--frames", "1", "--audio", "flac", "--image", "png",
            ],
        ),
        (
            &list,
            &[
                "webdataset",
                "--video",
                "h264",
                "--crf",
                "30",
                "--shard-samples",
                "1",
            ],
        ),
        (
            &list,
            &[
                "webdataset",
                "--video",
                "copy",
                "--trim",
                "copy",
                "--shuffle",
                "3",
            ],
        ),
    ];
    for (inputs, args) in cases {
        let dir = tempfile::tempdir().unwrap();
        let run = |threads: &str| {
            let out = dir.path().join(threads);
            let rest = ["-q", "-j", threads, "-o", out.to_str().unwrap()];
            let ended = kpack(args.iter().chain(inputs).chain(&rest));
            let code = if inputs.len() > 1 { 3 } else { 0 };
            assert_eq!(ended.code, code, "{args:?}: {}", ended.err);
            files(&out)
        };
        let one = run("1");
        assert!(one.contains_key("dataset.json") && one.contains_key("samples.jsonl"));
        if args[0] != "frames" {
            assert!(one.keys().any(|name| name.ends_with(".kidx")), "{args:?}");
        }
        assert_same(&run("2"), &one, &format!("{args:?}"));
    }
}
