//! Pictures of a sample: frames of its video that are decoded, or the pictures that it holds, made small.
//! Both by [`Workers`], so that a file that crashes its decoder ends in an error.

use std::fs::File;
use std::io::Cursor;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use image::{ImageFormat, ImageReader, RgbImage, imageops};
use kpack_formats::{Blob, FrameTable, Limits, Sample};
use serde::{Deserialize, Serialize};

use super::video::{FrameRange, Video, video_of};
use crate::media::{self, Rgb, Scaler};
use crate::sample::{Class, Stage};
use crate::source::Problem;
use crate::worker::{Task, Workers, handed};
use crate::{Time, pulse};

/// A longer frame table is made anew where it is needed.
const TABLE: usize = 200_000;

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// Nothing: its number, time and size are told.
    Told,
    /// A PNG of its own size.
    Png,
    /// Packed RGB of this width in pixels, its height at most four times that. Of more frames than
    /// `most`, these many or fewer are taken at equal distances.
    Small {
        /// Pixels.
        width: u32,
        /// At least 1.
        most: usize,
    },
}

/// One picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Number of the frame in the video as they are shown, or of the picture asked for; from 0.
    pub number: u64,
    /// When the frame is shown; 0 of a picture that is none.
    pub time: Time,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Its bytes, as [`Form`] says.
    pub bytes: Bytes,
}

/// Frames of a video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frames {
    /// Name of the video's blob.
    pub blob: String,
    /// Number of frames in all, where it is known without decoding them.
    pub of: Option<u64>,
    /// Those that came out.
    pub pictures: Vec<Picture>,
}

/// Decodes the frames of `range` of the video in `sample`; `None` where it has none.
///
/// # Errors
/// A [`Problem`] of the video, of [`Stage::Probe`] where it cannot be opened; of class `crash`,
/// `timeout` or `memory` where a worker was lost.
pub fn frames(
    sample: &Sample,
    range: FrameRange,
    form: Form,
    workers: &Workers,
) -> Result<Option<Frames>, Problem> {
    let Some((name, blob)) = video_of(sample) else {
        return Ok(None);
    };
    let table = sample.frame_tables.get(name);
    let table = table.filter(|table| table.frames.len() <= TABLE);
    let (file, offset) = match blob {
        Blob::File { file, offset, .. } => (file.clone(), *offset),
        Blob::Bytes(bytes) => {
            let file = handed(std::slice::from_ref(bytes));
            (file.map_err(|e| probe(e.to_string()))?, 0)
        }
    };
    let task = TakeFrames {
        place: (offset, blob.len()),
        table: table.map(|table| FrameTable::clone(table)),
        range,
        form,
    };
    let (taken, bytes) = workers.ask(&sample.key, &file, &task)?;
    Ok(Some(Frames {
        blob: name.to_owned(),
        of: taken.of,
        pictures: apart(&taken.pictures, &bytes),
    }))
}

/// Makes pictures small, packed RGB of `width` pixels; they may be of any coding that kpack writes.
///
/// # Errors
/// A [`Problem`], of the first picture that cannot be decoded.
pub fn thumbnails(
    key: &str,
    pictures: &[Blob],
    width: u32,
    workers: &Workers,
) -> Result<Vec<Picture>, (usize, Problem)> {
    let mut small = Vec::with_capacity(pictures.len());
    for (i, blob) in pictures.iter().enumerate() {
        let loaded = blob.load().map_err(|e| (i, probe(e.to_string())))?;
        let file = handed(&[loaded]).map_err(|e| (i, probe(e.to_string())))?;
        let asked = workers.ask(key, &file, &Shrink { width });
        let (taken, bytes) = asked.map_err(|problem| (i, problem))?;
        small.extend(apart(
            &[Taken {
                number: i as u64,
                ..taken
            }],
            &bytes,
        ));
    }
    Ok(small)
}

fn probe(reason: impl Into<String>) -> Problem {
    problem(Stage::Probe, Class::Corrupt, reason)
}

fn problem(stage: Stage, class: Class, reason: impl Into<String>) -> Problem {
    Problem {
        stage,
        class,
        reason: reason.into(),
    }
}

/// The pictures of which the bytes lie one behind the other; `fits` has seen that they do.
fn apart(taken: &[Taken], bytes: &Bytes) -> Vec<Picture> {
    let mut rest = bytes.clone();
    let picture = |taken: &Taken| Picture {
        number: taken.number,
        time: taken.time,
        width: taken.width,
        height: taken.height,
        bytes: rest.split_to((taken.length as usize).min(rest.len())),
    };
    taken.iter().map(picture).collect()
}

/// A picture, but for its bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Taken {
    number: u64,
    time: Time,
    width: u32,
    height: u32,
    length: u64,
}

impl Taken {
    fn new(number: u64, time: Time, (width, height): (u32, u32)) -> Self {
        Self {
            number,
            time,
            width,
            height,
            length: 0,
        }
    }

    /// Whether the bytes are as many as the pixels.
    fn is_packed(&self) -> bool {
        let pixels = u64::from(self.width).checked_mul(u64::from(self.height));
        pixels.and_then(|pixels| pixels.checked_mul(3)) == Some(self.length)
    }
}

/// Decodes frames of a video that lies in a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TakeFrames {
    /// First byte, and length.
    place: (u64, u64),
    table: Option<FrameTable>,
    range: FrameRange,
    form: Form,
}

/// What was taken of a video.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct TakenFrames {
    of: Option<u64>,
    pictures: Vec<Taken>,
}

impl Task for TakeFrames {
    type Answer = TakenFrames;

