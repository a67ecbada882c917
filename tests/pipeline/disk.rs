//! A disk that fills up ends the run; what is written stays, and the run goes on when there is room.

use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};

use kpack::pipeline::ShardRule;
use kpack::progress::NoProgress;
use kpack_formats::{
    Error, Extent, Format, Layout, Result, Sample, ShardInfo, ShardWriter, WriteOptions,
};

use super::{Case, assert_same, files, make};

/// Samples that fit on the disk.
static ROOM: AtomicI64 = AtomicI64::new(i64::MAX);

struct Tight {
    inner: Box<dyn ShardWriter + Send>,
    file: File,
}

impl ShardWriter for Tight {
    fn append(&mut self, sample: &Sample) -> Result<Extent> {
        if ROOM.fetch_sub(1, Relaxed) > 0 {
            return self.inner.append(sample);
        }
        // Half a sample still fitted.
        let _ = self.file.write_all(&[7; 700]);
        Err(Error::io(
            "cannot write the shard",
            io::ErrorKind::StorageFull.into(),
        ))
    }
    fn finish(self: Box<Self>) -> Result<ShardInfo> {
        self.inner.finish()
    }
}

fn create(file: File, at: u64, options: &WriteOptions) -> Result<Box<dyn ShardWriter + Send>> {
    let Some(Format {
        layout: Layout::Log { create },
        ..
    }) = kpack_formats::format("webdataset")
    else {
        return Err(Error::usage("not a log"));
    };
    let own = file.try_clone().map_err(|e| Error::io("cannot clone", e))?;
    Ok(Box::new(Tight {
        inner: create(file, at, options)?,
        file: own,
    }))
}

#[test]
fn a_full_disk_ends_the_run_and_room_continues_it() {
    let mut case = Case::new("webdataset", ShardRule::Samples(7));
    let tight = Format {
        layout: Layout::Log { create },
        ..*kpack_formats::format("webdataset").unwrap()
    };
    case.target.format = Box::leak(Box::new(tight));
    let want = case.undisturbed();
    let (out, stop) = (tempfile::tempdir().unwrap(), AtomicBool::new(false));
    let run = || case.run_with(out.path(), &case.options(), make, &NoProgress, &stop);
    for room in [0, 1, 10, 4] {
        ROOM.store(room, Relaxed);
        let error = run().unwrap_err();
        assert!(error.to_string().contains("train-00000"), "{error}");
        assert!(std::error::Error::source(&error).is_some());
        for (name, bytes) in files(out.path())
            .iter()
            .filter(|(name, _)| !name.contains("kpack/"))
        {
            assert_eq!(*bytes, want[name], "{name} is whole");
        }
    }
    ROOM.store(i64::MAX, Relaxed);
    run().unwrap();
    assert_same(&files(out.path()), &want, "after room was made");
}
