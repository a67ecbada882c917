//! Files that would fill the memory: one line without end, one value without end, a million columns.

use std::fs;
use std::path::Path;

use super::{endless, limited, packed};

const HUGE: u64 = 8 << 30;

/// Fails within its limits, and says where.
#[track_caller]
fn refused(args: &[&str], says: &[&str]) {
    let ended = limited(args);
    assert!([1, 2, 4].contains(&ended.code), "{args:?}: {}", ended.code);
    let text = ended.err + &ended.out;
    for part in says {
        assert!(text.contains(part), "{args:?}: {part}: {text:.2000}");
    }
}

#[test]
fn an_endless_line_is_named_with_its_line_and_byte() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, head: &str| {
        let path = dir.path().join(name);
        endless(&path, head.as_bytes(), HUGE);
        path.to_str().unwrap().to_owned()
    };
    let quoted = file("a.csv", "path,label\n\"");
    refused(
        &["classes", &quoted],
        &["a.csv", "line 2 (at byte 11)", "never closed"],
    );
    let cell = file("b.csv", "path,label\na.mp4,run\nb.mp4,");
    refused(&["classes", &cell], &["b.csv", "line 3 (at byte 21)"]);
    let header = file("c.csv", "path,label,");
    refused(&["classes", &header], &["c.csv", "line 1"]);
    let list = file("d.txt", "a.mp4 1\nb.mp4 2\nc");
    refused(&["classes", &list], &["d.txt", "line 3 (at byte 16)"]);
    let rows = file("e.jsonl", "{\"path\":\"a.mp4\"}\n{\"path\":\"");
    refused(&["classes", &rows], &["e.jsonl", "line 2 (at byte 17)"]);
    let json = file("f.json", "[{\"path\": \"");
    refused(&["classes", &json], &["f.json"]);
    let labels = file("labels.txt", "jump\n");
    let csv = dir.path().join("g.csv");
    fs::write(&csv, "path,label\na.mp4,jump\n").unwrap();
    let args = ["classes", csv.to_str().unwrap(), "--labels", &labels];
    refused(&args, &["labels.txt"]);
}

/// What one row of an annotation file may be is bounded; the others are read.
#[test]
fn a_bomb_in_one_row_is_that_rows_failure() {
    let dir = tempfile::tempdir().unwrap();
    let keys: String = (0..1_000_000).map(|i| format!("\"k{i}\":0,")).collect();
    let keys = &keys[..7_000_000];
    let keys = &keys[..keys.rfind(',').unwrap()];
    let bombs = [
        (
            "nested",
            format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000)),
        ),
        ("digits", "1".repeat(20_000_000)),
        ("number", "1".repeat(2_000_000)),
        ("values", format!("[{}0]", "0,".repeat(6_000_000))),
        ("keys", format!("{{{keys}}}")),
        ("text", format!("\"{}\"", "x".repeat(20_000_000))),
    ];
    for (name, bomb) in bombs {
        let good = "{\"youtube_id\": \"abcdefghijk\", \"label\": \"run\"}";
        let bad = match name {
            "keys" => bomb,
            _ => format!("{{\"youtube_id\": \"lmnopqrstuv\", \"label\": {bomb}}}"),
        };
        let path = dir.path().join(format!("{name}.json"));
        fs::write(&path, format!("[\n{good},\n{bad},\n{good}]")).unwrap();
        let ended = limited(&["classes", path.to_str().unwrap(), "--json"]);
        assert_eq!(ended.code, 3, "{name}: {:.500}", ended.err);
        let said: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
        let counts = [&said["rows"], &said["bad_rows"]];
        assert_eq!(
            counts,
            [2, 1],
            "{name}: two good rows that are one, and the bomb"
        );
        assert!(
            ended.err.contains("line 3 column 1"),
            "{name}: {:.500}",
            ended.err
        );
    }
}

