//! `--fetch`: clips are brought while they are packed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::server::Server;
use super::{files, fixture, interrupted, run, table};
use crate::cli::{Ended, kpack, put};

const CLIPS: usize = 24;

/// Eight sources of three clips each, and one that is gone.
pub(super) fn clips(server: &Server, dir: &Path) -> PathBuf {
    let rows = (0..CLIPS).map(|i| {
        let url = server.url(&format!("v{}.mp4", i % 8));
        let start = (i / 8) * 3;
        format!("{url},{start},{},c{}", start + 2, i % 3)
    });
    let gone = format!("{},0,1,c0", server.url("404-html.mp4"));
    table(dir, "url,start,end,label", rows.chain([gone]))
}

pub(super) fn pack(table: &Path, cache: &Path, out: &Path, more: &[&str]) -> Ended {
    let paths = [table, cache, out].map(|path| path.to_str().unwrap());
    let args = [
        "webdataset",
        paths[0],
        "--media-dir",
        paths[1],
        "-o",
        paths[2],
    ];
    kpack(args.iter().chain(more))
}

const FETCH: [&str; 6] = [
    "--fetch",
    "--allow-private",
    "--shuffle",
    "7",
    "--shard-samples",
    "5",
];

/// Shards and their bytes.
pub(super) fn shards(out: &Path) -> Vec<(String, Vec<u8>)> {
    let names = files(out).into_iter().filter(|name| name.ends_with(".tar"));
    names
        .map(|name| (name.clone(), fs::read(out.join(name)).unwrap()))
        .collect()
}

