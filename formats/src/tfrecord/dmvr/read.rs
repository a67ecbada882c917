//! A record with the keys of DMVR or MediaSequence to a sample.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::super::encode::Value;
use super::super::example::take_labels;
use super::super::proto::{Feature, FeatureList};
use super::super::{BLOB, foreign};
use super::facts::{Parts, facts, is_media};
use super::{FLOATS, FRAMES, KEY};
use crate::labels::canonical_object;
use crate::names::{frame_number, is_blob_name};
use crate::{Blob, Meta, Result, Sample, npy};

type Context = BTreeMap<String, Feature>;
type Lists = BTreeMap<String, FeatureList>;

/// The sample that a record holds; `fallback` is its key where there is no `example/id`.
pub(in super::super) fn read(
    mut context: Context,
    mut lists: Lists,
    fallback: impl FnOnce() -> String,
) -> Result<Sample> {
    let stored = context
        .get(KEY)
        .and_then(Feature::one_text)
        .map(str::to_owned);
    if stored.is_some() {
        context.remove(KEY);
    }
    let key = stored.unwrap_or_else(fallback);
    let mut sample = Sample {
        key,
        ..Sample::default()
    };
    let json = context.get("kpack/json").and_then(Feature::one_bytes);
    let meta = json.and_then(|json| canonical_object(json));
    let known = meta.is_some();
    if let Some(meta) = meta {
        sample.meta = meta;
        context.remove("kpack/json");
    }
    let texts = ["clip/label/text", "clip/label/string"];
    take_labels(&mut sample, &mut context, "clip/label/index", &texts);
    let frames = take_frames(&mut sample, &context, &mut lists);
    take_sound(&mut sample, &context, &mut lists);
    take_blobs(&mut sample, &mut context);
    if !known && json_is_absent(&context) {
        sample.meta = meta_of(&context, &lists, frames);
    }
    keep_rest(&mut sample, &context, &lists)?;
    Ok(sample)
}

fn json_is_absent(context: &Context) -> bool {
    !context.contains_key("kpack/json")
}

/// The frames of `image/encoded`, if each step is one picture. Gives their number.
fn take_frames(sample: &mut Sample, context: &Context, lists: &mut Lists) -> usize {
    let Some(list) = lists.get(FRAMES) else {
        return 0;
    };
    let pictures: Option<Vec<&Bytes>> = list.feature.iter().map(Feature::one_bytes).collect();
    let Some(pictures) = pictures.filter(|p| !p.is_empty()) else {
        return 0;
    };
    let format = context
        .get("image/format")
        .and_then(Feature::one_text)
        .unwrap_or_default();
    let extension = match (format.to_ascii_lowercase().as_str(), &pictures[0][..]) {
        ("png", _) | ("", [0x89, b'P', b'N', b'G', ..]) => "png",
        ("webp", _) | ("", [b'R', b'I', b'F', b'F', ..]) => "webp",
        _ => "jpg",
    };
    let names = stored_names(context, pictures.len());
    for (i, picture) in pictures.iter().enumerate() {
        let name = match &names {
            Some(names) => names[i].to_owned(),
            None => format!("{:06}.{extension}", i + 1),
        };
        sample.blobs.insert(name, Blob::Bytes((*picture).clone()));
    }
    let count = pictures.len();
    lists.remove(FRAMES);
    count
}

/// The frames' own names, where they are stored, as many as the frames, and in order.
fn stored_names(context: &Context, count: usize) -> Option<Vec<&str>> {
    let list = context.get("kpack/frame_names")?.bytes()?;
    let names: Result<Vec<&str>, _> = list.iter().map(|n| std::str::from_utf8(n)).collect();
    let names = names.ok().filter(|names| names.len() == count)?;
    let numbered = names.iter().all(|n| frame_number(n).is_some());
    (numbered && names.is_sorted_by(|a, b| frame_number(a) < frame_number(b))).then_some(names)
}

/// The floats as an array, unless the array itself is stored too.
fn take_sound(sample: &mut Sample, context: &Context, lists: &mut Lists) {
    let steps = lists.get(FLOATS).map_or(&[][..], |list| &list.feature);
    let [step] = steps else { return };
    let Some(floats) = step.floats() else { return };
    let channels = context
        .get("WAVEFORM/feature/num_channels")
        .and_then(Feature::one_int);
    let channels = channels.and_then(|c| u64::try_from(c).ok()).unwrap_or(1);
    if channels == 0 || !(floats.len() as u64).is_multiple_of(channels) {
        return;
    }
    let stored = context
        .get(&format!("{BLOB}npy"))
        .and_then(Feature::one_bytes);
    let array = Bytes::from(npy::encode(floats, channels));
    match stored {
        None => drop(sample.blobs.insert("npy".to_owned(), Blob::Bytes(array))),
        Some(stored) if same_samples(stored, &array) => {}
        Some(_) => return,
    }
    lists.remove(FLOATS);
}

