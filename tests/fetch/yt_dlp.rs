//! yt-dlp, played by a script that writes down its arguments and says what the real one says.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{fates, files, fixture, journal, run, table};
use crate::cli::put;

/// A program that answers for YouTube's ids: `-aaaaaaaaaa` and `good0000000` are videos.
fn script(dir: &Path) -> PathBuf {
    let video = fixture("media/h264_bframes_aac.mp4");
    let text = format!(
        r#"#!/bin/sh
case "$*" in *--version*) echo 2026.01.01; exit 0;; esac
printf '%s\n' "$@" >> '{log}'
out=
for arg; do
  [ "$prev" = --output ] && out=$arg
  prev=$arg
done
url=$arg
fail() {{ echo "WARNING: [youtube] something" >&2; echo "ERROR: [youtube] x: $1" >&2; exit 1; }}
case "$url" in
  *=-aaaaaaaaaa|*=good0000000) cp '{video}' "$(echo "$out" | sed 's/%(ext)s/mp4/; s/%%/%/g')";;
  *gone*) fail "Video unavailable. This video has been removed by the uploader";;
  *private*) fail "Private video. Sign in if you've been granted access to this video";;
  *botwall*) fail "Sign in to confirm you’re not a bot. Use --cookies-from-browser or --cookies for the authentication.";;
  *agegate*) fail "Sign in to confirm your age. This video may be inappropriate for some users.";;
  *geo*) fail "Video unavailable. The uploader has not made this video available in your country";;
  *claimed*) fail "Video unavailable. This video is no longer available due to a copyright claim by Somebody";;
  *limited*) echo "ERROR: unable to download video data: HTTP Error 429: Too Many Requests" >&2; exit 1;;
  *) exit 1;;
esac
"#,
        log = dir.join("log").display(),
        video = video.display(),
    );
    let path = put(dir, "fake yt-dlp", text);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn its_clips_come_and_its_words_stay() {
    let dir = tempfile::tempdir().unwrap();
    let program = script(dir.path());
    let out = dir.path().join("out 100%");
    let ids = [
        ("-aaaaaaaaaa", "done"),
        ("good0000000", "done"),
        ("gone0000000", "gone"),
        ("private0000", "private"),
        ("botwall0000", "bot-wall"),
        ("agegate0000", "sign-in"),
        ("geo00000000", "geo-blocked"),
        ("claimed0000", "copyright"),
        ("limited0000", "rate-limited"),
        ("silent00000", "network"),
    ];
    let rows = ids.iter().map(|(id, _)| format!("run,{id},1,2"));
    let table = table(dir.path(), "label,youtube_id,time_start,time_end", rows);
    let args = [
        "--yt-dlp",
        program.to_str().unwrap(),
        "--retries",
        "0",
        "--cookies",
        "my cookies.txt",
        "--proxy",
        "http://127.0.0.1:1",
        "--rate",
        "8M",
        "--format",
        "18",
        "--yt-dlp-arg",
        "--sleep-interval",
        "--yt-dlp-arg=$(touch x); 5",
    ];
    let ended = run(&table, &out, &args);
    assert_eq!(ended.code, 3, "{}", ended.err);
    let found = fates(&out);
    for (id, fate) in ids {
        assert_eq!(found[id], fate, "{id}: {}", ended.err);
    }
    let clips = [
        "-aaaaaaaaaa_000001_000002.mp4",
        "good0000000_000001_000002.mp4",
    ];
    assert_eq!(files(&out), clips);
    let rows = journal(&out);
    let bot = rows.iter().find(|row| row["class"] == "bot-wall").unwrap();
    let words = "ERROR: [youtube] x: Sign in to confirm you\u{2019}re not a bot. Use --cookies-from-browser or --cookies for the authentication.";
    assert_eq!(bot["reason"], words);
    let done = &rows[0];
    assert_eq!(
        (&done["frames"], &done["label"], &done["trim"]),
        (&25.into(), &"run".into(), &"smart".into())
    );
    let log = fs::read_to_string(dir.path().join("log")).unwrap();
    for passed in [
        "--cookies\nmy cookies.txt\n",
        "--proxy\nhttp://127.0.0.1:1\n",
        "--limit-rate\n1000000\n",
        "--format\n18\n",
        "--sleep-interval\n$(touch x); 5\n--\nhttps://www.youtube.com/watch?v=-aaaaaaaaaa\n",
    ] {
        assert!(log.contains(passed), "{passed} in {log}");
    }
}

#[test]
fn without_it_the_hint_comes_before_anything_else() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let table = table(
        dir.path(),
        "label,youtube_id,time_start,time_end",
        ["run,good0000000,1,2".to_owned()],
    );
    let ended = run(&table, &out, &["--yt-dlp", "/nowhere/yt-dlp"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("pipx install yt-dlp"), "{}", ended.err);
    let local = super::table(dir.path(), "path", ["x.mp4".to_owned()]);
    let ended = run(&local, &out, &["--cookies", "c.txt"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("--via-yt-dlp"), "{}", ended.err);
}
