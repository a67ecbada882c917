//! What users get wrong: each ends in one clear line naming the file, and everything else is packed.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use kpack::pipeline::Outcome;
use kpack::sample::Class;

use super::broken::pack;
use super::fixture;
use crate::cli::kpack;
use crate::pipeline::{assert_same, files, rows};

/// User and group that own nothing; tests may run as root, who may read and write everything.
const NOBODY: &str = "65534";

/// Runs kpack as a user without rights; `None` (and a printed line) where that cannot be done.
fn as_nobody(test: &str, args: &[&OsStr]) -> Option<Output> {
    let binary = env!("CARGO_BIN_EXE_kpack");
    let whoami = Command::new("id").arg("-u").output().unwrap().stdout;
    let mut command = match whoami.as_slice() {
        b"0\n" => {
            let mut command = Command::new("setpriv");
            let ids = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")];
            command.args(ids).args(["--clear-groups", "--", binary]);
            command
        }
        _ => Command::new(binary),
    };
    let probe = Command::new(command.get_program())
        .args(command.get_args())
        .arg("--version")
        .output();
    if !probe.is_ok_and(|done| done.status.success()) {
        println!("{test}: skipped: runs as root, and cannot run {binary} as another user");
        return None;
    }
    Some(command.args(args).output().unwrap())
}

fn tiny(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::copy(fixture("media/tiny.mp4"), path).unwrap();
}

#[test]
fn strange_names_are_packed_under_safe_and_different_keys() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    let long = "n".repeat(150);
    let deep = format!("{long}/{long}");
    for name in [
        "two words.mp4",
        "it's \"quoted\".mp4",
        "new\nline.mp4",
        "-leading.mp4",
        "..dots.mp4",
        "ünïcode.mp4",
        "a.b.c.mp4",
        "UPPER.MP4",
    ] {
        tiny(&input.join(name));
    }
    tiny(&input.join(OsStr::from_bytes(b"caf\xe9.mp4")));
    tiny(&input.join(format!("{deep}.mp4")));
    tiny(&input.join(format!("{deep}2.mp4")));
    for (command, args) in [
        ("webdataset", &["--frames", "all"][..]),
        ("tfrecord", &["--frames", "all"]),
        ("frames", &[]),
        ("webdataset", &[]),
    ] {
        let out = dir.path().join(format!("{command}{}", args.len()));
        let (ended, rows) = pack(command, &input, &out, args);
        assert_eq!(ended.code, 0, "{command}: {}", ended.err);
        let mut keys: Vec<_> = rows.iter().map(|row| row.key.clone()).collect();
        assert_eq!(keys.len(), 11);
        for key in &keys {
            let safe = |b: u8| b.is_ascii_alphanumeric() || b"_-/".contains(&b);
            assert!(key.len() <= 80 && key.bytes().all(safe), "{key}");
        }
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 11, "{keys:?}");
        if command != "frames" {
            let shown = kpack(["inspect", out.to_str().unwrap(), "--json"]);
            assert_eq!(shown.code, 0, "{}", shown.err);
        }
    }
}

#[test]
fn a_leading_dash_is_no_option() {
    let dir = tempfile::tempdir().unwrap();
    tiny(&dir.path().join("-leading.mp4"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_kpack"));
    command
        .current_dir(dir.path())
        .args(["webdataset", "-o", "out", "--", "-leading.mp4"]);
    assert!(command.output().unwrap().status.success());
    assert_eq!(rows(&dir.path().join("out"))[0].outcome, Outcome::Done);
}

#[test]
fn an_unreadable_file_is_one_failed_row() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let input = dir.path().join("in");
    tiny(&input.join("good.mp4"));
    tiny(&input.join("secret.mp4"));
    let locked = fs::Permissions::from_mode(0o000);
    fs::set_permissions(input.join("secret.mp4"), locked).unwrap();
    let out = dir.path().join("out");
    let args = [
        "webdataset".as_ref(),
        input.as_os_str(),
        "-o".as_ref(),
        out.as_os_str(),
    ];
    let Some(ended) = as_nobody("an_unreadable_file_is_one_failed_row", &args) else {
        return;
    };
    let told = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(3), "{told}");
    let rows = rows(&out);
    assert_eq!(rows[0].outcome, Outcome::Done);
    assert_eq!(rows[1].outcome, Outcome::Failed);
    let line = told
        .lines()
        .find(|line| line.contains("secret.mp4"))
        .unwrap();
    assert!(line.to_lowercase().contains("permission denied"), "{line}");
}

