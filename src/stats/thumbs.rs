//! One picture for each class.

use std::collections::BTreeMap;

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use super::{Record, State};
use crate::media::ImageEncoder;
use crate::probe::{frame_at, open};
use crate::sample::ImageCodec;
use crate::{Error, Result, Time};

/// A picture of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumb {
    /// The class; empty for clips without one.
    pub class: String,
    /// Key of the clip.
    pub key: String,
    /// A JPEG; empty where no clip of the class could be decoded.
    pub jpeg: Vec<u8>,
}

/// Height in pixels of a picture.
const HEIGHT: u32 = 108;
/// Most pictures that are made.
const MOST: usize = 2000;
/// Clips of a class that are tried.
const TRIES: usize = 3;

/// The middle frame of the first clip of each class that can be decoded.
///
/// # Errors
/// [`Error::Usage`] if the threads cannot be started.
pub fn thumbs(records: &[Record], threads: usize) -> Result<Vec<Thumb>> {
    let mut classes: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in records {
        let class = record.labels.first().map_or("", String::as_str);
        let usable = matches!(record.state, State::Found | State::Short)
            && record.media.is_some()
            && record.video_codec.is_some();
        let clips = classes.entry(class).or_default();
        if usable && clips.len() < TRIES {
            clips.push(record);
        }
    }
    let workers = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.max(1))
        .build()
        .map_err(|e| Error::usage(format!("cannot start {threads} threads: {e}")))?;
    let classes: Vec<_> = classes.into_iter().take(MOST).collect();
    let make = |(class, clips): (&str, Vec<&Record>)| {
        let found = clips.iter().find_map(|clip| Some((clip, draw(clip)?)));
        let (key, jpeg) = match found {
            Some((clip, jpeg)) => (clip.key.clone(), jpeg),
            None => Default::default(),
        };
        Thumb {
            class: class.to_owned(),
            key,
            jpeg,
        }
    };
    Ok(workers.install(|| classes.into_par_iter().map(make).collect()))
}

fn draw(record: &Record) -> Option<Vec<u8>> {
    let (mut input, _) = open(record.media.as_deref()?).ok()?;
    let middle = record.start + record.duration.unwrap_or(0.0) / 2.0;
    let found = frame_at(&mut input, Time::from_secs(middle));
    let (frame, track) = found.or_else(|| frame_at(&mut input, Time::ZERO))?;
    let (width, height) = match track.rotation.swaps() {
        true => (frame.height(), frame.width()),
        false => (frame.width(), frame.height()),
    };
    let width = u64::from(width) * u64::from(HEIGHT) / u64::from(height.max(1));
    let width = u32::try_from(width.clamp(8, u64::from(HEIGHT) * 4)).ok()?;
    let mut encoder = ImageEncoder::new(ImageCodec::Jpeg, 80).ok()?;
    let coded = encoder.encode(&frame, (width, HEIGHT), track.rotation);
    coded.ok().map(|(jpeg, _)| jpeg.to_vec())
}
