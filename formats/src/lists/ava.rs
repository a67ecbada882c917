//! AVA boxes: `video,second,x1,y1,x2,y2,action,person`, without a header.

use std::fmt::Write as _;

use super::check::{Check, frames, lines, printable};
use super::{BoxLabel, Entry, FrameFiles, Rendered};

/// The largest action number that mmaction2 reads without being told otherwise.
const ACTIONS: i64 = 80;

/// As mmaction2's AVADataset reads: eight fields, whole seconds, actions from 1. A person without
/// a number is -1.
pub(super) fn mmaction2(entries: &[Entry]) -> Rendered {
    let mut first: Option<FrameFiles> = None;
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
        for one in &entry.boxes {
            line(&entry.path, one, text)?;
        }
        first.get_or_insert_with(|| files.clone());
        Ok(())
    });
    let boxes = || entries.iter().flat_map(|entry| &entry.boxes);
    if let Some(files) = first {
        let (template, start) = (files.template(), files.first);
        out.notes.push(format!(
            "seconds count from the start of each clip: set timestamp_start=0, timestamp_end to the \
             clips' length, filename_tmpl='{template}', start_index={start}, and fps to that of the \
             frames"
        ));
    }
    if boxes().any(|b| b.action.is_some_and(|a| a > ACTIONS)) {
        let note = format!("some actions are above {ACTIONS}: set num_classes");
        out.notes.push(note);
    }
    out
}

fn line(path: &str, one: &BoxLabel, text: &mut String) -> Check {
    let BoxLabel {
        time,
        corners: [x1, y1, x2, y2],
        action,
        person,
    } = one;
    if time.fract() != 0.0 || *time < 0.0 {
        return Err(format!(
            "has a box at {time} s, and this consumer reads whole seconds from the start of the clip"
        ));
    }
    if [x1, y1, x2, y2].iter().any(|c| !(0.0..=1.0).contains(*c)) {
        return Err(format!(
            "has a box ({x1}, {y1}, {x2}, {y2}) outside its picture: corners are 0 to 1"
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
