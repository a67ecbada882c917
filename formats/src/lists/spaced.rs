//! Lists whose fields stand behind spaces.
//!
//! An unlabelled clip never becomes class 0: it gets what the consumer reads as "none", or is
//! refused where there is no such thing.

use std::fmt::Write as _;

use super::check::{Check, frames, index, indexes, lines, one_field, pandas_field, printable};
use super::{Companion, Entry, FrameFiles, Rendered};

/// `path`, `path 1`, or `path 1 3` with `multi_class`; split at single spaces. A missing label is
/// read as -1.
pub(super) fn mmaction2_video(entries: &[Entry]) -> Rendered {
    let mut out = lines(entries, "", |entry, text| {
        one_field(&entry.path)?;
        put(text, &entry.path, &indexes(entry)?);
        Ok(())
    });
    note_several(entries, &mut out);
    out
}

/// `folder 163`, `folder 163 1`, or `folder 163 1 3`; split at white space. A missing label is
/// read as -1.
pub(super) fn mmaction2_rawframe(entries: &[Entry]) -> Rendered {
    let mut out = frame_lines(entries, "img_{:05}.jpg", |entry, files, text| {
        let mut fields = vec![whole(files.count)?];
        fields.extend(indexes(entry)?);
        put(text, &entry.path, &fields);
        Ok(())
    });
    note_several(entries, &mut out);
    out
}

/// `path 300 1`: the frames are those of the video. A label is demanded.
pub(super) fn mmaction2_audio(entries: &[Entry]) -> Rendered {
    let mut out = lines(entries, "", |entry, text| {
        one_field(&entry.path)?;
        let frames = entry
            .frames
            .ok_or("the number of its video's frames is not known: pack with --frames, or name a folder of videos")?;
        let labels = indexes(entry)?;
        if labels.is_empty() {
            return Err("has no label, and this consumer demands one".to_owned());
        }
        let mut fields = vec![whole(frames)?];
        fields.extend(labels);
        put(text, &entry.path, &fields);
        Ok(())
    });
    note_several(entries, &mut out);
    out
}

/// `path 1`. A line of a path alone would be read as class 0, so "none" is -1.
pub(super) fn slowfast(entries: &[Entry]) -> Rendered {
    lines(entries, "", |entry, text| {
        one_field(&entry.path)?;
        put(text, &entry.path, &[index(entry)?.unwrap_or(-1)]);
        Ok(())
    })
}

/// `video number frame path "1,3"` below a header that has to be spelled as it is.
pub(super) fn slowfast_frames(entries: &[Entry]) -> Rendered {
    const HEADER: &str = "original_vido_id video_id frame_id path labels\n";
    let mut video = 0;
    let mut names = std::collections::HashSet::new();
    lines(entries, HEADER, |entry, text| {
        let files = frames(entry, None)?;
        one_field(&entry.path)?;
        let name = entry.place.rsplit('/').next().unwrap_or_default();
        let labels: Vec<String> = indexes(entry)?.iter().map(i64::to_string).collect();
        if !names.insert(name.to_owned()) {
            return Err(format!(
                "another clip is called {name} too, and this consumer joins the frames of one name"
            ));
        }
        for frame in 0..files.count {
            let file = files.name(files.first.saturating_add(frame));
            let (path, labels) = (&entry.path, labels.join(","));
            let _ = writeln!(text, "{name} {video} {frame} {path}/{file} \"{labels}\"");
        }
        video += 1;
        Ok(())
    })
}

/// `path 1`, read by pandas with one space between: column 1 must be there, so "none" is -1.
pub(super) fn videomae(entries: &[Entry]) -> Rendered {
    lines(entries, "", |entry, text| {
        pandas_field(&entry.path)?;
        let name = entry.path.rsplit('/').next().unwrap_or_default();
        if !name.contains('.') {
            return Err(format!(
                "the file name {name:?} has no extension, and this consumer appends .mp4: rename it"
            ));
        }
        put(text, &entry.path, &[index(entry)?.unwrap_or(-1)]);
        Ok(())
    })
}

/// As [`videomae`], without its rule for names.
pub(super) fn videomaev2_video(entries: &[Entry]) -> Rendered {
    lines(entries, "", |entry, text| {
        pandas_field(&entry.path)?;
        put(text, &entry.path, &[index(entry)?.unwrap_or(-1)]);
        Ok(())
    })
}

