//! `kpack index --for energon`. Its tables are compared with those of Energon's own tool in
//! tests/conformance.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::convert::imports::{GNU, USTAR, header, member};
use super::{kpack, put};

/// How a member's name is written.
enum Name {
    Plain,
    Gnu,
    Pax,
}

fn tar(members: &[(Name, &str, &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (kind, name, data) in members {
        match kind {
            Name::Plain => member(&mut tar, header(name, data.len(), b'0', USTAR), data),
            Name::Gnu => {
                let text = format!("{name}\0");
                let head = header("././@LongLink", text.len(), b'L', GNU);
                member(&mut tar, head, text.as_bytes());
                let cut = name.get(..100).unwrap();
                member(&mut tar, header(cut, data.len(), b'0', GNU), data);
            }
            Name::Pax => {
                let mut record = String::new();
                while record.len().to_string() != record.split(' ').next().unwrap() {
                    record = format!("{} path={name}\n", record.len());
                }
                let head = header("././@PaxHeader", record.len(), b'x', USTAR);
                member(&mut tar, head, record.as_bytes());
                member(&mut tar, header("short", data.len(), b'0', USTAR), data);
            }
        }
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

fn plain(list: &[(&'static str, &'static str)]) -> Vec<u8> {
    let list = list.iter().map(|(n, d)| (Name::Plain, *n, d.as_bytes()));
    tar(&list.collect::<Vec<_>>())
}

fn meta(dataset: &Path) -> PathBuf {
    dataset.join(".nv-meta")
}

fn index(dataset: &Path) -> super::Ended {
    kpack(["index", dataset.to_str().unwrap(), "--for", "energon", "-q"])
}

fn open(dataset: &Path) -> Connection {
    let path = meta(dataset).join("index.sqlite");
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

/// The bytes of a part, found as Energon finds them: the shards in the order of `.info.json`.
fn part(dataset: &Path, key: &str, name: &str) -> Vec<u8> {
    let info = fs::read_to_string(meta(dataset).join(".info.json")).unwrap();
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    let shards: Vec<&String> = info["shard_counts"].as_object().unwrap().keys().collect();
    let sql = "SELECT p.tar_file_id, p.content_byte_offset, p.content_byte_size FROM sample_parts p \
               JOIN samples s ON p.tar_file_id = s.tar_file_id AND p.sample_index = s.sample_index \
               WHERE s.sample_key = ?1 AND p.part_name = ?2";
    let place = open(dataset).query_row(sql, [key, name], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    });
    let (shard, offset, length): (i64, i64, i64) = place.unwrap();
    let bytes = fs::read(dataset.join(shards[shard as usize])).unwrap();
    bytes[offset as usize..(offset + length) as usize].to_vec()
}

#[test]
fn a_key_leads_to_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (long, pax) = ("l".repeat(120), "p".repeat(120));
    let (of_gnu, of_pax) = (format!("{long}.mp4"), format!("é/{pax}.mp4"));
    let train = tar(&[
        (Name::Plain, "a.mp4", b"video of a"),
        (Name::Plain, "a.000001.jpg", b"frame of a"),
        (Name::Plain, "a.JSON", b""),
        (Name::Plain, "README", b"no part of a sample"),
        (Name::Gnu, &of_gnu, b"video of l"),
        (Name::Pax, &of_pax, &[7; 3000]),
    ]);
    put(dir.path(), "train/0.tar", train);
    put(dir.path(), "val/0.tar", plain(&[("b.mp4", "video of b")]));
    let ended = index(dir.path());
    assert_eq!(ended.code, 0, "{}", ended.err);
    for (key, name, want) in [
        ("a", "mp4", &b"video of a"[..]),
        ("a", "000001.jpg", b"frame of a"),
        ("a", "JSON", b""),
        (&long, "mp4", b"video of l"),
        (&format!("é/{pax}"), "mp4", &[7; 3000]),
        ("b", "mp4", b"video of b"),
    ] {
        assert_eq!(part(dir.path(), key, name), want, "{key}.{name}");
    }
    // Samples follow one another without a gap, up to the end of the last member; the first header
    // of a long name is its own.
    let db = open(dir.path());
    let mut rows = db.prepare("SELECT * FROM samples ORDER BY rowid").unwrap();
    let rows = rows.query_map([], |r| Ok((r.get(0)?, r.get(2)?, r.get(3)?, r.get(4)?)));
    let rows: Vec<(i64, i64, i64, i64)> = rows.unwrap().map(Result::unwrap).collect();
    let want = [
        (0, 0, 0, 3584),
        (0, 1, 3584, 2048),
        (0, 2, 5632, 4608),
        (1, 0, 0, 1024),
    ];
    assert_eq!(rows, want);
    let offsets = fs::read(dir.path().join("train/0.tar.idx")).unwrap();
    assert_eq!(
        offsets,
        [0_u64, 3584, 5632, 10240].map(u64::to_le_bytes).concat()
    );
    let checked: String = db
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(checked, "ok");
}

#[test]
fn an_unchanged_dataset_keeps_every_byte_and_another_gets_another_uuid() {
    let dir = tempfile::tempdir().unwrap();
    put(
        dir.path(),
        "0.tar",
        plain(&[("a.txt", "1"), ("b.txt", "2")]),
    );
    put(dir.path(), "1.tar", plain(&[("c.txt", "3")]));
    let files = || {
        let names = [".info.json", "split.yaml", "index.sqlite", "index.uuid"];
        names.map(|name| fs::read(meta(dir.path()).join(name)).unwrap())
    };
    assert_eq!(index(dir.path()).code, 0);
    let before = files();
    let uuid = String::from_utf8(before[3].clone()).unwrap();
    assert_eq!((uuid.len(), &uuid[14..15]), (36, "8"), "{uuid}");
    let path = dir.path().to_str().unwrap();
    let one = ["index", path, "--for", "energon", "-q", "-j", "1"];
    assert_eq!(kpack(one).code, 0);
    assert!(files() == before, "other bytes");

    // What was interrupted, or changed by others, is made whole.
    fs::write(meta(dir.path()).join("index.sqlite"), "torn").unwrap();
    let journal = put(&meta(dir.path()), "index.sqlite-journal", "of the torn one");
    assert_eq!(index(dir.path()).code, 0);
    assert!(files() == before, "other bytes");
    assert!(!journal.exists(), "SQLite would write it into the new file");

    put(dir.path(), "2.tar", plain(&[("d.txt", "4")]));
    assert_eq!(index(dir.path()).code, 0);
    assert_ne!(files()[3], before[3]);
    assert_eq!(part(dir.path(), "d", "txt"), b"4");
    // Joined datasets are cached by the UUID, and the splits are part of them.
    let split = put(dir.path(), "val/2.tar", b"");
    fs::rename(dir.path().join("2.tar"), split).unwrap();
    let three = files();
    assert_eq!(index(dir.path()).code, 0);
    assert_ne!(files()[3], three[3]);
}

#[test]
fn what_energon_refuses_is_refused_and_nothing_is_written() {
    let twice = plain(&[("b.txt", "2"), ("a.txt", "3")]);
    let torn = plain(&[("a.txt", "1"), ("b.txt", "2"), ("a.jpg", "3")]);
    let mut latin = plain(&[("x.txt", "1")]);
    latin[..512].copy_from_slice(&header("?.txt", 1, b'0', USTAR));
    let at = latin.iter().position(|b| *b == b'?').unwrap();
    latin[at] = 0xe9;
    let sum = latin[..512].iter().map(|b| u32::from(*b)).sum::<u32>()
        - latin[148..156].iter().map(|b| u32::from(*b)).sum::<u32>()
        + 8 * 32;
    latin[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    for (shard, code, says) in [
        (
            twice,
            2,
            "1.tar: key \"a\" of the sample at byte 1024 is also that of a sample in 0.tar at byte 0",
        ),
        (torn, 2, "a sample in 1.tar at byte 0"),
        (
            latin,
            1,
            "1.tar: the name of member \"\\xe9.txt\" is not UTF-8",
        ),
        (plain(&[("README", "1")]), 2, "no samples for Energon"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let first = if says.contains("0.tar") {
            "a.txt"
        } else {
            "z.txt"
        };
        put(dir.path(), "0.tar", plain(&[(first, "1")]));
        put(dir.path(), "1.tar", shard);
        let ended = index(dir.path());
        assert_eq!(ended.code, code, "{}", ended.err);
        assert!(ended.err.contains(says), "{}", ended.err);
        let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
        names.retain(|entry| entry.as_ref().unwrap().file_name() != "0.tar");
        assert_eq!(names.len(), 1, "{names:?}");
    }
}

#[test]
fn what_energon_knows_of_the_media_stays_while_it_is_true() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "0.tar", plain(&[("a.jpg", "1")]));
    assert_eq!(index(dir.path()).code, 0);
    // As energon prepare-media leaves them.
    let db = Connection::open(meta(dir.path()).join("index.sqlite")).unwrap();
    db.execute_batch(
        "CREATE TABLE media_metadata (entry_key TEXT PRIMARY KEY, metadata_type TEXT NOT NULL, \
         metadata_json TEXT NOT NULL); INSERT INTO media_metadata VALUES ('a.jpg', 'image', '{}')",
    )
    .unwrap();
    db.close().unwrap();
    let known = "SELECT metadata_type FROM media_metadata WHERE entry_key = 'a.jpg'";
    let known = |db: Connection| db.query_row(known, [], |row| row.get::<_, String>(0));
    assert_eq!(index(dir.path()).code, 0);
    assert_eq!(known(open(dir.path())).unwrap(), "image");
    put(dir.path(), "1.tar", plain(&[("b.jpg", "1")]));
    let path = dir.path().to_str().unwrap();
    let ended = kpack(["index", path, "--for", "energon"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("energon prepare-media"), "{}", ended.err);
    assert!(known(open(dir.path())).is_err());
}
