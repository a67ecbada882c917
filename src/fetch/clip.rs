//! A source that is there becomes the files of its clips.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kpack_formats::{Blob, atomic};

use super::journal::FetchRow;
use super::plan::{Job, Source};
use super::table::Got;
use super::{Fail, Failure, FetchOptions, PastEnd, Retry};
use crate::Time;
use crate::pipeline::{Outcome, OutcomeRow};
use crate::probe::{Depth, Probed, probe_with};
use crate::sample::{Class, Facts, Made, Pace, Recipe, SampleError, Size, Trim, VideoSound};
use crate::source::{Clip, Span};
use crate::worker::{Worker, Workers};

/// A range may end this much after its source without being called past its end: annotations are
/// in whole frames at best.
const SLACK: i64 = 100_000_000;

/// A source that was looked into.
pub(super) struct Opened {
    file: Arc<File>,
    path: PathBuf,
    owned: bool,
    probed: Probed,
    /// Extension of its kind.
    extension: String,
}

/// Looks into a source. What is no media at all is refused here, whoever sent it.
pub(super) fn open(got: &Got, source: &Source, workers: &Workers) -> Result<Opened, Fail> {
    open_as(got, named(source, got), workers)
}

/// Looks into a file that came under the name `named`.
pub(super) fn open_as(got: &Got, named: &str, workers: &Workers) -> Result<Opened, Fail> {
    let depth = Depth::Header;
    let probed = probe_with(&got.path, depth, workers).map_err(|problem| Failure {
        stage: problem.stage,
        class: problem.class,
        reason: problem.reason,
        retry: Retry::Never,
    })?;
    let file = File::open(&got.path).map_err(Fail::disk("cannot open", &got.path))?;
    Ok(Opened {
        file: Arc::new(file),
        extension: extension(named, &probed),
        path: got.path.clone(),
        owned: got.owned,
        probed,
    })
}

/// What names a source: its address, or its file.
fn named<'a>(source: &'a Source, got: &'a Got) -> &'a str {
    match got.owned {
        true => source.address.split(['?', '#']).next().unwrap_or_default(),
        false => got.path.to_str().unwrap_or_default(),
    }
}

/// The extension of the address or file where it fits the content, else the content's usual one.
fn extension(named: &str, probed: &Probed) -> String {
    let named = named.rsplit_once('.').map_or("", |(_, end)| end);
    let named = named.to_ascii_lowercase();
    const KINDS: [(&str, &[&str]); 6] = [
        ("mp4", &["mp4", "m4v", "mov", "3gp", "m4a"]),
        ("matroska", &["mkv", "webm", "mka"]),
        ("avi", &["avi"]),
        ("mpegts", &["ts", "mts", "m2ts"]),
        ("mpeg", &["mpg", "mpeg", "vob"]),
        ("asf", &["wmv", "asf", "wma"]),
    ];
    let kind = KINDS
        .iter()
        .find(|(part, _)| probed.container.contains(part));
    match kind {
        Some((_, names)) if names.contains(&named.as_str()) => named,
        Some((_, names)) => names.first().copied().unwrap_or("mp4").to_owned(),
        None => probed
            .container
            .split(',')
            .next()
            .unwrap_or("video")
            .to_owned(),
    }
}

/// Makes one clip, and says what became of it.
pub(super) fn make(
    opened: &Opened,
    clip: &Clip,
    job: &Job,
    media: &Path,
    options: &FetchOptions,
) -> Result<FetchRow, Fail> {
    let made = match job.span {
        Some(span) => cut(opened, clip, job, span, media, options),
        None => whole(opened, clip, job, media, options),
    };
    match made {
        Ok(row) => Ok(row),
        Err(Fail::One(failure)) => Ok(failed(clip, &failure)),
        Err(fail) => Err(fail),
    }
}

/// The row of a clip that failed.
pub(super) fn failed(clip: &Clip, failure: &Failure) -> FetchRow {
    let row = OutcomeRow {
        outcome: Outcome::Failed,
        class: Some(failure.class),
        stage: Some(failure.stage),
        reason: Some(failure.reason.replace(['\n', '\r'], " ")),
        ..OutcomeRow::of(clip, None)
    };
    FetchRow {
        row,
        ..FetchRow::default()
    }
}

fn skipped(clip: &Clip, reason: String, rule: String) -> FetchRow {
    let row = OutcomeRow {
        outcome: Outcome::Skipped,
        reason: Some(format!("{reason} ({rule})")),
        ..OutcomeRow::of(clip, None)
    };
    FetchRow {
        row,
        rule: Some(rule),
        ..FetchRow::default()
    }
}

pub(super) fn done(clip: &Clip, name: String, bytes: u64, facts: Facts) -> FetchRow {
    let mut row = OutcomeRow {
        outcome: Outcome::Done,
        bytes: Some(bytes),
        ..OutcomeRow::of(clip, None)
    };
    row.media = Some(name);
    row.learn(facts);
    FetchRow {
        row,
        ..FetchRow::default()
    }
}

/// The rule that `--min-length` is.
pub(super) fn min_length_rule(length: Time) -> String {
    format!("--min-length {length}")
}

/// The rule that `--past-end skip` is.
pub(super) const PAST_END_RULE: &str = "--past-end skip";

