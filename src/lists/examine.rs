//! Is a clip there, does it decode, and what does its consumer need to know of it?

use std::path::Path;

use kpack_formats::lists::{Consumer, Entry, FrameFiles, Wants};

use super::{Candidate, Is, Paths, boxes, frames, pictures};
use crate::probe::{Depth, Probed, probe_with};
use crate::sample::Class;
use crate::source;

/// Seconds by which a file may go on behind its clip and still be that clip alone.
const MORE: f64 = 0.5;

/// Why a clip is left out.
pub(super) type Refusal = (Option<Class>, String);

/// Looks at one clip.
pub(super) fn examine(
    candidate: &Candidate,
    consumer: &Consumer,
    paths: &Paths<'_>,
) -> Result<Entry, Refusal> {
    let mut entry = candidate.entry.clone();
    let plain = |reason: String| (None, reason);
    if entry.place.contains('\u{fffd}') && candidate.file.to_str().is_none() {
        return Err(plain("the name is not UTF-8: rename it".to_owned()));
    }
    entry.path = paths.name(&entry.place, &candidate.file).map_err(plain)?;
    match candidate.is {
        Is::Folder => {
            let files = folder(candidate, paths)?;
            entry.frames = Some(files.count);
            entry.files = Some(files);
        }
        Is::Proven | Is::Unproven => file(candidate, consumer, paths, &mut entry)?,
    }
    if entry.longer && !consumer.times {
        let reason = "is a time range of a longer file, and this consumer reads whole files: cut \
                      it with kpack resize or kpack frames first, or use --for dmvr";
        return Err(plain(reason.to_owned()));
    }
    if consumer.boxes {
        (entry.boxes, entry.rate) = boxes::read(candidate.json.as_deref()).map_err(plain)?;
    }
    Ok(entry)
}

fn folder(candidate: &Candidate, paths: &Paths<'_>) -> Result<FrameFiles, Refusal> {
    let folder = &candidate.file;
    let files = frames::files(folder).map_err(|reason| match folder.exists() {
        true => (Some(Class::Corrupt), reason),
        false => (Some(Class::Missing), "not found".to_owned()),
    })?;
    let how = (paths.options.decode, &*paths.options.workers);
    pictures::check(folder, &files, how).map_err(|reason| (Some(Class::Corrupt), reason))?;
    Ok(files)
}

/// Why a file is not there.
fn missing(candidate: &Candidate) -> Refusal {
    let as_named =
        candidate.is == Is::Proven && candidate.file == Path::new(&candidate.entry.place);
    let reason = match as_named && candidate.file.is_relative() {
        true => {
            "not found: the dataset names it relative to the folder that kpack packed in, so run \
             kpack list there"
        }
        false => "not found",
    };
    (Some(Class::Missing), reason.to_owned())
}

fn file(
    candidate: &Candidate,
    consumer: &Consumer,
    paths: &Paths<'_>,
    entry: &mut Entry,
) -> Result<(), Refusal> {
    let range = consumer.times && entry.range.is_none();
    let count = consumer.counts_frames && entry.frames.is_none();
    let depth = match candidate.is {
        _ if paths.options.decode || count => Some(Depth::All),
        Is::Unproven => Some(Depth::First),
        _ if range || candidate.ends.is_some() => Some(Depth::Header),
        _ => None,
    };
    let Some(depth) = depth else {
        return match candidate.file.is_file() {
            true => Ok(()),
            false => Err(missing(candidate)),
        };
    };
    let found =
        probe_with(&candidate.file, depth, &paths.options.workers).map_err(
            |problem| match problem.class {
                Class::Missing => missing(candidate),
                class => (Some(class), problem.reason),
            },
        )?;
    fits(consumer, &found)?;
    if paths.options.decode && found.decode_errors > 0 {
        let errors = source::count(found.decode_errors, "error");
        let reason = format!("decodes with {errors}");
        return Err((Some(Class::Corrupt), reason));
    }
    if count {
        entry.frames = found.frames.filter(|_| found.video_codec.is_some());
    }
    if let Some(end) = candidate.ends {
        entry.longer = found.duration.is_none_or(|whole| whole.secs() > end + MORE);
    }
    if range {
        entry.range = found.duration.map(|end| (0.0, end.secs()));
    }
    Ok(())
}

/// Whether the file has the track that the consumer is about.
fn fits(consumer: &Consumer, found: &Probed) -> Result<(), Refusal> {
    match consumer.wants {
        Wants::Audio if found.audio_codec.is_none() => {
            Err((Some(Class::NoAudio), "has no sound track".to_owned()))
        }
        Wants::Video | Wants::Either if found.video_codec.is_none() => {
            Err((Some(Class::NoVideo), "has no video track".to_owned()))
        }
        _ => Ok(()),
    }
}
