//! The clips of a folder of media.

use std::path::Path;

use kpack_formats::lists::Entry;

use super::{Candidate, GatherOptions, Gathered, Is, LeftOut};
use crate::Result;
use crate::source::{self, ReadOptions};

/// Every video and sound file below `dir`; class and split are its folders, as in packing.
pub(super) fn candidates(
    dir: &Path,
    options: &GatherOptions,
    gathered: &mut Gathered,
) -> Result<Vec<Candidate>> {
    let read = ReadOptions {
        labels: options.labels.clone(),
        input_format: Some("media".to_owned()),
        ..ReadOptions::default()
    };
    let input = source::read(&[dir.to_owned()], &read)?;
    gathered.classes = input.classes;
    gathered.notes.extend(
        input
            .notes
            .into_iter()
            .filter(|note| !note.contains("hash, to be unique")),
    );
    let mut candidates = Vec::with_capacity(input.rows.len());
    for row in input.rows {
        let clip = row.clip;
        let source = Path::new(&clip.source);
        let place = source.strip_prefix(dir).unwrap_or(source);
        let place = place.to_string_lossy().into_owned();
        match (clip.media, row.problem) {
            // The row has a name for it, which is not that of the file.
            (Some(file), None) if file.strip_prefix(dir).unwrap_or(&file).to_str().is_none() => {
                gathered.left_out.push(LeftOut {
                    path: place,
                    split: clip.split,
                    class: None,
                    reason: "the name is not UTF-8: rename it".to_owned(),
                });
            }
            (Some(file), None) => candidates.push(Candidate {
                split: clip.split,
                json: None,
                ends: None,
                file,
                is: Is::Unproven,
                entry: Entry {
                    place,
                    labels: clip.labels,
                    ..Entry::default()
                },
            }),
            (_, problem) => gathered.left_out.push(LeftOut {
                path: place,
                split: clip.split,
                class: problem.as_ref().map(|p| p.class),
                reason: problem.map_or_else(|| "not found".to_owned(), |p| p.reason),
            }),
        }
    }
    Ok(candidates)
}
