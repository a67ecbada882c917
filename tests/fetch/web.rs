//! Every lie and fault of a server has its class, and none becomes a clip.

use std::fs;
use std::time::Duration;

use super::server::Server;
use super::{fates, files, fixture, journal, run, table};

const QUICK: [&str; 7] = [
    "--allow-private",
    "--trim",
    "none",
    "--stall",
    "1",
    "--retries",
    "1",
];

fn video() -> Vec<u8> {
    fs::read(fixture("media/h264_bframes_aac.mp4")).unwrap()
}

#[test]
fn no_fault_of_a_server_becomes_a_clip() {
    let server = Server::start(video());
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let faults = [
        ("404-html.mp4", "gone"),
        ("200-html.mp4", "not-a-video"),
        ("200-lie.mp4", "not-a-video"),
        ("empty.mp4", "not-a-video"),
        ("503.mp4", "network"),
        ("403.mp4", "private"),
        ("loop.mp4", "network"),
        ("to-file.mp4", "network"),
        ("truncated.mp4", "network"),
        ("wrong-length.mp4", "network"),
        ("reset.mp4", "network"),
        ("stall.mp4", "timeout"),
        ("drip.mp4", "timeout"),
        ("429-always.mp4", "rate-limited"),
        ("good.mp4", "done"),
        ("hop.mp4", "done"),
        ("flaky.mp4", "done"),
    ];
    let rows = faults.iter().map(|(path, _)| server.url(path));
    let table = table(dir.path(), "url", rows);
    let ended = run(
        &table,
        &out,
        &[
            &QUICK[..],
            &[
                "--per-host",
                "32",
                "--fetch-threads",
                "32",
                "--fetch-timeout",
                "20",
            ],
        ]
        .concat(),
    );
    assert_eq!(ended.code, 3, "{}", ended.err);
    let found = fates(&out);
    for (path, fate) in faults {
        assert_eq!(found[path], fate, "{path}: {}", ended.err);
    }
    let reset = journal(&out).into_iter().find(|row| row["key"] == "reset");
    let reason = reset.unwrap()["reason"].to_string();
    assert!(reason.contains("broke off at"), "{reason}");
    // Nothing is left of what no server would continue.
    let clips: Vec<String> = files(&out).into_iter().collect();
    assert_eq!(clips, ["flaky.mp4", "good.mp4", "hop.mp4"]);
    for clip in clips {
        assert_eq!(fs::read(out.join(clip)).unwrap(), video());
    }
    // The part that came was not asked for again.
    let asked = server.asked("flaky.mp4");
    let range = format!("bytes={}-", video().len() / 2);
    assert_eq!(
        asked.iter().map(|a| a.range.clone()).collect::<Vec<_>>(),
        [None, Some(range)]
    );
    // What is there is not asked for again, what failed is.
    let ended = run(
        &table,
        &out,
        &[
            &QUICK[..],
            &[
                "--per-host",
                "32",
                "--fetch-threads",
                "32",
                "--fetch-timeout",
                "20",
            ],
        ]
        .concat(),
    );
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert_eq!(server.asked("flaky.mp4").len(), 2);
    assert_eq!(server.asked("404-html.mp4").len(), 2);
    assert_eq!(journal(&out).len(), 17);
}

#[test]
fn a_server_that_asks_for_time_gets_it() {
    let server = Server::start(video());
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let table = table(dir.path(), "url", [server.url("429.mp4")]);
    let ended = run(&table, &out, &QUICK);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let asked = server.asked("429.mp4");
    let waited = asked[1].at - asked[0].at;
    assert!(waited >= Duration::from_secs(2), "{waited:?}");
    assert!(waited < Duration::from_secs(4), "{waited:?}");
    let row = &journal(&out)[0];
    assert_eq!(
        (&row["attempts"], &row["outcome"]),
        (&2.into(), &"done".into())
    );
    assert_eq!(row["sha256"].as_str().unwrap().len(), 64);
}

#[test]
fn private_addresses_are_not_asked() {
    let server = Server::start(video());
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let local = server.url("good.mp4");
    let named = local.replace("127.0.0.1", "localhost");
    let rows = [
        local.clone(),
        named,
        local.replace("127.0.0.1", "[::ffff:127.0.0.1]"),
    ];
    let table = table(dir.path(), "url", rows);
    let ended = run(&table, &out, &["--retries", "0"]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert!(ended.err.contains("--allow-private"), "{}", ended.err);
    assert!(server.asked("good.mp4").is_empty());
    assert!(files(&out).is_empty(), "{:?}", files(&out));
}

#[test]
fn sizes_and_hashes_are_checked() {
    let server = Server::start(video());
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let wrong = "0".repeat(64);
    let rows = [format!("{},{wrong}", server.url("hashed.mp4"))];
    let bad = table(dir.path(), "url,sha256", rows);
    let ended = run(&bad, &out, &QUICK);
    assert_eq!(ended.code, 3);
    assert!(
        ended.err.contains("SHA-256") && ended.err.contains("corrupt"),
        "{}",
        ended.err
    );
    let good = table(dir.path(), "url", [server.url("large.mp4")]);
    let ended = run(&good, &out, &[&QUICK[..], &["--max-size", "1k"]].concat());
    assert_eq!(ended.code, 3);
    assert!(ended.err.contains("--max-size"), "{}", ended.err);
    assert!(files(&out).is_empty(), "{:?}", files(&out));
}

#[test]
fn an_answer_cut_by_its_own_length_is_corrupt() {
    let server = Server::start(fs::read(fixture("media/gop250.mp4")).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let table = table(
        dir.path(),
        "url,start,end",
        [format!("{},0,4", server.url("short-length.mp4"))],
    );
    let ended = run(&table, &out, &["--allow-private"]);
    let row = &journal(&out)[0];
    // Either no index is left, or what is left says that something is missing.
    let told = row["class"] == "corrupt" || row["decode_errors"].as_u64().unwrap_or(0) > 0;
    assert!(told, "{row} {}", ended.err);
}
