//! Samples to members.

use std::fs::File;

use super::header::{self, BLOCK, SIZE_MAX};
use crate::labels::Place;
use crate::log::Log;
use crate::names::{check_blob_name, check_key, is_passed_over};
use crate::{
    Blob, Error, Extent, Member, Meta, Result, Sample, ShardInfo, ShardWriter, WriteOptions,
};

struct Writer {
    log: Log,
    /// `KEY.NAME` of the member being written.
    path: String,
}

pub(super) fn create(
    file: File,
    at: u64,
    _options: &WriteOptions,
) -> Result<Box<dyn ShardWriter + Send>> {
    Ok(Box::new(Writer {
        log: Log::continue_at(file, at)?,
        path: String::new(),
    }))
}

impl ShardWriter for Writer {
    fn append(&mut self, sample: &Sample) -> Result<Extent> {
        self.write(sample).map_err(|e| e.key(&sample.key))
    }

    fn finish(self: Box<Self>) -> Result<ShardInfo> {
        self.log.finish(&[0; 2 * BLOCK])
    }
}

impl Writer {
    fn write(&mut self, sample: &Sample) -> Result<Extent> {
        check(sample)?;
        let meta = Place::Cls.complete(sample);
        let (cls, json) = (cls(sample), json(&meta)?);
        let mut members: Vec<(&str, &Blob)> = Vec::with_capacity(sample.blobs.len() + 2);
        members.extend(
            sample
                .blobs
                .iter()
                .map(|(name, blob)| (name.as_str(), blob)),
        );
        for (name, own) in [("cls", &cls), ("json", &json)] {
            let Some(own) = own else { continue };
            if sample.blobs.contains_key(name) {
                return Err(Error::usage(format!(
                    "blob {name} cannot stand beside labels and metadata, which need the member \
                     {name}; rename or drop it"
                )));
            }
            let at = members.partition_point(|(other, _)| *other < name);
            members.insert(at, (name, own));
        }
        if members.is_empty() {
            return Err(Error::usage("an empty sample cannot be written to a tar"));
        }
        let path = &mut self.path;
        self.log.sample(|log| {
            let offset = log.position();
            let mut written = Vec::with_capacity(members.len());
            for (name, blob) in members {
                path.clear();
                path.extend([sample.key.as_str(), ".", name]);
                written.push(write_member(log, path, name, blob)?);
            }
            let length = log.position() - offset;
            Ok(Extent {
                offset,
                length,
                crc32c: log.take_crc(),
                members: written,
            })
        })
    }
}

/// Refuses what this format cannot hold, before anything is written.
fn check(sample: &Sample) -> Result<()> {
    check_key(&sample.key)?;
    let top = sample.key.split_once('/').map_or("", |(top, _)| top);
    if is_passed_over(top) {
        let text = format!("folder {top} of the key would be passed over by webdataset's reader");
        return Err(Error::usage(text));
    }
    for (name, blob) in &sample.blobs {
        check_blob_name(name)?;
        blob.check_length()?;
        if blob.len() > SIZE_MAX {
            return Err(Error::limit(format!(
                "blob {name} is {} bytes long, and a tar member holds {SIZE_MAX}; cut the video \
                 into shorter clips",
                blob.len()
            )));
        }
    }
    Ok(())
}

fn cls(sample: &Sample) -> Option<Blob> {
    let index = Place::Cls.show(&sample.labels).indexes.first().copied()?;
    Some(Blob::from(index.to_string().into_bytes()))
}

fn json(meta: &Meta) -> Result<Option<Blob>> {
    if meta.is_empty() {
        return Ok(None);
    }
    let json = serde_json::to_vec(meta)
        .map_err(|e| Error::usage(format!("the metadata cannot be written as JSON: {e}")))?;
    Ok(Some(Blob::from(json)))
}

fn write_member(log: &mut Log, path: &str, name: &str, blob: &Blob) -> Result<Member> {
    let length = blob.len();
    header::write(path, length, log.buffer());
    let offset = log.position();
    let crc32c = log.blob(blob, 0, length)?;
    let padding = (BLOCK as u64 - length % BLOCK as u64) % BLOCK as u64;
    log.put(&[0; BLOCK][..padding as usize]);
    Ok(Member {
        name: name.to_owned(),
        offset,
        length,
        crc32c,
        frames: None,
    })
}
