//! Lists that are CSV with a header: torchvision, DMVR.

use std::fmt::Write as _;

use super::check::{lines, name, printable};
use super::{Entry, Rendered};

/// `youtube_id,time_start,time_end,label` of files at `<split>/<class>/<id>_<start>_<end>.mp4`,
/// where torchvision looks for them; times are whole seconds.
pub(super) fn torchvision(entries: &[Entry]) -> Rendered {
    const HEADER: &str = "youtube_id,time_start,time_end,label\n";
    lines(entries, HEADER, |entry, text| {
        let place = &entry.place;
        let parts: Vec<&str> = place.split('/').collect();
        let [split, class, file] = parts.as_slice() else {
            return Err(format!(
                "{place:?} is not <split>/<class>/<file>, where this consumer looks: kpack reorg --layout split-class"
            ));
        };
        if !matches!(*split, "train" | "val" | "test") {
            return Err(format!(
                "its split's folder is {split:?}, and this consumer knows train, val and test"
            ));
        }
        let (id, start, end) = clip_name(file).ok_or_else(|| {
            format!("{file:?} is not <id>_<start>_<end>.mp4 or .avi with whole seconds of six digits, as this consumer expects")
        })?;
        let label = match name(entry)? {
            Some(label) => label,
            None => (*class).to_owned(),
        };
        let _ = writeln!(text, "{},{start},{end},{}", cell(id), cell(&label));
        Ok(())
    })
}

/// Id, start and end of `<id>_<start>_<end>.mp4`.
fn clip_name(file: &str) -> Option<(&str, u64, u64)> {
    let (stem, extension) = file.rsplit_once('.')?;
    if !["mp4", "avi"].contains(&extension.to_ascii_lowercase().as_str()) {
        return None;
    }
    let mut parts = stem.rsplitn(3, '_');
    let seconds = |part: &str| {
        let digits = part.len() >= 6 && part.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| part.parse().ok()).flatten()
    };
    let (end, start) = (seconds(parts.next()?)?, seconds(parts.next()?)?);
    let id = parts.next().filter(|id| !id.is_empty())?;
    Some((id, start, end))
}

/// `video_path,start,end[,label]`, times in seconds. The label's column is there if any clip has a
/// label; then those without are refused, because an empty cell would be a class of its own.
pub(super) fn dmvr(entries: &[Entry]) -> Rendered {
    let labelled = entries.iter().any(|entry| !entry.labels.is_empty());
    let header = match labelled {
        true => "video_path,start,end,label\n",
        false => "video_path,start,end\n",
    };
    let mut out = lines(entries, header, |entry, text| {
        printable(&entry.path)?;
        let (start, end) = entry.range.ok_or("its duration is not known")?;
        let label = match (labelled, name(entry)?) {
            (false, _) => String::new(),
            (true, Some(label)) => format!(",{}", cell(&label)),
            (true, None) => {
                return Err("has no label, where others do, and this consumer would read an empty one as a class".to_owned());
            }
        };
        let _ = writeln!(text, "{},{start},{end}{label}", cell(&entry.path));
        Ok(())
    });
    if labelled {
        let note = "the reference generator numbers labels anew in each run: labels.txt has kpack's indexes";
        out.notes.push(note.to_owned());
    }
    out
}

/// A CSV cell (RFC 4180), quoted where that is needed.
pub(super) fn cell(text: &str) -> String {
    let special = |c: char| matches!(c, ',' | '"' | '\n' | '\r');
    if text.contains(special) || text.trim() != text {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
