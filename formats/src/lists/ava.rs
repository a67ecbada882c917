//! AVA boxes: `video,second,x1,y1,x2,y2,action,person`, without a header.

use std::fmt::Write as _;

use super::check::{Check, frames, lines, printable};
use super::{BoxLabel, Entry, FrameFiles, Rendered};

/// The largest action number that mmaction2 reads without being told otherwise.
const ACTIONS: i64 = 80;

/// Frames by which the one that the consumer reads for a second may miss the one shown then.
const OFF: f64 = 1.5;

/// As mmaction2's AVADataset reads: eight fields, whole seconds, actions from 1. A person without
/// a number is -1. It finds the frame of a second as `fps * second`, with one `fps` for all clips.
pub(super) fn mmaction2(entries: &[Entry]) -> Rendered {
    let mut first: Option<FrameFiles> = None;
    let fps = usual_rate(entries);
    let mut between = 0_u64;
    let mut out = lines(entries, "", |entry, text| {
        let files = frames(entry, first.as_ref())?;
        printable(&entry.path)?;
        if entry.path.contains(',') {
            let path = &entry.path;
            return Err(format!(
                "the path {path:?} holds a comma, where this consumer ends a field: rename it"
            ));
        }
        if entry.boxes.is_empty() {
            return Err("has no boxes".to_owned());
        }
        let fps = rate(entry, fps)?;
        if let Some(one) = entry.boxes.iter().find(|one| one.time.fract() != 0.0) {
            between += 1;
            let time = one.time;
            return Err(format!(
                "has a box at {time} s, and this consumer reads whole seconds from the start of \
                 the clip"
            ));
        }
        for one in &entry.boxes {
            is_where_read(one, fps, files.count)?;
            line(&entry.path, one, text)?;
        }
        first.get_or_insert_with(|| files.clone());
        Ok(())
    });
    let written: Vec<&Entry> = written(entries, &out);
    if let (Some(files), Some(fps)) = (first, fps) {
        let (template, start) = (files.template(), files.first);
        let seconds = |e: &&Entry| e.files.as_ref().map_or(0.0, |f| f.count as f64 / fps);
        let longest = written.iter().map(seconds).fold(0.0, f64::max).ceil();
        out.notes.push(format!(
            "seconds count from the start of each clip: set fps={fps}, timestamp_start=0, \
             timestamp_end={longest}, filename_tmpl='{template}', start_index={start}"
        ));
    }
    if between > 0 {
        let (clips, have) = match between {
            1 => ("1 clip".to_owned(), "has"),
            n => (format!("{n} clips"), "have"),
        };
        out.notes.push(format!(
            "{clips} of {} {have} a box between whole seconds, which this consumer cannot read, and \
             are left out: a rounded second would put the box on a frame up to half a second away",
            entries.len()
        ));
    }
    let boxes = || written.iter().flat_map(|entry| &entry.boxes);
    if boxes().any(|b| b.action.is_some_and(|a| a > ACTIONS)) {
        let note = format!("some actions are above {ACTIONS}: set num_classes");
        out.notes.push(note);
    }
    out
}

fn written<'a>(entries: &'a [Entry], out: &Rendered) -> Vec<&'a Entry> {
    let refused: std::collections::BTreeSet<usize> = out.refused.iter().map(|(i, _)| *i).collect();
    let kept = |(i, entry)| (!refused.contains(&i)).then_some(entry);
    entries.iter().enumerate().filter_map(kept).collect()
}

/// The rate that most clips with boxes have, of several the first.
fn usual_rate(entries: &[Entry]) -> Option<f64> {
    let mut rates: Vec<(f64, u64)> = Vec::new();
    for rate in (entries.iter().filter(|e| !e.boxes.is_empty())).filter_map(|e| e.rate) {
        match rates.iter_mut().find(|(known, _)| same(*known, rate)) {
            Some((_, clips)) => *clips += 1,
            None => rates.push((rate, 1)),
        }
    }
    let most = rates.iter().map(|(_, clips)| *clips).max()?;
    let usual = rates.into_iter().find(|(_, clips)| *clips == most);
    usual.map(|(rate, _)| rate)
}

/// Whether two rates are one: 29.97 is not 30, but the length of a clip is known to a tick only.
fn same(one: f64, other: f64) -> bool {
    (one - other).abs() <= 5e-4 * one
}

/// The rate of a clip, if it is that of all.
fn rate(entry: &Entry, usual: Option<f64>) -> Check<f64> {
    const REMEDY: &str = "kpack frames --frames 30 makes frames at one rate";
    let rate = entry.rate.ok_or_else(|| {
        format!(
            "its frames do not follow each other at an even rate, or the rate is not known, and \
             this consumer finds the frame of a second by one: {REMEDY}"
        )
    })?;
    match usual {
        Some(usual) if !same(usual, rate) => Err(format!(
            "has {rate} frames a second, other clips have {usual}, and this consumer knows one \
             rate: {REMEDY}"
        )),
        usual => Ok(usual.unwrap_or(rate)),
    }
}

/// Whether the frame that the consumer reads for a box is the one that shows it.
fn is_where_read(one: &BoxLabel, fps: f64, count: u64) -> Check {
    let time = one.time;
    let Some(frame) = one.frame else {
        return Err(format!(
            "has a box at {time} s, where the clip has no frame (of {count})"
        ));
    };
    match (fps * time - frame as f64).abs() <= OFF {
        true => Ok(()),
        false => Err(format!(
            "has a box at {time} s, which frame {frame} (from 0) shows, and this consumer reads \
             frame {}: the clip begins late or has gaps",
            (fps * time).round()
        )),
    }
}

fn line(path: &str, one: &BoxLabel, text: &mut String) -> Check {
    let BoxLabel {
        time,
        corners: [x1, y1, x2, y2],
        action,
        person,
        ..
    } = one;
    if [x1, y1, x2, y2].iter().any(|c| !(0.0..=1.0).contains(*c)) {
        return Err(format!(
            "has a box ({x1}, {y1}, {x2}, {y2}) outside its picture: corners are 0 to 1"
        ));
    }
    if x2 <= x1 || y2 <= y1 {
        return Err(format!(
            "has a box ({x1}, {y1}, {x2}, {y2}) without an area: its right and lower sides come \
             after its left and upper"
        ));
    }
    let action = action.filter(|a| *a > 0).ok_or_else(|| {
        format!("has a box without an action at {time} s, and this consumer demands one from 1")
    })?;
    let person = person.unwrap_or(-1);
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{path},{time:04},{x1},{y1},{x2},{y2},{action},{person}"
    );
    Ok(())
}
