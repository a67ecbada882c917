//! Only the bytes of the wanted seconds are fetched, and whatever goes wrong with that, the clips are
//! those of the whole file.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use serde_json::Value;

use super::long::{self, MP4, WEBM, faststart, groups};
use super::server::Server;
use super::{fates, files, journal, run, table};

/// What may be fetched beside the groups of pictures.
const BESIDE: u64 = 256 << 10;

/// The clips of `times` out of the address `path` of a server.
fn clips(server: &Server, dir: &Path, path: &str, times: &[(u32, u32)]) -> PathBuf {
    let rows = times.iter();
    let rows = rows.map(|(start, end)| format!("{},{start},{end}", server.url(path)));
    let table = table(dir, "url,start,end", rows);
    let out = dir.join(path.replace('/', "-"));
    let ended = run(&table, &out, &["--allow-private", "--retries", "1"]);
    assert!(matches!(ended.code, 0 | 3), "{path}: {}", ended.err);
    out
}

/// What rows say of clips, but for where they come from and what that cost.
fn told(out: &Path) -> Vec<Value> {
    let mut rows = journal(out);
    for row in &mut rows {
        let row = row.as_object_mut().unwrap();
        for field in [
            "source",
            "key",
            "url",
            "attempts",
            "bytes_fetched",
            "sha256",
        ] {
            row.remove(field);
        }
    }
    rows
}

/// Asserts that two folders hold the same clips, of which the same is told.
fn assert_same(parts: &Path, whole: &Path) {
    assert_eq!(files(parts), files(whole), "{}", parts.display());
    assert_eq!(told(parts), told(whole), "{}", parts.display());
    for name in files(parts) {
        let same = fs::read(parts.join(&name)).unwrap() == fs::read(whole.join(&name)).unwrap();
        assert!(same, "{}: {name}", parts.display());
    }
}

/// Fetches each of `times` on its own, and asserts what that costs and gives.
fn assert_cheap(dir: &Path, path: &Path, times: &[(u32, u32)]) {
    let server = Server::start(fs::read(path).unwrap());
    for (start, end) in times {
        let name = format!("{start}.{}", path.extension().unwrap().to_str().unwrap());
        let before = server.sent.load(Ordering::Relaxed);
        let parts = clips(&server, dir, &format!("ranged/{name}"), &[(*start, *end)]);
        let sent = server.sent.load(Ordering::Relaxed) - before;
        let needed = groups(path, f64::from(*start)..f64::from(*end));
        let most = needed + BESIDE;
        assert!(
            sent <= most,
            "{name}: {sent} bytes for {needed} at {start} s"
        );
        assert_eq!(journal(&parts)[0]["bytes_fetched"], sent);
        let asked = server.asked(&format!("ranged/{name}")).len();
        assert!(asked <= 20, "{name}: {asked} requests");
        let whole = clips(&server, dir, &name, &[(*start, *end)]);
        assert_same(&parts, &whole);
        assert_eq!(fates(&parts)[&name], "done");
        fs::remove_dir_all(parts).unwrap();
        fs::remove_dir_all(whole).unwrap();
    }
}

#[test]
fn ten_seconds_of_ten_minutes_cost_their_groups_of_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("long.mp4");
    let Some(video) = long::video(&path, ("96x54", 600), &MP4) else {
        return;
    };
    assert!(video.len() > 8 << 20, "{}", video.len());
    assert_cheap(dir.path(), &path, &[(540, 550), (300, 310), (10, 12)]);
    assert_cheap(dir.path(), &faststart(&path), &[(540, 550)]);
}

/// Of a video that decodes only with what its first packet says of the encoder that is fetched too.
#[test]
fn what_the_first_packet_says_is_among_the_parts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lossless.mp4");
    let lossless = ["-c:v", "libx264", "-preset", "medium", "-qp", "0"];
    let old = ["-pix_fmt", "yuv444p", "-x264-params", "cabac=0:8x8dct=1"];
    let more = [&lossless[..], &old, &["-c:a", "aac"]].concat();
    if long::video(&path, ("192x108", 40), &more).is_none() {
        return;
    }
    let path = faststart(&path);
    let mut video = fs::read(&path).unwrap();
    assert!(video.len() > 4 << 20, "{}", video.len());
    let before = b"x264 - core ";
    let mut told = video.windows(before.len());
    let at = told.position(|w| w == before).unwrap() + before.len();
    video[at..at + 3].copy_from_slice(b"142");
    fs::write(&path, &video).unwrap();
    assert_cheap(dir.path(), &path, &[(30, 33), (0, 2)]);
    let server = Server::start(video);
    let old = clips(&server, dir.path(), "old.mp4", &[(30, 33)]);
    video = fs::read(&path).unwrap();
    video[at..at + 3].copy_from_slice(b"164");
    let server = Server::start(video);
    let new = clips(&server, dir.path(), "new.mp4", &[(30, 33)]);
    let bytes = |out: &Path| fs::read(out.join(&files(out)[0])).unwrap();
    assert!(bytes(&old) != bytes(&new), "the version does not matter");
}

