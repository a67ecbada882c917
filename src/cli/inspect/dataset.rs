//! A folder of shards: what it holds as a whole.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use serde_json::json;

use super::walk::{self, Shards};
use crate::cli::out::{bytes, count};
use crate::cli::{Common, Exit, out};

/// What one shard holds.
#[derive(Default)]
struct Counted {
    format: &'static str,
    samples: u64,
    bytes: u64,
}

/// Reads every shard of `dir` and prints what it holds.
pub(super) fn run(dir: &Path, shards: &Shards, common: &Common) -> anyhow::Result<Exit> {
    let mut counted: BTreeMap<&Path, Counted> = BTreeMap::new();
    for shard in &shards.0 {
        counted.insert(shard, Counted::default());
    }
    let damage = shards.walk(|place, sample| {
        if let Some(entry) = counted.get_mut(place.shard) {
            entry.format = place.format;
            entry.samples += 1;
            entry.bytes += sample.blob_bytes();
        }
        Ok(ControlFlow::Continue(()))
    })?;
    for error in &damage {
        out::say(format_args!("kpack: {error}"));
    }
    let samples: u64 = counted.values().map(|c| c.samples).sum();
    if common.json {
        let list = counted.iter().map(|(shard, c)| {
            let shard = shard.to_string_lossy();
            json!({ "shard": shard, "format": c.format, "samples": c.samples, "bytes": c.bytes })
        });
        let damage: Vec<String> = damage.iter().map(ToString::to_string).collect();
        let list: Vec<_> = list.collect();
        out::print_json(&json!({ "samples": samples, "shards": list, "damage": damage }))?;
    } else {
        out::print(|out| {
            for (shard, c) in &counted {
                let (shard, samples) = (shard.display(), count(c.samples, "sample"));
                writeln!(out, "{shard}  {}  {samples}  {}", c.format, bytes(c.bytes))?;
            }
            let shards = count(counted.len() as u64, "shard");
            writeln!(
                out,
                "{}: {shards}, {}",
                dir.display(),
                count(samples, "sample")
            )
        })?;
    }
    Ok(walk::exit_of(&damage))
}
