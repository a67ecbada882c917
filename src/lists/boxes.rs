//! The boxes of annotated persons, and the rate of the frames, from the JSON beside a clip.

use std::path::Path;

use kpack_formats::lists::BoxLabel;
use serde::Deserialize;

use crate::bounded;

/// The part of the JSON that is about boxes and when frames are shown.
#[derive(Deserialize)]
struct Beside {
    #[serde(default)]
    annotations: Vec<Annotation>,
    #[serde(default)]
    fps: Option<f64>,
    /// Seconds.
    #[serde(default)]
    frame_times: Vec<f64>,
}

/// An annotated instant: seconds from the start of the clip, the frame shown then, and where a
/// person is seen.
#[derive(Deserialize)]
struct Annotation {
    clip_timestamp: f64,
    #[serde(default)]
    frame: Option<u64>,
    #[serde(rename = "box", default)]
    corners: Option<[f64; 4]>,
    #[serde(default)]
    label: Option<i64>,
    #[serde(default)]
    person: Option<i64>,
}

/// The boxes of a clip, and its frames per second where frames follow each other evenly.
pub(super) type Boxes = (Vec<BoxLabel>, Option<f64>);

/// Reads the boxes of a clip; none for a clip without a JSON.
pub(super) fn read(json: Option<&Path>) -> Result<Boxes, String> {
    let Some(path) = json else {
        return Ok(Boxes::default());
    };
    let bytes = match bounded::read(path, bounded::BESIDE) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Boxes::default()),
        Err(e) => return Err(format!("{} cannot be read: {e}", path.display())),
    };
    let beside: Beside = serde_json::from_slice(&bytes).map_err(|e| {
        format!(
            "{} holds no annotations as kpack writes them: {e}",
            path.display()
        )
    })?;
    let rate = rate(beside.fps, &beside.frame_times);
    let boxed = |one: Annotation| {
        Some(BoxLabel {
            time: one.clip_timestamp,
            corners: one.corners?,
            action: one.label,
            person: one.person,
            frame: one.frame,
        })
    };
    let boxes = beside.annotations.into_iter().filter_map(boxed);
    Ok((boxes.collect(), rate))
}

/// Seconds by which the time of a frame may be off, in a container that counts in milliseconds.
const TICK: f64 = 1.1e-3;

/// Frames per second, if the frames follow each other evenly: as their times say to the tick, else
/// `fps`, where no frame is further than one from where that rate has it.
fn rate(fps: Option<f64>, times: &[f64]) -> Option<f64> {
    let fps = fps.filter(|fps| *fps > 0.0)?;
    let (first, last) = (*times.first()?, *times.last()?);
    let (since, steps) = (|time: f64| time - first, times.len() - 1);
    let own = steps as f64 / since(last).max(f64::MIN_POSITIVE);
    let exact = |(k, time): (usize, &f64)| (since(*time) - k as f64 / own).abs() <= TICK;
    if steps > 0 && times.iter().enumerate().all(exact) {
        return Some(usual(own));
    }
    let late = |(k, time): (usize, &f64)| since(*time) > (k as f64 + 1.0) / fps + TICK;
    let early = |(k, pair): (usize, &[f64])| matches!(pair, [now, next] if next > now && since(*next) < (k as f64 - 1.0) / fps - TICK);
    let uneven = times.iter().enumerate().any(late) || times.windows(2).enumerate().any(early);
    (!uneven).then_some(usual(fps))
}

/// A rate without what times rounded to a tick add to it.
fn usual(rate: f64) -> f64 {
    let whole = rate.round();
    match (rate - whole).abs() <= 5e-4 * rate {
        true => whole,
        false => (rate * 1e3).round() / 1e3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_of_even_frames_is_known_and_uneven_ones_have_none() {
        let even =
            |fps: f64, n: u32| -> Vec<f64> { (0..n).map(|k| 7.0 + f64::from(k) / fps).collect() };
        let ticks = |times: Vec<f64>| -> Vec<f64> {
            times.iter().map(|t| (t * 1e3).round() / 1e3).collect()
        };
        assert_eq!(rate(Some(28.0), &even(28.0, 168)), Some(28.0));
        // The range of a clip is a little longer than its frames.
        let ntsc = 30000.0 / 1001.0;
        assert_eq!(rate(Some(30.05), &even(ntsc, 180)), Some(29.97));
        assert_eq!(rate(Some(30.0), &ticks(even(30.0, 180))), Some(30.0));
        // 10 a second of 25: each shows the frame before its instant.
        let shown = |k: u32| (f64::from(k) / 10.0 * 25.0 + 1e-6).floor() / 25.0;
        let tenths: Vec<f64> = (0..60).map(shown).collect();
        assert_eq!(rate(Some(10.0), &tenths), Some(10.0));
        // A still of two seconds, shown 20 times.
        let still: Vec<f64> = (0..40)
            .map(|k| if k < 20 { 0.0 } else { shown(k) })
            .collect();
        assert_eq!(rate(Some(10.0), &still), Some(10.0));
        let uneven = [0.0, 0.033, 0.067, 1.0, 1.033, 3.0, 3.1, 4.5];
        assert_eq!(rate(Some(1.78), &uneven), None);
        assert_eq!((rate(None, &uneven), rate(Some(30.0), &[])), (None, None));
    }
}
