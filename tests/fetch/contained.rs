//! A decoder that hangs on what was fetched is the failure of one clip, also while packing.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::server::Server;
use super::{fixture, table};

#[test]
fn a_cut_that_hangs_is_one_failed_row_of_the_dataset() {
    if !cfg!(debug_assertions) {
        println!("skipped: faults are heard by debug builds only");
        return;
    }
    let server = Server::start(fs::read(fixture("media/gop250.mp4")).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let (media, out) = (dir.path().join("media"), dir.path().join("out"));
    let rows = [0, 3, 6].map(|start| format!("{},{start},{}", server.url("v.mp4"), start + 2));
    let table = table(dir.path(), "url,start,end", rows);
    let mut command = Command::new(env!("CARGO_BIN_EXE_kpack"));
    command.arg("webdataset").arg(table).arg("-o").arg(&out);
    command.arg("--media-dir").arg(media);
    command.args(["--fetch", "--allow-private", "--timeout", "2", "-q"]);
    let output = command.env("KPACK_FAULT", "hang=000003").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &*said), (Some(3), ""));
    let rows = fs::read_to_string(out.join("samples.jsonl")).unwrap();
    let rows = rows.lines().map(|line| serde_json::from_str(line).unwrap());
    let rows: Vec<Value> = rows.collect();
    let outcomes: Vec<&str> = rows
        .iter()
        .flat_map(|row| row["outcome"].as_str())
        .collect();
    assert_eq!(outcomes, ["done", "failed", "done"], "{rows:?}");
    assert_eq!(rows[1]["class"], "timeout", "{rows:?}");
    let reason = rows[1]["reason"].as_str().unwrap();
    assert!(reason.contains("--timeout"), "{reason}");
}
