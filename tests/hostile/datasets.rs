//! A dataset whose manifest and rows lie: what they say is checked before anything is done.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{assert_plain, limited, listing, packed};

const SECRET: &[u8] = b"nobody but the owner reads this";

/// Changes the rows, and makes the manifest's checksums right.
fn reseal(out: &Path, change: impl Fn(&mut Value)) {
    let rows = fs::read_to_string(out.join("samples.jsonl")).unwrap();
    let mut changed = String::new();
    for line in rows.lines() {
        let mut row: Value = serde_json::from_str(line).unwrap();
        change(&mut row);
        changed += &(row.to_string() + "\n");
    }
    fs::write(out.join("samples.jsonl"), &changed).unwrap();
    let path = out.join("dataset.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let crc = crc32c::crc32c(changed.as_bytes());
    manifest["files"]["samples.jsonl"] = json!({"bytes": changed.len(), "crc32c": crc});
    manifest.as_object_mut().unwrap().shift_remove("crc32c");
    let text = serde_json::to_string_pretty(&manifest).unwrap();
    let body = text.strip_suffix("\n}").unwrap();
    let seal = crc32c::crc32c(body.as_bytes());
    fs::write(&path, format!("{body},\n  \"crc32c\": {seal}\n}}\n")).unwrap();
}

#[test]
fn rows_that_lead_outside_are_refused() {
    for format in ["webdataset", "frames"] {
        for (field, value) in [
            ("shard", json!("../secret")),
            ("shard", json!("/etc/passwd")),
            ("path", json!("../../secret")),
            ("path", json!("/etc")),
            ("key", json!("../../../up")),
            ("offset", json!(u64::MAX)),
            ("length", json!(u64::MAX - 5)),
            ("index", json!(u32::MAX)),
            ("crc32c", json!(0)),
            ("split", json!("../..")),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let root = dir.path().join("deep");
            fs::create_dir_all(&root).unwrap();
            fs::write(root.join("secret"), SECRET).unwrap();
            fs::write(root.join("secret.json"), SECRET).unwrap();
            let out = packed(&root, &[format, "--frames", "count:2"]);
            reseal(&out, |row| {
                if row["key"] == "run/b" {
                    row[field] = value.clone();
                }
            });
            let (out, new) = (out.to_str().unwrap(), root.join("new"));
            let new = new.to_str().unwrap();
            let media = root.join("media");
            for args in [
                &["verify", out, "-q"][..],
                &["verify", out, "-q", "--decode", "--in-process"],
                &["repair", out, "-o", new, "-q", "--in-process"],
                &["retry", out, "-q", "--in-process"],
                &["clean", out, "--yes", "-q"],
                &[
                    "webdataset",
                    media.to_str().unwrap(),
                    "-o",
                    out,
                    "--overwrite",
                    "-q",
                    "--in-process",
                ],
            ] {
                let before = listing(dir.path());
                limited(args);
                let after = listing(dir.path());
                let changed = after.symmetric_difference(&before);
                for path in changed {
                    let inside = path.starts_with(new) || path.starts_with(out);
                    assert!(
                        inside,
                        "{format} {field} {value}, {args:?}: {}",
                        path.display()
                    );
                }
                assert_eq!(fs::read(root.join("secret")).unwrap(), SECRET);
                assert_eq!(fs::read(root.join("secret.json")).unwrap(), SECRET);
            }
            assert_plain(Path::new(out), SECRET);
            if Path::new(new).exists() {
                assert_plain(Path::new(new), SECRET);
            }
        }
    }
}

#[test]
fn rows_that_name_another_place_in_the_plan_are_refused() {
    for index in [json!(u32::MAX), json!(2), json!(0)] {
        let dir = tempfile::tempdir().unwrap();
        let out = packed(dir.path(), &["webdataset", "--frames", "count:2"]);
        reseal(&out, |row| row["index"] = index.clone());
        // Damaged, so that its rows are asked where their samples belong.
        let shard = out.join("data-000000.tar");
        let bytes = fs::read(&shard).unwrap();
        fs::write(&shard, &bytes[..bytes.len() / 2]).unwrap();
        let (out, new) = (out.to_str().unwrap(), dir.path().join("new"));
        let new = new.to_str().unwrap();
        for args in [
            &["repair", out, "-o", new, "--in-process"][..],
            &["retry", out, "--in-process"],
        ] {
            let said = limited(args).err;
            let named = said.contains("samples.jsonl: line ") && said.contains("plan index");
            assert!(named, "{index}: {args:?}: {said}");
        }
    }
}
