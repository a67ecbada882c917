//! Records counted.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Failure, Means, Record, State, Stats, overlap};

/// One value and how many clips have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bar {
    /// The value as text.
    pub value: String,
    /// Clips that have it.
    pub clips: u64,
}

/// Clips by ranges of a value.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Histogram {
    /// Where the first range begins.
    pub from: f64,
    /// Width of a range; the last one includes its end.
    pub step: f64,
    /// Clips in each range.
    pub counts: Vec<u64>,
    /// Clips whose value is known.
    pub known: u64,
    /// The smallest value.
    pub min: f64,
    /// The middle value.
    pub median: f64,
    /// The largest value.
    pub max: f64,
    /// The mean.
    pub mean: f64,
}

/// Most ranges of a histogram.
const RANGES: usize = 24;

/// Counts everything.
pub fn stats(
    inputs: Vec<String>,
    records: &[Record],
    channels: Option<Means>,
    notes: Vec<String>,
) -> Stats {
    let mut stats = Stats {
        overlaps: overlap::overlaps(records, &inputs),
        inputs,
        channels,
        notes,
        ..Stats::default()
    };
    let mut durations = Vec::new();
    let mut maps: [BTreeMap<String, u64>; 4] = Default::default();
    for record in records {
        let split = record.split.clone().unwrap_or_default();
        stats.total.add(record.state);
        stats.splits.entry(split).or_default().add(record.state);
        for label in &record.labels {
            let class = stats.classes.entry(label.clone()).or_default();
            class.add(record.state);
        }
        if record.labels.is_empty() {
            stats
                .classes
                .entry(String::new())
                .or_default()
                .add(record.state);
        }
        if record.state != State::Found {
            fail(&mut stats, record);
        }
        if matches!(record.state, State::Found | State::Short) {
            stats.bytes = stats.bytes.saturating_add(record.bytes);
            stats.seconds += record.duration.unwrap_or(0.0);
            durations.extend(record.duration);
            for (map, value) in maps.iter_mut().zip(values(record)) {
                if let Some(value) = value {
                    *map.entry(value).or_default() += 1;
                }
            }
        }
    }
    stats.duration = histogram(durations);
    let [fps, size, video, audio] = maps.map(bars);
    (stats.fps, stats.size) = (fps, size);
    (stats.video_codec, stats.audio_codec) = (video, audio);
    stats
}

fn fail(stats: &mut Stats, record: &Record) {
    let class = match record.class {
        Some(class) => class.as_str(),
        None if record.state == State::Skipped => "skipped",
        None => "too-short",
    };
    *stats.failures_by_class.entry(class.to_owned()).or_default() += 1;
    stats.failures.push(Failure {
        key: record.key.clone(),
        split: record.split.clone(),
        state: record.state,
        class: record.class,
        reason: record.reason.clone().unwrap_or_default(),
    });
}

/// Frames per second, size, video and sound codec as text.
fn values(record: &Record) -> [Option<String>; 4] {
    let fps = |fps: f64| {
        let text = format!("{fps:.2}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    let sound = |codec: &String| match codec.as_str() {
        "" => "none".to_owned(),
        codec => codec.to_owned(),
    };
    [
        record.fps.map(fps),
        record
            .size
            .map(|(width, height)| format!("{width}x{height}")),
        record.video_codec.clone(),
        record.audio_codec.as_ref().map(sound),
    ]
}

/// Most frequent first.
fn bars(map: BTreeMap<String, u64>) -> Vec<Bar> {
    let bar = |(value, clips)| Bar { value, clips };
    let mut bars: Vec<Bar> = map.into_iter().map(bar).collect();
    // Stable, so that equals stay sorted by name.
    bars.sort_by_key(|bar| std::cmp::Reverse(bar.clips));
    bars
}

/// Ranges of a round width that hold all values.
fn histogram(mut values: Vec<f64>) -> Histogram {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    let (Some(min), Some(max)) = (values.first().copied(), values.last().copied()) else {
        return Histogram::default();
    };
    let least = ((max - min) / RANGES as f64).max(1e-3);
    let power = 10_f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= least)
        .unwrap_or(least);
    let from = (min / step).floor() * step;
    let range = |value: f64| ((value - from) / step + 1e-9).floor().max(0.0) as usize;
    let mut counts = vec![0; range(max) + 1];
    for value in &values {
        if let Some(count) = counts.get_mut(range(*value)) {
            *count += 1;
        }
    }
    Histogram {
        from,
        step,
        counts,
        known: values.len() as u64,
        min,
        median: values.get(values.len() / 2).copied().unwrap_or(min),
        max,
        mean: values.iter().sum::<f64>() / values.len() as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_hold_every_value_in_round_ranges() {
        for values in [
            vec![10.0; 5],
            vec![0.1, 9.999, 10.0, 10.04],
            vec![0.0],
            vec![3.0, 7200.0, f64::NAN],
        ] {
            let known = values.iter().filter(|v| v.is_finite()).count() as u64;
            let histogram = histogram(values);
            assert_eq!(histogram.counts.iter().sum::<u64>(), known, "{histogram:?}");
            assert!(histogram.counts.len() <= RANGES + 2, "{histogram:?}");
            assert!(histogram.from <= histogram.min, "{histogram:?}");
        }
        assert_eq!(histogram(Vec::new()), Histogram::default());
    }
}
