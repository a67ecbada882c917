//! Frame directories.

use std::fs;
use std::path::Path;

use kpack_formats::framedir::{Naming, write};
use kpack_formats::{Error, Kind, Limits, ReadOptions, Sample};

use crate::support::{assert_same, clip, read_file, sample};

fn read(root: &Path) -> (Vec<Sample>, Option<Error>) {
    read_file(root, &ReadOptions::default())
}

#[test]
fn samples_come_back_with_their_names() {
    let dir = tempfile::tempdir().unwrap();
    let mut odd = sample(
        "b/odd",
        &[("000009.png", b"x"), ("000010.jpg", b"y"), ("json", b"z")],
    );
    odd.meta.insert("note".into(), "n".into());
    let sound = sample("c", &[("wav", b"RIFF"), ("flac", b"")]);
    let empty = sample("d", &[]);
    let samples = [odd, sound, empty, clip(1), clip(2)];
    for sample in &samples {
        let extent = write(dir.path(), sample, &Naming::default()).unwrap();
        let total: u64 = extent.members.iter().map(|m| m.length).sum();
        assert_eq!((extent.offset, extent.length), (0, total));
    }
    assert!(dir.path().join("run/clip-0001/img_00002.jpg").is_file());
    assert!(dir.path().join("run/clip-0001.wav").is_file());
    assert!(dir.path().join("run/clip-0001.json").is_file());
    assert_eq!(
        fs::read_dir(dir.path().join("run/clip-0001"))
            .unwrap()
            .count(),
        2
    );
    let (got, error) = read(dir.path());
    assert!(error.is_none(), "{error:?}");
    assert_same(&got, &samples);
}

#[test]
fn the_extent_is_the_checksum_of_the_files_joined() {
    let dir = tempfile::tempdir().unwrap();
    let extent = write(dir.path(), &clip(1), &Naming::default()).unwrap();
    let base = dir.path().join("run/clip-0001");
    let with = |extension: &str| fs::read(base.with_extension(extension)).unwrap();
    let frame = |n: u32| fs::read(base.join(format!("img_{n:05}.jpg"))).unwrap();
    let parts = [
        frame(1),
        frame(2),
        with("mp4"),
        with("npy"),
        with("wav"),
        with("json"),
    ];
    let all = parts.concat();
    assert_eq!(
        (extent.length, extent.crc32c),
        (all.len() as u64, crc32c::crc32c(&all))
    );
    for (member, part) in extent.members.iter().zip(&parts) {
        assert_eq!(
            &all[member.offset as usize..][..member.length as usize],
            part
        );
        assert_eq!(member.crc32c, crc32c::crc32c(part));
    }
}

#[test]
fn a_second_run_replaces_the_first_and_its_leftovers() {
    let dir = tempfile::tempdir().unwrap();
    let naming = Naming::parse("frame{:d}.jpg", 0).unwrap();
    let mut before = clip(1);
    before.blobs.insert("000003.jpg".into(), vec![3].into());
    write(dir.path(), &before, &Naming::default()).unwrap();
    fs::create_dir(dir.path().join("run/.clip-0001.tmp")).unwrap();
    fs::write(dir.path().join("run/.clip-0001.tmp/img_00001.jpg"), b"half").unwrap();
    write(dir.path(), &clip(1), &naming).unwrap();
    let names: Vec<_> = fs::read_dir(dir.path().join("run/clip-0001"))
        .unwrap()
        .collect();
    assert_eq!(names.len(), 2);
    assert!(dir.path().join("run/clip-0001/frame0.jpg").is_file());
    let (got, error) = read(dir.path());
    assert!(error.is_none(), "{error:?}");
    assert_same(&got, &[clip(1)]);
}

#[test]
fn a_folder_of_someone_else_is_not_removed() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("run/clip-0001")).unwrap();
    fs::write(
        dir.path().join("run/clip-0001/thesis.tex"),
        b"years of work",
    )
    .unwrap();
    let error = write(dir.path(), &clip(1), &Naming::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    assert!(error.to_string().contains("thesis.tex"), "{error}");
    assert!(dir.path().join("run/clip-0001/thesis.tex").is_file());
}

