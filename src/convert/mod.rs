//! Shards to shards: samples found in sources of any kind become the rows of a plan, which
//! [`crate::pipeline::pack`] writes like any other. Bytes are copied, nothing is decoded.
//!
//! ```text
//! SRC.. ──> find: shards, trees ──> scan: places, keys, labels ──> select ──> Input ──> Plan
//!                                                                                        │
//!           target shards, index, manifest <── pack <── Conversion::make: map, check, edit
//! ```
//!
//! The scan looks at frames and headers only, in mapped shards; a compressed shard is read through
//! once for it, and inflated into a file without a name when its samples are wanted. Each sample is
//! checked when it is read: by the record's checksum, and by the index where there is one.

mod beside;
mod edit;
mod find;
mod known;
mod mds;
mod scan;
mod select;
mod source;
mod trees;

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use kpack_formats::mds::Holdings;
use kpack_formats::{Meta, Sample, frame_number};
use rayon::prelude::*;
use serde_json::Value;

pub use edit::Edits;
pub(crate) use find::split_below;
pub use find::{Found, find};
pub use mds::{MdsOptions, MdsWritten};
pub use select::Choice;

use crate::pipeline::{DATASET, Dataset};
use crate::sample::{
    Class, Facts, Made, Pace, Recipe, SampleError, Size, Stage, Trim, VideoRecipe, VideoSound,
};
use crate::source::{Clip, Input};
use crate::{Error, Result};
use source::{Place, Source};

/// Column of a row that says where its sample lies.
const AT: &str = "at";
/// Column of a row, and field of the metadata, that keeps a key which had to change.
const KEY: &str = "key_before";

/// Sources that are being converted.
#[derive(Debug)]
pub struct Conversion {
    sources: Vec<Source>,
    edits: Edits,
    /// Where shards are inflated.
    work: PathBuf,
}

impl Conversion {
    /// Lists what `sources` hold, and the rows that `choice` leaves. Shards are inflated into
    /// unnamed files in `work`, which is made when it is needed.
    ///
    /// # Errors
    /// Those of [`find`]; [`Error::Input`] for a damaged shard; [`Error::Usage`] if nothing is left.
    pub fn read(
        sources: &[PathBuf],
        choice: &Choice,
        edits: Edits,
        work: &Path,
        threads: usize,
    ) -> Result<(Conversion, Input)> {
        edits.check()?;
        let found = find(sources)?;
        let beside = beside::notes(sources, &found);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|e| Error::usage(format!("cannot start {threads} threads: {e}")))?;
        let rows = known::Rows::default();
        let scan = |one: &Found| scan::scan(one, &rows);
        let scanned: Result<Vec<_>> = pool.install(|| found.par_iter().map(scan).collect());
        let (sources, listed): (Vec<_>, Vec<_>) = scanned?.into_iter().unzip();
        let mut input = select::rows(&sources, listed, choice, &edits)?;
        input.notes.extend(beside);
        input.notes.extend(edits.idle(&together(&sources)));
        let conversion = Conversion {
            sources,
            edits,
            work: work.to_owned(),
        };
        Ok((conversion, input))
    }

    /// The shards and trees that it reads.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.sources
            .iter()
            .map(|source| source.found.path.clone())
            .collect()
    }

    /// What its sources hold together, after the edits.
    fn holdings(&self) -> Holdings {
        let mut all = together(&self.sources);
        self.edits.apply_to(&mut all);
        all
    }

    /// The sample of a row, its blobs as they are in their source.
    ///
    /// # Errors
    /// [`Class::Corrupt`] for damage, [`Class::Missing`] if the source is gone.
    pub fn make(&self, clip: &Clip) -> Result<Made, SampleError> {
        let fault =
            |class, reason: String| SampleError::new(&clip.key, Stage::Probe, class, reason);
        let found =
            place_of(&clip.columns).and_then(|(i, place)| Some((self.sources.get(i)?, place)));
        let Some((source, place)) = found else {
            let reason = "the row says no place in its source".to_owned();
            return Err(fault(Class::Internal, reason));
        };
        let mut sample = source.read(&clip.key, place, &self.work)?;
        trees::label(&mut sample, &clip.labels);
        self.edits.apply(&mut sample).map_err(|name| {
            let reason = format!("two blobs would be named {name}; drop or rename one of them");
            fault(Class::Internal, reason)
        })?;
        sample.key.clone_from(&clip.key);
        // Other people's JSON stays as it is.
        let before = clip
            .columns
            .get(KEY)
            .filter(|_| !sample.blobs.contains_key("json"));
        if let Some(before) = before {
            let first = sample.meta.entry(KEY);
            first.or_insert_with(|| before.clone());
        }
        let facts = facts(&sample);
        Ok(Made::Sample(Box::new(sample), Box::new(facts)))
    }

    /// Bytes of a row's sample, about.
    pub fn weight(clip: &Clip) -> u64 {
        place_of(&clip.columns).map_or(0, |(_, place)| place.length)
    }
}

/// What the samples of all sources hold.
fn together(sources: &[Source]) -> Holdings {
    let mut all = Holdings::default();
    sources.iter().for_each(|source| all.join(&source.holdings));
    all
}

/// Number of the source, and the place in it.
fn place_of(columns: &Meta) -> Option<(usize, Place)> {
    let list = columns.get(AT)?.as_array()?;
    let number = |i: usize| list.get(i).and_then(Value::as_u64);
    let place = Place {
        offset: number(1)?,
        length: number(2)?,
        crc32c: number(3).and_then(|crc| u32::try_from(crc).ok()),
        entry: number(4),
    };
    Some((usize::try_from(number(0)?).ok()?, place))
}

/// What the metadata says of the sample, for its row.
fn facts(sample: &Sample) -> Facts {
    let meta = Value::Object(sample.meta.clone());
    let mut facts: Facts = serde_json::from_value(meta).unwrap_or_default();
    let frames = sample
        .blobs
        .keys()
        .filter(|name| frame_number(name).is_some());
    match frames.count() {
        0 => {}
        count => facts.frames = Some(count as u64),
    }
    facts
}

/// The recipe of the sources' own datasets if it is one and the same, else one that asks for
/// nothing.
pub fn recipe_of(sources: &[PathBuf]) -> Recipe {
    let folder = |path: &PathBuf| match path.is_dir() {
        true => path.clone(),
        false => path.parent().map(Path::to_owned).unwrap_or_default(),
    };
    let known = Mutex::new(None::<Recipe>);
    let same = sources.iter().all(|path| {
        let dir = folder(path);
        let recipe = dir
            .join(DATASET)
            .is_file()
            .then(|| Dataset::read(&dir).ok().flatten())
            .flatten()
            .map(|dataset| dataset.origin.recipe);
        let Ok(mut known) = known.lock() else {
            return false;
        };
        match (&*known, recipe) {
            (Some(known), Some(recipe)) => *known == recipe,
            (None, Some(recipe)) => {
                *known = Some(recipe);
                true
            }
            (_, None) => false,
        }
    });
    let known = known.into_inner().ok().flatten();
    known.filter(|_| same).unwrap_or(Recipe {
        video: VideoRecipe::None,
        trim: Trim::None,
        frames: None,
        size: Size::Source,
        upscale: false,
        audio: None,
        waveform: false,
        pace: Pace::Source,
        video_sound: VideoSound::Encode,
    })
}
