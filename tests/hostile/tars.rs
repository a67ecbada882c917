//! Members that would lead out of the folder, links, devices and pipes in a tar.

use std::fs;
use std::path::Path;

use super::{assert_plain, limited, listing};

const SECRET: &[u8] = b"nobody but the owner reads this";

/// One member as ustar; the link goes into the field for links.
fn member(tar: &mut Vec<u8>, name: &str, kind: u8, link: &str, data: &[u8]) {
    let mut block = [0_u8; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[100..107].copy_from_slice(b"0000644");
    let size = format!("{:011o}", data.len());
    block[124..135].copy_from_slice(size.as_bytes());
    block[148..156].fill(b' ');
    block[156] = kind;
    block[157..157 + link.len()].copy_from_slice(link.as_bytes());
    block[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    tar.extend_from_slice(&block);
    tar.extend_from_slice(data);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

fn ended(mut tar: Vec<u8>) -> Vec<u8> {
    tar.resize(tar.len() + 1024, 0);
    tar
}

/// Links, devices and a pipe between two good samples.
fn special() -> Vec<u8> {
    let mut tar = Vec::new();
    member(&mut tar, "a.txt", b'0', "", b"good");
    for (name, kind, link) in [
        ("b.txt", b'1', "secret"),
        ("c.txt", b'2', "../secret"),
        ("d.txt", b'2', "/etc/passwd"),
        ("e.txt", b'3', ""),
        ("f.txt", b'4', ""),
        ("g", b'5', ""),
        ("h.txt", b'6', ""),
        ("a.jpg", b'2', "/dev/zero"),
    ] {
        member(&mut tar, name, kind, link, b"");
    }
    member(&mut tar, "z.txt", b'0', "", b"good too");
    ended(tar)
}

fn outside(name: &str) -> Vec<u8> {
    let mut tar = Vec::new();
    member(&mut tar, "a.txt", b'0', "", b"good");
    member(&mut tar, name, b'0', "", b"evil");
    ended(tar)
}

/// Every command that reads shards, each into a folder of its own below `root`.
fn commands(root: &Path, shard: &str) -> Vec<(Vec<String>, &'static str)> {
    let to = |name: &str| root.join(name).to_str().unwrap().to_owned();
    let command = |words: &[&str], out: &'static str| {
        let mut args: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        if !out.is_empty() {
            let option = if words[0] == "inspect" {
                "--extract"
            } else {
                "-o"
            };
            args.extend([option.to_owned(), to(out)]);
        }
        (args, out)
    };
    vec![
        command(&["inspect", shard], ""),
        command(&["inspect", shard], "extracted"),
        command(&["verify", shard, "--decode", "-q"], ""),
        command(&["convert", shard, "--to", "tfrecord", "-q"], "records"),
        command(&["convert", shard, "--to", "frames", "-q"], "frames"),
        command(&["convert", shard, "--to", "webdataset", "-q"], "tars"),
        command(&["repair", shard, "-q"], "repaired"),
    ]
}

fn all_stay_inside(tar: &[u8], what: &str) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("deep/root");
    fs::create_dir_all(root.join("in")).unwrap();
    fs::write(root.join("secret"), SECRET).unwrap();
    fs::write(dir.path().join("deep/secret"), SECRET).unwrap();
    let shard = root.join("in/shard.tar");
    fs::write(&shard, tar).unwrap();
    let shard = shard.to_str().unwrap().to_owned();
    for (args, out) in commands(&root, &shard) {
        let before = listing(dir.path());
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        limited(&words);
        let out = root.join(if out.is_empty() { "none" } else { out });
        for new in listing(dir.path()).difference(&before) {
            let inside = new.starts_with(&out);
            assert!(inside, "{what}, {words:?}: wrote {}", new.display());
        }
        if out.exists() {
            assert_plain(&out, SECRET);
        }
        for secret in ["deep/secret", "deep/root/secret"] {
            assert_eq!(fs::read(dir.path().join(secret)).unwrap(), SECRET);
        }
        assert_eq!(fs::read(&shard).unwrap(), tar, "{what}, {words:?}");
    }
}

#[test]
fn links_devices_and_pipes_are_passed_over() {
    all_stay_inside(&special(), "special members");
}

#[test]
fn names_that_lead_out_of_the_folder_lead_nowhere() {
    for name in [
        "../up.txt",
        "../../up.txt",
        "a/../../../up.txt",
        "/tmp/kpack-hostile-absolute.txt",
        "..\\up.txt",
        "in/../../up.txt",
        "....//up.txt",
        "./../up.txt",
        "C:up.txt",
    ] {
        all_stay_inside(&outside(name), name);
        assert!(!Path::new("/tmp/kpack-hostile-absolute.txt").exists());
    }
}
