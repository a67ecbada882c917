//! Whether what a finished dataset tells of is still there, as far as a look at names and sizes shows.

use std::fs::{self, File};

use kpack_formats::Error as FormatError;

use crate::pipeline::dataset::{Dataset, SAMPLES};
use crate::pipeline::folder::Folder;
use crate::pipeline::row::OutcomeRow;
use crate::pipeline::target::Target;
use crate::{Error, Result};

/// Most names in the message.
const NAMED: usize = 5;

/// Refuses a finished dataset of which shards, or samples of a tree, are gone.
pub(crate) fn check(folder: &Folder, dataset: &Dataset, target: Target<'_>) -> Result<()> {
    let mut gone = Vec::new();
    let mut count = 0_u64;
    let mut lost = |name: String| {
        count += 1;
        if gone.len() < NAMED {
            gone.push(name);
        }
    };
    for shard in &dataset.shards {
        let meta = fs::metadata(folder.out.join(&shard.name));
        if !meta.is_ok_and(|meta| meta.is_file() && meta.len() == shard.bytes) {
            lost(shard.name.clone());
        }
    }
    if let (Target::Tree(tree), true) = (target, dataset.counts.done > 0) {
        let samples = folder.out.join(SAMPLES);
        match File::open(&samples) {
            Ok(file) => {
                for row in OutcomeRow::read_all(file, &samples) {
                    if let Some(place) = row?.path.filter(|place| !tree.is_there(place)) {
                        lost(place);
                    }
                }
            }
            Err(_) => lost(SAMPLES.to_owned()),
        }
    }
    if gone.is_empty() {
        return Ok(());
    }
    let more = match count - gone.len() as u64 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let text = format!(
        "the dataset is finished, but {}{more} {} gone or cut off: kpack verify {out} tells all \
         that is damaged, kpack repair {out} -o NEW mends it, and the same command with --overwrite \
         packs it anew",
        gone.join(", "),
        if count == 1 { "is" } else { "are" },
        out = folder.out.display(),
    );
    Err(Error::from(FormatError::corrupt(text).path(&folder.out)))
}
