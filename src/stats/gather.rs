//! Records from rows of a packed dataset, or from files that are probed.

use std::fs::File;
use std::path::{Path, PathBuf};

use kpack_formats::Label;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::{Record, State, StatsOptions};
use crate::pipeline::{DATASET, Outcome, OutcomeRow, SAMPLES};
use crate::probe::{Depth, Probed, probe_with};
use crate::progress::Progress;
use crate::sample::Class;
use crate::source::{self, Clip, NamedBy, ReadOptions, Row, count, identity};
use crate::{Error, Result};

/// Seconds by which a clip may be shorter than its time range before it counts as short.
const SHORT: f64 = 0.5;

/// The clips of all inputs, and notes on them.
///
/// # Errors
/// An input that is not there, or holds neither rows nor media.
pub fn gather(
    inputs: &[PathBuf],
    options: &StatsOptions,
    progress: &dyn Progress,
) -> Result<(Vec<Record>, Vec<String>)> {
    let (mut records, mut notes) = (Vec::new(), Vec::new());
    for (set, input) in inputs.iter().enumerate() {
        crate::lists::unfinished(input)?;
        match rows_of(input) {
            Some(rows) => {
                let file = File::open(&rows).map_err(Error::io("cannot open", &rows))?;
                for row in OutcomeRow::read_all(file, &rows) {
                    records.push(of_outcome(row?, set));
                }
            }
            None => media(input, set, options, &mut records, &mut notes, progress)?,
        }
    }
    Ok((records, notes))
}

/// The file with one row a clip: of a packed folder, of a manifest, or `input` itself.
fn rows_of(input: &Path) -> Option<PathBuf> {
    if input.is_dir() {
        return Some(input.join(SAMPLES)).filter(|path| path.is_file());
    }
    let name = input.file_name()?.to_str()?;
    match name {
        DATASET => Some(input.with_file_name(SAMPLES)),
        SAMPLES | "fetch.jsonl" => Some(input.to_owned()),
        _ => None,
    }
}

fn of_outcome(row: OutcomeRow, set: usize) -> Record {
    let got = row.got_start.zip(row.got_end);
    let got = got.map(|(start, end)| end.since(start).secs());
    let by_frames = || Some(row.frames? as f64 / row.fps.filter(|fps| *fps > 0.0)?);
    let by_sound = || Some(row.audio_samples? as f64 / f64::from(row.sample_rate?));
    let duration = got.or_else(by_frames).or_else(by_sound);
    let asked = row.start.zip(row.end);
    let asked_length = asked.map(|(start, end)| end.since(start).secs());
    let state = match (row.outcome, row.class) {
        (Outcome::Skipped, _) => State::Skipped,
        (Outcome::Failed, class) => state_of(class),
        (Outcome::Done, _) if is_short(duration, asked_length) => State::Short,
        (Outcome::Done, _) => State::Found,
    };
    let reason = match state {
        State::Short => row.reason.or_else(|| short(duration, asked_length)),
        _ => row.reason,
    };
    let (id, named) = identity(&row.source);
    Record {
        set,
        id,
        range: asked
            .map(|(start, end)| (start.micros(), end.micros()))
            .or(named),
        split: row.split,
        labels: names(&row.label, &row.label_index),
        state,
        class: row.class,
        reason,
        media: row.media.map(PathBuf::from),
        // What is asked counts from the source's start, of which the media may be a cut.
        start: row.got_start.map_or(0.0, |start| start.secs()),
        duration: duration.filter(|_| row.outcome == Outcome::Done),
        fps: row.fps,
        size: row.width.zip(row.height),
        audio_codec: match (row.audio_codec, row.outcome) {
            (None, Outcome::Done) => Some(String::new()),
            (codec, _) => codec,
        },
        video_codec: row.video_codec,
        bytes: row.bytes.unwrap_or(0),
        key: row.key,
    }
}

fn names(texts: &[String], indexes: &[i64]) -> Vec<String> {
    match texts {
        [] => indexes.iter().map(i64::to_string).collect(),
        texts => texts.to_vec(),
    }
}

/// What a failure means for whoever looks for the clip.
fn state_of(class: Option<Class>) -> State {
    match class {
        Some(
            Class::Missing
            | Class::Gone
            | Class::Private
            | Class::GeoBlocked
            | Class::SignIn
            | Class::BotWall
            | Class::Copyright
            | Class::RateLimited
            | Class::Network,
        ) => State::Missing,
        Some(Class::TooShort) => State::Short,
        _ => State::Corrupt,
    }
}