#[test]
fn an_output_folder_that_cannot_be_written_ends_the_run() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let closed = dir.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    let input = dir.path().join("in");
    tiny(&input.join("good.mp4"));
    for out in [closed.clone(), closed.join("below")] {
        let args = [
            "webdataset".as_ref(),
            input.as_os_str(),
            "-o".as_ref(),
            out.as_os_str(),
        ];
        let Some(ended) = as_nobody("an_output_folder_that_cannot_be_written", &args) else {
            return;
        };
        let told = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{told}");
        assert!(told.contains(&*closed.to_string_lossy()), "{told}");
        assert!(told.to_lowercase().contains("permission denied"), "{told}");
    }
}

#[test]
fn a_full_disk_ends_the_run_and_the_same_command_goes_on_with_more_room() {
    let dir = tempfile::tempdir().unwrap();
    let disk = dir.path().join("disk");
    fs::create_dir(&disk).unwrap();
    // A mount in a namespace of its own, which goes with it.
    let script = r#"mount -t tmpfs -o size=64k none "$1" || exit 77
        "$2" webdataset "$3" -o "$1/out" -j 1 >"$4/first" 2>&1; echo $? >"$4/code1"
        mount -o remount,size=64m "$1" || exit 77
        "$2" webdataset "$3" -o "$1/out" -j 1 >"$4/second" 2>&1; echo $? >"$4/code2"
        cp -r "$1/out" "$4/out""#;
    let mut command = Command::new("unshare");
    command.args(["-Urm", "sh", "-c", script, "sh"]);
    command.args([&disk, Path::new(env!("CARGO_BIN_EXE_kpack"))]);
    command.args([&fixture("media"), dir.path()]);
    if !command.output().is_ok_and(|done| done.status.success()) {
        println!("a_full_disk_ends_the_run: skipped: no small tmpfs can be mounted here");
        return;
    }
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(read("code1"), "1\n", "{}", read("first"));
    let told = read("first");
    assert!(told.contains("No space left on device"), "{told}");
    assert!(told.contains(&*disk.to_string_lossy()), "{told}");
    assert_eq!(read("code2"), "3\n", "{}", read("second"));
    let (_, _) = pack(
        "webdataset",
        &fixture("media"),
        &dir.path().join("want"),
        &[],
    );
    assert_same(
        &files(&dir.path().join("out")),
        &files(&dir.path().join("want")),
        "after room",
    );
}

#[test]
fn an_output_folder_with_another_plan_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    pack("webdataset", &fixture("media/tiny.mp4"), &out, &[]);
    let before = files(&out);
    let tiny = fixture("media/tiny.mp4");
    let other = fixture("media/vfr.mp4");
    for args in [
        ["webdataset", other.to_str().unwrap(), "--frames", "none"],
        ["webdataset", tiny.to_str().unwrap(), "--frames", "all"],
        ["tfrecord", tiny.to_str().unwrap(), "--frames", "none"],
    ] {
        let ended = kpack(args.iter().chain(&["-o", out.to_str().unwrap()]));
        assert_eq!(ended.code, 2, "{}", ended.err);
        assert!(ended.err.contains(out.to_str().unwrap()), "{}", ended.err);
        assert!(ended.err.contains("--overwrite"), "{}", ended.err);
        assert_same(&files(&out), &before, "refused");
    }
}

