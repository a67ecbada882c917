//! Sound: from decoded frames to a blob, cut to the clip's range to within one sample.
//!
//! The sound of video files comes from libav, also where symphonia could decode it: symphonia does
//! not apply the edit lists of mp4, so encoder priming and cut heads would be heard.

use std::io::Cursor;

use kpack_formats::{Blob, npy};

use crate::Time;
use crate::media::{self, AudioEncoder, Frame, Muxer, Resampler, Track, to_i16};
use crate::sample::{AudioCodec, AudioRecipe};

/// Sound before the clip's start that the resampler is fed, in seconds: its filter's reach.
const LEAD: f64 = 0.05;
/// A jump of the sound's times beyond this many seconds is a gap, not rounding of a container.
const GAP: f64 = 0.02;

/// Collects the sound of one clip.
pub(super) struct Sound {
    rate: Option<u32>,
    channels: Option<u32>,
    /// The clip's range in nanoseconds; `None` for the whole source.
    range: Option<(i64, i64)>,
    resampler: Option<Resampler>,
    out: Vec<f32>,
    out_channels: u32,
    /// Source sample frame (from the start of the source) that is expected next.
    next: Option<i64>,
    /// Output sample frames to drop at the head, or (negative) to put silence before.
    head: i64,
    /// Time of the first sample frame, in nanoseconds from the start of the source.
    begins: Option<i64>,
}

/// Sound that is ready: interleaved, in [-1, 1].
pub(super) struct Finished {
    pub(super) samples: Vec<f32>,
    pub(super) rate: u32,
    pub(super) channels: u32,
    pub(super) begins: Time,
}

impl Finished {
    /// Sample frames.
    pub(super) fn len(&self) -> u64 {
        self.samples.len() as u64 / u64::from(self.channels.max(1))
    }
}

impl Sound {
    pub(super) fn new(recipe: &AudioRecipe, range: Option<(i64, i64)>) -> Self {
        Self {
            rate: recipe.sample_rate,
            channels: recipe.channels,
            range,
            resampler: None,
            out: Vec::new(),
            out_channels: 0,
            next: None,
            head: 0,
            begins: None,
        }
    }

    /// Whether nothing after this is needed.
    pub(super) fn is_full(&self, at: i64) -> bool {
        self.range
            .is_some_and(|(_, end)| at > end.saturating_add((LEAD * 1e9) as i64))
    }

    /// A decoded stretch of sound that begins `at` nanoseconds from the start of the source.
    pub(super) fn push(&mut self, frame: &Frame, at: i64, track: &Track) -> media::Result<()> {
        let rate = f64::from(track.sample_rate.max(1));
        let mut skip = 0;
        if let Some((start, _)) = self.range {
            let first = (at as f64 / 1e9 * rate).round() as i64;
            let from = ((start as f64 / 1e9 - LEAD) * rate).floor().max(0.0) as i64;
            let wanted = self.next.map_or(from, |next| {
                let off = (first - next).abs() as f64 / rate;
                if off < GAP { first } else { next }
            });
            skip = usize::try_from(wanted - first)
                .unwrap_or(0)
                .min(frame.samples());
            if skip == frame.samples() {
                return Ok(());
            }
            self.open(frame)?;
            if let (Some(next), Some(resampler)) = (self.next, &mut self.resampler)
                && first > wanted
            {
                let limit = self
                    .range
                    .map_or(0, |(s, e)| ((e - s) as f64 / 1e9 * rate) as i64);
                let gap = (first - next).min(limit);
                resampler.push_silence(usize::try_from(gap).unwrap_or(0), &mut self.out)?;
            }
            if self.next.is_none() {
                let fed = (first + skip as i64) as f64 / rate;
                let out_rate = self
                    .resampler
                    .as_ref()
                    .map_or(rate, |r| f64::from(r.rate()));
                self.head = ((start as f64 / 1e9 - fed) * out_rate).round() as i64;
            }
            self.next = Some(first + frame.samples() as i64);
        } else {
            self.open(frame)?;
        }
        self.begins.get_or_insert(at);
        match &mut self.resampler {
            Some(resampler) => resampler.push(frame, skip, &mut self.out),
            None => Ok(()),
        }
    }