#[test]
fn a_webm_costs_its_groups_of_pictures_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("long.webm");
    let Some(video) = long::video(&path, ("192x108", 200), &WEBM) else {
        return;
    };
    assert!(video.len() > 4 << 20, "{}", video.len());
    assert_cheap(dir.path(), &path, &[(140, 150), (0, 3), (195, 197)]);
    // What has no cues is fetched whole.
    let cues = video
        .windows(4)
        .rposition(|id| id == [0x1c, 0x53, 0xbb, 0x6b]);
    let mut live = video;
    live.truncate(cues.unwrap());
    let server = Server::start(live);
    let [parts, whole] = ["ranged/live.webm", "live.webm"]
        .map(|path| clips(&server, dir.path(), path, &[(140, 142)]));
    assert_same(&parts, &whole);
}

/// A video of two minutes, made once.
fn two_minutes() -> Option<&'static [u8]> {
    static VIDEO: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    let make = || {
        let dir = tempfile::tempdir().unwrap();
        let more = [&MP4[..], &["-b:v", "500k"]].concat();
        let video = long::video(&dir.path().join("v.mp4"), ("192x108", 120), &more);
        assert!(video.as_ref().is_none_or(|video| video.len() > 4 << 20));
        video
    };
    VIDEO.get_or_init(make).as_deref()
}

#[test]
fn all_clips_of_a_source_are_one_pass() {
    let Some(video) = two_minutes() else { return };
    let server = Server::start(video.to_vec());
    let dir = tempfile::tempdir().unwrap();
    // Twenty clips of a second, in any order, some of them in the same group.
    let times: Vec<(u32, u32)> = (0..20)
        .map(|i| (i * 7 % 20 * 2 + 5, i * 7 % 20 * 2 + 6))
        .collect();
    let parts = clips(&server, dir.path(), "ranged/v.mp4", &times);
    let ranges: Vec<Range<u64>> = server
        .asked("ranged/v.mp4")
        .iter()
        .map(|asked| {
            let range = asked
                .range
                .as_deref()
                .unwrap()
                .strip_prefix("bytes=")
                .unwrap();
            let (from, to) = range.split_once('-').unwrap();
            from.parse().unwrap()..to.parse::<u64>().unwrap() + 1
        })
        .collect();
    assert_eq!(ranges.iter().filter(|range| range.start == 0).count(), 1);
    for (i, a) in ranges.iter().enumerate() {
        for b in &ranges[i + 1..] {
            let twice = a.end.min(b.end).saturating_sub(a.start.max(b.start));
            assert!(twice <= 8 << 10, "{a:?} and {b:?}");
        }
    }
    let sent = server.sent.load(Ordering::Relaxed);
    assert!(sent < video.len() as u64 / 2, "{sent} of {}", video.len());
    let whole = clips(&server, dir.path(), "v.mp4", &times);
    assert_same(&parts, &whole);
    assert_eq!(files(&parts).len(), 20);
}

#[test]
fn a_server_that_does_not_keep_to_ranges_costs_the_whole_file() {
    let Some(video) = two_minutes() else { return };
    let server = Server::start(video.to_vec());
    let dir = tempfile::tempdir().unwrap();
    let times = [(100, 103)];
    let whole = clips(&server, dir.path(), "v.mp4", &times);
    for fault in ["once", "etag", "416", "cut", "html", "moved"] {
        let path = format!("ranged-{fault}/v.mp4");
        let parts = clips(&server, dir.path(), &path, &times);
        assert_same(&parts, &whole);
        let asked = server.asked(&path);
        let wholes = asked.iter().filter(|asked| asked.range.is_none()).count();
        assert_eq!(wholes, 1, "{fault}: {asked:?}");
        assert!(!parts.join(".kpack").exists());
    }
    // Gone in the middle: of the whole file this is known too.
    let gone = clips(&server, dir.path(), "ranged-gone/v.mp4", &times);
    assert_eq!(fates(&gone)["v.mp4"], "gone");
    // Most of it is wanted.
    let most = [(5, 115)];
    let parts = clips(&server, dir.path(), "ranged-most/v.mp4", &most);
    let asked = server.asked("ranged-most/v.mp4");
    assert!(asked.iter().any(|asked| asked.range.is_none()), "{asked:?}");
    assert_eq!(fates(&parts)["v.mp4"], "done");
}