#[test]
fn a_bad_list_is_told_by_file_line_and_what_to_do() {
    for (list, code, done, messages) in [
        (
            "bad_duplicate.csv",
            3,
            2,
            &["line 4 repeats", "line 2", "gop250.mp4"][..],
        ),
        ("bad_empty.csv", 2, 0, &["bad_empty.csv: holds no rows"]),
        (
            "bad_header_only.csv",
            2,
            0,
            &["bad_header_only.csv: holds no rows"],
        ),
        (
            "bad_missing_file.csv",
            3,
            1,
            &["not_there.mp4", "line 3", "(missing)"],
        ),
        (
            "bad_no_path_column.csv",
            2,
            0,
            &["no column `path`", "line 1"],
        ),
        ("bad_not_utf8.csv", 3, 1, &["not UTF-8", "line 2"]),
        (
            "bad_ragged.csv",
            3,
            1,
            &["line 3: 4 columns", "line 4: 1 columns"],
        ),
        (
            "bad_times.csv",
            3,
            1,
            &["line 2", "`soon`", "`-1`", "`nan`", "too-short"],
        ),
        ("bad_unclosed_quote.csv", 2, 0, &["line 2: a quote"]),
        (
            "bad_unknown_label.txt",
            3,
            1,
            &["`underwater_chess`", "labels.txt", "line 2"],
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let (input, labels) = (
            fixture(&format!("lists/{list}")),
            fixture("lists/labels.txt"),
        );
        let mut args = vec![
            "webdataset",
            input.to_str().unwrap(),
            "-o",
            out.to_str().unwrap(),
        ];
        if list.contains("label") {
            args.extend(["--labels", labels.to_str().unwrap()]);
        }
        let ended = kpack(&args);
        assert_eq!(ended.code, code, "{list}: {}", ended.err);
        for message in messages {
            assert!(
                ended.err.contains(message),
                "{list}: no {message} in {}",
                ended.err
            );
        }
        if code == 3 {
            let rows = rows(&out);
            let good = rows
                .iter()
                .filter(|row| row.outcome == Outcome::Done)
                .count();
            assert_eq!(good, done, "{list}: {rows:?}");
        } else {
            assert_eq!(ended.err.lines().count(), 1, "{list}: {}", ended.err);
            assert!(!out.exists(), "{list}");
        }
    }
}

#[test]
fn clips_without_sound_are_rows_by_the_rule_that_was_asked() {
    for (rule, outcome, code, has_wav) in [
        ("keep", Outcome::Done, 0, false),
        ("skip", Outcome::Skipped, 0, false),
        ("silence", Outcome::Done, 0, true),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let args = ["--audio", "wav", "--frames", "1", "--no-audio", rule];
        let (ended, rows) = pack("frames", &fixture("media/no_audio.mp4"), &out, &args);
        assert_eq!(
            (ended.code, rows[0].outcome),
            (code, outcome),
            "{rule}: {}",
            ended.err
        );
        assert_eq!(out.join("no_audio.wav").exists(), has_wav, "{rule}");
        if outcome == Outcome::Done {
            assert_eq!(rows[0].has_audio, Some(false), "{rule}");
        }
    }
}

#[test]
fn empty_folders_and_files_that_are_no_media_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let out = dir.path().join("out");
    let ended = kpack([
        "webdataset",
        empty.to_str().unwrap(),
        "-o",
        out.to_str().unwrap(),
    ]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains(empty.to_str().unwrap()), "{}", ended.err);
    for (name, class) in [
        ("text.mp4", Class::NotAVideo),
        ("zero.mp4", Class::NotAVideo),
    ] {
        let out = dir.path().join(name);
        let (ended, rows) = pack("webdataset", &fixture(&format!("broken/{name}")), &out, &[]);
        assert_eq!(
            (ended.code, rows[0].class),
            (3, Some(class)),
            "{name}: {}",
            ended.err
        );
    }
}
