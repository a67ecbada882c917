//! What is known of a shard's samples before they are read: the checksums of their bytes.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use kpack_formats::{IndexReader, Limits};

use super::find::Found;
use super::scan::Listed;
use crate::pipeline::{OutcomeRow, SAMPLES};
use crate::verify::index::path_of;

/// What is known of samples, by their offsets.
type Samples = HashMap<u64, Known>;

#[derive(Debug)]
struct Known {
    key: String,
    length: u64,
    crc32c: u32,
    /// Where its entry stands in the index.
    entry: Option<u64>,
}

/// The rows of the datasets that shards are of, each read once and only where an index does not tell.
#[derive(Default)]
pub(super) struct Rows(Mutex<HashMap<PathBuf, Arc<HashMap<String, Samples>>>>);

impl Rows {
    /// Gives all samples of `found` the checksums of the index beside it; where that has not all of
    /// them, those of its dataset's rows.
    pub(super) fn look_up(&self, found: &Found, listed: &mut [Listed]) {
        give(&indexed(found).unwrap_or_default(), listed);
        if listed.iter().all(|one| one.place.crc32c.is_some()) {
            return;
        }
        let name = found.path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(samples) = self.of(found.path.parent()).get(&*name) {
            give(samples, listed);
        }
    }

    fn of(&self, folder: Option<&Path>) -> Arc<HashMap<String, Samples>> {
        let folder = folder.unwrap_or(Path::new(""));
        let mut read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rows) = read.get(folder) {
            return rows.clone();
        }
        let mut shards: HashMap<String, Samples> = HashMap::new();
        let path = folder.join(SAMPLES);
        if let Ok(file) = File::open(&path) {
            for row in OutcomeRow::read_all(file, &path).map_while(Result::ok) {
                if let (Some(shard), Some(offset), Some(length), Some(crc32c)) =
                    (row.shard, row.offset, row.length, row.crc32c)
                {
                    let known = Known {
                        key: row.key,
                        length,
                        crc32c,
                        entry: None,
                    };
                    shards.entry(shard).or_default().insert(offset, known);
                }
            }
        }
        let rows = Arc::new(shards);
        read.insert(folder.to_owned(), rows.clone());
        rows
    }
}

fn give(samples: &Samples, listed: &mut [Listed]) {
    for one in listed.iter_mut().filter(|one| one.place.crc32c.is_none()) {
        let known = samples.get(&one.place.offset);
        if let Some(known) = known.filter(|k| k.length == one.place.length && k.key == one.key) {
            (one.place.crc32c, one.place.entry) = (Some(known.crc32c), known.entry);
        }
    }
}

/// What the index beside a shard says; `None` where there is no whole index.
fn indexed(found: &Found) -> Option<Samples> {
    let file = File::open(path_of(&found.path)).ok()?;
    let mut reader = IndexReader::new(file, Limits::default()).ok()?;
    let mut known = HashMap::new();
    let mut at = reader.position();
    while let Some(entry) = reader.next_brief().ok()? {
        let extent = entry.extent;
        let one = Known {
            key: entry.key,
            length: extent.length,
            crc32c: extent.crc32c,
            entry: Some(at),
        };
        known.insert(extent.offset, one);
        at = reader.position();
    }
    Some(known)
}
