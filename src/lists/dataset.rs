//! The clips of a packed dataset: the rows of `samples.jsonl` that are done.

use std::fs::File;
use std::path::{Path, PathBuf};

use kpack_formats::Label;
use kpack_formats::lists::{Consumer, Entry, Wants};

use super::{Candidate, GatherOptions, Gathered, Is, LeftOut, frames};
use crate::pipeline::{Outcome, OutcomeRow, SAMPLES, classes};
use crate::source::identity;
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
        ends: None,
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
    let cut = cut(row, media);
    Ok(Candidate {
        split: None,
        json: None,
        file: PathBuf::from(media),
        is: Is::Proven,
        ends: match cut {
            Cut::Perhaps(_, end) => Some(end),
            _ => None,
        },
        entry: Entry {
            place: media.clone(),
            range: match cut {
                Cut::Part(start, end) => end.map(|end| (start, end)),
                Cut::Perhaps(start, end) => Some((start, end)),
                Cut::Nothing => None,
            },
            longer: matches!(cut, Cut::Part(..)),
            ..Entry::default()
        },
    })
}

/// What of the media a sample is made of, in seconds. The row's times are those of the source, of
/// which the media may be a cut already.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cut {
    /// All of it.
    Nothing,
    /// The part from here to there, where that is known.
    Part(f64, Option<f64>),
    /// The part from here, close to the beginning, to there, which may be all of it.
    Perhaps(f64, f64),
}

/// Nearer to its beginning than this, a sample does not tell whether it was cut.
const NEAR: f64 = 0.1;

fn cut(row: &OutcomeRow, media: &str) -> Cut {
    let (start, end) = match (row.start, row.end) {
        (None, None) => return Cut::Nothing,
        (start, end) => (start.map_or(0.0, |t| t.secs()), end.map(|t| t.secs())),
    };
    if let ((_, Some((first, last))), Some(end)) = (identity(media), end) {
        let (first, last) = (first as f64 / 1e6, last as f64 / 1e6);
        if (first, last) == (start, end) {
            return Cut::Nothing;
        }
        if first <= start && end <= last {
            return Cut::Part(start - first, Some(end - first));
        }
    }
    // A video that was copied whole is the only kind of sample without a begin.
    let Some(got) = row.got_start.map(|got| got.secs()) else {
        return Cut::Nothing;
    };
    match end {
        _ if start > NEAR && (got - start).abs() < got.abs() => {
            Cut::Part(start, end.or(row.got_end.map(|t| t.secs())))
        }
        Some(end) if start <= NEAR => Cut::Perhaps(start, end),
        _ => Cut::Nothing,
    }
}

fn labels(row: &OutcomeRow) -> Vec<Label> {
    let count = row.label.len().max(row.label_index.len());
    let label = |i: usize| Label {
        index: row.label_index.get(i).copied(),
        text: row.label.get(i).cloned(),
    };
    (0..count).map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Time;

    #[test]
    fn a_cut_is_told_from_a_file_that_is_the_clip() {
        let time = |seconds: f64| Some(Time::from_secs(seconds));
        let row = |start: f64, end: f64, got: Option<f64>| OutcomeRow {
            start: time(start),
            end: time(end),
            got_start: got.and_then(time),
            ..OutcomeRow::default()
        };
        let kinetics = "m/-3B32lodo2M_000010_000020.mp4";
        for (row, media, expected) in [
            (OutcomeRow::default(), "a.mp4", Cut::Nothing),
            (row(10.0, 20.0, Some(0.0)), kinetics, Cut::Nothing),
            (
                row(10.0, 20.0, Some(10.01)),
                "-3B32lodo2M.mp4",
                Cut::Part(10.0, Some(20.0)),
            ),
            // A trimmed file under the id alone.
            (row(10.0, 20.0, Some(0.02)), "-3B32lodo2M.mp4", Cut::Nothing),
            // Copied whole, so nothing was decoded.
            (row(10.0, 20.0, None), "-3B32lodo2M.mp4", Cut::Nothing),
            (
                row(0.0, 10.0, Some(0.0)),
                "-3B32lodo2M.mp4",
                Cut::Perhaps(0.0, 10.0),
            ),
            (
                row(12.0, 14.0, Some(2.0)),
                kinetics,
                Cut::Part(2.0, Some(4.0)),
            ),
        ] {
            assert_eq!(cut(&row, media), expected, "{media} {row:?}");
        }
    }
}
