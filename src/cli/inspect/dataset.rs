//! A folder that was packed: what it holds as a whole.

use std::io::{self, Write};
use std::path::Path;

use kpack::pipeline::{Dataset, classes};
use serde_json::{Value, json};

use super::walk::{self, Shards};
use crate::cli::out::{bytes, count, grouped};
use crate::cli::{Common, Exit, out};

/// Most shards that are listed without `-v`.
const LISTED: usize = 20;

/// Prints what `dir` holds: from its manifest, or by reading every shard where there is none.
pub(super) fn run(dir: &Path, common: &Common) -> anyhow::Result<Exit> {
    let Some(dataset) = Dataset::read(dir)? else {
        return read_all(dir, common);
    };
    let classes = classes(dir).unwrap_or_default();
    let classes = classes.iter().filter(|name| !name.is_empty()).count();
    if common.json {
        let mut value = serde_json::to_value(&dataset)?;
        if let Some(map) = value.as_object_mut() {
            map.insert("classes".to_owned(), classes.into());
        }
        out::print_json(&value)?;
    } else {
        let shown = if common.verbose > 0 {
            usize::MAX
        } else {
            LISTED
        };
        out::print(|out| print(out, dir, &dataset, classes, shown))?;
    }
    Ok(Exit::Done)
}

fn print(
    out: &mut dyn Write,
    dir: &Path,
    dataset: &Dataset,
    classes: usize,
    shown: usize,
) -> io::Result<()> {
    let (origin, counts) = (&dataset.origin, &dataset.counts);
    let target: Vec<String> = origin.target.iter().filter_map(option).collect();
    writeln!(out, "{}: {}", dir.display(), target.join(", "))?;
    let stored = match dataset.shards.len() {
        0 => counts.bytes,
        _ => dataset
            .shards
            .iter()
            .fold(0_u64, |sum, shard| sum.saturating_add(shard.bytes)),
    };
    let samples = count(counts.done, "sample");
    match dataset.shards.len() {
        0 => writeln!(out, "  {samples}, {}", bytes(stored))?,
        n => writeln!(
            out,
            "  {samples} in {}, {}",
            count(n as u64, "shard"),
            bytes(stored)
        )?,
    }
    if counts.frames > 0 {
        writeln!(out, "  {}", count(counts.frames, "frame"))?;
    }
    match classes {
        0 => writeln!(out, "  no classes")?,
        1 => writeln!(out, "  1 class")?,
        n => writeln!(out, "  {} classes", grouped(n as u64))?,
    }
    writeln!(
        out,
        "  {}: {} done, {} failed, {} skipped",
        count(counts.clips, "clip"),
        grouped(counts.done),
        grouped(counts.failed),
        grouped(counts.skipped)
    )?;
    for (class, n) in &counts.failures {
        writeln!(out, "    {:>8} {}", grouped(*n), class.as_str())?;
    }
    print_shards(out, dataset, shown)?;
    writeln!(
        out,
        "  made by kpack {}, libav {}",
        origin.kpack, origin.libav
    )
}

/// The first `shown` shards, and those that were not written.
fn print_shards(out: &mut dyn Write, dataset: &Dataset, shown: usize) -> io::Result<()> {
    for shard in dataset.shards.iter().take(shown) {
        let samples = count(shard.samples, "sample");
        writeln!(out, "  {}  {samples}, {}", shard.name, bytes(shard.bytes))?;
    }
    match dataset.shards.len().saturating_sub(shown) {
        0 => {}
        more => writeln!(out, "  and {} more: -v lists all", grouped(more as u64))?,
    }
    for name in &dataset.empty_shards {
        writeln!(
            out,
            "  {name}  not written, because all of its samples failed"
        )?;
    }
    Ok(())
}

/// An option of the target as text: the format alone, others with their name.
fn option((name, value): (&String, &Value)) -> Option<String> {
    let value = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match name.as_str() {
        "format" => Some(value),
        "compression" if value == "none" => None,
        name => Some(format!("{name} {value}")),
    }
}

/// What one shard holds.
struct Counted {
    name: String,
    format: &'static str,
    samples: u64,
    bytes: u64,
}

/// A folder without a manifest: counts what its shards hold.
fn read_all(dir: &Path, common: &Common) -> anyhow::Result<Exit> {
    let mut counted: Vec<Counted> = Vec::new();
    let damage = Shards::of(dir)?.walk(|place, sample| {
        let name = place.shard.to_string_lossy();
        if counted.last().is_none_or(|last| last.name != name) {
            counted.push(Counted {
                name: name.into_owned(),
                format: place.format,
                samples: 0,
                bytes: 0,
            });
        }
        if let Some(last) = counted.last_mut() {
            last.samples += 1;
            last.bytes += sample.blob_bytes();
        }
        Ok(std::ops::ControlFlow::Continue(()))
    })?;
    for error in &damage {
        out::say(format_args!("kpack: {error}"));
    }
    let samples: u64 = counted.iter().map(|c| c.samples).sum();
    if common.json {
        let shard = |c: &Counted| json!({ "name": c.name, "format": c.format, "samples": c.samples, "bytes": c.bytes });
        let damage: Vec<String> = damage.iter().map(ToString::to_string).collect();
        let shards: Vec<Value> = counted.iter().map(shard).collect();
        out::print_json(&json!({ "samples": samples, "shards": shards, "damage": damage }))?;
    } else {
        out::print(|out| {
            for c in &counted {
                let samples = count(c.samples, "sample");
                writeln!(
                    out,
                    "{}  {}, {samples}, {}",
                    c.name,
                    c.format,
                    bytes(c.bytes)
                )?;
            }
            let shards = count(counted.len() as u64, "shard");
            let samples = count(samples, "sample");
            writeln!(
                out,
                "{}: no dataset.json; {shards}, {samples}",
                dir.display()
            )
        })?;
    }
    if dir.join(".kpack").is_dir() {
        let dir = dir.display();
        out::say(format_args!(
            "{dir}: unfinished; the command that packs it, again, continues"
        ));
        return Ok(Exit::Damage);
    }
    Ok(walk::exit_of(&damage))
}