/// Where the `n`-th box of this kind begins.
fn place(video: &[u8], kind: &[u8; 4], n: usize) -> usize {
    let moov = video.windows(4).rposition(|w| w == b"moov").unwrap();
    let mut found = video[moov..].windows(4).enumerate();
    let found = found.by_ref().filter(|(_, w)| w == kind).nth(n);
    moov + found.unwrap().0 - 4
}

#[test]
fn an_index_that_lies_gives_what_the_whole_file_gives() {
    let Some(video) = two_minutes() else { return };
    let dir = tempfile::tempdir().unwrap();
    // Where in the box, and what is written there.
    let lies: [(&str, &[u8; 4], usize, &[u8]); 9] = [
        ("samples", b"stsz", 16, &u32::MAX.to_be_bytes()),
        ("fewer", b"stsz", 16, &100_u32.to_be_bytes()),
        ("chunks", b"stco", 12, &0x7fff_ffff_u32.to_be_bytes()),
        ("delays", b"ctts", 12, &3_u32.to_be_bytes()),
        ("many", b"ctts", 16, &0x7fff_ffff_u32.to_be_bytes()),
        ("runs", b"stsc", 16, &0_u32.to_be_bytes()),
        ("length", b"stsz", 0, &0x7fff_ffff_u32.to_be_bytes()),
        ("tiny", b"ctts", 0, &4_u32.to_be_bytes()),
        ("rate", b"mdhd", 20, &0_u32.to_be_bytes()),
    ];
    for (name, kind, at, bytes) in lies {
        let mut video = video.to_vec();
        let at = place(&video, kind, 0) + at;
        video[at..at + bytes.len()].copy_from_slice(bytes);
        let server = Server::start(video);
        let [parts, whole] = [format!("ranged/{name}.mp4"), format!("{name}.mp4")]
            .map(|path| clips(&server, dir.path(), &path, &[(100, 103)]));
        assert_same(&parts, &whole);
    }
}

#[test]
fn places_that_lie_behind_the_file_are_not_waited_for() {
    let Some(video) = two_minutes() else { return };
    let mut video = video.to_vec();
    // The places of all chunks of the pictures.
    let at = place(&video, b"stco", 0);
    let count = u32::from_be_bytes(video[at + 12..at + 16].try_into().unwrap()) as usize;
    for entry in video[at + 16..at + 16 + count * 4].chunks_exact_mut(4) {
        entry.copy_from_slice(&0xf000_0000_u32.to_be_bytes());
    }
    let server = Server::start(video);
    let dir = tempfile::tempdir().unwrap();
    let [parts, whole] =
        ["ranged/v.mp4", "v.mp4"].map(|path| clips(&server, dir.path(), path, &[(100, 103)]));
    assert_same(&parts, &whole);
    assert_ne!(fates(&parts)["v.mp4"], "done");
}

#[test]
fn an_index_that_kills_its_reader_leads_to_the_whole_file() {
    if !cfg!(debug_assertions) {
        println!("skipped: faults are heard by debug builds only");
        return;
    }
    let Some(video) = two_minutes() else { return };
    let server = Server::start(video.to_vec());
    let dir = tempfile::tempdir().unwrap();
    let row = format!("{},60,63", server.url("ranged/v.mp4"));
    let table = table(dir.path(), "url,start,end", [row]);
    let out = dir.path().join("out");
    let mut command = Command::new(env!("CARGO_BIN_EXE_kpack"));
    command.arg("fetch").arg(table).arg("-o").arg(&out);
    command.args(["--allow-private", "-q"]);
    // The index is asked about under the address of its source, a cut is made under a clip's name.
    let output = command
        .env("KPACK_FAULT", "abort=ranged/")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &*said), (Some(0), ""));
    let row = &journal(&out)[0];
    assert_eq!(row["outcome"], "done", "{row}");
    assert!(
        row["bytes_fetched"].as_u64() >= Some(video.len() as u64),
        "{row}"
    );
}
