//! Columns of the input whose names are taken.

use std::collections::BTreeSet;

use kpack::source::Input;

/// Fields that kpack itself writes into a sample's metadata.
const OURS: &[&str] = &[
    "key",
    "source",
    "split",
    "label",
    "label_index",
    "start",
    "end",
    "got_start",
    "got_end",
    "frames",
    "width",
    "height",
    "fps",
    "frame_times",
    "video_codec",
    "audio_codec",
    "has_audio",
    "sample_rate",
    "channels",
    "audio_samples",
    "audio_start",
    "decode_errors",
    "encoded_frames",
    "notes",
];

fn names(input: &Input, wanted: impl Fn(&str) -> bool) -> BTreeSet<&str> {
    let names = input.rows.iter().flat_map(|row| row.clip.columns.keys());
    names
        .map(String::as_str)
        .filter(|name| wanted(name))
        .collect()
}

/// Says which columns give way to fields of kpack.
pub(super) fn warning(input: &Input) -> Option<String> {
    let taken: Vec<&str> = names(input, |name| OURS.contains(&name))
        .into_iter()
        .collect();
    (!taken.is_empty()).then(|| {
        format!(
            "columns {} of the input give way to kpack's own fields of these names: rename them to \
             keep them in the metadata",
            taken.join(", ")
        )
    })
}

/// The JSON beside a sample's files keeps the name `kpack` for itself.
pub(super) fn refuse_own(input: &Input) -> kpack::Result<()> {
    match names(input, |name| name == "kpack").is_empty() {
        true => Ok(()),
        false => Err(kpack::Error::usage(
            "the input has a column `kpack`, a name that the JSON beside each sample needs itself: \
             rename the column",
        )),
    }
}
