//! Schema `dmvr`: a `tf.train.SequenceExample` with the keys of DMVR and of MediaSequence.
//!
//! | context feature | kind | holds |
//! |---|---|---|
//! | `example/id` | bytes | the key |
//! | `clip/label/index` | int64 list | the labels' indexes |
//! | `clip/label/text`, `clip/label/string` | bytes list | the labels' texts (DMVR, MediaSequence) |
//! | `video/filename`, `clip/data_path` | bytes | metadata `source` |
//! | `clip/start/timestamp`, `clip/end/timestamp` | int64 | microseconds: `start`, `end`, else `got_start`, `got_end` |
//! | `image/format` | bytes | `jpeg`, `png` or `webp`, where there are frames |
//! | `image/height`, `image/width`, `image/channels` | int64 | metadata `height`, `width`; 3 |
//! | `image/frame_rate` | float | metadata `fps` |
//! | `WAVEFORM/feature/sample_rate` | float | metadata `sample_rate` |
//! | `WAVEFORM/feature/num_channels`, `.../num_samples` | int64 | from the array |
//! | `clip/encoded_media_bytes`, `kpack/media_name` | bytes | the video blob and its name |
//! | `kpack/frame_names` | bytes list | only where frames are not named 000001 on |
//! | `kpack/blob/NAME` | bytes | any other blob |
//! | `kpack/json` | bytes | the metadata, compact |
//!
//! | feature list | a step holds |
//! |---|---|
//! | `image/encoded` | one frame |
//! | `image/timestamp` | its time in microseconds, from metadata `frame_times` (seconds) |
//! | `WAVEFORM/feature/floats` | step 0: the whole sound of blob `npy`, interleaved |
//!
//! What a sample lacks is left out; without frames there is no list. A feature in a record made
//! elsewhere that these rules would not write the same again becomes a blob
//! ([`super::foreign`]), which on writing comes before what the rules would give.

mod facts;
mod read;

use std::borrow::Cow;

use facts::{Parts, facts};
pub(super) use read::read;

use super::encode::{Data, List, Record, Steps, Value};
use super::{BLOB, foreign};
use crate::{Blob, Result, Sample, npy};

/// Holds the key, whatever a record made elsewhere had there.
const KEY: &str = "example/id";
const FRAMES: &str = "image/encoded";
const FLOATS: &str = "WAVEFORM/feature/floats";

/// Lays `sample` out; `json` is its complete metadata, encoded.
pub(super) fn lay_out<'a>(sample: &'a Sample, json: &'a Option<Blob>) -> Result<Record<'a>> {
    let parts = Parts::of(sample)?;
    let mut record = facts(sample, &parts);
    record.text(KEY, &sample.key);
    labels(sample, &mut record);
    if let Some(json) = json {
        record.blob("kpack/json", "json", json);
    }
    if !parts.frames.is_empty() {
        let step =
            |&(name, blob): &(&'a str, &'a Blob)| (Value::Bytes(Data::blob(blob)), Some(name));
        list(&mut record, FRAMES, parts.frames.iter().map(step).collect());
    }
    if let (Some(array), Some(blob)) = (&parts.array, sample.blobs.get("npy")) {
        let offset = array.data_offset;
        list(
            &mut record,
            FLOATS,
            vec![(Value::Floats(Data::Range { blob, offset }), None)],
        );
        if !is_canonical(array, blob)? {
            record.blob(format!("{BLOB}npy"), "npy", blob);
        }
    }
    if let Some((name, blob)) = parts.media {
        record.blob("clip/encoded_media_bytes", name, blob);
    }
    for (name, blob) in parts.others {
        let entry = foreign::restore(name, blob)?.filter(|entry| entry.key != KEY);
        if let Some(entry) = entry {
            record.context.push(entry);
        } else if let Some(list) = foreign::restore_list(name, blob)? {
            record.lists.push(list);
        } else {
            record.blob(format!("{BLOB}{name}"), name, blob);
        }
    }
    Ok(record)
}

fn list<'a>(record: &mut Record<'a>, key: &'static str, steps: Vec<(Value<'a>, Option<&'a str>)>) {
    record.lists.push(List {
        key: Cow::Borrowed(key),
        steps: Steps::Values(steps),
    });
}

fn labels<'a>(sample: &'a Sample, record: &mut Record<'a>) {
    let indexes: Vec<i64> = sample.labels.iter().filter_map(|l| l.index).collect();
    if !indexes.is_empty() {
        record.ints("clip/label/index", indexes);
    }
    let texts: Vec<Data> = sample
        .labels
        .iter()
        .filter_map(|l| l.text.as_deref())
        .map(Data::text)
        .collect();
    if !texts.is_empty() {
        record.put("clip/label/text", Value::Many(texts.clone()));
        record.put("clip/label/string", Value::Many(texts));
    }
}

/// Whether the array's header is the one that a reader would put in front of the floats again.
fn is_canonical(array: &npy::Array, blob: &Blob) -> Result<bool> {
    let ours = npy::header(array.frames, array.channels);
    let mut theirs = vec![0; ours.len()];
    if array.data_offset != ours.len() as u64 {
        return Ok(false);
    }
    blob.read_at(0, &mut theirs)?;
    Ok(ours == theirs)
}
