//! wids: one JSON that lists all shards, each with its path from there.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use kpack_formats::atomic::write_atomic;
use kpack_formats::indexes::{self, Listed, WidsSamples, WidsShard};

use super::{Part, header, relative};
use crate::convert::Found;
use crate::{Error, Result};

/// Writes the list of `shards`; its path.
pub(super) fn write(shards: &[Found], parts: &[Part], out: Option<&Path>) -> Result<PathBuf> {
    let (root, names) = relative(shards, out)?;
    let mut list = Vec::with_capacity(shards.len());
    for ((shard, name), part) in shards.iter().zip(names).zip(parts) {
        let url = match out {
            Some(out) => way(out, &shard.path)?,
            None => name,
        };
        if url.contains(['?', '#', ';', ':']) {
            return Err(Error::usage(format!(
                "{}: wids takes a path with ? # ; or : for an address: rename it",
                shard.path.display()
            )));
        }
        list.push(WidsShard {
            url,
            md5sum: part.md5.clone(),
            nsamples: part.samples,
            filesize: part.bytes,
        });
    }
    let path = root.join("shardindex.json");
    write_atomic(&path, indexes::wids(&list)?.as_bytes())?;
    Ok(path)
}

/// The path of a shard from the folder of the list. Where links stand in the way it is absolute, because
/// wids takes `..` for the folder that is named in front of it.
fn way(out: &Path, shard: &Path) -> Result<String> {
    let real = |path: &Path| {
        let path = match path.as_os_str().is_empty() {
            true => Path::new("."),
            false => path,
        };
        path.canonicalize().map_err(Error::io("cannot find", path))
    };
    let (from, parent) = (real(out)?, real(shard.parent().unwrap_or(Path::new("")))?);
    let name = shard.file_name().unwrap_or_default();
    let common = from.components().zip(parent.components());
    let common = common.take_while(|(one, two)| one == two).count();
    let up = from.components().count() - common;
    let plain = std::path::absolute(out).is_ok_and(|named| named == from);
    let way = match up == 0 || plain {
        true => {
            let mut way: PathBuf = std::iter::repeat_n("..", up).collect();
            way.extend(parent.components().skip(common));
            way.join(name)
        }
        false => parent.join(name),
    };
    way.to_str().map(str::to_owned).ok_or_else(|| {
        let shard = shard.display();
        Error::usage(format!(
            "{shard}: the name is not UTF-8, so no list can hold it"
        ))
    })
}

/// What wids sees otherwise than it stands in a shard.
pub(super) fn notes(
    shard: &Found,
    bytes: &Bytes,
    members: &[Listed],
    found: WidsSamples,
) -> Vec<String> {
    let other = |member: &&Listed| {
        let name = header(bytes, member).get(..100).unwrap_or_default();
        let end = name.iter().position(|b| *b == 0).unwrap_or(name.len());
        name.get(..end) != Some(&member.name[..])
    };
    let (path, other) = (shard.path.display(), members.iter().filter(other).count());
    let mut notes = Vec::new();
    if other > 0 {
        notes.push(format!(
            "{path}: wids reads no names of PAX or of more than 100 bytes: {other} members have other \
             names for it"
        ));
    }
    if found.again > 0 {
        let again = found.again;
        notes.push(format!(
            "{path}: wids never reads the last {again} members, whose names came before"
        ));
    }
    notes
}
