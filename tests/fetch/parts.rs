//! `--fetch` in the parts of a job array, and out of archives.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::mirror::{Member, tar};
use super::packing::{clips, pack, rows, shards};
use super::server::Server;
use super::{files, fixture, journal, run, table};
use crate::cli::{kpack, put};

fn video() -> Vec<u8> {
    fs::read(fixture("media/gop250.mp4")).unwrap()
}

const FETCH: [&str; 4] = ["--fetch", "--allow-private", "--shard-samples", "5"];

#[test]
fn parts_share_a_folder_and_the_next_run_knows_what_they_did() {
    let server = Server::start(video());
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let table = clips(&server, dir.path());
    let ended = pack(&table, &at("alone"), &at("whole"), &FETCH);
    assert_eq!(ended.code, 3, "{}", ended.err);
    let before = server.asked("v0.mp4").len();

    let (cache, out) = (at("cache"), at("out"));
    let start = |part: &str| {
        Command::new(env!("CARGO_BIN_EXE_kpack"))
            .args(["webdataset", table.to_str().unwrap(), "--media-dir"])
            .args([&cache, Path::new("-o"), &out])
            .args(FETCH)
            .args(["--part", part])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = ["0/3", "1/3", "2/3"].map(start).into_iter().collect();
    for child in children {
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!([Some(0), Some(3)].contains(&ended.status.code()), "{said}");
    }
    let merged = kpack(["merge", out.to_str().unwrap()]);
    assert_eq!(merged.code, 3, "{}", merged.err);
    assert!(shards(&out) == shards(&at("whole")));
    let fate = |row: &serde_json::Value| (row["key"].clone(), row["outcome"].clone());
    let fates = |out: &Path| rows(out).iter().map(fate).collect::<Vec<_>>();
    assert!(fates(&out) == fates(&at("whole")));
    // Each part fetched a source once, for its own clips.
    let asked = server.asked("v0.mp4").len() - before;
    assert!((1..=3).contains(&asked), "{asked}");
    let own = |name: &String| name.starts_with("fetch.") && name.contains("-of-3");
    assert_eq!(files(&cache).iter().filter(|name| own(name)).count(), 3);

    // A run that is no part takes over: nothing is fetched again, and there is one journal.
    let before = server.asked("v0.mp4").len();
    let ended = run(&table, &cache, &["--allow-private"]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert_eq!(server.asked("v0.mp4").len(), before);
    assert_eq!(journal(&cache).len(), rows(&out).len());
    let left = files(&cache);
    assert!(left.iter().all(|name| name.ends_with(".mp4")), "{left:?}");
}

#[test]
fn one_part_of_one_has_the_folder_for_itself() {
    let server = Server::start(video());
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let rows = [0, 3].map(|start| format!("{},{start},{}", server.url("stall.mp4"), start + 2));
    let slow = table(dir.path(), "url,start,end", rows);
    let mut child = Command::new(env!("CARGO_BIN_EXE_kpack"))
        .args(["webdataset", slow.to_str().unwrap(), "-q", "--media-dir"])
        .args([&at("cache"), Path::new("-o"), &at("out")])
        .args(FETCH)
        .args(["--part", "0/1"])
        .spawn()
        .unwrap();
    let lock = at("cache").join(".kpack/fetch.lock");
    while !lock.exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    let other = run(&slow, &at("cache"), &["--allow-private"]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(other.code, 2, "{}", other.err);
    assert!(other.err.contains("another run"), "{}", other.err);
}

/// A table of ids, and two archives with their sources and clips, the first of them compressed.
fn archived(dir: &Path) -> (PathBuf, PathBuf) {
    let long = video();
    let one = tar(&[
        Member::File("k/a.mp4", &long),
        Member::File("k/nobody.mp4", &long),
    ]);
    let two = tar(&[
        Member::File("k/b.mp4", &long),
        Member::File("k/c_000001_000003.mp4", &long),
    ]);
    put(dir, "one.tar", one);
    put(dir, "two.tar", two);
    let list = put(dir, "list.txt", "one.tar\ntwo.tar\n");
    let rows = (0..10).map(|i| format!("run,{},{i},{}", ["a", "b"][i % 2], i + 2));
    let more = ["run,c,1,3", "run,gone,1,3"].map(str::to_owned);
    let rows = rows.chain(more);
    let table = table(dir, "label,youtube_id,time_start,time_end", rows);
    (table, list)
}

#[test]
fn clips_come_out_of_archives_while_they_are_packed() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (table, list) = archived(dir.path());
    let list = list.to_str().unwrap();
    let fetch = ["--fetch", "--mirror", list, "--shard-samples", "4"];
    let ended = pack(&table, &at("cache"), &at("out"), &fetch);
    assert_eq!(ended.code, 3, "{}", ended.err);
    let found = rows(&at("out"));
    assert_eq!(found.len(), 12);
    assert_eq!(found[11]["class"], "missing", "{}", found[11]);
    let done = found.iter().filter(|row| row["outcome"] == "done");
    assert_eq!(done.count(), 11);

    let ended = run(&table, &at("media"), &["--mirror", list]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert_eq!(files(&at("media")), files(&at("cache")));
    for name in files(&at("media")) {
        let read = |folder: &str| fs::read(at(folder).join(&name)).unwrap();
        assert!(read("media") == read("cache"), "{name}");
    }

    // Shuffled, with nothing kept, and in parts: the same samples.
    let more = [&fetch[..], &["--shuffle", "3", "--discard-media"]].concat();
    let ended = pack(&table, &at("small"), &at("shuffled"), &more);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert!(files(&at("small")).is_empty(), "{:?}", files(&at("small")));
    for part in ["0/2", "1/2"] {
        let more = [&more[..], &["--part", part]].concat();
        let ended = pack(&table, &at("small"), &at("parts"), &more);
        assert!([0, 3].contains(&ended.code), "{}", ended.err);
    }
    let merged = kpack(["merge", at("parts").to_str().unwrap()]);
    assert_eq!(merged.code, 3, "{}", merged.err);
    assert!(shards(&at("parts")) == shards(&at("shuffled")));

    for wrong in [
        &["--mirror", list][..],
        &["--fetch", "--mirror", list, "--keep-source"],
        &[
            "--fetch",
            "--mirror",
            list,
            "--url-template",
            "http://h/{id}",
        ],
        &["--fetch", "--mirror", "nowhere.tar"],
    ] {
        let ended = pack(&table, &at("no"), &at("none"), wrong);
        assert_eq!(ended.code, 2, "{wrong:?}: {}", ended.err);
    }
}
