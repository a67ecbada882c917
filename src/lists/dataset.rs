//! The clips of a packed dataset: the rows of `samples.jsonl` that are done.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use kpack_formats::Label;
use kpack_formats::lists::{Consumer, Entry, Wants};

use super::{Candidate, GatherOptions, Gathered, Is, LeftOut, frames};
use crate::pipeline::{LABELS, Outcome, OutcomeRow, SAMPLES};
use crate::{Error, Result};

/// Extensions of the video files that kpack writes into trees.
const VIDEO: &[&str] = &["mp4", "mkv", "webm", "avi", "mov", "ts", "mpg"];
/// Extensions of the sound files.
const AUDIO: &[&str] = &[
    "npy", "wav", "flac", "m4a", "mp3", "aac", "ogg", "opus", "mka", "mp2", "ac3", "eac3",
];

/// Every row that is done.
pub(super) fn candidates(
    dir: &Path,
    consumer: &Consumer,
    options: &GatherOptions,
    gathered: &mut Gathered,
) -> Result<Vec<Candidate>> {
    if options.labels.is_some() {
        let message = "--labels fixes the indexes of a folder; a dataset has its own in labels.txt";
        return Err(Error::usage(message));
    }
    gathered.classes = classes(dir)?;
    let path = dir.join(SAMPLES);
    let file = File::open(&path).map_err(Error::io("cannot open", &path))?;
    let mut candidates = Vec::new();
    for row in OutcomeRow::read_all(file, &path) {
        let row = row?;
        if row.outcome != Outcome::Done {
            gathered.not_packed += 1;
            continue;
        }
        match candidate(dir, consumer, &row) {
            Ok(candidate) => candidates.push(candidate),
            Err(reason) => gathered.left_out.push(LeftOut {
                path: row.key,
                split: row.split,
                class: None,
                reason: reason.to_owned(),
            }),
        }
    }
    Ok(candidates)
}

/// The class names in index order.
fn classes(dir: &Path) -> Result<Vec<String>> {
    let path = dir.join(LABELS);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(Error::io("cannot read", &path)(e)),
    }
}

fn candidate(dir: &Path, consumer: &Consumer, row: &OutcomeRow) -> Result<Candidate, &'static str> {
    let mut found = match &row.path {
        Some(place) => in_tree(dir, consumer.wants, place)?,
        None => in_shards(consumer.wants, row)?,
    };
    found.split.clone_from(&row.split);
    found.entry.labels = labels(row);
    found.entry.frames = row.frames;
    Ok(found)
}

/// A file or folder that kpack wrote.
fn in_tree(dir: &Path, wants: Wants, place: &str) -> Result<Candidate, &'static str> {
    let base = dir.join(place);
    let with = |extensions: &[&str]| {
        extensions.iter().find_map(|extension| {
            let place = format!("{place}.{extension}");
            let file = dir.join(&place);
            file.is_file().then_some((file, place, Is::Proven))
        })
    };
    let folder = || (base.clone(), place.to_owned(), Is::Folder);
    let found = match wants {
        Wants::Frames => Some(folder()),
        Wants::Video => with(VIDEO),
        Wants::Audio => with(AUDIO),
        Wants::Either => with(VIDEO).or_else(|| Some(folder())),
    };
    let (file, place, is) = found.ok_or(match wants {
        Wants::Audio => "has no sound file: kpack audio makes them, kpack frames --audio too",
        _ => "has no video file: kpack resize makes them; or name the folder of the videos",
    })?;
    Ok(Candidate {
        split: None,
        json: Some(frames::json_of(&base)),
        file,
        is,
        entry: Entry {
            place,
            ..Entry::default()
        },
    })
}

/// The file that a sample in a shard was made of.
fn in_shards(wants: Wants, row: &OutcomeRow) -> Result<Candidate, &'static str> {
    if matches!(wants, Wants::Frames) {
        return Err("its frames are inside a shard: kpack frames makes folders of them");
    }
    if wants == Wants::Audio {
        return Err("its sound is inside a shard: kpack audio makes files of it");
    }
    let media = row.media.as_ref().ok_or("its row names no file")?;
    let start = row.start.map(|start| start.secs());
    let range = start.map(|start| {
        let end = row.end.or(row.got_end);
        (start, end.map_or(f64::INFINITY, |end| end.secs()))
    });
    Ok(Candidate {
        split: None,
        json: None,
        file: PathBuf::from(media),
        is: Is::Proven,
        entry: Entry {
            place: media.clone(),
            range: range.filter(|(_, end)| end.is_finite()),
            longer: row.start.is_some() || row.end.is_some(),
            ..Entry::default()
        },
    })
}

fn labels(row: &OutcomeRow) -> Vec<Label> {
    let count = row.label.len().max(row.label_index.len());
    let label = |i: usize| Label {
        index: row.label_index.get(i).copied(),
        text: row.label.get(i).cloned(),
    };
    (0..count).map(label).collect()
}
