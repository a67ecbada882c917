//! `kpack convert --to mds`: MosaicML's format, which keeps no rows beside its shards.

use std::path::Path;

use kpack::convert::{Conversion, MdsOptions, MdsWritten};
use kpack::source::Input;
use serde_json::json;

use super::out::{self, bytes, count};
use super::pack::Watch;
use super::signals::Signals;
use super::{Common, Exit};

/// Most failures that are shown one by one.
const SHOWN: usize = 20;

/// Writes and reports.
pub(super) fn run(
    conversion: &Conversion,
    input: &Input,
    dir: &Path,
    options: MdsOptions,
    common: &Common,
) -> anyhow::Result<Exit> {
    for note in input.notes.iter().filter(|_| !common.quiet) {
        out::say(format_args!("note: {note}"));
    }
    let signals = Signals::listen()?;
    let watch = Watch::new(common);
    let written = conversion.write_mds(input, dir, options, &watch, signals.stop());
    watch.end();
    let written = written?;
    for failure in written.failed.iter().take(SHOWN) {
        out::say(format_args!(
            "kpack: {}: {}",
            failure.key,
            failure.full_reason()
        ));
    }
    if common.json {
        let MdsWritten {
            samples, shards, ..
        } = written;
        let failed: Vec<_> = (written.failed.iter())
            .map(|e| json!({ "key": e.key, "class": e.class, "reason": e.full_reason() }))
            .collect();
        out::print_json(&json!({
            "samples": samples, "shards": shards, "bytes": written.bytes, "failed": failed,
            "folders": written.folders, "finished": !written.stopped, "kept": written.kept,
            "finished_before": written.finished_before,
        }))?;
    } else if !common.quiet {
        tell(&written, dir);
    }
    Ok(match (written.stopped, written.failed.is_empty()) {
        (true, _) => signals.exit().unwrap_or(Exit::Interrupted),
        (false, true) => Exit::Done,
        (false, false) => Exit::SomeFailed,
    })
}

/// The summary for a person.
fn tell(written: &MdsWritten, dir: &Path) {
    let before = match (written.finished_before, written.kept) {
        (true, _) => " (all were there before: nothing was written)".to_owned(),
        (false, 0) => String::new(),
        (false, kept) => format!(" ({} there before)", count(kept, "shard")),
    };
    out::say(format_args!(
        "{} in {}, {}{before}: {}",
        count(written.samples, "sample"),
        count(written.shards, "shard"),
        bytes(written.bytes),
        dir.display()
    ));
    if !written.failed.is_empty() {
        let failed = count(written.failed.len() as u64, "sample");
        out::say(format_args!("{failed} could not be written"));
    }
    if written.stopped && !written.finished_before {
        out::say("stopped before the end: the same command goes on behind these shards");
    }
}
