//! What AVA's annotations become in a clip's metadata:
//!
//! ```text
//! "annotations": [{"timestamp": 12.5, "clip_timestamp": 3.5,
//!                  "box": [x1, y1, x2, y2], "label": 80, "person": 1, "frame": 105}, ..]
//! ```
//!
//! `timestamp` is in the source, `clip_timestamp` in the clip, each of its own row. Box, label and
//! person stand there where the file has them; a box is left, top, right, bottom, each 0 to 1.
//! `frame` is the index, from 0, of the sample's picture shown at that instant: it is known once
//! the sample is made, and is absent where the sample has no pictures or the instant is outside.

use kpack_formats::Meta;
use serde_json::{Value, json};

use super::Clip;
use super::raw::Raw;
use crate::Time;
use crate::sample::Facts;

/// The columns of a row with annotations; none without.
pub(super) fn columns(raw: &Raw) -> Meta {
    let mut columns = Meta::new();
    if raw.annotations.is_empty() {
        return columns;
    }
    let start = raw.span.map(|span| span.start).unwrap_or_default();
    let annotation = |annotation: &super::raw::Annotation| {
        let mut fields = Meta::new();
        fields.insert("timestamp".into(), seconds(annotation.at));
        fields.insert("clip_timestamp".into(), seconds(annotation.at.since(start)));
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
    columns.insert("annotations".into(), list.into());
    columns
}

fn seconds(time: Time) -> Value {
    time.secs().into()
}

/// Writes into the annotations of a sample, made of `clip`, which picture each instant shows.
pub(crate) fn number_frames(meta: &mut Meta, clip: &Clip, facts: &Facts) {
    if !clip.columns.contains_key("annotations") || facts.frame_times.is_empty() {
        return;
    }
    let start = clip.span.map(|span| span.start).unwrap_or_default();
    let Some(Value::Array(list)) = meta.get_mut("annotations") else {
        return;
    };
    for annotation in list.iter_mut().filter_map(Value::as_object_mut) {
        let at = annotation.get("clip_timestamp").and_then(Value::as_f64);
        let at = at.map(Time::from_secs);
        let inside = at.filter(|at| *at >= Time::ZERO).map(|at| start.after(at));
        let inside = inside.filter(|at| facts.got_end.is_none_or(|end| *at < end));
        if let Some(at) = inside {
            let frame = shown(&facts.frame_times, at);
            annotation.insert("frame".into(), frame.into());
        }
    }
}

/// Half a tick of a container that counts in milliseconds, and its rounding: a picture stored so
/// much after an instant is the one for it.
const HALF_TICK: i64 = 500_002;

/// The picture shown `at` an instant: the last whose time is not after it, and of several that
/// show one frame the first. Before the first picture that one.
fn shown(times: &[Time], at: Time) -> usize {
    let at = at.after(Time::from_nanos(HALF_TICK));
    let after = times.partition_point(|time| *time <= at);
    let Some(last) = after.checked_sub(1).and_then(|last| times.get(last)) else {
        return 0;
    };
    times.partition_point(|time| time < last)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::source::Span;

    /// The frames of instants, in seconds from the start of a clip at 10 s of its media.
    fn frames(times: &[f64], end: f64, instants: &[f64]) -> Vec<Option<u64>> {
        let time = |s: &f64| Time::from_secs(*s);
        let list: Vec<Value> = (instants.iter().map(|at| json!({"clip_timestamp": at}))).collect();
        let mut meta = Meta::new();
        meta.insert("annotations".into(), list.into());
        let clip = Clip {
            span: Some(Span {
                start: time(&10.0),
                end: None,
            }),
            columns: meta.clone(),
            ..Clip::default()
        };
        let facts = Facts {
            frame_times: times.iter().map(time).collect(),
            got_end: Some(time(&end)),
            ..Facts::default()
        };
        number_frames(&mut meta, &clip, &facts);
        let list = meta["annotations"].as_array().unwrap();
        list.iter().map(|one| one["frame"].as_u64()).collect()
    }

    #[test]
    fn an_instant_has_the_picture_that_is_shown_then() {
        // 28 frames a second, in nanoseconds and in whole milliseconds.
        let exact: Vec<f64> = (0..168).map(|k| 10.0 + f64::from(k) / 28.0).collect();
        let round: Vec<f64> = exact.iter().map(|t| (t * 1e3).round() / 1e3).collect();
        for times in [exact, round] {
            assert_eq!(
                frames(&times, 16.0, &[0.0, 3.0, 1.0 / 28.0, 5.999]),
                [Some(0), Some(84), Some(1), Some(167)]
            );
        }
        // Uneven, begun late, and with a picture that is shown twice.
        let uneven = [10.2, 10.3, 12.0, 12.0, 13.5];
        assert_eq!(
            frames(&uneven, 14.0, &[0.0, 1.9, 2.0, 3.4, 3.6]),
            [Some(0), Some(1), Some(2), Some(2), Some(4)]
        );
    }

    #[test]
    fn an_instant_outside_has_none() {
        assert_eq!(frames(&[10.0, 11.0], 12.0, &[2.0, 3.0, -0.5]), [None; 3]);
        assert_eq!(frames(&[], 12.0, &[1.0]), [None]);
    }
}
