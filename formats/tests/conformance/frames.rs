//! Frame directories.

use std::fs;
use std::path::Path;

use kpack_formats::framedir::{Naming, PassedOver, Site, sites, write, write_at};
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

/// The samples of a tree, and what is none's.
fn found(root: &Path) -> (Vec<Site>, PassedOver) {
    let mut all = Vec::new();
    let passed = sites(root, &ReadOptions::default(), |site, _| all.push(site));
    (all, passed.unwrap())
}

/// Writes files below `root` and reads the tree.
fn tree_of(root: &Path, files: &[(&str, &[u8])]) -> Vec<Sample> {
    for (name, bytes) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let (got, error) = read(root);
    assert!(error.is_none(), "{error:?}");
    got
}

#[test]
fn files_of_a_stem_are_blobs_as_members_of_a_tar_are() {
    let dir = tempfile::tempdir().unwrap();
    let got = tree_of(
        dir.path(),
        &[
            ("00000.parquet", b"PAR1"),
            ("00000_stats.json", b"{}"),
            ("00000/a.mp4", b"video"),
            ("00000/a.txt", b"caption"),
            ("00000/a.json", b"{\"fps\":25,\"label\":\"run\"}"),
            ("00000/b.MP4", b"video"),
            ("00000/b.json", b"{ \"fps\": 25 }"),
            ("00000/b.en us.vtt", b"hello"),
            ("00000/b.jpg", b"thumbnail"),
            ("00000/b..jpg", b"odd"),
            ("00000/c.txt", b"no sample"),
            ("README", b"read me"),
            ("dataset.json", b"{}"),
        ],
    );
    let mut first = sample("00000/a", &[("mp4", b"video"), ("txt", b"caption")]);
    first.meta.insert("fps".into(), 25.into());
    first.meta.insert("label".into(), "run".into());
    first.labels.push(kpack_formats::Label {
        index: None,
        text: Some("run".into()),
    });
    let second: &[(&str, &[u8])] = &[
        ("mp4", b"video"),
        ("json", b"{ \"fps\": 25 }"),
        ("en_us.vtt", b"hello"),
        ("jpg", b"thumbnail"),
        ("_.jpg", b"odd"),
    ];
    assert_same(&got, &[first, sample("00000/b", second)]);
    let (_, passed) = found(dir.path());
    assert_eq!((passed.files, passed.hidden), (4, 0));
    let example = passed.example.unwrap();
    assert_eq!(example.file_name().unwrap(), "README");
}

#[test]
fn what_lies_in_and_beside_a_folder_of_frames_stays_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let got = tree_of(
        dir.path(),
        &[
            ("run/v1/img_00001.jpg", b"1"),
            ("run/v1/img_00002.jpg", b"2"),
            ("run/v1/flow_x_00001.jpg", b"x1"),
            ("run/v1/000001.jpg", b"plain"),
            ("run/v1/cover.JPG", b"cover"),
            ("run/v1/n_frames", b"2"),
            ("run/v1/audio.wav", b"sound"),
            ("run/v1.txt", b"caption"),
            ("run/v1.cls", b"4"),
            ("run/cover.jpg", b"of the class"),
            ("thumbs/b.mp4", b"video"),
            ("thumbs/b.000001.jpg", b"frame"),
            ("thumbs/c.mp4", b"video"),
            ("thumbs/about1.jpg", b"of nothing"),
        ],
    );
    let mut first = sample(
        "run/v1",
        &[
            ("000001.jpg", b"plain"),
            ("img_00001.jpg", b"1"),
            ("img_00002.jpg", b"2"),
            ("flow_x_00001.jpg", b"x1"),
            ("cover.jpg", b"cover"),
            ("n_frames", b"2"),
            ("audio.wav", b"sound"),
            ("txt", b"caption"),
        ],
    );
    // The series that has the name of frames and most pictures.
    for (from, to) in [
        ("000001.jpg", "file_000001.jpg"),
        ("img_00001.jpg", "000001.jpg"),
        ("img_00002.jpg", "000002.jpg"),
    ] {
        let blob = first.blobs.remove(from).unwrap();
        first.blobs.insert(to.into(), blob);
    }
    first.labels.push(kpack_formats::Label {
        index: Some(4),
        text: None,
    });
    let second = sample("thumbs/b", &[("000001.jpg", b"frame"), ("mp4", b"video")]);
    let third = sample("thumbs/c", &[("mp4", b"video")]);
    assert_same(&got, &[first.clone(), second, third]);
    assert_eq!(found(dir.path()).1.files, 2);
    // A tree of kpack's gives all of it back.
    let copy = tempfile::tempdir().unwrap();
    write(copy.path(), &first, &Naming::default()).unwrap();
    assert_same(&read(copy.path()).0, &[first]);
}

#[test]
fn a_sample_of_kpack_has_what_its_json_lists() {
    let dir = tempfile::tempdir().unwrap();
    for i in 1..3 {
        write(dir.path(), &clip(i), &Naming::default()).unwrap();
    }
    fs::write(dir.path().join("run/clip-0001.txt"), "later").unwrap();
    fs::write(dir.path().join("run/clip-0001/img_00009.jpg"), "later").unwrap();
    fs::write(dir.path().join("run/.hidden"), "").unwrap();
    let (_, passed) = found(dir.path());
    assert_eq!((passed.files, passed.hidden), (2, 1));
    assert_same(&read(dir.path()).0, &[clip(1), clip(2)]);
    // A damaged JSON is its own sample's misfortune.
    let json = dir.path().join("run/clip-0001.json");
    let text = fs::read(&json).unwrap();
    fs::write(&json, &text[..text.len() - 9]).unwrap();
    let (sites, _) = found(dir.path());
    assert_eq!(sites.len(), 2);
    let options = ReadOptions::default();
    let error = sites[0].read(&options).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    assert!(sites[1].read(&options).is_ok());
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

#[test]
fn a_place_may_differ_from_the_key() {
    let dir = tempfile::tempdir().unwrap();
    write_at(dir.path(), "train/run/one", &clip(1), &Naming::default()).unwrap();
    assert!(dir.path().join("train/run/one/img_00001.jpg").is_file());
    assert_same(&read(dir.path()).0, &[clip(1)]);
    let error = write_at(dir.path(), "../one", &clip(1), &Naming::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
}