fn is_short(duration: Option<f64>, asked: Option<f64>) -> bool {
    duration
        .zip(asked)
        .is_some_and(|(duration, asked)| duration + SHORT < asked)
}

fn short(duration: Option<f64>, asked: Option<f64>) -> Option<String> {
    let (duration, asked) = duration.zip(asked)?;
    Some(format!("{duration:.3} s long, {asked:.3} s were asked for"))
}

/// The rows of media and annotation files; each file is probed.
fn media(
    input: &Path,
    set: usize,
    options: &StatsOptions,
    records: &mut Vec<Record>,
    notes: &mut Vec<String>,
    progress: &dyn Progress,
) -> Result<()> {
    let read = ReadOptions {
        media_dir: options.media_dir.clone().filter(|_| !input.is_dir()),
        labels: options.labels.clone(),
        ..ReadOptions::default()
    };
    let rows = source::read(&[input.to_owned()], &read)?;
    notes.extend(rows.notes);
    let threads = options.threads.max(1);
    let workers = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|e| Error::usage(format!("cannot start {threads} threads: {e}")))?;
    progress.planned(rows.rows.len() as u64, 0);
    for some in rows.rows.chunks(threads * 16) {
        let look = |row: &Row| of_row(row, set, options);
        let found: Vec<Record> = workers.install(|| some.par_iter().map(look).collect());
        for record in found {
            progress.outcome(
                match record.state {
                    State::Found => Outcome::Done,
                    _ => Outcome::Failed,
                },
                0,
                0,
            );
            records.push(record);
        }
    }
    Ok(())
}

fn of_row(row: &Row, set: usize, options: &StatsOptions) -> Record {
    let mut record = of_clip(&row.clip, set);
    let depth = match options.decode {
        true => Depth::All,
        false => Depth::First,
    };
    let result = match (&row.problem, &row.clip.media) {
        (None, Some(file)) => probe_with(file, depth, &options.workers),
        (Some(problem), _) => Err(problem.clone()),
        (None, None) => Ok(Probed::default()),
    };
    match result {
        Ok(found) => fill(&mut record, &row.clip, found),
        Err(problem) => {
            record.state = state_of(Some(problem.class));
            record.class = Some(problem.class);
            record.reason = Some(problem.reason);
        }
    }
    record
}

fn of_clip(clip: &Clip, set: usize) -> Record {
    let (id, named) = match clip.named_by {
        NamedBy::Path => identity(&clip.source),
        NamedBy::Id | NamedBy::Url => (clip.source.clone(), None),
    };
    let asked = clip.asked().and_then(|span| Some((span.start, span.end?)));
    let text = |label: &Label| label.text.clone().or(Some(label.index?.to_string()));
    Record {
        set,
        key: clip.key.clone(),
        id,
        range: asked
            .map(|(start, end)| (start.micros(), end.micros()))
            .or(named),
        split: clip.split.clone(),
        labels: clip.labels.iter().filter_map(text).collect(),
        state: State::Found,
        class: None,
        reason: None,
        media: clip.media.clone(),
        start: clip.span.map_or(0.0, |span| span.start.secs()),
        duration: None,
        fps: None,
        size: None,
        video_codec: None,
        audio_codec: None,
        bytes: 0,
    }
}

/// What probing found out of the clip's file.
fn fill(record: &mut Record, clip: &Clip, found: Probed) {
    let by_frames = || Some(found.frames? as f64 / found.fps?);
    let whole = found.duration.map(|d| d.secs()).or_else(by_frames);
    record.duration = match (whole, clip.span) {
        (Some(whole), Some(span)) => {
            let end = span.end.map_or(whole, |end| end.secs().min(whole));
            Some((end - span.start.secs()).max(0.0))
        }
        (whole, _) => whole,
    };
    record.fps = found.fps;
    record.size = found.width.zip(found.height);
    record.audio_codec = Some(found.audio_codec.unwrap_or_default());
    record.video_codec = found.video_codec;
    record.bytes = found.bytes;
    let asked = record.range.map(|(start, end)| (end - start) as f64 / 1e6);
    if found.decode_errors > 0 {
        record.state = State::Corrupt;
        record.class = Some(Class::Corrupt);
        record.reason = Some(format!(
            "decodes with {}",
            count(found.decode_errors, "error")
        ));
    } else if is_short(record.duration, asked) {
        record.state = State::Short;
        record.class = Some(Class::TooShort);
        record.reason = short(record.duration, asked);
    }
}