pub(super) fn rows(out: &Path) -> Vec<Value> {
    let text = fs::read_to_string(out.join("samples.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn it_packs_what_fetching_first_would_give() {
    let server = Server::start(fs::read(fixture("media/gop250.mp4")).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let table = clips(&server, dir.path());
    let ended = pack(&table, &at("cache"), &at("out"), &FETCH);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert!(ended.err.contains("fetched "), "{}", ended.err);
    // One pass over each source, whatever the order of its clips.
    let asked = |i: usize| server.asked(&format!("v{i}.mp4")).len();
    assert_eq!((0..8).map(asked).collect::<Vec<_>>(), [1; 8]);
    assert_eq!(files(&at("cache")).len(), CLIPS);
    let found = rows(&at("out"));
    assert_eq!(found.len(), CLIPS + 1);
    assert_eq!(
        (&found[CLIPS]["class"], &found[CLIPS]["stage"]),
        (&"gone".into(), &"fetch".into())
    );
    assert_eq!(found[0]["start"], 0.0);

    // The same in two steps: the shards are those bytes, but for the place of the row that is gone.
    let ended = run(&table, &at("media"), &["--allow-private"]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    let mut cached = files(&at("cache"));
    cached.sort();
    assert_eq!(files(&at("media")), cached);
    for name in &cached {
        let same =
            fs::read(at("cache").join(name)).unwrap() == fs::read(at("media").join(name)).unwrap();
        assert!(same, "{name}");
    }

    // With other threads and without keeping anything: the same shards.
    let more = [
        &FETCH[..],
        &["--discard-media", "-j", "1", "--fetch-threads", "1"],
    ]
    .concat();
    let ended = pack(&table, &at("small"), &at("again"), &more);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert!(shards(&at("again")) == shards(&at("out")));
    assert!(files(&at("small")).is_empty(), "{:?}", files(&at("small")));
    // A finished dataset asks for nothing.
    let before = (0..8).map(asked).sum::<usize>();
    let ended = pack(&table, &at("small"), &at("again"), &more);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert_eq!((0..8).map(asked).sum::<usize>(), before);
}

#[test]
fn killed_while_it_fetches_and_packs_it_goes_on() {
    let server = Server::start(fs::read(fixture("media/gop250.mp4")).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let table = clips(&server, dir.path());
    let ended = pack(&table, &at("cache"), &at("once"), &FETCH);
    assert_eq!(ended.code, 3, "{}", ended.err);
    let more = [&FETCH[..], &["--discard-media", "--fetch-threads", "2"]].concat();
    for i in 0..5 {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kpack"))
            .args(["webdataset", table.to_str().unwrap(), "-q", "--media-dir"])
            .arg(at("small"))
            .arg("-o")
            .arg(at("often"))
            .args(&more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(150 + 170 * i));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let ended = pack(&table, &at("small"), &at("often"), &more);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert!(shards(&at("often")) == shards(&at("once")));
    let left = files(&at("small"));
    assert!(left.len() <= 3, "{left:?}");
}

#[test]
fn what_is_there_is_used_and_never_deleted() {
    let server = Server::start(fs::read(fixture("media/gop250.mp4")).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let (cache, out) = (dir.path().join("cache"), dir.path().join("out"));
    let mine = fs::read(fixture("media/no_audio.mp4")).unwrap();
    put(&cache, "c0/v0_000000_000002.mp4", &mine);
    let rows = [0, 3].map(|start| format!("{},{start},{},c0", server.url("v0.mp4"), start + 2));
    let table = table(dir.path(), "url,start,end,label", rows);
    let args = ["--fetch", "--allow-private", "--discard-media"];
    let ended = pack(&table, &cache, &out, &args);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(files(&cache), ["c0/v0_000000_000002.mp4"]);
    let tar = fs::read(out.join("data-000000.tar")).unwrap();
    let holds = |bytes: &[u8]| tar.windows(bytes.len()).any(|part| part == bytes);
    assert!(holds(&mine));

    let wrong: [(&[&str], &str); 7] = [
        (&["--allow-private"], "add --fetch"),
        (
            &["--max-size", "5M"],
            "--max-size is for fetching: add --fetch",
        ),
        (&["--stall", "5"], "add --fetch"),
        (&["--fetch-timeout", "60"], "add --fetch"),
        (&["--yt-dlp", "other"], "add --fetch"),
        (&["--fetch", "--trim", "none"], "--trim none"),
        (&["--discard-media"], "--fetch"),
    ];
    for (args, said) in wrong {
        let ended = pack(&table, &cache, &dir.path().join("no"), args);
        assert_eq!(ended.code, 2, "{}", ended.err);
        assert!(ended.err.contains(said), "{}", ended.err);
    }
}

#[test]
fn ctrl_c_keeps_the_clips_that_are_there_and_waits_for_no_other() {
    let server = Server::start(fs::read(fixture("media/gop250.mp4")).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let (cache, out) = (dir.path().join("cache"), dir.path().join("out"));
    // So many clips of one source take a while.
    let rows = (0..40).map(|i| format!("{},{}.5,{}", server.url("v.mp4"), i % 6, i / 6 + 7));
    let table = table(dir.path(), "url,start,end", rows);
    let paths = [&table, &cache, &out].map(|path| path.to_str().unwrap());
    let args = [
        "webdataset",
        paths[0],
        "--media-dir",
        paths[1],
        "-o",
        paths[2],
        "--fetch",
        "--allow-private",
    ];
    let some = || fs::read_dir(&cache).into_iter().flatten().count() > 5;
    let (code, said, time) = interrupted(&args, some);
    assert_eq!(code, 130, "{said}");
    assert!(time.as_secs() < 5, "{time:?}");
    let packed = said.lines().find(|line| line.contains("clips packed"));
    let packed = packed.and_then(|line| line.split(' ').next()?.parse::<u32>().ok());
    assert!(packed.is_some_and(|packed| packed > 0), "{said}");
    assert!(files(&cache).len() < 40, "it was not interrupted");
    let ended = kpack(args);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(rows_done(&out), 40);
    assert_eq!(server.asked("v.mp4").len(), 1);
}

fn rows_done(out: &Path) -> usize {
    let rows = rows(out);
    rows.iter().filter(|row| row["outcome"] == "done").count()
}
