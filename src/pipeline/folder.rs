//! [`Folder`]: where things lie in OUT.
//!
//! ```text
//! OUT/train-000000.tar        a shard, whole
//! OUT/train-000000.tar.kidx   its index
//! OUT/dataset.json samples.jsonl labels.txt
//! OUT/.kpack/                 while unfinished:
//!   part-0-of-1.jsonl         log of a part
//!   mds.jsonl                 log of a conversion to MDS
//!   NAME.partial              the shard being written, and NAME.kidx.partial
//!   NAME                      a shard whose name still lacks the number of shards
//! ```

use std::path::{Path, PathBuf};

use crate::pipeline::names::is_provisional;

/// Name of the folder that exists while a dataset is unfinished.
pub(crate) const WORK: &str = ".kpack";
/// Name of the log of a conversion to MDS.
pub(crate) const MDS_LOG: &str = "mds.jsonl";

#[derive(Debug, Clone)]
pub(crate) struct Folder {
    pub(crate) out: PathBuf,
    pub(crate) work: PathBuf,
}

impl Folder {
    pub(crate) fn new(out: &Path) -> Self {
        Self {
            out: out.to_owned(),
            work: out.join(WORK),
        }
    }
    pub(crate) fn log(&self, part: u32, parts: u32) -> PathBuf {
        self.work.join(format!("part-{part}-of-{parts}.jsonl"))
    }
    /// The shard `name` while it is written.
    pub(crate) fn partial(&self, name: &str) -> PathBuf {
        self.work.join(format!("{}.partial", plain(name)))
    }
    /// The compressed shard `name` while it is written.
    pub(crate) fn packed(&self, name: &str) -> PathBuf {
        self.work.join(format!("{}.packed", plain(name)))
    }
    /// The shard `name` when it is whole.
    pub(crate) fn whole(&self, name: &str) -> PathBuf {
        if is_provisional(name) {
            self.work.join(plain(name))
        } else {
            self.out.join(name)
        }
    }
    /// Scratch space for a file that appears by rename.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.work.join("new")
    }
}

/// Name of the index of a shard.
pub(crate) fn index_name(shard: &str) -> String {
    format!("{shard}.kidx")
}

/// The marks of a provisional name are no letters that every system takes.
fn plain(name: &str) -> String {
    name.replace('?', "_")
}
