//! What writers refuse, how they recover, and blobs that stay in their files.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use kpack_formats::{
    Blob, Kind, Label, Layout, ReadOptions, Sample, Schema, ShardWriter, WriteOptions, format, npy,
};
use serde_json::json;

use crate::support::{Case, assert_same, clip, read_file, sample, write, write_plain};

fn writer(case: Case, file: File, at: u64) -> Box<dyn ShardWriter + Send> {
    let Layout::Log { create } = format(case.format).unwrap().layout else {
        panic!()
    };
    create(
        file,
        at,
        &WriteOptions {
            schema: case.schema,
        },
    )
    .unwrap()
}

/// `length` bytes of a file from `offset`, which holds the numbers 0..=255 over and over.
fn file_blob(dir: &std::path::Path, offset: u64, length: u64) -> Blob {
    let path = dir.join("source.mp4");
    let bytes: Vec<u8> = (0..offset + length).map(|i| i as u8).collect();
    std::fs::write(&path, bytes).unwrap();
    let file = Arc::new(File::open(&path).unwrap());
    Blob::File {
        file,
        path: path.into(),
        offset,
        length,
    }
}

#[test]
fn a_blob_in_a_file_is_written_like_one_in_memory() {
    for length in [0, 1, 511, 20_000, (1 << 20) - 1, 3 << 20] {
        let dir = tempfile::tempdir().unwrap();
        let blob = file_blob(dir.path(), 77, length);
        for case in [Case::TAR, Case::EXAMPLE, Case::DMVR] {
            let (mut in_file, mut in_memory) = (clip(1), clip(1));
            in_memory
                .blobs
                .insert("mp4".into(), Blob::from(blob.load().unwrap()));
            in_file.blobs.insert("mp4".into(), blob.clone());
            let (expected, extents) = write(case, &[in_memory]);
            assert_eq!(
                write(case, &[in_file]),
                (expected, extents),
                "{case:?} {length}"
            );
        }
    }
}

#[test]
fn a_file_that_became_shorter_is_named_and_the_shard_goes_on() {
    for case in [Case::TAR, Case::EXAMPLE, Case::DMVR] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shard");
        let mut writer = writer(case, File::create(&path).unwrap(), 0);
        writer.append(&clip(1)).unwrap();
        let mut torn = clip(2);
        torn.blobs
            .insert("mp4".into(), file_blob(dir.path(), 0, 1000));
        std::fs::OpenOptions::new()
            .write(true)
            .open(dir.path().join("source.mp4"))
            .unwrap()
            .set_len(999)
            .unwrap();
        let error = writer.append(&torn).unwrap_err();
        assert_eq!(error.kind(), Kind::Io);
        assert_eq!(
            error.at().path.as_deref(),
            Some(dir.path().join("source.mp4").as_path())
        );
        assert_eq!(error.at().key.as_deref(), Some(torn.key.as_str()));
        writer.append(&clip(3)).unwrap();
        assert_eq!(writer.finish().unwrap().samples, 2);
        let (got, error) = read_file(&path, &ReadOptions::default());
        assert!(error.is_none(), "{error:?}");
        assert_same(&got, &[clip(1), clip(3)]);
    }
}

#[test]
fn a_log_continues_at_any_extent_with_the_same_bytes() {
    for case in [Case::TAR, Case::EXAMPLE, Case::DMVR] {
        let samples: Vec<Sample> = (0..5).map(clip).collect();
        let (whole, extents) = write(case, &samples);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shard");
        for (done, extent) in extents.iter().enumerate() {
            write_plain(case, &path, &samples);
            let mut file = std::fs::OpenOptions::new()
                .append(true)
                .open(&path)
                .unwrap();
            file.write_all(b"torn").unwrap();
            let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            let mut writer = writer(case, file, extent.offset);
            for (sample, extent) in samples.iter().zip(&extents).skip(done) {
                assert_eq!(writer.append(sample).unwrap(), *extent);
            }
            writer.finish().unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), whole, "{case:?} from {done}");
        }
    }
}

#[test]
fn a_log_shorter_than_where_it_goes_on_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = File::create(dir.path().join("shard")).unwrap();
    let Layout::Log { create } = format("tfrecord").unwrap().layout else {
        panic!()
    };
    let error = create(file, 10, &WriteOptions::default()).err().unwrap();
    assert_eq!(error.kind(), Kind::Usage);
}

