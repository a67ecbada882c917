//! `kpack reorg`: existing dumps in another layout.

use std::fs;

use serde_json::Value;

use super::{kpack, put};

#[test]
fn a_table_arranges_a_flat_dump_by_split_and_class() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for (name, text) in [("-a", "a"), ("b", "b"), ("c", "c")] {
        put(dir, &format!("flat/{name}.mp4"), text);
    }
    let table = "path,label,split\n-a.mp4,massaging person's head,train\nb.mp4,\"jump, high\",validate\nc.mp4,,test\ngone.mp4,run,test\n";
    let table = put(dir, "k.csv", table);
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let run = |by: &str, out: &str, more: &[&str]| {
        let (table, flat, out) = (table.to_str().unwrap(), path("flat"), path(out));
        let args = [
            "reorg",
            table,
            "--media-dir",
            &flat,
            "-o",
            &out,
            "--layout",
            "split-class",
            "--by",
            by,
        ];
        kpack(args.iter().chain(more))
    };
    let dry = run(
        "symlink",
        "out",
        &["--dry-run", "--spelling", "torchvision"],
    );
    assert_eq!(dry.code, 3, "{}", dry.err);
    assert!(dry.err.contains("3 files would be placed") && !dir.join("out").exists());

    let ended = run("symlink", "out", &["--spelling", "torchvision", "--json"]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(
        (&report["placed"], &report["failed"], &report["files"]),
        (&3.into(), &1.into(), &4.into())
    );
    assert!(
        report["left"][0]["reason"]
            .as_str()
            .unwrap()
            .contains("gone.mp4")
    );
    for (place, text) in [
        ("train/massaging_persons_head/-a.mp4", "a"),
        ("val/jump,_high/b.mp4", "b"),
        ("test/c.mp4", "c"),
    ] {
        let place = dir.join("out").join(place);
        assert!(
            fs::symlink_metadata(&place).unwrap().is_symlink(),
            "{}",
            place.display()
        );
        assert_eq!(fs::read_to_string(&place).unwrap(), text);
    }
    let again = run("symlink", "out", &["--spelling", "torchvision"]);
    assert!(
        again.err.contains("0 files placed") && again.err.contains("3 there before"),
        "{}",
        again.err
    );
    // From links back to a flat dump of files, under the classes' own names in the journal.
    let (from, to) = (path("out"), path("back"));
    let ended = kpack([
        "reorg", &from, "-o", &to, "--layout", "flat", "--by", "copy",
    ]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(
        !fs::symlink_metadata(dir.join("back/-a.mp4"))
            .unwrap()
            .is_symlink()
    );
    let journal = fs::read_to_string(dir.join("out/reorg.jsonl")).unwrap();
    assert!(
        journal.contains("\"label\":\"massaging person's head\""),
        "{journal}"
    );
}

#[test]
fn collisions_are_named_and_left() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    put(dir, "in/a/x.mp4", "1");
    put(dir, "in/b/x.mp4", "2");
    let (input, out) = (dir.join("in"), dir.join("out"));
    let (input, out) = (input.to_str().unwrap(), out.to_str().unwrap());
    let ended = kpack([
        "reorg", input, "-o", out, "--layout", "flat", "--by", "move",
    ]);
    assert_eq!(ended.code, 3);
    assert!(
        ended.err.contains("collision: ") && ended.err.contains("b/x.mp4"),
        "{}",
        ended.err
    );
    assert_eq!(fs::read_to_string(dir.join("out/x.mp4")).unwrap(), "1");
    assert_eq!(fs::read_to_string(dir.join("in/b/x.mp4")).unwrap(), "2");
    assert!(!dir.join("in/a").exists());
    let ended = kpack(["reorg", input, "-o", out]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("--layout"), "{}", ended.err);
}

#[test]
fn a_file_of_two_classes_is_moved_once_and_linked_twice() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    put(dir, "m/abcdefghijk.mp4", "x");
    let table = "label,youtube_id,time_start,time_end\nrun,abcdefghijk,0,10\njump,abcdefghijk,20,30\nrun,abcdefghijk,40,50\n";
    let table = put(dir, "k.csv", table);
    let (table, media) = (table.to_str().unwrap(), dir.join("m"));
    let run = |by: &str| {
        let out = dir.join(by);
        let (media, out) = (media.to_str().unwrap(), out.to_str().unwrap());
        kpack([
            "reorg",
            table,
            "--media-dir",
            media,
            "-o",
            out,
            "--layout",
            "class",
            "--by",
            by,
        ])
    };
    let ended = run("symlink");
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("2 files placed"), "{}", ended.err);
    let ended = run("move");
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert!(
        ended.err.contains("is moved to run/abcdefghijk.mp4"),
        "{}",
        ended.err
    );
    assert!(dir.join("move/run/abcdefghijk.mp4").is_file() && media.is_dir());
}
