//! The shards that a path names, and a walk through their samples.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use kpack_formats::{Error, FORMATS, Format, Kind, ReadOptions, Sample};

use crate::cli::Exit;

/// The shards that a path names, in order.
pub(super) struct Shards(pub(super) Vec<PathBuf>);

/// Where a sample stands.
pub(super) struct Place<'a> {
    pub(super) shard: &'a Path,
    pub(super) format: &'static str,
    /// Number of the sample, from 0 through all shards.
    pub(super) index: u64,
    /// Offset and length in the uncompressed shard.
    pub(super) position: (u64, u64),
}

impl Shards {
    /// A shard alone, or the shards of a folder in order of their names; a folder without any is
    /// taken as a tree of samples.
    pub(super) fn of(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let meta = std::fs::metadata(path).with_context(|| format!("cannot open {shown}"))?;
        if !meta.is_dir() {
            return Ok(Self(vec![path.to_owned()]));
        }
        let entries = std::fs::read_dir(path).with_context(|| format!("cannot read {shown}"))?;
        let files = entries.flatten().map(|entry| entry.path());
        let mut files: Vec<PathBuf> = files.filter(|p| is_shard_name(p) && p.is_file()).collect();
        files.sort_unstable();
        if !files.is_empty() {
            return Ok(Self(files));
        }
        if !has_trees() {
            bail!("{shown}: holds no shards (tar or TFRecord files)");
        }
        Ok(Self(vec![path.to_owned()]))
    }

    /// Gives every sample to `each` until it says stop. Damage ends its shard only, and is returned.
    pub(super) fn walk(
        &self,
        mut each: impl FnMut(Place<'_>, Sample) -> anyhow::Result<ControlFlow<()>>,
    ) -> anyhow::Result<Vec<Error>> {
        let (mut damage, mut index) = (Vec::new(), 0);
        for shard in &self.0 {
            match walk_shard(shard, &mut index, &mut each) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => break,
                Err(error) => match error.downcast::<Error>() {
                    Ok(error) if error.kind() != Kind::Usage => damage.push(error.path(shard)),
                    Ok(error) => return Err(error.path(shard).into()),
                    Err(error) => return Err(error),
                },
            }
        }
        Ok(damage)
    }
}

/// Whether a folder can be read as samples.
fn has_trees() -> bool {
    FORMATS.iter().any(is_tree)
}

fn is_tree(format: &Format) -> bool {
    matches!(format.layout, kpack_formats::Layout::Tree)
}

fn walk_shard(
    shard: &Path,
    index: &mut u64,
    each: &mut impl FnMut(Place<'_>, Sample) -> anyhow::Result<ControlFlow<()>>,
) -> anyhow::Result<ControlFlow<()>> {
    let format = kpack_formats::sniff(shard)?;
    let mut reader = (format.open)(shard, &ReadOptions::default())?;
    while let Some(sample) = reader.next_sample()? {
        let place = Place {
            shard,
            format: format.name,
            index: *index,
            position: reader.position(),
        };
        *index += 1;
        if each(place, sample)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Whether a file is named as a shard: a format's extension, perhaps compressed.
fn is_shard_name(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|n| n.to_str()) else {
        return false;
    };
    let suffixes = [".gz", ".zst", ".zlib", ".zz"];
    let name = suffixes
        .iter()
        .find_map(|s| name.strip_suffix(s))
        .unwrap_or(name);
    let logs = FORMATS.iter().filter(|format| !is_tree(format));
    let mut extensions = logs.flat_map(|format| format.extensions);
    extensions.any(|e| name.strip_suffix(e).is_some_and(|stem| stem.ends_with('.')))
}

/// Damage, or a shard that could not be read at all.
pub(super) fn exit_of(damage: &[Error]) -> Exit {
    match damage {
        [] => Exit::Done,
        list if list.iter().any(|e| e.kind() == Kind::Corrupt) => Exit::Damage,
        _ => Exit::Fatal,
    }
}