#[test]
fn unsafe_names_are_refused_and_nothing_is_written() {
    let keys = [
        "",
        "/abs",
        "../up",
        "a/../b",
        "a.b",
        "a b",
        "new\nline",
        "n\u{e9}",
        "a//b",
        "d/",
    ];
    let blobs = ["", "JPG", "a/b", "..", "a b", ".hidden"];
    for case in [Case::TAR, Case::EXAMPLE, Case::DMVR] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shard");
        let mut writer = writer(case, File::create(&path).unwrap(), 0);
        let bad_keys = keys.iter().map(|key| sample(key, &[("bin", b"x")]));
        let bad_blobs = blobs.iter().map(|name| sample("k", &[(name, b"x")]));
        for bad in bad_keys.chain(bad_blobs) {
            let error = writer.append(&bad).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{bad:?}");
            assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
        }
        writer.append(&sample("good", &[("bin", b"x")])).unwrap();
    }
}

/// A sparse file stands for a video that no record can hold.
#[test]
fn what_is_too_large_is_refused_before_anything_is_written() {
    for (case, length) in [
        (Case::EXAMPLE, 1 << 31),
        (Case::DMVR, 1 << 31),
        (Case::TAR, 1 << 33),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("huge.mp4");
        let file = File::create_new(&source).unwrap();
        file.set_len(length).unwrap();
        let file = Arc::new(File::open(&source).unwrap());
        let mut huge = sample("huge", &[]);
        let blob = Blob::File {
            file,
            path: source.into(),
            offset: 0,
            length,
        };
        huge.blobs.insert("mp4".into(), blob);
        let path = dir.path().join("shard");
        let mut writer = writer(case, File::create(&path).unwrap(), 0);
        let error = writer.append(&huge).unwrap_err();
        assert_eq!(error.kind(), Kind::Limit, "{error}");
        assert_eq!(error.at().key.as_deref(), Some("huge"));
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
        writer.append(&clip(1)).unwrap();
    }
}

#[test]
fn sound_is_written_as_its_readers_expect() {
    let case = Case {
        schema: Schema::Sound,
        ..Case::EXAMPLE
    };
    let mut clip = sample("train/run/x", &[("npy", &npy::encode(&[0.25, -1.0], 1))]);
    clip.meta = json!({"source": "train_sound/run/x.mp3"})
        .as_object()
        .cloned()
        .unwrap();
    clip.labels = vec![Label {
        index: Some(7),
        text: None,
    }];
    let (bytes, _) = write(case, &[clip.clone()]);
    let (got, error) = crate::support::read(case, &bytes);
    assert!(error.is_none(), "{error:?}");
    clip.key = "train_sound/run/x".to_owned();
    assert_same(&got, &[clip.clone()]);

    let refused = |change: &dyn Fn(&mut Sample), kind: Kind| {
        let mut other = clip.clone();
        change(&mut other);
        let dir = tempfile::tempdir().unwrap();
        let mut writer = writer(case, File::create(dir.path().join("s")).unwrap(), 0);
        let error = writer.append(&other).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    };
    let npy = |channels| Blob::from(npy::encode(&[0.0; 4], channels));
    refused(&|s| drop(s.blobs.insert("npy".into(), npy(2))), Kind::Usage);
    refused(&|s| drop(s.blobs.insert("mp4".into(), npy(1))), Kind::Usage);
    refused(&|s| s.blobs.clear(), Kind::Usage);
    refused(&|s| s.labels.push(Label::default()), Kind::Usage);
}

#[test]
fn a_tar_refuses_a_blob_in_the_place_of_label_or_metadata() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(Case::TAR, File::create(dir.path().join("s")).unwrap(), 0);
    for name in ["cls", "json"] {
        let mut both = clip(1);
        both.blobs.insert(name.into(), Blob::from(b"x".to_vec()));
        assert_eq!(writer.append(&both).unwrap_err().kind(), Kind::Usage);
    }
    assert_eq!(
        writer.append(&sample("e", &[])).unwrap_err().kind(),
        Kind::Usage
    );
    let hidden = sample("__meta__/a", &[("bin", b"x")]);
    assert_eq!(writer.append(&hidden).unwrap_err().kind(), Kind::Usage);
}
