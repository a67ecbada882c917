//! A sample as text and as JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};

use kpack_formats::{Label, Sample};
use serde_json::{Value, json};

use super::Place;
use crate::cli::out::{bytes, count};

/// One line: number, key, class, members by kind.
pub(super) fn line(out: &mut dyn Write, place: &Place<'_>, sample: &Sample) -> io::Result<()> {
    let mut kinds: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (name, blob) in &sample.blobs {
        let kind = name
            .rsplit_once('.')
            .map_or(name.as_str(), |(_, extension)| extension);
        let entry = kinds.entry(kind).or_default();
        *entry = (entry.0 + 1, entry.1 + blob.len());
    }
    let kinds = kinds.iter().map(|(kind, (n, size))| match n {
        1 => format!("{kind} {}", bytes(*size)),
        _ => format!("{n} {kind} {}", bytes(*size)),
    });
    let mut parts: Vec<String> = kinds.collect();
    parts.extend(sample.labels.iter().map(label));
    writeln!(
        out,
        "{:>6}  {}  {}",
        place.index,
        sample.key,
        parts.join(", ")
    )
}

/// Every member with its size, and the metadata.
pub(super) fn details(out: &mut dyn Write, place: &Place<'_>, sample: &Sample) -> io::Result<()> {
    let (offset, length) = place.position;
    writeln!(out, "{:>6}  {}", place.index, sample.key)?;
    writeln!(out, "        at byte {offset}, {length} bytes")?;
    for text in sample.labels.iter().map(label) {
        writeln!(out, "        {text}")?;
    }
    let members = count(sample.blobs.len() as u64, "member");
    writeln!(out, "        {members}, {}", bytes(sample.blob_bytes()))?;
    for (name, blob) in &sample.blobs {
        write!(out, "          {name:<16} {:>12}", blob.len())?;
        match sample.frame_tables.get(name) {
            Some(table) => {
                let frames = count(table.shown().len() as u64, "frame");
                let keys = count(table.keys() as u64, "key frame");
                writeln!(out, "  {frames}, {keys}")?;
            }
            None => writeln!(out)?,
        }
    }
    if !sample.meta.is_empty() {
        let text = serde_json::to_string_pretty(&sample.meta)?;
        for line in text.lines() {
            writeln!(out, "        {line}")?;
        }
    }
    Ok(())
}

fn label(label: &Label) -> String {
    match (&label.text, label.index) {
        (Some(text), Some(index)) => format!("label {index} ({text})"),
        (Some(text), None) => format!("label ({text})"),
        (None, Some(index)) => format!("label {index}"),
        (None, None) => "label".to_owned(),
    }
}

/// A sample without its blobs' bytes.
pub(super) fn json(place: &Place<'_>, sample: &Sample) -> Value {
    let member = |(name, blob): (&String, &kpack_formats::Blob)| {
        let mut member = json!({ "name": name, "bytes": blob.len() });
        if let Some(table) = sample.frame_tables.get(name) {
            member["frames"] = table.shown().len().into();
            member["key_frames"] = table.keys().into();
        }
        member
    };
    let label = |label: &Label| json!({ "index": label.index, "text": label.text });
    json!({
        "index": place.index,
        "key": sample.key,
        "shard": place.shard.to_string_lossy(),
        "format": place.format,
        "offset": place.position.0,
        "length": place.position.1,
        "labels": sample.labels.iter().map(label).collect::<Vec<_>>(),
        "members": sample.blobs.iter().map(member).collect::<Vec<_>>(),
        "meta": sample.meta,
    })
}