/// `folder 163 1`, read by pandas; the last column is the label.
pub(super) fn videomaev2_frames(entries: &[Entry]) -> Rendered {
    frame_lines(entries, "img_{:05}.jpg", |entry, files, text| {
        pandas_field(&entry.path)?;
        let fields = [whole(files.count)?, index(entry)?.unwrap_or(-1)];
        put(text, &entry.path, &fields);
        Ok(())
    })
}

/// `path 0 -1` for a video, `folder 1 163` (first number, count) for frames. Labels are not read.
pub(super) fn videomaev2_pretrain(entries: &[Entry]) -> Rendered {
    let mut first = None;
    let mut out = lines(entries, "", |entry, text| {
        one_field(&entry.path)?;
        if entry.files.is_none() {
            put(text, &entry.path, &[0, -1]);
            return Ok(());
        }
        let files = frames(entry, None)?;
        match first.get_or_insert_with(|| files.template()) {
            template if *template == files.template() => {}
            template => {
                return Err(format!(
                    "its frames are named {}, those of other clips {template}, and this consumer knows one name",
                    files.template()
                ));
            }
        }
        put(
            text,
            &entry.path,
            &[whole(files.first)?, whole(files.count)?],
        );
        Ok(())
    });
    if let Some(template) = first.filter(|template| template != "img_{:05}.jpg") {
        let note = format!("the frames are named {template}: tell the consumer that template");
        out.notes.push(note);
    }
    out
}

/// `path 1`: the last field is the label, so the path may hold spaces; but not at its end.
pub(super) fn pytorchvideo(entries: &[Entry]) -> Rendered {
    lines(entries, "", |entry, text| {
        printable(&entry.path)?;
        if entry.path.ends_with(char::is_whitespace) {
            let path = &entry.path;
            return Err(format!(
                "the path {path:?} ends with a space, which this consumer takes away: rename it"
            ));
        }
        put(text, &entry.path, &[index(entry)?.unwrap_or(-1)]);
        Ok(())
    })
}

/// `path 1`, as nano-datasets writes; a label is demanded.
pub(super) fn nano(entries: &[Entry]) -> Rendered {
    lines(entries, "", |entry, text| {
        one_field(&entry.path)?;
        let label = index(entry)?.ok_or("has no label, and this consumer demands one")?;
        put(text, &entry.path, &[label]);
        Ok(())
    })
}

/// `#12 name` lines that end as on Windows, as its own class files do.
pub(super) fn nano_classes(classes: &[String]) -> Companion {
    let lines = classes.iter().enumerate();
    Companion {
        name: "map-class.csv".to_owned(),
        text: lines.map(|(i, name)| format!("#{i} {name}\r\n")).collect(),
    }
}

/// Lines about folders of frames, which all have to be named alike.
fn frame_lines(
    entries: &[Entry],
    default: &str,
    line: impl Fn(&Entry, &FrameFiles, &mut String) -> Check,
) -> Rendered {
    let mut first: Option<FrameFiles> = None;
    let mut out = lines(entries, "", |entry, text| {
        let files = frames(entry, first.as_ref())?;
        one_field(&entry.path)?;
        line(entry, files, text)?;
        first.get_or_insert_with(|| files.clone());
        Ok(())
    });
    if let Some(files) = first.filter(|f| f.template() != default || f.first != 1) {
        out.notes.push(format!(
            "the frames are named {} from {}: tell the consumer (its default is {default} from 1)",
            files.template(),
            files.first
        ));
    }
    out
}

fn note_several(entries: &[Entry], out: &mut Rendered) {
    if entries.iter().any(|entry| entry.labels.len() > 1) {
        let note = "some clips have several labels: set multi_class=True and num_classes";
        out.notes.push(note.to_owned());
    }
}

fn put(text: &mut String, path: &str, fields: &[i64]) {
    text.push_str(path);
    for field in fields {
        // Writing to a String cannot fail.
        let _ = write!(text, " {field}");
    }
    text.push('\n');
}

fn whole(count: u64) -> Check<i64> {
    i64::try_from(count).map_err(|_| format!("{count} frames are more than can be counted"))
}
