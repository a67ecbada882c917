//! `kpack inspect` on shards made here.

use std::fs::{self, File};
use std::io::Cursor;
use std::path::{Path, PathBuf};

use kpack_formats::{Label, Layout, Sample, WriteOptions, format};

use super::{kpack, put};

fn sample(key: &str, frames: u8) -> Sample {
    let mut sample = Sample {
        key: key.to_owned(),
        labels: vec![Label {
            index: Some(7),
            text: Some("run".to_owned()),
        }],
        ..Sample::default()
    };
    sample
        .meta
        .insert("source".to_owned(), format!("{key}.mp4").into());
    for i in 1..=frames {
        let mut bytes = Cursor::new(Vec::new());
        let picture = image::RgbImage::from_pixel(32, 24, image::Rgb([i, 100, 200]));
        picture
            .write_to(&mut bytes, image::ImageFormat::Png)
            .unwrap();
        let bytes = bytes.into_inner();
        sample.blobs.insert(format!("{i:06}.png"), bytes.into());
    }
    sample.blobs.insert("wav".to_owned(), vec![1; 100].into());
    sample
}

fn shard(dir: &Path, samples: &[Sample]) -> PathBuf {
    let path = dir.join("data-000000.tar");
    let Layout::Log { create } = format("webdataset").unwrap().layout else {
        panic!("a tar is a log");
    };
    let file = File::create(&path).unwrap();
    let mut writer = create(file, 0, &WriteOptions::default()).unwrap();
    for sample in samples {
        writer.append(sample).unwrap();
    }
    writer.finish().unwrap();
    path
}

#[test]
fn a_shard_is_listed_and_one_sample_shown_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = shard(dir.path(), &[sample("a", 3), sample("b/c", 2)]);
    let path = path.to_str().unwrap();
    let ended = kpack(["inspect", path]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(
        ended.out.contains("a  3 png") && ended.out.contains("b/c  2 png"),
        "{}",
        ended.out
    );

    let ended = kpack(["inspect", path, "--key", "b/c", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let shown = &report["samples"][0];
    assert_eq!(shown["index"], 1);
    assert_eq!(shown["members"][0]["name"], "000001.png");
    assert_eq!(shown["labels"][0]["index"], 7);
    assert_eq!(shown["meta"]["source"], "b/c.mp4");

    let ended = kpack(["inspect", path, "--index", "9"]);
    assert_eq!(ended.code, 1);
    assert!(
        ended.err.contains("no sample has the index 9"),
        "{}",
        ended.err
    );
}

#[test]
fn members_become_files_and_frames_a_sheet() {
    let dir = tempfile::tempdir().unwrap();
    let path = shard(dir.path(), &[sample("a", 3), sample("b/c", 2)]);
    let (there, sheet) = (dir.path().join("there"), dir.path().join("sheet.png"));
    let ended = kpack([
        "inspect".as_ref(),
        path.as_os_str(),
        "--index".as_ref(),
        "1".as_ref(),
        "--extract".as_ref(),
        there.as_os_str(),
        "--sheet".as_ref(),
        sheet.as_os_str(),
    ]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(fs::read(there.join("b/c.wav")).unwrap(), [1; 100]);
    assert!(there.join("b/c.000002.png").exists() && !there.join("a.wav").exists());
    let size = image::open(&sheet).unwrap();
    assert!(size.width() > 2 * 192 && size.height() > 144);
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = shard(dir.path(), &[sample("ab/cde", 0)]);
    // The same length, so that only the checksums of the headers change.
    let mut bytes = fs::read(&path).unwrap();
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(6).position(|w| w == b"ab/cde") {
        let begin = at + found;
        bytes[begin..begin + 6].copy_from_slice(b"../cde");
        at = begin + 6;
    }
    fix_checksums(&mut bytes);
    fs::write(&path, bytes).unwrap();
    let there = dir.path().join("x/there");
    let ended = kpack([
        "inspect".as_ref(),
        path.as_os_str(),
        "--extract".as_ref(),
        there.as_os_str(),
    ]);
    assert_ne!(ended.code, 0);
    assert!(!dir.path().join("x/cde.wav").exists());
    assert!(ended.err.contains("cde"), "{}", ended.err);
}

/// Sums of every tar header: a block whose magic says that it is one.
fn fix_checksums(bytes: &mut [u8]) {
    for block in bytes
        .chunks_exact_mut(512)
        .filter(|block| &block[257..262] == b"ustar")
    {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}

#[test]
fn damage_is_exit_code_4_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = shard(dir.path(), &[sample("a", 1), sample("b", 1)]);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() * 3 / 4]).unwrap();
    let ended = kpack(["inspect", path.to_str().unwrap()]);
    assert_eq!(ended.code, 4, "{}", ended.err);
    assert!(
        ended.err.contains("data-000000.tar") && ended.err.contains("offset"),
        "{}",
        ended.err
    );
    assert!(
        ended.out.contains(" a  "),
        "what is whole is shown: {}",
        ended.out
    );
}

#[test]
fn a_file_that_is_no_shard_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = put(dir.path(), "notes.md", "hello");
    let ended = kpack(["inspect", path.to_str().unwrap()]);
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(ended.err.contains("notes.md"), "{}", ended.err);
}

#[test]
fn frames_of_a_packed_video_are_decoded() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let clip = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/media/gop250.mp4");
    let (out, there, sheet) = (path("out"), path("there"), path("sheet.png"));
    let ended = kpack(["webdataset", clip, "-o", &out]);
    assert_eq!(ended.code, 0, "{}", ended.err);

    let one = ["inspect", &out, "--key", "gop250"];
    let ended = kpack(one);
    assert!(ended.out.contains(" frames, "), "{}", ended.out);
    let with = |more: &[&str]| kpack(one.iter().chain(more));
    let ended = with(&["--frames", "6..12:3"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let listed: Vec<_> = ended
        .out
        .lines()
        .filter(|l| l.contains(" at ") && l.contains(" frame "))
        .collect();
    assert_eq!(listed.len(), 2, "{}", ended.out);
    assert!(listed[0].contains("frame 6 at"), "{}", ended.out);

    let ended = with(&[
        "--frames",
        "6..12:3",
        "--extract",
        &there,
        "--sheet",
        &sheet,
    ]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let frame = |n: u32| dir.path().join(format!("there/gop250.frame-{n:06}.png"));
    assert!(image::open(frame(6)).is_ok() && image::open(frame(9)).is_ok() && !frame(12).exists());
    assert!(image::open(&sheet).unwrap().width() > 2 * 192);

    let ended = with(&["--frames", "9999.."]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("none is in the range"), "{}", ended.err);
    let ended = kpack(["inspect", &out, "--frames", "0"]);
    assert_eq!(ended.code, 2, "{}", ended.err);
    let ended = with(&["--frames", "1..2:0"]);
    assert_eq!(ended.code, 2, "{}", ended.err);
}
