//! Only the bytes of the wanted seconds are fetched.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;

use super::server::Server;
use super::{files, journal, run, table};

/// A long video with sound, by the ffmpeg command; `None`, and a word about it, where that is not there.
fn long(dir: &Path, seconds: u32, front: bool) -> Option<Vec<u8>> {
    let path = dir.join(format!("long-{front}.mp4"));
    let mut command = Command::new("ffmpeg");
    let picture = format!("testsrc2=size=320x240:rate=25:duration={seconds}");
    let sound = format!("sine=frequency=440:duration={seconds}");
    command.args([
        "-v", "error", "-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &sound,
    ]);
    command.args([
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-threads",
        "2",
        "-g",
        "50",
        "-bf",
        "2",
    ]);
    command.args(["-b:v", "600k", "-c:a", "aac", "-shortest"]);
    if front {
        command.args(["-movflags", "+faststart"]);
    }
    match command.arg(&path).status() {
        Ok(status) if status.success() => Some(fs::read(&path).unwrap()),
        _ => {
            println!("skipped: no ffmpeg command with libx264 here");
            None
        }
    }
}

#[test]
fn a_clip_costs_its_groups_of_pictures_and_the_index() {
    let dir = tempfile::tempdir().unwrap();
    for front in [true, false] {
        let Some(video) = long(dir.path(), 120, front) else {
            return;
        };
        let total = video.len() as u64;
        assert!(total > 5_000_000, "{total}");
        let server = Server::start(video);
        let rows = [(100, 110), (30, 33)]
            .map(|(start, end)| format!("{},{start},{end}", server.url("ranged/v.mp4")));
        let table = table(dir.path(), "url,start,end", rows.clone());
        let parts = dir.path().join(format!("parts-{front}"));
        let ended = run(&table, &parts, &["--allow-private"]);
        assert_eq!(ended.code, 0, "{}", ended.err);
        let sent = server.sent.load(Ordering::Relaxed);
        // 13 seconds, and up to two groups of two seconds at each of four edges.
        let seconds = total / 120;
        assert!(sent <= 21 * seconds + (256 << 10), "{sent} of {total}");
        let told = journal(&parts)[0]["bytes_fetched"].as_u64().unwrap();
        assert_eq!(told, sent);
        // The same clips as out of the whole file, which the other paths of the server send.
        let rows = rows.map(|row| row.replace("ranged/", ""));
        let table = super::table(dir.path(), "url,start,end", rows);
        let whole = dir.path().join(format!("whole-{front}"));
        let ended = run(&table, &whole, &["--allow-private"]);
        assert_eq!(ended.code, 0, "{}", ended.err);
        assert_eq!(files(&parts), files(&whole));
        assert_eq!(files(&parts).len(), 2);
        for name in files(&parts) {
            let same = fs::read(parts.join(&name)).unwrap() == fs::read(whole.join(&name)).unwrap();
            assert!(same, "{name}, index in front: {front}");
        }
    }
}
