//! Samples, shards in memory, and comparing them.

use std::fs::File;
use std::path::{Path, PathBuf};

use kpack_formats::{
    Blob, Compression, Error, Extent, Label, Layout, ReadOptions, Sample, Schema, WriteOptions,
    compress_file, format, open,
};
use serde_json::json;

/// A shard format with the options that change its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) format: &'static str,
    pub(crate) schema: Schema,
    pub(crate) compression: Compression,
}

impl Case {
    pub(crate) const fn new(
        format: &'static str,
        schema: Schema,
        compression: Compression,
    ) -> Self {
        Self {
            format,
            schema,
            compression,
        }
    }
    pub(crate) const TAR: Self = Self::new("webdataset", Schema::Example, Compression::None);
    pub(crate) const EXAMPLE: Self = Self::new("tfrecord", Schema::Example, Compression::None);
    pub(crate) const DMVR: Self = Self::new("tfrecord", Schema::Dmvr, Compression::None);

    /// Every combination that kpack writes.
    pub(crate) fn all() -> Vec<Self> {
        let mut cases = Vec::new();
        for plain in [Self::TAR, Self::EXAMPLE, Self::DMVR] {
            cases.push(plain);
            cases.push(Self {
                compression: Compression::Gzip,
                ..plain
            });
            if cfg!(feature = "zstd") {
                cases.push(Self {
                    compression: Compression::Zstd,
                    ..plain
                });
            }
            if plain.format == "tfrecord" {
                cases.push(Self {
                    compression: Compression::Zlib,
                    ..plain
                });
            }
        }
        cases
    }

    pub(crate) fn extension(&self) -> &'static str {
        format(self.format).unwrap().extensions[0]
    }
}

/// Writes a shard and gives its file's bytes, and the extents.
pub(crate) fn write(case: Case, samples: &[Sample]) -> (Vec<u8>, Vec<Extent>) {
    let dir = tempfile::tempdir().unwrap();
    let plain = dir.path().join("plain");
    let extents = write_plain(case, &plain, samples);
    if case.compression == Compression::None {
        return (std::fs::read(plain).unwrap(), extents);
    }
    let packed = dir.path().join("packed");
    let (from, to) = (File::open(plain).unwrap(), File::create(&packed).unwrap());
    let bytes = compress_file(from, to, case.compression, None).unwrap();
    let packed = std::fs::read(packed).unwrap();
    assert_eq!(bytes, packed.len() as u64);
    (packed, extents)
}

pub(crate) fn write_plain(case: Case, path: &Path, samples: &[Sample]) -> Vec<Extent> {
    let Layout::Log { create } = format(case.format).unwrap().layout else {
        panic!("{} is no log", case.format)
    };
    let options = WriteOptions {
        schema: case.schema,
    };
    let mut writer = create(File::create(path).unwrap(), 0, &options).unwrap();
    let extents: Vec<Extent> = samples.iter().map(|s| writer.append(s).unwrap()).collect();
    let info = writer.finish().unwrap();
    assert_eq!(info.samples, samples.len() as u64);
    assert_eq!(info.bytes, std::fs::metadata(path).unwrap().len());
    extents
}

/// The samples of a shard up to its end or first error, read from a file.
pub(crate) fn read_file(path: &Path, options: &ReadOptions) -> (Vec<Sample>, Option<Error>) {
    let mut reader = match open(path, options) {
        Ok(reader) => reader,
        Err(e) => return (Vec::new(), Some(e)),
    };
    let mut samples = Vec::new();
    loop {
        match reader.next_sample() {
            Ok(Some(sample)) => samples.push(sample),
            Ok(None) => return (samples, None),
            Err(e) => {
                assert!(e.at().path.is_some(), "no path in {e:?}");
                return (samples, Some(e));
            }
        }
    }
}

/// As [`read_file`], of bytes, under a name that says the format.
pub(crate) fn read(case: Case, bytes: &[u8]) -> (Vec<Sample>, Option<Error>) {
    let (_dir, path) = file(case.extension(), bytes);
    read_file(&path, &ReadOptions::default())
}

/// `bytes` as a file named `shard.EXTENSION`.
pub(crate) fn file(extension: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(format!("shard.{extension}"));
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

pub(crate) fn sample(key: &str, blobs: &[(&str, &[u8])]) -> Sample {
    let mut sample = Sample {
        key: key.to_owned(),
        ..Sample::default()
    };
    for (name, bytes) in blobs {
        sample
            .blobs
            .insert((*name).to_owned(), Blob::from(bytes.to_vec()));
    }
    sample
}

/// A sample with a label, metadata, frames, sound and a video.
pub(crate) fn clip(number: usize) -> Sample {
    let sound = kpack_formats::npy::encode(&[0.5, -0.5, number as f32], 1);
    let mut sample = sample(
        &format!("run/clip-{number:04}"),
        &[
            ("000001.jpg", b"first frame"),
            ("000002.jpg", &vec![number as u8; 700 + number % 7]),
            ("mp4", b"a video"),
            ("npy", &sound),
            ("wav", b""),
        ],
    );
    sample.labels = vec![Label {
        index: Some(number as i64 % 5),
        text: Some("run".to_owned()),
    }];
    sample.meta = json!({
        "source": "dump/x y.mp4", "label": "run", "label_index": number % 5,
        "start": 1.5, "end": 2.25, "width": 340, "height": 256, "fps": 29.97,
        "sample_rate": 16000, "frame_times": [0.0, 0.0333], "note": "ä\"\n"
    })
    .as_object()
    .cloned()
    .unwrap();
    sample
}

/// Everything in a sample, comparable and printable.
pub(crate) fn contents(sample: &Sample) -> String {
    let blobs: Vec<_> = sample
        .blobs
        .iter()
        .map(|(n, b)| (n, b.load().unwrap()))
        .collect();
    let meta = serde_json::to_string(&sample.meta).unwrap();
    format!("{} {:?} {meta} {blobs:?}", sample.key, sample.labels)
}

#[track_caller]
pub(crate) fn assert_same(left: &[Sample], right: &[Sample]) {
    let all = |samples: &[Sample]| samples.iter().map(contents).collect::<Vec<_>>();
    assert_eq!(all(left), all(right));
}

/// The framing of one TFRecord payload, made without the crate under test.
pub(crate) fn record(payload: &[u8]) -> Vec<u8> {
    let mask = |crc: u32| {
        (crc.rotate_right(15))
            .wrapping_add(0xa282_ead8)
            .to_le_bytes()
    };
    let length = (payload.len() as u64).to_le_bytes();
    let length_crc = mask(crc32c::crc32c(&length));
    [
        &length[..],
        &length_crc,
        payload,
        &mask(crc32c::crc32c(payload)),
    ]
    .concat()
}