#[test]
fn a_million_columns_and_keys() {
    let dir = tempfile::tempdir().unwrap();
    let wide = dir.path().join("wide.csv");
    let names: String = (0..100_000).map(|i| format!("c{i},")).collect();
    fs::write(
        &wide,
        format!("{names}path\n{}a.mp4\n", ",".repeat(100_000)),
    )
    .unwrap();
    refused(
        &["classes", wide.to_str().unwrap()],
        &["wide.csv", "line 1", "100001 columns"],
    );
    // As many ids as one likes: they are rows.
    let ids = dir.path().join("ids.json");
    let rows: String = (0..100_000)
        .map(|i| format!("\"id{i}\":\"run\",\n"))
        .collect();
    fs::write(&ids, format!("{{{rows}\"z\":\"jump\"}}")).unwrap();
    let ended = limited(&["classes", ids.to_str().unwrap(), "--json"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("\"rows\": 100001"), "{:.500}", ended.out);
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_files_of_a_dataset_have_limits() {
    let dir = tempfile::tempdir().unwrap();
    let out = packed(dir.path(), &["webdataset", "--video", "copy"]);
    let (rows, labels) = (out.join("samples.jsonl"), out.join("labels.txt"));
    let kept = fs::read(&rows).unwrap();
    let line = kept.iter().position(|b| *b == b'\n').unwrap() + 1;
    endless(&rows, &kept[..line], 1 << 30);
    let place = format!("line 2 (at byte {line})");
    refused(
        &[
            "list",
            text(&out),
            "--for",
            "videomae",
            "-o",
            text(dir.path()),
        ],
        &["samples.jsonl", &place],
    );
    refused(&["retry", text(&out)], &["samples.jsonl", &place]);
    fs::write(&rows, kept).unwrap();
    let kept = fs::read(&labels).unwrap();
    endless(&labels, &kept, HUGE);
    refused(&["retry", text(&out)], &["labels.txt", "longer than"]);
    fs::write(&labels, kept).unwrap();
    let index = out.join("data-000000.tar.kidx");
    let kept = fs::read(&index).unwrap();
    let mut head = kept[..8].to_vec();
    head.extend_from_slice(&[0xff; 8]);
    endless(&index, &head, HUGE);
    refused(
        &["verify", text(&out)],
        &["data-000000.tar.kidx", "offset 8"],
    );
    refused(
        &["inspect", text(&out), "--key", "run/a"],
        &["data-000000.tar.kidx"],
    );
    fs::write(&index, kept).unwrap();
    let manifest = out.join("dataset.json");
    let deep = format!("{{\"kpack\": {}", "[".repeat(1 << 20));
    for (head, length) in [("{", HUGE), (deep.as_str(), deep.len() as u64)] {
        endless(&manifest, head.as_bytes(), length);
        for command in ["verify", "inspect", "retry"] {
            refused(&[command, text(&out)], &["dataset.json"]);
        }
    }
}

/// A pipe in the place of a file would be waited for for ever.
#[cfg(unix)]
#[test]
fn a_pipe_in_a_dataset_is_no_file_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let out = packed(dir.path(), &["frames", "--layout", "flat"]);
    let pipe = |path: &Path| {
        fs::remove_file(path).unwrap();
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.unwrap().success());
    };
    pipe(&out.join("run/a/img_00001.jpg"));
    let ended = limited(&["verify", text(&out)]);
    assert_eq!(ended.code, 4);
    assert!(
        ended.out.contains("img_00001.jpg") && ended.out.contains("no regular file"),
        "{}",
        ended.out
    );
    pipe(&out.join("run/b.json"));
    let ended = limited(&["verify", text(&out)]);
    assert!(ended.out.contains("b.json"), "{}", ended.out);
    let whole = dir.path().join("whole");
    limited(&["repair", text(&out), "-o", text(&whole), "-q"]);
    pipe(&out.join("dataset.json"));
    refused(
        &["verify", text(&out)],
        &["dataset.json", "no regular file"],
    );
    refused(
        &["inspect", text(&out)],
        &["dataset.json", "no regular file"],
    );
}
