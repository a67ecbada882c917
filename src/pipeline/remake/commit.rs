//! Puts what was remade in the place of the old, all of it or, after a crash, none until the next
//! command completes it.
//!
//! ```text
//! DIR/.kpack/retry/                 new shards, rows, manifest, whole and synced
//! DIR/.kpack/retry/commit.json      then this list of moves; from here on they are only carried out
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::pipeline::dataset::{DATASET, LABELS, SAMPLES};
use crate::pipeline::files::{exists, remove, rename, sync_folder};
use crate::pipeline::finish::write_dataset;
use crate::pipeline::folder::{Folder, WORK, index_name};
use crate::pipeline::remake::old::Old;
use crate::pipeline::remake::result::Remade;
use crate::{Error, Result, bounded};

const LIST: &str = "commit.json";

/// Where a retry prepares its files.
pub(crate) fn staging(dir: &Path) -> PathBuf {
    dir.join(WORK).join("retry")
}

/// What is to be done, in paths below the dataset.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Moves {
    moves: Vec<(PathBuf, PathBuf)>,
    remove: Vec<PathBuf>,
}

/// Whether a commit began and did not end.
pub(crate) fn is_interrupted(dir: &Path) -> bool {
    exists(&staging(dir).join(LIST))
}

/// Replaces the dataset in its own folder.
pub(crate) fn replace(old: &Old, folder: &Folder, mut remade: Remade) -> Result<Remade> {
    remade.write_files(old, folder)?;
    write_dataset(folder, &remade.dataset)?;
    sync_folder(&folder.out)?;
    sync_folder(&folder.work)?;
    let mut list = Moves::default();
    let below = |path: PathBuf| {
        path.strip_prefix(&old.dir)
            .map(Path::to_owned)
            .unwrap_or(path)
    };
    let with_index = |name: &str| [name.to_owned(), index_name(name)];
    for (from, to) in &remade.fresh {
        for (from, to) in with_index(from).iter().zip(with_index(to)) {
            list.moves.push((below(folder.whole(from)), to.into()));
        }
    }
    for (from, to) in remade.kept.iter().filter(|(from, to)| from != to) {
        for (from, to) in with_index(from).iter().zip(with_index(to)) {
            list.moves.push((from.into(), to.into()));
        }
    }
    for name in [SAMPLES, LABELS, DATASET] {
        if exists(&folder.out.join(name)) {
            list.moves.push((below(folder.out.join(name)), name.into()));
        }
    }
    let stays = |name: &str| remade.dataset.shards.iter().any(|shard| shard.name == name);
    let gone = old
        .dataset
        .shards
        .iter()
        .filter(|shard| !stays(&shard.name));
    for shard in gone {
        list.remove
            .extend(with_index(&shard.name).map(PathBuf::from));
    }
    let bytes = serde_json::to_vec(&list).map_err(|e| {
        let path = folder.out.join(LIST);
        Error::io("cannot write", &path)(e.into())
    })?;
    crate::pipeline::files::moment()?;
    kpack_formats::atomic::write_atomic(&folder.out.join(LIST), &bytes)?;
    complete(&old.dir)?;
    Ok(remade)
}

/// Carries out the moves of a commit that began; nothing if there is none.
pub(crate) fn complete(dir: &Path) -> Result<()> {
    let staging = staging(dir);
    let path = staging.join(LIST);
    let bytes = match bounded::read(&path, bounded::MANIFEST) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::io("cannot read", &path)(e)),
    };
    let list: Moves = serde_json::from_slice(&bytes).map_err(|e| Error::Input {
        path,
        message: format!("not the list of an interrupted retry: {e}"),
    })?;
    for (from, to) in &list.moves {
        let (from, to) = (inside(dir, from)?, inside(dir, to)?);
        if exists(&from) {
            rename(&from, &to)?;
        }
    }
    for path in &list.remove {
        remove(&inside(dir, path)?)?;
    }
    sync_folder(dir)?;
    clear(dir)
}

/// Removes what was prepared.
pub(crate) fn clear(dir: &Path) -> Result<()> {
    let staging = staging(dir);
    // The list goes first: what is half removed must not be carried out again.
    remove(&staging.join(LIST))?;
    for folder in [staging, dir.join(WORK)] {
        match fs::remove_dir_all(&folder) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("cannot remove folder", &folder)(e));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A path below the dataset; anything else is refused.
fn inside(dir: &Path, path: &Path) -> Result<PathBuf> {
    let normal = |part| matches!(part, std::path::Component::Normal(_));
    if path.components().all(normal) {
        return Ok(dir.join(path));
    }
    Err(Error::usage(format!(
        "{}: the list of an interrupted retry names a path outside the dataset",
        path.display()
    )))
}
