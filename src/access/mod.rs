//! One sample of many shards, by its key or number, without reading the others: `SHARD.kidx` says
//! where it lies, and only its bytes are mapped and checked.
//!
//! [`Video`] decodes in this process, because that is fast and the shards are one's own; a file that
//! crashes libav crashes the process. [`frames`] and [`thumbnails`] leave that to
//! [`Workers`](crate::worker::Workers).
//!
//! ```no_run
//! use kpack::access::{Lookup, Wanted, look_up};
//!
//! let shards = ["out/train-000000.tar".into(), "out/train-000001.tar".into()];
//! if let Lookup::Found(found) = look_up(&shards, Wanted::Key("run/clip_7"))? {
//!     println!("{} blobs in {}", found.sample.blobs.len(), found.shard.display());
//! }
//! # Ok::<(), kpack::Error>(())
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use kpack_formats::{Format, IndexEntry, IndexReader, Limits, ReadOptions, Sample};

use crate::mmap::{Walk, map};
use crate::{Error, Result, bounded};

mod pictures;
mod video;

pub use pictures::{Form, Frames, Picture, frames, thumbnails};
pub(crate) use pictures::{Shrink, TakeFrames};
pub use video::{FrameRange, Video};

/// Which sample.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    /// The first with this key.
    Key(&'a str),
    /// The one with this number, from 0 through all shards.
    Index(u64),
}

/// A sample and where it is.
#[derive(Debug)]
pub struct Located {
    /// Its shard.
    pub shard: PathBuf,
    /// The shard's format.
    pub format: &'static Format,
    /// Its number, from 0 through all shards.
    pub index: u64,
    /// Offset and length in the shard.
    pub position: (u64, u64),
    /// The sample; its blobs share the mapped shard.
    pub sample: Sample,
}

/// What came of looking a sample up.
#[derive(Debug)]
pub enum Lookup {
    /// Here it is.
    Found(Box<Located>),
    /// The indexes of all shards know no such sample.
    Absent,
    /// A shard has no index, or not its own, or is compressed: only reading it tells.
    NoIndex,
}

/// Looks one sample up in the indexes of `shards`.
///
/// # Errors
/// [`Error::Format`] for a damaged sample, or an index that is no index; [`Error::Io`].
pub fn look_up(shards: &[PathBuf], wanted: Wanted<'_>) -> Result<Lookup> {
    let mut first = 0;
    for shard in shards {
        let Some(mut index) = index_of(shard)? else {
            return Ok(Lookup::NoIndex);
        };
        let place = |e: kpack_formats::Error| e.path(&kidx(shard));
        let length = fs::metadata(shard)
            .map_err(Error::io("cannot examine", shard))?
            .len();
        let (samples, bytes) = index.totals().map_err(place)?;
        if bytes != length {
            return Ok(Lookup::NoIndex);
        }
        let next = first + samples;
        if !matches!(wanted, Wanted::Index(index) if index >= next)
            && let Some((number, entry)) = search(&mut index, first, wanted).map_err(place)?
        {
            return read(shard, number, &entry);
        }
        first = next;
    }
    Ok(Lookup::Absent)
}

/// Reads the index of a shard, whose first sample is number `first` of all, up to the sample that is
/// wanted. Keys are stored as their difference from the one before, so there is no way around those.
fn search(
    index: &mut IndexReader,
    first: u64,
    wanted: Wanted<'_>,
) -> kpack_formats::Result<Option<(u64, IndexEntry)>> {
    let mut number = first;
    while let Some(mut entry) = index.next_brief()? {
        let this = match wanted {
            Wanted::Key(key) => entry.key == key,
            Wanted::Index(index) => index == number,
        };
        if this {
            index.read_tables(&mut entry)?;
            return Ok(Some((number, entry)));
        }
        number += 1;
    }
    Ok(None)
}

fn kidx(shard: &Path) -> PathBuf {
    let mut name = shard.as_os_str().to_owned();
    name.push(".kidx");
    name.into()
}

fn index_of(shard: &Path) -> Result<Option<IndexReader>> {
    let path = kidx(shard);
    match bounded::open(&path) {
        Ok(file) => {
            let index = IndexReader::new(file, Limits::default());
            index.map(Some).map_err(|e| e.path(&path).into())
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("cannot open", &path)(e)),
    }
}

fn read(shard: &Path, index: u64, entry: &kpack_formats::IndexEntry) -> Result<Lookup> {
    let format = kpack_formats::sniff(shard)?;
    let bytes = map(shard, Walk::Parts).map_err(Error::io("cannot map", shard))?;
    let extent = &entry.extent;
    let range = extent.offset as usize..extent.offset.saturating_add(extent.length) as usize;
    let damaged = |what: &str| {
        let e = kpack_formats::Error::corrupt(what).path(shard);
        Error::Format(e.key(&entry.key).offset(extent.offset))
    };
    let plain = (format.sniff)(&bytes[..bytes.len().min(1024)]);
    let (Some(reader), true) = (format.read, plain) else {
        return Ok(Lookup::NoIndex);
    };
    if range.end > bytes.len() || range.start > range.end {
        return Err(damaged("the index points behind the end of the shard"));
    }
    let bytes = bytes.slice(range);
    if kpack_formats::crc32c(&bytes) != extent.crc32c {
        return Err(damaged(
            "the sample does not match the checksum of its index",
        ));
    }
    let sample = reader(bytes, shard, &ReadOptions::default()).next_sample()?;
    let mut sample = sample.ok_or_else(|| damaged("the index points at no sample"))?;
    // A record without a key of its own was given one by its number in the shard.
    sample.key.clone_from(&entry.key);
    sample.frame_tables = extent.tables();
    Ok(Lookup::Found(Box::new(Located {
        shard: shard.to_owned(),
        format,
        index,
        position: (extent.offset, extent.length),
        sample,
    })))
}