fn cut(
    opened: &Opened,
    clip: &Clip,
    job: &Job,
    span: Span,
    media: &Path,
    options: &FetchOptions,
) -> Result<FetchRow, Fail> {
    let mut note = None;
    if let (Some(end), Some(duration)) = (span.end, opened.probed.duration)
        && end.nanos() > duration.nanos().saturating_add(SLACK)
    {
        let reason = format!("the range ends at {end} s, the source at {duration} s");
        match options.past_end {
            PastEnd::Clamp if span.start < duration => note = Some(reason),
            PastEnd::Skip => return Ok(skipped(clip, reason, PAST_END_RULE.to_owned())),
            _ => return Err(Failure::last(Class::TooShort, reason).into()),
        }
    }
    let clip_of_source = Clip {
        span: Some(span),
        asked: None,
        media: Some(opened.path.clone()),
        ..clip.clone()
    };
    let mut worker = Worker::default();
    let (workers, recipe) = (&options.workers, recipe(options));
    let made = workers.make(&clip_of_source, &opened.file, &recipe, &mut worker);
    workers.keep(worker);
    let (sample, mut facts) = match made.map_err(of_sample)? {
        Made::Sample(sample, facts) => (sample, *facts),
        Made::Skipped(reason) => return Ok(skipped(clip, reason, String::new())),
        Made::Left => return Err(Fail::Stopped),
    };
    let got = facts.got_end.zip(facts.got_start);
    if let (Some(least), Some((end, start))) = (options.min_length, got)
        && end.since(start) < least
    {
        let reason = format!("has {} s", end.since(start));
        return Ok(skipped(clip, reason, min_length_rule(least)));
    }
    facts.notes.extend(note);
    for time in [&mut facts.got_start, &mut facts.got_end] {
        *time = time.map(|time| time.after(job.begins));
    }
    let Some((extension, Blob::Bytes(bytes))) = sample.blobs.into_iter().next() else {
        let reason = "the cut gave no video";
        return Err(Failure::last(Class::Internal, reason).into());
    };
    let name = format!("{}.{extension}", job.stem);
    let path = place(media, &name)?;
    atomic::write_atomic(&path, &bytes).map_err(crate::Error::from)?;
    Ok(done(clip, name, bytes.len() as u64, facts))
}

fn of_sample(error: SampleError) -> Failure {
    Failure {
        stage: error.stage,
        class: error.class,
        reason: error.full_reason(),
        retry: Retry::Never,
    }
}

fn recipe(options: &FetchOptions) -> Recipe {
    Recipe {
        video: options.video,
        trim: options.trim,
        frames: None,
        size: Size::Source,
        upscale: false,
        audio: None,
        waveform: false,
        pace: Pace::Source,
        video_sound: VideoSound::Encode,
    }
}

/// The source itself is the clip, or all of it is wanted.
fn whole(
    opened: &Opened,
    clip: &Clip,
    job: &Job,
    media: &Path,
    options: &FetchOptions,
) -> Result<FetchRow, Fail> {
    let mut note = None;
    if options.trim != Trim::None {
        let asked = clip
            .asked()
            .and_then(|span| Some(span.end?.since(span.start)));
        if let (Some(asked), Some(there)) = (asked, opened.probed.duration)
            && asked.nanos() > there.nanos().saturating_add(SLACK)
        {
            let reason = format!("{asked} s are asked for, the clip has {there} s");
            match options.past_end {
                PastEnd::Clamp => note = Some(reason),
                PastEnd::Skip => return Ok(skipped(clip, reason, PAST_END_RULE.to_owned())),
                PastEnd::Fail => return Err(Failure::last(Class::TooShort, reason).into()),
            }
        }
        if let (Some(least), Some(there)) = (options.min_length, opened.probed.duration)
            && there < least
        {
            return Ok(skipped(
                clip,
                format!("has {there} s"),
                min_length_rule(least),
            ));
        }
    }
    let name = format!("{}.{}", job.stem, opened.extension);
    let path = place(media, &name)?;
    keep(&opened.path, &path, opened.owned)?;
    let probed = &opened.probed;
    let facts = Facts {
        width: probed.width,
        height: probed.height,
        fps: probed.fps,
        frames: probed.frames,
        video_codec: probed.video_codec.clone(),
        audio_codec: probed.audio_codec.clone(),
        notes: note.into_iter().collect(),
        ..Facts::default()
    };
    Ok(done(clip, name, probed.bytes, facts))
}

/// Keeps a source in the folder `sources`.
pub(super) fn keep_source(opened: &Opened, source: &Source, media: &Path) -> Result<(), Fail> {
    let name = format!("sources/{}.{}", source.id, opened.extension);
    let path = place(media, &name)?;
    match path.exists() {
        true => Ok(()),
        false => keep(&opened.path, &path, opened.owned),
    }
}

/// The file `name` below `media`, in a folder that is there.
fn place(media: &Path, name: &str) -> Result<PathBuf, Fail> {
    let path = media.join(name);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Fail::disk("cannot create", folder))?;
    }
    Ok(path)
}

/// Gives `from` a second name, or copies it where that cannot be done or it is not ours.
fn keep(from: &Path, to: &Path, owned: bool) -> Result<(), Fail> {
    let temporary = atomic::temporary(to);
    // Left by a crash, or not there at all.
    let _ = fs::remove_file(&temporary);
    if !(owned && fs::hard_link(from, &temporary).is_ok()) {
        let copied = fs::copy(from, &temporary).and_then(|_| File::open(&temporary)?.sync_all());
        copied.map_err(|e| {
            let _ = fs::remove_file(&temporary);
            Fail::disk("cannot copy to", to)(e)
        })?;
    }
    atomic::publish(&temporary, to).map_err(crate::Error::from)?;
    Ok(())
}

/// The name of a way to cut.
pub(super) const fn trim_name(trim: Trim) -> &'static str {
    match trim {
        Trim::Exact => "exact",
        Trim::Smart => "smart",
        Trim::Copy => "copy",
        Trim::None => "none",
    }
}
