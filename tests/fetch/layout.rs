//! Where clips lie, and what stands in for what would be fetched.

use std::fs;
use std::path::{Path, PathBuf};

use super::mirror::{Member, tar};
use super::server::Server;
use super::{files, fixture, journal, run, table};
use crate::cli::{kpack, put};

fn video(name: &str) -> Vec<u8> {
    fs::read(fixture(name)).unwrap()
}

const HEAD: &str = "url,start,end,label,split";

fn labelled(server: &Server, dir: &Path) -> PathBuf {
    let row = |id: &str, start: u32, rest: &str| {
        let url = server.url(&format!("{id}.mp4"));
        format!("{url},{start},{},{rest}", start + 2)
    };
    let rows = [
        row("a", 1, "massaging person's head,train"),
        row("a", 4, "high jump,val"),
        row("-b", 2, "high jump,val"),
        row("c", 3, ",test"),
    ];
    table(dir, HEAD, rows)
}

#[test]
fn clips_lie_as_the_layout_says_and_packing_finds_them() {
    let server = Server::start(video("media/gop250.mp4"));
    let dir = tempfile::tempdir().unwrap();
    let table = labelled(&server, dir.path());
    let (head, jump) = ("massaging person's head/", "high jump/");
    let mut packed = None;
    for (layout, folders) in [
        ("flat", ["", "", "", ""]),
        ("class", [head, jump, jump, ""]),
        ("split", ["train/", "val/", "val/", "test/"]),
        (
            "split-class",
            [
                &format!("train/{head}"),
                "val/high jump/",
                "val/high jump/",
                "test/",
            ],
        ),
    ] {
        let out = dir.path().join(layout);
        let ended = run(&table, &out, &["--allow-private", "--layout", layout]);
        assert_eq!(ended.code, 0, "{layout}: {}", ended.err);
        let names = [
            "a_000001_000003",
            "a_000004_000006",
            "-b_000002_000004",
            "c_000003_000005",
        ];
        let want = folders.iter().zip(names);
        let want: Vec<String> = want.map(|(f, n)| format!("{f}{n}.mp4")).collect();
        let media = |row: &serde_json::Value| row["media"].as_str().unwrap().to_owned();
        let told: Vec<String> = journal(&out).iter().map(media).collect();
        assert_eq!(told, want);
        let mut sorted = want.clone();
        sorted.sort();
        assert_eq!(files(&out), sorted);

        // The same again asks for nothing; nor does another layout, nor a lost journal.
        let before = server.asked("a.mp4").len();
        let again = run(&table, &out, &["--allow-private", "--layout", layout]);
        assert_eq!(again.code, 0, "{}", again.err);
        assert!(!again.err.contains("kpack reorg"), "{}", again.err);
        let other = run(
            &table,
            &out,
            &["--allow-private", "--layout", "split-class"],
        );
        assert_eq!(other.code, 0, "{}", other.err);
        let moved = layout != "split-class";
        assert_eq!(other.err.contains("kpack reorg"), moved, "{}", other.err);
        fs::remove_file(out.join("fetch.jsonl")).unwrap();
        let other = run(&table, &out, &["--allow-private", "--layout", "class"]);
        assert_eq!(other.code, 0, "{}", other.err);
        assert_eq!(server.asked("a.mp4").len(), before);
        assert_eq!(files(&out), sorted);

        let shards = dir.path().join(format!("{layout}-shards"));
        let args = ["webdataset", "--media-dir"].map(Path::new);
        let paths = [&out, &table];
        let name = ["--name", "x", "-q", "-o"].map(Path::new);
        let args = args.into_iter().chain(paths.map(PathBuf::as_path));
        let ended = kpack(args.chain(name).chain([shards.as_path()]));
        assert_eq!(ended.code, 0, "{layout}: {}", ended.err);
        let shards = super::packing::shards(&shards);
        assert_eq!(shards.len(), 3, "one of each split");
        assert!(*packed.get_or_insert(shards.clone()) == shards, "{layout}");
    }
}

#[test]
fn replacements_are_used_before_anything_is_fetched() {
    let (short, long) = (video("media/no_audio.mp4"), video("media/gop250.mp4"));
    let server = Server::start(long.clone());
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "new/x/a_000001_000003.mp4", &short);
    put(dir.path(), "new/b.mp4", &long);
    put(dir.path(), "new/d_000000_000010.mp4", &long);
    let wrong = "0".repeat(64);
    let rows = [
        "run,a,1,3,",
        "run,b,1,2,",
        // The hash is that of what is replaced.
        &format!("run,b,5,6,{wrong}"),
        "run,c,1,2,",
        "run,d,2.5,3.5,",
    ];
    let table = table(
        dir.path(),
        "label,youtube_id,time_start,time_end,sha256",
        rows.map(str::to_owned),
    );
    let new = dir.path().join("new");
    let url = server.url("{id}.mp4");
    let of_web = ["--allow-private", "--url-template", &url];
    let archive = tar(&[Member::File("k/c.mp4", &long)]);
    let archive = put(dir.path(), "part.tar", archive);
    let of_mirror = ["--mirror", archive.to_str().unwrap()];
    for (name, options) in [("web", &of_web[..]), ("mirror", &of_mirror)] {
        let out = dir.path().join(name);
        let new = ["--replacement", new.to_str().unwrap()];
        let options = [options, &new].concat();
        let ended = run(&table, &out, &options);
        assert_eq!(ended.code, 0, "{name}: {}", ended.err);
        assert!(
            ended.err.contains("4 rows found in the replacement"),
            "{}",
            ended.err
        );
        assert!(fs::read(out.join("a_000001_000003.mp4")).unwrap() == short);
        let rows = journal(&out);
        let frames: Vec<_> = rows.iter().map(|row| row["frames"].as_u64()).collect();
        assert_eq!(frames, [50, 25, 25, 25, 25].map(Some), "{name}");
        let stood_in = |row: &serde_json::Value| row["replacement"].as_str().is_some();
        let stood_in: Vec<bool> = rows.iter().map(stood_in).collect();
        assert_eq!(stood_in, [true, true, true, false, true], "{name}");
        assert_eq!(rows[4]["got_start"], 2.52, "{}", rows[4]);
        // What stands in belongs to the user: it is never deleted.
        assert_eq!(files(&dir.path().join("new")).len(), 3);
        let again = run(&table, &out, &options);
        assert_eq!(again.code, 0, "{}", again.err);
        assert!(again.err.contains("5 there before"), "{}", again.err);
    }
    let asked = |id: &str| server.asked(&format!("{id}.mp4")).len();
    assert_eq!(["a", "b", "c", "d"].map(asked), [0, 0, 1, 0]);
    let none = run(
        &table,
        &dir.path().join("no"),
        &["--replacement", "nowhere"],
    );
    assert_eq!(none.code, 2, "{}", none.err);
}