#[test]
fn names_that_would_leave_the_folder_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let inside = dir.path().join("out");
    for key in ["../x", "/tmp/x", "a/../../x", "", ".", "a/", "a\0b"] {
        let bad = sample(key, &[("wav", b"x")]);
        assert_eq!(
            write(&inside, &bad, &Naming::default()).unwrap_err().kind(),
            Kind::Usage
        );
    }
    for name in ["../x", "/x", "a/b"] {
        let bad = sample("k", &[(name, b"x")]);
        assert_eq!(
            write(&inside, &bad, &Naming::default()).unwrap_err().kind(),
            Kind::Usage
        );
    }
    let mut taken = clip(1);
    taken.meta.insert("kpack".into(), 1.into());
    assert_eq!(
        write(&inside, &taken, &Naming::default())
            .unwrap_err()
            .kind(),
        Kind::Usage
    );
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        1,
        "nothing beside the folder"
    );
}

#[test]
fn damage_is_named_and_the_next_sample_still_comes() {
    let damages: [&dyn Fn(&Path); 4] = [
        &|base| fs::remove_file(base.join("img_00001.jpg")).unwrap(),
        &|base| fs::write(base.join("img_00001.jpg"), b"First frame").unwrap(),
        &|base| fs::write(base.join("img_00001.jpg"), b"longer than it was").unwrap(),
        &|base| fs::remove_file(base.with_extension("mp4")).unwrap(),
    ];
    for damage in damages {
        let dir = tempfile::tempdir().unwrap();
        for i in 1..3 {
            write(dir.path(), &clip(i), &Naming::default()).unwrap();
        }
        damage(&dir.path().join("run/clip-0001"));
        let mut reader = kpack_formats::open(dir.path(), &ReadOptions::default()).unwrap();
        let error = reader.next_sample().unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt, "{error}");
        assert_eq!(error.at().key.as_deref(), Some("run/clip-0001"));
        assert_same(&[reader.next_sample().unwrap().unwrap()], &[clip(2)]);
        assert!(reader.next_sample().unwrap().is_none());
    }
}

#[test]
fn a_tree_made_by_others_is_read_in_the_order_of_the_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    for n in [0, 2, 10, 9] {
        put(&format!("train/do_it/v 1/frame{n}.jpg"), &n.to_string());
    }
    put("train/do_it/v 1.wav", "sound");
    put("train/do_it/v2.mp4", "video");
    put("labels.txt", "do_it\n");
    put("dataset.json", "{\"kpack\": \"0.1\"}");
    put(".kpack/lock.wav", "");
    let (got, error) = read(dir.path());
    assert!(error.is_none(), "{error:?}");
    let frames: &[(&str, &[u8])] = &[
        ("000001.jpg", b"0"),
        ("000002.jpg", b"2"),
        ("000003.jpg", b"9"),
        ("000004.jpg", b"10"),
        ("wav", b"sound"),
    ];
    let second = sample("train/do_it/v2", &[("mp4", b"video")]);
    assert_same(&got, &[sample("train/do_it/v_1", frames), second]);
    let (single, _) = read(&dir.path().join("train/do_it/v 1"));
    assert_eq!(
        (single.len(), single[0].key.as_str(), single[0].blobs.len()),
        (1, "v_1", 4)
    );
}

#[test]
fn sound_alone_needs_no_json() {
    let dir = tempfile::tempdir().unwrap();
    let mut naming = Naming::default();
    naming.json = false;
    let sound = sample("run/a", &[("wav", b"RIFF")]);
    let extent = write(dir.path(), &sound, &naming).unwrap();
    assert_eq!((extent.length, extent.members.len()), (4, 1));
    assert_eq!(fs::read_dir(dir.path().join("run")).unwrap().count(), 1);
    assert_same(&read(dir.path()).0, &[sound]);
}

#[test]
fn limits_hold() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &clip(1), &Naming::default()).unwrap();
    let default = Limits::default();
    for limits in [
        Limits {
            record_bytes: 100,
            ..default
        },
        Limits {
            sample_bytes: 100,
            ..default
        },
        Limits {
            members: 2,
            ..default
        },
    ] {
        let options = ReadOptions {
            limits,
            ..ReadOptions::default()
        };
        assert_eq!(
            read_file(dir.path(), &options).1.unwrap().kind(),
            Kind::Limit
        );
    }
}
