//! Whether a folder holds a dataset that is still being made.

use std::fs::File;
use std::path::Path;

use crate::pipeline::dataset::DATASET;
use crate::pipeline::enter::logs;
use crate::pipeline::files::exists;
use crate::pipeline::folder::{Folder, MDS_LOG, WORK};
use crate::pipeline::log::{Line, LogReader};
use crate::{Error, Result};

/// What is unfinished in `out`, in words with what to do; `None` if nothing is.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn unfinished(out: &Path) -> Result<Option<String>> {
    let folder = Folder::new(out);
    if !exists(&out.join(WORK)) {
        return Ok(None);
    }
    if exists(&out.join(DATASET)) {
        return Ok(super::remake::is_interrupted(out).then(|| {
            "unfinished: kpack retry was interrupted; run it again to complete it".to_owned()
        }));
    }
    if exists(&folder.work.join(MDS_LOG)) {
        let text =
            "unfinished: a conversion to MDS was interrupted; the same command, again, continues";
        return Ok(Some(text.to_owned()));
    }
    let (mut settled, mut clips, mut parts, mut found) = (0, 0, 0, 0);
    for log in logs(&folder)? {
        let file = File::open(&log).map_err(Error::io("cannot open", &log))?;
        let mut lines = LogReader::new(file, &log);
        found += 1;
        while let Some((_, line)) = lines.next()? {
            match line {
                Line::Plan(header) => (clips, parts) = (header.rows, header.parts),
                Line::Row { .. } => settled += 1,
                Line::Shard(_) | Line::Synced(_) => {}
            }
        }
    }
    let what = match (settled == clips, parts > 1) {
        (true, true) if found == parts => "join its parts with kpack merge",
        _ => "the command that packs it, again, continues",
    };
    Ok(Some(format!(
        "unfinished: {settled} of {clips} clips are settled; {what}"
    )))
}
