//! Clips out of archives.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::server::Server;
use super::{fates, files, fixture, journal, run, table};
use crate::cli::put;

/// A member of a tar: a file, or a link to somewhere.
pub(super) enum Member<'a> {
    File(&'a str, &'a [u8]),
    Link(&'a str, &'a str, u8),
}

/// A tar without compression; names and links as they are, which the usual tools would refuse.
pub(super) fn tar(members: &[Member<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for member in members {
        let (name, data, kind, link) = match member {
            Member::File(name, data) => (name, *data, b'0', ""),
            Member::Link(name, to, kind) => (name, &[][..], *kind, *to),
        };
        let mut head = [0_u8; 512];
        head[..name.len()].copy_from_slice(name.as_bytes());
        head[100..108].copy_from_slice(b"0000644\0");
        head[124..136].copy_from_slice(format!("{:011o}\0", data.len()).as_bytes());
        head[136..148].copy_from_slice(b"00000000000\0");
        head[156] = kind;
        head[157..157 + link.len()].copy_from_slice(link.as_bytes());
        head[257..265].copy_from_slice(b"ustar\x0000");
        head[148..156].fill(b' ');
        let sum: u32 = head.iter().map(|b| u32::from(*b)).sum();
        head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        out.extend_from_slice(&head);
        out.extend_from_slice(data);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn video(name: &str) -> Vec<u8> {
    fs::read(fixture(name)).unwrap()
}

fn kinetics(dir: &Path, rows: &[&str]) -> PathBuf {
    let rows = rows.iter().map(|row| format!("run,{row}"));
    table(dir, "label,youtube_id,time_start,time_end", rows)
}

#[test]
fn clips_and_sources_come_out_of_lists_of_archives() {
    let (short, long) = (video("media/no_audio.mp4"), video("media/gop250.mp4"));
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    // Folders in front, a class with a space, a clip of another name, a file that is none.
    let first = tar(&[
        Member::File("a/b/c/d/e/f/g/aaaaaaaaaaa_000010_000012.mp4", &short),
        Member::File("val/nobody_asks_000001_000002.mp4", &short),
        Member::File("val/bbbbbbbbbbb.json", b"{}"),
    ]);
    let second = tar(&[
        Member::File("x y/-bbbbbbbbbb.mp4", &long),
        Member::File("ccccccccccc_000100_000112.mp4", &long),
        Member::File("ddddddddddd_000001_000003.mp4", b"<html>no</html>"),
    ]);
    // A gzip file that is named as a plain tar, and the other way round.
    let server = Server::start(gzip(&first));
    put(dir.path(), "lists/part 2.tar.gz", &second);
    let list = format!(
        "# two parts\n\n{}\r\npart 2.tar.gz\n",
        server.url("part 1.tar")
    );
    let list = put(dir.path(), "lists/k400_val_path.txt", list);
    let rows = [
        "aaaaaaaaaaa,10,12",
        "-bbbbbbbbbb,1,2",
        "-bbbbbbbbbb,10.5,11.5",
        "ccccccccccc,102,103",
        "ddddddddddd,1,3",
        "eeeeeeeeeee,1,3",
    ];
    let table = kinetics(dir.path(), &rows);
    let options = ["--mirror", list.to_str().unwrap(), "--allow-private"];
    let ended = run(&table, &out, &options);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert_eq!(
        files(&out),
        [
            "-bbbbbbbbbb_000001_000002.mp4",
            "-bbbbbbbbbb_000010p5_000011p5.mp4",
            "aaaaaaaaaaa_000010_000012.mp4",
            "ccccccccccc_000102_000103.mp4",
        ]
    );
    // The clip is what the archive has, byte for byte; what is cut has its frames.
    let kept = fs::read(out.join("aaaaaaaaaaa_000010_000012.mp4")).unwrap();
    assert!(kept == short);
    let rows = journal(&out);
    let frames: Vec<_> = rows.iter().map(|row| row["frames"].as_u64()).collect();
    assert_eq!(frames, [Some(50), Some(25), Some(25), Some(25), None, None]);
    assert_eq!(rows[3]["got_start"], 102.0, "{}", rows[3]);
    assert_eq!(rows[0]["url"], server.url("part%201.tar"));
    let (wrong, absent) = (&rows[4], &rows[5]);
    assert_eq!(
        (&wrong["class"], &absent["class"]),
        (&"not-a-video".into(), &"missing".into())
    );
    let reason = absent["reason"].as_str().unwrap();
    assert!(reason.contains("none of the 2 archives"), "{reason}");
    assert!(!out.join(".kpack").exists());
}

#[test]
fn what_a_mirror_does_not_have_is_not_looked_for_twice() {
    let server = Server::start(gzip(&tar(&[Member::File(
        "aaaaaaaaaaa_000001_000003.mp4",
        &video("media/no_audio.mp4"),
    )])));
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let table = kinetics(dir.path(), &["aaaaaaaaaaa,1,3", "bbbbbbbbbbb,1,3"]);
    let url = server.url("all.tgz");
    for _ in 0..2 {
        let ended = run(&table, &out, &["--mirror", &url, "--allow-private"]);
        assert_eq!(ended.code, 3, "{}", ended.err);
    }
    assert_eq!(server.asked("all.tgz").len(), 1);
    // Another mirror may have it.
    let other = tar(&[Member::File(
        "bbbbbbbbbbb_000001_000003.mp4",
        &video("media/vfr.mp4"),
    )]);
    let other = put(dir.path(), "other.tar", other);
    let ended = run(&table, &out, &["--mirror", other.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(files(&out).len(), 2);
}

#[test]
fn archives_write_nowhere_else_and_follow_no_link() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let clip = video("media/no_audio.mp4");
    let secret = put(dir.path(), "secret.mp4", &clip);
    let up = "../../aaaaaaaaaaa_000001_000003.mp4";
    let hostile = tar(&[
        Member::Link(
            "bbbbbbbbbbb_000001_000003.mp4",
            secret.to_str().unwrap(),
            b'2',
        ),
        Member::Link("bbbbbbbbbbb.mp4", secret.to_str().unwrap(), b'1'),
        Member::Link("out", "/tmp", b'2'),
        Member::File(up, &clip),
        Member::File("/etc/ccccccccccc_000001_000003.mp4", &clip),
    ]);
    let archive = put(dir.path(), "hostile.tar", hostile);
    let table = kinetics(
        dir.path(),
        &["aaaaaaaaaaa,1,3", "bbbbbbbbbbb,1,3", "ccccccccccc,1,3"],
    );
    let ended = run(&table, &out, &["--mirror", archive.to_str().unwrap()]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert_eq!(
        files(&out),
        [
            "aaaaaaaaaaa_000001_000003.mp4",
            "ccccccccccc_000001_000003.mp4"
        ]
    );
    assert_eq!(fates(&out)["bbbbbbbbbbb"], "missing");
    let beside: Vec<_> = fs::read_dir(dir.path()).unwrap().flatten().collect();
    assert_eq!(beside.len(), 4, "{beside:?}");
}

#[test]
fn a_broken_archive_costs_only_what_is_behind_the_break() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let clip = video("media/no_audio.mp4");
    let whole = tar(&[
        Member::File("aaaaaaaaaaa_000001_000003.mp4", &clip),
        Member::File("bbbbbbbbbbb_000001_000003.mp4", &clip),
    ]);
    let cut = put(dir.path(), "cut.tar", &whole[..whole.len() - 3000]);
    let table = kinetics(dir.path(), &["aaaaaaaaaaa,1,3", "bbbbbbbbbbb,1,3"]);
    let ended = run(&table, &out, &["--mirror", cut.to_str().unwrap()]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert!(
        ended.err.contains("cut.tar: the archive is damaged"),
        "{}",
        ended.err
    );
    assert_eq!(fates(&out)["bbbbbbbbbbb"], "corrupt");
    assert_eq!(files(&out), ["aaaaaaaaaaa_000001_000003.mp4"]);
    // The same archive whole: only what is open is taken.
    fs::write(&cut, &whole).unwrap();
    let ended = run(&table, &out, &["--mirror", cut.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    // No archive at all.
    let page = Server::start(b"<html>no</html>".to_vec());
    let more = kinetics(dir.path(), &["fffffffffff,1,3"]);
    let url = page.url("x.tar");
    let ended = run(&more, &out, &["--mirror", &url, "--allow-private"]);
    assert_eq!(fates(&out)["fffffffffff"], "not-a-video", "{}", ended.err);
    for (wrong, said) in [("404.txt", "cannot be opened"), ("table.csv", "")] {
        let path = dir.path().join(wrong);
        let ended = run(&more, &out, &["--mirror", path.to_str().unwrap()]);
        assert!(matches!(ended.code, 2 | 3), "{}", ended.err);
        assert!(ended.err.contains(said), "{}", ended.err);
    }
}