fn same_samples(a: &[u8], b: &[u8]) -> bool {
    let data = |bytes: &[u8]| {
        let array = npy::parse_header(bytes, bytes.len() as u64).ok()?;
        Some((
            array.frames,
            array.channels,
            bytes[array.data_offset as usize..].to_vec(),
        ))
    };
    data(a).is_some_and(|a| data(b) == Some(a))
}

fn take_blobs(sample: &mut Sample, context: &mut Context) {
    if let Some(bytes) = context
        .get("clip/encoded_media_bytes")
        .and_then(Feature::one_bytes)
    {
        let name = context.get("kpack/media_name").and_then(Feature::one_text);
        let name = name.filter(|n| is_media(n)).unwrap_or(match &bytes[..] {
            [0x1a, 0x45, 0xdf, 0xa3, ..] => "mkv",
            [b'R', b'I', b'F', b'F', ..] => "avi",
            _ => "mp4",
        });
        sample
            .blobs
            .insert(name.to_owned(), Blob::Bytes(bytes.clone()));
        context.remove("clip/encoded_media_bytes");
    }
    context.retain(|feature, value| {
        let name = feature.strip_prefix(BLOB).filter(|n| is_blob_name(n));
        match (name, value.one_bytes()) {
            (Some(name), Some(bytes)) if !sample.blobs.contains_key(name) => {
                sample
                    .blobs
                    .insert(name.to_owned(), Blob::Bytes(bytes.clone()));
                false
            }
            _ => true,
        }
    });
}

/// Metadata of a record made elsewhere, as far as its features name what kpack names.
fn meta_of(context: &Context, lists: &Lists, frames: usize) -> Meta {
    let mut meta = Meta::new();
    let mut put = |name: &str, value: Option<Json>| {
        value
            .into_iter()
            .for_each(|v| drop(meta.insert(name.to_owned(), v)));
    };
    let text = |name: &str| {
        context
            .get(name)
            .and_then(Feature::one_text)
            .map(Json::from)
    };
    let int = |name: &str| context.get(name).and_then(Feature::one_int);
    let float = |name: &str| {
        context
            .get(name)
            .and_then(Feature::one_float)
            .filter(|f| f.is_finite())
    };
    let seconds = |us: i64| us as f64 / 1e6;
    put(
        "source",
        text("video/filename").or_else(|| text("clip/data_path")),
    );
    put(
        "start",
        int("clip/start/timestamp").map(|us| json!(seconds(us))),
    );
    put(
        "end",
        int("clip/end/timestamp").map(|us| json!(seconds(us))),
    );
    put("width", int("image/width").map(Json::from));
    put("height", int("image/height").map(Json::from));
    put("fps", float("image/frame_rate").map(Json::from));
    put(
        "sample_rate",
        float("WAVEFORM/feature/sample_rate").map(Json::from),
    );
    let times = lists
        .get("image/timestamp")
        .map_or(&[][..], |list| &list.feature);
    let times: Option<Vec<f64>> = times.iter().map(|t| t.one_int().map(seconds)).collect();
    put(
        "frame_times",
        times
            .filter(|t| frames > 0 && t.len() == frames)
            .map(Json::from),
    );
    meta
}

/// Keeps every feature that writing the sample would not give again.
fn keep_rest(sample: &mut Sample, context: &Context, lists: &Lists) -> Result<()> {
    let (features, steps) = {
        let parts = Parts::of(sample)?;
        let again = facts(sample, &parts);
        let differs = |name: &str, feature: &Feature| {
            !again
                .context
                .iter()
                .any(|e| e.key == name && e.value.is(feature))
        };
        let list_differs = |name: &str, list: &FeatureList| {
            !again
                .lists
                .iter()
                .any(|l| l.key == name && l.steps.is(list))
        };
        let features: Vec<_> = context.iter().filter(|(n, f)| differs(n, f)).collect();
        let steps: Vec<_> = lists.iter().filter(|(n, l)| list_differs(n, l)).collect();
        (features, steps)
    };
    features
        .iter()
        .try_for_each(|(name, feature)| foreign::keep(sample, name, feature))?;
    steps
        .iter()
        .try_for_each(|(name, list)| foreign::keep_list(sample, name, list))
}

impl Value<'_> {
    /// Whether this is written as `feature`; of the small values that facts are made of.
    fn is(&self, feature: &Feature) -> bool {
        match self {
            Value::Ints(ints) => feature.ints() == Some(ints),
            Value::Bytes(data) => feature.one_bytes().is_some_and(|b| data.is(b)),
            Value::Floats(data) => feature
                .one_float()
                .is_some_and(|f| data.is(&f.to_le_bytes())),
            Value::Many(all) => feature.bytes().is_some_and(|list| {
                list.len() == all.len() && all.iter().zip(list).all(|(d, b)| d.is(b))
            }),
            Value::Unset | Value::List(_) => false,
        }
    }
}
