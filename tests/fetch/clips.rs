//! What is cut, under which names, and what a second run does.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::server::Server;
use super::{fates, files, fixture, journal, run, table};
use crate::cli::put;

#[test]
fn one_source_serves_all_of_its_clips() {
    let server = Server::start(fs::read(fixture("media/gop250.mp4")).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let url = server.url("long.mp4?sig=1");
    let rows = [
        (0.0, 2.0),
        (10.5, 11.5),
        (3.0, 4.0),
        (11.0, 20.0),
        (50.0, 60.0),
    ];
    let rows = rows.map(|(start, end)| format!("{url},{start},{end}"));
    let table = table(dir.path(), "url,start,end", rows);
    let ended = run(&table, &out, &["--allow-private", "--keep-source"]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert_eq!(server.asked("long.mp4?sig=1").len(), 1);
    assert_eq!(
        files(&out),
        [
            "long_000000_000002.mp4",
            "long_000003_000004.mp4",
            "long_000010p5_000011p5.mp4",
            "long_000011_000020.mp4",
            "sources/long.mp4",
        ]
    );
    let rows = journal(&out);
    let frames: Vec<u64> = rows
        .iter()
        .filter_map(|row| row["frames"].as_u64())
        .collect();
    assert_eq!(frames, [50, 25, 25, 25]);
    assert_eq!(
        (&rows[1]["got_start"], &rows[1]["got_end"]),
        (&10.52.into(), &11.5.into())
    );
    assert!(
        rows[3]["notes"][0]
            .as_str()
            .unwrap()
            .contains("the source at 12 s"),
        "{}",
        rows[3]
    );
    assert_eq!(rows[4]["class"], "too-short");

    // Other rules for the same table: what is done stays, what was not is looked at again.
    let rules = ["--allow-private", "--past-end", "skip", "--min-length", "2"];
    let ended = run(&table, &dir.path().join("other"), &rules);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let kept = files(&dir.path().join("other"));
    assert_eq!(kept, ["long_000000_000002.mp4"]);
    let ended = run(&table, &dir.path().join("other"), &rules);
    assert_eq!(
        (ended.code, server.asked("long.mp4?sig=1").len()),
        (0, 2),
        "{}",
        ended.err
    );
    let ended = run(&table, &out, &["--allow-private", "--trim", "copy"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("--trim smart"), "{}", ended.err);
}

#[test]
fn local_files_and_templates() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    for name in ["a/x.mp4", "b/x.mp4"] {
        put(
            dir.path(),
            name,
            fs::read(fixture("media/h264_bframes_aac.mp4")).unwrap(),
        );
    }
    put(dir.path(), "a/y.mp4", "<html>no</html>");
    let rows = ["a/x.mp4,1,2", "b/x.mp4,1,2", "a/y.mp4,1,2", "a/z.mp4,1,2"].map(str::to_owned);
    let paths = table(dir.path(), "path,start,end", rows);
    let ended = run(&paths, &out, &["--trim", "copy"]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    let found = fates(&out);
    assert_eq!(
        (found["y.mp4"].as_str(), found["z.mp4"].as_str()),
        ("not-a-video", "missing")
    );
    let names = files(&out);
    // Two sources of one name do not overwrite each other.
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(
        names
            .iter()
            .all(|name| name.starts_with("x_000001_000002-")),
        "{names:?}"
    );
    assert!(dir.path().join("a/x.mp4").is_file());

    let ids = table(
        dir.path(),
        "id,start,end",
        ["x,0,1".to_owned(), "x,1,2".to_owned()],
    );
    let template = format!("{}/a/{{id}}.mp4", dir.path().display());
    let named = dir.path().join("named");
    let ended = run(
        &ids,
        &named,
        &[
            "--url-template",
            &template,
            "--name-template",
            "c/{start}-{end}.mp4",
        ],
    );
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(files(&named), ["c/0-1.mp4", "c/1-2.mp4"]);
    let ended = run(&ids, &named, &["--url-template", "http://h/x.mp4"]);
    assert_eq!(ended.code, 2);
}

/// A run that was killed between the row of the last clip and the removal of its source.
#[test]
fn what_a_killed_run_left_of_a_settled_source_is_removed() {
    let server = Server::start(fs::read(fixture("media/no_audio.mp4")).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let table = table(dir.path(), "url", [server.url("a.mp4")]);
    let ended = run(&table, &out, &["--allow-private"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    for left in ["0123456789abcdef.clips", "0123456789abcdef.source"] {
        crate::cli::put(&out.join(".kpack"), left, "a");
    }
    let ended = run(&table, &out, &["--allow-private"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(files(&out), ["a.mp4"]);
}

/// Kills of the run below; with KPACK_KILLS=30 it takes about as many seconds.
fn kills() -> u64 {
    let kills = std::env::var("KPACK_KILLS").ok();
    kills.and_then(|n| n.parse().ok()).unwrap_or(6)
}

#[test]
fn a_run_killed_again_and_again_ends_as_one_that_was_not() {
    let server = Server::start(fs::read(fixture("media/no_audio.mp4")).unwrap());
    let dir = tempfile::tempdir().unwrap();
    const SOURCES: usize = 50;
    let rows = (0..SOURCES).flat_map(|i| {
        let url = server.url(&format!("v{i}.mp4"));
        (0..4).map(move |k| format!("{url},{},{}", f64::from(k) * 0.4, f64::from(k) * 0.4 + 0.8))
    });
    let table = table(dir.path(), "url,start,end", rows.collect::<Vec<_>>());
    let (once, often) = (dir.path().join("once"), dir.path().join("often"));
    let ended = run(&table, &once, &["--allow-private"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let asked = |i: usize| server.asked(&format!("v{i}.mp4")).len();
    let before: usize = (0..SOURCES).map(asked).sum();
    assert_eq!(before, SOURCES);
    let mut killed = 0;
    for i in 0..kills() {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kpack"))
            .args(["fetch", table.to_str().unwrap(), "-q", "--allow-private"])
            .args(["--fetch-threads", "2", "-o"])
            .arg(&often)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // Moments without a pattern.
        std::thread::sleep(Duration::from_millis(40 + i * 389 % 700));
        killed += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let ended = run(&table, &often, &["--allow-private"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(files(&once), files(&often));
    for name in files(&once) {
        assert!(
            fs::read(once.join(&name)).unwrap() == fs::read(often.join(&name)).unwrap(),
            "{name}"
        );
    }
    let after: usize = (0..SOURCES).map(asked).sum();
    // Two are in flight at each kill.
    assert!(
        after - before <= SOURCES + 2 * killed,
        "{after} after {killed} kills"
    );
    // The rows too, but for what the run cost that settled them.
    let rows = |out: &Path| -> Vec<Value> {
        let mut rows = journal(out);
        for row in &mut rows {
            let row = row.as_object_mut().unwrap();
            row.remove("attempts");
            row.remove("bytes_fetched");
        }
        rows
    };
    assert_eq!(rows(&once), rows(&often));
    assert_eq!(rows(&often).len(), 4 * SOURCES);
}

#[test]
fn clips_that_were_there_before_are_kept() {
    let server = Server::start(fs::read(fixture("media/gop250.mp4")).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let url = server.url("v.mp4");
    let rows = [(0, 2), (2, 4), (4, 6)].map(|(start, end)| format!("{url},{start},{end}"));
    let table = table(dir.path(), "url,start,end", rows);
    let mine = fs::read(fixture("media/no_audio.mp4")).unwrap();
    put(&out, "v_000000_000002.mkv", &mine);
    put(&out, "v_000002_000004.mp4", "half a vid");
    for _ in 0..2 {
        let ended = run(&table, &out, &["--allow-private"]);
        assert_eq!(ended.code, 3, "{}", ended.err);
        assert!(ended.err.contains("move or delete it"), "{}", ended.err);
    }
    assert!(fs::read(out.join("v_000000_000002.mkv")).unwrap() == mine);
    assert_eq!(
        fs::read(out.join("v_000002_000004.mp4")).unwrap(),
        b"half a vid"
    );
    let rows = journal(&out);
    let fate = |i: usize| (&rows[i]["outcome"], &rows[i]["class"]);
    let none = serde_json::Value::Null;
    assert_eq!(fate(0), (&"done".into(), &none));
    assert_eq!(fate(1), (&"failed".into(), &"corrupt".into()));
    assert_eq!(fate(2), (&"done".into(), &none));
    assert!(
        rows[0]["notes"][0]
            .as_str()
            .unwrap()
            .contains("was there before")
    );
    assert_eq!(server.asked("v.mp4").len(), 1);
    // Its own clip, broken since, is made again; one of another source is not written over.
    fs::write(out.join("v_000004_000006.mp4"), "broken").unwrap();
    fs::remove_file(out.join("v_000002_000004.mp4")).unwrap();
    let ended = run(&table, &out, &["--allow-private"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let other = server.url("other/v.mp4");
    let other = super::table(dir.path(), "url,start,end", [format!("{other},4,6")]);
    let ended = run(&other, &out, &["--allow-private"]);
    assert_eq!(ended.code, 2, "{}", ended.err);
    assert!(ended.err.contains("is the clip of"), "{}", ended.err);
}