    /// Makes the resampler for this kind of sound, also where the kind changes in the middle.
    fn open(&mut self, frame: &Frame) -> media::Result<()> {
        if let Some(resampler) = &mut self.resampler {
            if resampler.fits(frame) {
                return Ok(());
            }
            resampler.flush(&mut self.out)?;
        }
        let raw_rate = frame.sample_rate();
        let rate = *self.rate.get_or_insert(raw_rate);
        let channels = *self.channels.get_or_insert(frame.channels());
        self.out_channels = channels;
        self.resampler = Some(Resampler::new(frame, rate, channels)?);
        Ok(())
    }

    /// What was collected; `None` if no sound came.
    pub(super) fn finish(mut self) -> media::Result<Option<Finished>> {
        let Some(mut resampler) = self.resampler.take() else {
            return Ok(None);
        };
        resampler.flush(&mut self.out)?;
        let (rate, channels) = (resampler.rate(), self.out_channels);
        let mut begins = self.begins.unwrap_or(0);
        if let Some((start, end)) = self.range {
            let wide = channels as usize;
            if self.head > 0 {
                let drop = usize::try_from(self.head).unwrap_or(0) * wide;
                self.out.drain(..drop.min(self.out.len()));
            } else {
                let silence = usize::try_from(-self.head).unwrap_or(0) * wide;
                self.out.splice(0..0, std::iter::repeat_n(0.0, silence));
            }
            let length = ((end - start) as f64 / 1e9 * f64::from(rate))
                .round()
                .max(0.0) as usize;
            self.out.resize(length * wide, 0.0);
            begins = start;
        }
        let begins = Time::from_nanos(begins);
        Ok(Some(Finished {
            samples: self.out,
            rate,
            channels,
            begins,
        }))
    }
}

/// Silence of `seconds`, for clips without sound.
pub(super) fn silence(recipe: &AudioRecipe, start: Time, seconds: f64) -> Finished {
    let rate = recipe.sample_rate.unwrap_or(48_000);
    let channels = recipe.channels.unwrap_or(1);
    let length = (seconds * f64::from(rate)).round().max(0.0) as usize * channels as usize;
    Finished {
        samples: vec![0.0; length],
        rate,
        channels,
        begins: start,
    }
}

/// The sound as a blob, with its name.
pub(super) fn blob(sound: &Finished, codec: AudioCodec) -> Result<(&'static str, Blob), String> {
    match codec {
        AudioCodec::F32 => Ok((
            "npy",
            npy::encode(&sound.samples, u64::from(sound.channels)).into(),
        )),
        AudioCodec::Wav => wav(sound)
            .map(|b| ("wav", b.into()))
            .map_err(|e| e.to_string()),
        AudioCodec::Flac => flac(sound)
            .map(|b| ("flac", b.into()))
            .map_err(|e| e.to_string()),
        AudioCodec::Copy => Err("copied sound is not coded".to_owned()),
    }
}

/// 16-bit FLAC, by libav's encoder.
fn flac(sound: &Finished) -> media::Result<Vec<u8>> {
    let mut muxer = Muxer::new("flac")?;
    let mut encoder = AudioEncoder::new("flac", sound.rate, sound.channels, &mut muxer)?;
    encoder.encode_all(&sound.samples, &mut muxer)?;
    muxer.finish()
}

fn wav(sound: &Finished) -> Result<Vec<u8>, hound::Error> {
    let spec = hound::WavSpec {
        channels: u16::try_from(sound.channels).unwrap_or(u16::MAX),
        sample_rate: sound.rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut bytes = Vec::with_capacity(sound.samples.len() * 2 + 64);
    let mut writer = hound::WavWriter::new(Cursor::new(&mut bytes), spec)?;
    let count = u32::try_from(sound.samples.len()).map_err(|_| hound::Error::TooWide)?;
    let mut values = writer.get_i16_writer(count);
    for sample in &sound.samples {
        values.write_sample(to_i16(*sample));
    }
    values.flush()?;
    writer.finalize()?;
    Ok(bytes)
}
