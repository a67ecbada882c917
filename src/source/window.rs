//! What AVA's annotations become in a clip's metadata:
//!
//! ```text
//! "frame_rate": 30,
//! "annotations": [{"timestamp": 12.5, "clip_timestamp": 3.5, "frame": 105,
//!                  "box": [x1, y1, x2, y2], "label": 80, "person": 1}, ..]
//! ```
//!
//! `timestamp` is in the source, `clip_timestamp` in the clip, each of its own row; `frame` counts
//! from 0 in pictures of `frame_rate` a second. Box, label and person stand there where the file
//! has them; a box is left, top, right, bottom, each 0 to 1.

use kpack_formats::Meta;
use serde_json::{Value, json};

use super::ReadOptions;
use super::raw::Raw;
use crate::Time;

/// The columns of a row with annotations; none without.
pub(super) fn columns(raw: &Raw, options: &ReadOptions) -> Meta {
    let mut columns = Meta::new();
    if raw.annotations.is_empty() {
        return columns;
    }
    let (rate, per) = options.frame_rate.unwrap_or((30, 1));
    let start = raw.span.map(|span| span.start).unwrap_or_default();
    let annotation = |annotation: &super::raw::Annotation| {
        let at = annotation.at.since(start);
        let mut fields = Meta::new();
        fields.insert("timestamp".into(), seconds(annotation.at));
        fields.insert("clip_timestamp".into(), seconds(at));
        fields.insert("frame".into(), frame(at, rate, per).into());
        if let Some(sides) = annotation.region {
            fields.insert("box".into(), json!(sides));
        }
        for (name, number) in [("label", annotation.label), ("person", annotation.person)] {
            if let Some(number) = number {
                fields.insert(name.into(), number.into());
            }
        }
        Value::Object(fields)
    };
    let list: Vec<Value> = raw.annotations.iter().map(annotation).collect();
    let rate = match per {
        1 => rate.into(),
        _ => (f64::from(rate) / f64::from(per)).into(),
    };
    columns.insert("frame_rate".into(), rate);
    columns.insert("annotations".into(), list.into());
    columns
}

fn seconds(time: Time) -> Value {
    time.secs().into()
}

/// The picture on screen at `at`, from 0.
fn frame(at: Time, rate: u32, per: u32) -> i64 {
    let frames = i128::from(at.nanos()) * i128::from(rate);
    let frames = frames.div_euclid(1_000_000_000 * i128::from(per.max(1)));
    i64::try_from(frames).unwrap_or(i64::MAX)
}
