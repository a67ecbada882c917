//! Clips that lie in MEDIA already without a row that says so: made by hand or by another tool. They
//! are never written over: what decodes is taken as it is, what does not is told.
//!
//! ```text
//! .kpack/HASH.clips    names of the clips that are being made of a source: those are our own
//! ```

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use walkdir::WalkDir;

use super::clip::{self, done};
use super::journal::FetchRow;
use super::{Fail, Failure};
use crate::probe::{Depth, probe_with};
use crate::sample::{Class, Facts};
use crate::source::{Clip, is_media_name};
use crate::worker::Workers;
use crate::{Error, Result};

/// Extension of the notes of what is being made.
const NOTE: &str = "clips";
/// What a row says whose clip was there.
pub(super) const NOTED: &str =
    "was there before kpack fetched anything for it, and is kept as it is";

/// The clips that lie in a folder.
pub(super) struct Present {
    /// Name below the folder, by the name without its extension.
    names: HashMap<String, String>,
}

impl Present {
    /// Looks through `media`, but for what is unfinished and what earlier runs were making.
    pub(super) fn scan(media: &Path, work: &Path) -> Result<Self> {
        let own = own(work)?;
        let mut names = HashMap::new();
        let walk = WalkDir::new(media).sort_by_file_name().into_iter();
        for entry in walk.filter_entry(|entry| entry.path() != work) {
            let entry = entry.map_err(|e| {
                let path = e.path().unwrap_or(media).to_owned();
                Error::io("cannot read folder", &path)(e.into())
            })?;
            let media_name = is_media_name(entry.file_name()) == Some(true);
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if !media_name || hidden || entry.file_type().is_dir() {
                continue;
            }
            let below = entry.path().strip_prefix(media).unwrap_or(entry.path());
            let Some(name) = below.to_str() else { continue };
            let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
            if !own.contains(stem) {
                names.entry(stem.to_owned()).or_insert(name.to_owned());
            }
        }
        Ok(Self { names })
    }

    /// The row of a clip whose file is there under `stem`; `None` if it is not.
    pub(super) fn row(
        &self,
        clip: &Clip,
        stem: &str,
        (media, workers): (&Path, &Workers),
    ) -> Option<FetchRow> {
        let name = self.names.get(stem)?;
        let row = match probe_with(&media.join(name), Depth::First, workers) {
            Ok(probed) => {
                let facts = Facts {
                    width: probed.width,
                    height: probed.height,
                    fps: probed.fps,
                    frames: probed.frames,
                    video_codec: probed.video_codec.clone(),
                    audio_codec: probed.audio_codec.clone(),
                    notes: vec![NOTED.to_owned()],
                    ..Facts::default()
                };
                done(clip, name.clone(), probed.bytes, facts)
            }
            Err(problem) => {
                let reason = format!(
                    "{name} is there, is not from kpack, and cannot be used: {}; move or delete it",
                    problem.reason
                );
                let class = match problem.class {
                    lost @ (Class::Crash | Class::Timeout | Class::Memory) => lost,
                    _ => Class::Corrupt,
                };
                clip::failed(clip, &Failure::last(class, reason))
            }
        };
        Some(row)
    }
}

/// Names of clips that interrupted runs were making.
fn own(work: &Path) -> Result<HashSet<String>> {
    let mut names = HashSet::new();
    // Those of parts lie one folder deeper. A part that runs now takes its notes back at any time.
    let notes = WalkDir::new(work).max_depth(2).into_iter().flatten();
    for path in notes.map(walkdir::DirEntry::into_path) {
        if path.extension().is_some_and(|extension| extension == NOTE) {
            match fs::read_to_string(&path) {
                Ok(text) => names.extend(text.lines().map(str::to_owned)),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(Error::io("cannot read", &path)(e)),
            }
        }
    }
    Ok(names)
}

/// Notes the clips that are about to be made of the source with this hash.
pub(super) fn note<'a>(
    work: &Path,
    hash: &str,
    stems: impl Iterator<Item = &'a str>,
) -> Result<(), Fail> {
    let path = work.join(format!("{hash}.{NOTE}"));
    let text: String = stems.flat_map(|stem| [stem, "\n"]).collect();
    fs::write(&path, text).map_err(Fail::disk("cannot write", &path))
}

/// Takes the note back: all of the clips have their rows.
pub(super) fn forget(work: &Path, hash: &str) {
    // What stays is our own, once more.
    let _ = fs::remove_file(work.join(format!("{hash}.{NOTE}")));
}
