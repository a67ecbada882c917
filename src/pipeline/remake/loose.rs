//! [`repair_shards`]: shards without a manifest, by their index, else by finding one's way back.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kpack_formats::{
    Blob, Compression, Extent, Format, IndexEntry, Layout, Stretch, WriteOptions, tfrecord,
    webdataset,
};

use crate::pipeline::enter::remove_work;
use crate::pipeline::files::open_rw;
use crate::pipeline::folder::Folder;
use crate::pipeline::log::Log;
use crate::pipeline::piece::{Piece, Stored};
use crate::pipeline::remake::repair::{Lost, Repaired, begin};
use crate::pipeline::remake::source::{checksum, inflate, members};
use crate::pipeline::shard_file::ShardFile;
use crate::pipeline::target::ShardTarget;
use crate::verify::index;
use crate::{Error, Result};

/// Writes the whole samples of each of `shards` into a shard of the same name in the folder `out`,
/// with an index. With an index beside a damaged shard all whole samples are found; without one those
/// of which that can be told, in front of the damage and behind it.
///
/// # Errors
/// [`Error::Usage`] where `out` is not empty, two shards have one name, or a file is no shard;
/// [`Error::Io`], [`Error::Format`].
pub fn repair_shards(shards: &[PathBuf], out: &Path) -> Result<Repaired> {
    let mut names: Vec<_> = shards.iter().map(|path| path.file_name()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        let name = pair[0].unwrap_or_default().to_string_lossy().into_owned();
        return Err(Error::usage(format!(
            "two shards are called {name}: repair them into folders of their own"
        )));
    }
    let first = shards.first().and_then(|path| path.parent());
    let folder = begin(first.unwrap_or(Path::new("")), out)?;
    let log_path = folder.log(0, 1);
    let mut log = Log::continue_at(open_rw(&log_path)?, &log_path, 0)?;
    let mut repaired = Repaired {
        whole: 0,
        lost: Vec::new(),
        shards: Vec::new(),
        dataset: None,
    };
    for path in shards {
        one(path, &folder, &mut log, &mut repaired)?;
    }
    remove_work(&folder)?;
    Ok(repaired)
}

/// A sample that is whole, or not.
struct Found {
    key: Option<String>,
    extent: Extent,
    lost: Option<String>,
}

fn one(path: &Path, folder: &Folder, log: &mut Log, repaired: &mut Repaired) -> Result<()> {
    let format = kpack_formats::sniff(path)?;
    if !matches!(format.layout, Layout::Log { .. }) {
        return Err(Error::usage(format!("{}: is no shard", path.display())));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let compression = compression(&name);
    let file = match compression {
        Compression::None => File::open(path).map_err(Error::io("cannot open", path))?,
        packed => inflate(path, packed, &folder.work)?,
    };
    let length = file.metadata().map_err(Error::io("cannot examine", path))?;
    let shard = Blob::File {
        file: Arc::new(file),
        path: Arc::from(path),
        offset: 0,
        length: length.len(),
    };
    let target = ShardTarget {
        format,
        write: WriteOptions::default(),
        compression,
        level: None,
    };
    let mut open = ShardFile::create(folder, &target, &name, None)?;
    for found in find(path, &shard, &target)? {
        let Found { key, extent, lost } = found;
        if let Some(reason) = lost {
            repaired.lost.push(Lost {
                file: path.to_owned(),
                key: key.unwrap_or_default(),
                offset: Some(extent.offset),
                remade: false,
                reason: Some(reason),
            });
            continue;
        }
        let key = key.unwrap_or_default();
        let stored = Stored {
            key: &key,
            shard: &shard,
            path,
            extent: &extent,
        };
        let extent = open.write(Piece::Stored(stored))?;
        open.keep(&key, &extent)?;
        repaired.whole += 1;
    }
    if open.samples > 0 {
        let record = open.commit(folder, log)?;
        repaired.shards.push(record.name);
    }
    Ok(())
}

/// By the name: damage may have hit the bytes that tell.
fn compression(name: &str) -> Compression {
    match name.rsplit('.').next() {
        Some("gz") => Compression::Gzip,
        Some("zlib" | "zz") => Compression::Zlib,
        Some("zst") => Compression::Zstd,
        _ => Compression::None,
    }
}

/// The samples of a shard: those of its index, and behind them those that can be found.
fn find(path: &Path, shard: &Blob, target: &ShardTarget) -> Result<Vec<Found>> {
    let (index, damage) = match index::read(path) {
        Some((index, damage)) => (index, damage.is_some()),
        None => (index::Index::empty(), true),
    };
    let end = index.end();
    let mut found: Vec<Found> = index
        .entries
        .into_iter()
        .map(|e| indexed(shard, e))
        .collect();
    if damage {
        let stem = path.file_name().unwrap_or_default().to_string_lossy();
        let stem = stem.split('.').next().unwrap_or_default();
        for stretch in stretches(target.format, shard, end, (path, stem))? {
            found.push(searched(shard, stretch, target));
        }
    }
    Ok(found)
}

fn stretches(
    format: &Format,
    shard: &Blob,
    from: u64,
    (path, stem): (&Path, &str),
) -> Result<Vec<Stretch>> {
    Ok(match format.name {
        "webdataset" => webdataset::salvage(shard, from, path)?,
        _ => tfrecord::salvage(shard, from, stem)?,
    })
}

fn indexed(shard: &Blob, IndexEntry { key, extent }: IndexEntry) -> Found {
    let lost = match checksum(shard, extent.offset, extent.length) {
        Some(crc) if crc == extent.crc32c => None,
        Some(_) => Some("it does not match its checksum".to_owned()),
        None => Some("the shard ends before it does".to_owned()),
    };
    Found {
        key: Some(key),
        extent,
        lost,
    }
}

fn searched(shard: &Blob, stretch: Stretch, target: &ShardTarget) -> Found {
    let Stretch {
        key,
        offset,
        length,
        mut lost,
    } = stretch;
    let mut extent = Extent {
        offset,
        length,
        crc32c: 0,
        members: Vec::new(),
    };
    if lost.is_none() {
        match checksum(shard, offset, length) {
            Some(crc) => extent.crc32c = crc,
            None => lost = Some("it cannot be read".to_owned()),
        }
        extent.members = members(shard, &extent, target).unwrap_or_default();
    }
    Found { key, extent, lost }
}
