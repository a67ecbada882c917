//! Samples to records.

use std::fs::File;

use super::encode::Record;
use super::{dmvr, example, frame, sound};
use crate::crc::crc32c_join;
use crate::labels::Place;
use crate::log::Log;
use crate::names::{check_blob_name, check_key};
use crate::{
    Blob, Error, Extent, Member, Result, Sample, Schema, ShardInfo, ShardWriter, WriteOptions,
};

/// Longest payload that protobuf readers accept, in bytes.
const PAYLOAD_MAX: u64 = (1 << 31) - 1;

struct Writer {
    log: Log,
    schema: Schema,
}

pub(super) fn create(
    file: File,
    at: u64,
    options: &WriteOptions,
) -> Result<Box<dyn ShardWriter + Send>> {
    let log = Log::continue_at(file, at)?;
    Ok(Box::new(Writer {
        log,
        schema: options.schema,
    }))
}

impl ShardWriter for Writer {
    fn append(&mut self, sample: &Sample) -> Result<Extent> {
        self.write(sample).map_err(|e| e.key(&sample.key))
    }

    fn finish(self: Box<Self>) -> Result<ShardInfo> {
        self.log.finish(&[])
    }
}

impl Writer {
    fn write(&mut self, sample: &Sample) -> Result<Extent> {
        check_key(&sample.key)?;
        sample
            .blobs
            .keys()
            .try_for_each(|name| check_blob_name(name))?;
        sample.blobs.values().try_for_each(Blob::check_length)?;
        let json = encoded_meta(sample)?;
        let mut record = match self.schema {
            Schema::Dmvr => dmvr::lay_out(sample, &json)?,
            Schema::Example => example::lay_out(sample, &json)?,
            Schema::Sound => sound::lay_out(sample)?,
        };
        record.sort();
        let length = record.len();
        if length > PAYLOAD_MAX {
            return Err(Error::limit(format!(
                "the record would be {length} bytes long, and its readers take {PAYLOAD_MAX}; use \
                 webdataset, or fewer or smaller frames"
            )));
        }
        self.log.sample(|log| write_record(log, &record, length))
    }
}

fn encoded_meta(sample: &Sample) -> Result<Option<Blob>> {
    let meta = Place::Lists.complete(sample);
    if meta.is_empty() {
        return Ok(None);
    }
    let json = serde_json::to_vec(&*meta)
        .map_err(|e| Error::usage(format!("the metadata cannot be written as JSON: {e}")))?;
    Ok(Some(Blob::from(json)))
}

fn write_record(log: &mut Log, record: &Record, length: u64) -> Result<Extent> {
    let start = log.position();
    log.put(&frame::header(length));
    let head = log.take_crc();
    let members: Vec<Member> = record.write(log)?;
    let payload = log.take_crc();
    debug_assert_eq!(log.position(), start + 12 + length);
    log.put(&frame::mask(payload).to_le_bytes());
    let crc32c = match log.since(start) {
        Some(all) if all.len() < 16 << 10 => crate::crc32c(all),
        _ => crc32c_join(crc32c_join(head, payload, length), log.take_crc(), 4),
    };
    Ok(Extent {
        offset: start,
        length: length + frame::OVERHEAD,
        crc32c,
        members,
    })
}
