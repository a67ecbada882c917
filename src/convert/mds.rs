//! Samples of a conversion as MosaicML MDS, which has an index of all shards and no log.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use kpack_formats::atomic::write_atomic;
use kpack_formats::mds::{Encoded, MdsWriter};
use kpack_formats::{Error as FormatError, Kind};

use super::Conversion;
use crate::pipeline::shuffle;
use crate::sample::{Class, Made, SampleError, Stage};
use crate::source::{Input, Row};
use crate::{Error, Result};

/// Name of a dataset's index.
const INDEX: &str = "index.json";

/// How MDS shards are cut.
#[derive(Debug, Clone, Copy)]
pub struct MdsOptions {
    /// Most bytes of a shard; 64 MiB is what MosaicML's own writer takes.
    pub shard_size: u64,
    /// Most samples of a shard.
    pub shard_samples: Option<u64>,
    /// Seed of the order of samples; their own order without.
    pub shuffle: Option<u64>,
}

/// What was written.
#[derive(Debug, Default)]
pub struct MdsWritten {
    /// Samples in shards.
    pub samples: u64,
    /// Shards.
    pub shards: u64,
    /// Bytes of all shards.
    pub bytes: u64,
    /// Folders with an `index.json`.
    pub folders: Vec<PathBuf>,
    /// Samples that could not be written.
    pub failed: Vec<SampleError>,
    /// Whether it was told to stop before the end: no `index.json` was written where shards miss.
    pub stopped: bool,
}

impl Conversion {
    /// Writes the samples of `input` as MDS shards into `out`; each split into a folder of its own
    /// name, as `StreamingDataset(split=..)` wants it. Each `index.json` is written last.
    ///
    /// # Errors
    /// [`Error::Usage`] where `out` holds something, or blobs cannot become columns; [`Error::Io`].
    pub fn write_mds(
        &self,
        input: &Input,
        out: &Path,
        options: MdsOptions,
        stop: &AtomicBool,
    ) -> Result<MdsWritten> {
        fs::create_dir_all(out).map_err(Error::io("cannot create folder", out))?;
        let mut entries = fs::read_dir(out).map_err(Error::io("cannot read folder", out))?;
        if entries.next().is_some() {
            return Err(Error::usage(format!(
                "{}: is not empty, and MDS is always written anew: name another folder, or empty this one",
                out.display()
            )));
        }
        let mut splits: BTreeMap<Option<&str>, Vec<&Row>> = BTreeMap::new();
        for row in &input.rows {
            splits
                .entry(row.clip.split.as_deref())
                .or_default()
                .push(row);
        }
        let mut written = MdsWritten::default();
        for (split, mut rows) in splits {
            if let Some(seed) = options.shuffle {
                shuffle(&mut rows, seed);
            }
            let folder = split.map_or(out.to_owned(), |split| out.join(split));
            fs::create_dir_all(&folder).map_err(Error::io("cannot create folder", &folder))?;
            self.write_folder(&rows, &folder, options, stop, &mut written)?;
            if written.stopped {
                break;
            }
            written.folders.push(folder);
        }
        let _ = fs::remove_dir(&self.work);
        Ok(written)
    }

    fn write_folder(
        &self,
        rows: &[&Row],
        folder: &Path,
        options: MdsOptions,
        stop: &AtomicBool,
        written: &mut MdsWritten,
    ) -> Result<()> {
        let mut writer = MdsWriter::new(&self.holdings(), Some(options.shard_size))?;
        for row in rows {
            if stop.load(Relaxed) {
                written.stopped = true;
                return Ok(());
            }
            let encoded = match self.encoded(row, &writer) {
                Ok(encoded) => encoded,
                Err(e) => {
                    written.failed.push(e);
                    continue;
                }
            };
            let enough = options.shard_samples.unwrap_or(u64::MAX);
            if writer.is_full_for(&encoded) || writer.gathered() as u64 >= enough {
                shard(&mut writer, folder, written)?;
            }
            writer.push(encoded);
            written.samples += 1;
        }
        if writer.gathered() > 0 {
            shard(&mut writer, folder, written)?;
        }
        write_atomic(&folder.join(INDEX), writer.index().as_bytes())?;
        Ok(())
    }

    fn encoded(&self, row: &Row, writer: &MdsWriter) -> Result<Encoded, SampleError> {
        let key = &row.clip.key;
        let fault = |class, reason: String| SampleError::new(key, Stage::Encode, class, reason);
        match self.make(&row.clip)? {
            Made::Sample(sample, _) => writer.encode(&sample).map_err(|e: FormatError| {
                let class = match e.kind() {
                    Kind::Limit => Class::TooLarge,
                    _ => Class::Internal,
                };
                fault(class, e.message().to_owned())
            }),
            Made::Skipped(reason) => Err(fault(Class::Internal, reason)),
            Made::Left => Err(fault(Class::Internal, "stopped".to_owned())),
        }
    }
}

/// Writes the gathered samples; the file appears whole or not at all.
fn shard(writer: &mut MdsWriter, folder: &Path, written: &mut MdsWritten) -> Result<()> {
    let path = folder.join(writer.next_name());
    let made = tempfile::NamedTempFile::new_in(folder);
    let file = made.map_err(Error::io("cannot create a file in", folder))?;
    let mut to = BufWriter::with_capacity(1 << 20, file);
    let bytes = writer.write(&mut to).map_err(|e| e.path(&path))?;
    to.flush().map_err(Error::io("cannot write", &path))?;
    let file = to
        .into_inner()
        .map_err(|e| Error::io("cannot write", &path)(e.into_error()))?;
    file.as_file()
        .sync_all()
        .map_err(Error::io("cannot sync", &path))?;
    let kept = file
        .persist(&path)
        .map_err(|e| Error::io("cannot name", &path)(e.error))?;
    readable(&kept).map_err(Error::io("cannot share", &path))?;
    written.shards += 1;
    written.bytes += bytes;
    Ok(())
}

/// Temporary files are their owner's alone; datasets are for all who may read the folder.
fn readable(file: &fs::File) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}
