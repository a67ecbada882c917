//! Any bytes as a record's payload. What is read can be written, and reads the same again.
use kpack_formats::{Layout, Limits, ReadOptions, Sample, Schema, WriteOptions, format, tfrecord};

fn through(sample: &Sample, schema: Schema) -> Option<Sample> {
    let format = format("tfrecord")?;
    let Layout::Log { create } = format.layout else {
        return None;
    };
    let path = scratch().join("shard");
    let file = std::fs::File::create(&path).ok()?;
    let mut writer = create(file, 0, &WriteOptions { schema }).ok()?;
    writer.append(sample).ok()?;
    let bytes = std::fs::read(&path).ok()?.into();
    let read = format.read?;
    read(bytes, "fuzz".as_ref(), &ReadOptions::default())
        .next_sample()
        .expect("our own record")
}

fn contents(sample: &Sample) -> String {
    let blobs: Vec<_> = sample
        .blobs
        .iter()
        .map(|(n, b)| (n, b.load().ok()))
        .collect();
    format!(
        "{} {:?} {:?} {blobs:?}",
        sample.key, sample.labels, sample.meta
    )
}

pub(crate) fn run(data: &[u8]) {
    let payload = bytes::Bytes::copy_from_slice(data);
    let Ok(sample) = tfrecord::sample_of(payload, &Limits::default(), || "key".to_owned()) else {
        return;
    };
    for schema in [Schema::Example, Schema::Dmvr] {
        let Some(once) = through(&sample, schema) else {
            continue;
        };
        // Features of one schema kept as blobs may mean a label or a frame to the other.
        assert_eq!(once.key, sample.key);
        let twice = through(&once, schema).expect("what was written can be written");
        assert_eq!(contents(&twice), contents(&once));
    }
}

/// A folder that goes with the thread.
fn scratch() -> std::path::PathBuf {
    thread_local! {
        static DIR: tempfile::TempDir = tempfile::tempdir().expect("a temporary folder");
    }
    DIR.with(|dir| dir.path().to_owned())
}
