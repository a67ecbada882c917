//! Records to samples. Which schema a record has is seen from its features: SequenceExample and
//! Example agree in field 1, so both are decoded as the former.

use std::path::Path;

use bytes::Bytes;
use prost::Message;

use super::proto::SequenceExample;
use super::{RecordReader, dmvr, example, guard, sound};
use crate::names::safe_key;
use crate::{Error, Limits, ReadOptions, Reading, Result, Sample, ShardReader};

struct Reader {
    records: RecordReader,
    limits: Limits,
    /// File name up to its first dot, for keys of records that have none.
    stem: String,
}

pub(super) fn open(path: &Path, options: &ReadOptions) -> Result<Reading> {
    Ok(over(RecordReader::open(path, options)?, options))
}

pub(super) fn read(bytes: Bytes, path: &Path, options: &ReadOptions) -> Reading {
    over(RecordReader::of_bytes(bytes, path, options), options)
}

fn over(records: RecordReader, options: &ReadOptions) -> Reading {
    let name = records
        .path()
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let stem = name.split('.').next().unwrap_or_default().to_owned();
    Box::new(Reader {
        records,
        limits: options.limits,
        stem,
    })
}

impl ShardReader for Reader {
    fn next_sample(&mut self) -> Result<Option<Sample>> {
        let record = self.records.record();
        let Some(payload) = self.records.next_record()? else {
            return Ok(None);
        };
        let key = || safe_key(&format!("{}-{record:06}", self.stem));
        let sample = sample_of(payload, &self.limits, key).map_err(|e| {
            let (offset, _) = self.records.position();
            e.path(self.records.path()).offset(offset).record(record)
        })?;
        Ok(Some(sample))
    }

    fn position(&self) -> (u64, u64) {
        self.records.position()
    }
}

/// The sample that a record's payload holds; `fallback` gives its key where the record has none.
///
/// # Errors
/// [`crate::Kind::Corrupt`] if the payload is no `tf.train.Example` or `SequenceExample`,
/// [`crate::Kind::Limit`] if it holds more values than a sample may have members.
pub fn sample_of(
    payload: Bytes,
    limits: &Limits,
    fallback: impl FnOnce() -> String,
) -> Result<Sample> {
    guard::check(&payload, limits)?;
    let message = SequenceExample::decode(payload)
        .map_err(|e| Error::corrupt(format!("the record is no tf.train.Example: {e}")))?;
    let context = message.context.unwrap_or_default().feature;
    if message.feature_lists.is_some() || context.contains_key(dmvr::KEY) {
        let lists = message.feature_lists.unwrap_or_default().feature_list;
        return dmvr::read(context, lists, fallback);
    }
    if let Some(sample) = sound::read(&context) {
        return Ok(sample);
    }
    example::read(context, fallback)
}