    fn run(&self, file: &Arc<File>, bytes: &mut Vec<u8>) -> Result<TakenFrames, Problem> {
        let (offset, length) = self.place;
        let blob = Blob::File {
            file: file.clone(),
            path: Arc::from(Path::new("the video")),
            offset,
            length,
        };
        let table = self.table.clone().map(Arc::new);
        let mut video = Video::open(&blob, table.as_ref()).map_err(|e| probe(e.to_string()))?;
        let mut album = Album::new(self.form);
        let (mut scaler, mut rgb) = (Scaler::default(), Rgb::default());
        let rotation = video.track().rotation;
        let decoded = video.decode(self.range, |number, time, frame| {
            let size = frame.upright(rotation);
            if !album.wants() {
                return Ok(());
            }
            if self.form == Form::Told {
                return album.keep(Taken::new(number, time, size), Vec::new());
            }
            scaler.rgb(frame, size, rotation, &mut rgb)?;
            let picture = RgbImage::from_raw(rgb.width, rgb.height, rgb.packed());
            let picture = picture.ok_or(media::Error::Alloc("a picture"))?;
            album.add(number, time, &picture)
        });
        match (decoded, album.too_large) {
            (_, true) => Err(problem(
                Stage::Encode,
                Class::TooLarge,
                "so many frames are too large: ask for fewer",
            )),
            (Err(e), false) => Err(problem(Stage::Decode, Class::Corrupt, e.to_string())),
            (Ok(_), false) => {
                let pictures = album.end(bytes);
                let of = video.frames();
                Ok(TakenFrames { of, pictures })
            }
        }
    }

    fn fits(&self, answer: &TakenFrames, bytes: u64) -> bool {
        let lengths = answer.pictures.iter().map(|taken| taken.length);
        let as_told = lengths.fold(0, u64::saturating_add) == bytes;
        let small = matches!(self.form, Form::Small { .. });
        as_told && (!small || answer.pictures.iter().all(Taken::is_packed))
    }
}

/// Pictures on their way.
struct Album {
    form: Form,
    taken: Vec<(Taken, Vec<u8>)>,
    held: u64,
    too_large: bool,
    /// Frames that came, and of how many one is kept.
    seen: usize,
    apart: usize,
}

impl Album {
    fn new(form: Form) -> Self {
        Self {
            form,
            taken: Vec::new(),
            held: 0,
            too_large: false,
            seen: 0,
            apart: 1,
        }
    }

    /// Whether the next frame is kept.
    fn wants(&mut self) -> bool {
        let Form::Small { most, .. } = self.form else {
            return true;
        };
        let at = self.seen;
        self.seen += 1;
        if at.is_multiple_of(self.apart) && self.taken.len() >= most.max(1) {
            // Every second one is enough.
            let mut keep = [true, false].into_iter().cycle();
            self.taken.retain(|_| keep.next().unwrap_or(true));
            self.apart *= 2;
        }
        at.is_multiple_of(self.apart)
    }

    fn add(&mut self, number: u64, time: Time, picture: &RgbImage) -> media::Result<()> {
        match self.form {
            Form::Small { width, .. } => {
                let small = shrink(picture, width);
                let taken = Taken::new(number, time, small.dimensions());
                self.keep(taken, small.into_raw())
            }
            Form::Told | Form::Png => {
                let mut png = Cursor::new(Vec::new());
                let written = picture.write_to(&mut png, ImageFormat::Png);
                written.map_err(|e| media::Error::Unsupported(e.to_string()))?;
                let taken = Taken::new(number, time, picture.dimensions());
                self.keep(taken, png.into_inner())
            }
        }
    }

    fn keep(&mut self, taken: Taken, bytes: Vec<u8>) -> media::Result<()> {
        pulse::hold(bytes.len());
        self.held += bytes.len() as u64;
        self.too_large |= self.held > Limits::default().record_bytes;
        self.taken.push((taken, bytes));
        match self.too_large {
            true => Err(media::Error::Unsupported("too large".to_owned())),
            false => Ok(()),
        }
    }

    fn end(self, bytes: &mut Vec<u8>) -> Vec<Taken> {
        let mut pictures = Vec::with_capacity(self.taken.len());
        for (mut taken, picture) in self.taken {
            taken.length = picture.len() as u64;
            bytes.extend_from_slice(&picture);
            pictures.push(taken);
        }
        pictures
    }
}

/// Decodes the picture that a file is, and makes it small.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Shrink {
    width: u32,
}

impl Task for Shrink {
    type Answer = Taken;

    fn run(&self, file: &Arc<File>, bytes: &mut Vec<u8>) -> Result<Taken, Problem> {
        let length = file.metadata().map_or(0, |meta| meta.len());
        let mut coded = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        let read = file.read_exact_at(&mut coded, 0);
        read.map_err(|e| probe(e.to_string()))?;
        // The reader's own limits bound what a picture may ask for.
        let reader = ImageReader::new(Cursor::new(coded)).with_guessed_format();
        let reader = reader.map_err(|e| probe(e.to_string()))?;
        let picture = reader.decode().map_err(|e| probe(e.to_string()))?;
        let small = shrink(&picture.to_rgb8(), self.width);
        let mut taken = Taken::new(0, Time::ZERO, small.dimensions());
        *bytes = small.into_raw();
        taken.length = bytes.len() as u64;
        Ok(taken)
    }

    fn fits(&self, taken: &Taken, bytes: u64) -> bool {
        taken.length == bytes && taken.is_packed()
    }
}

fn shrink(picture: &RgbImage, width: u32) -> RgbImage {
    let height = u64::from(picture.height()) * u64::from(width);
    let height = height / u64::from(picture.width().max(1));
    let height = height.clamp(1, u64::from(width) * 4);
    imageops::thumbnail(picture, width, u32::try_from(height).unwrap_or(u32::MAX))
}
