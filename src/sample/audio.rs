//! Sound: from decoded frames to a blob, cut to the clip's range to within one sample.
//!
//! The sound of video files comes from libav, also where symphonia could decode it: symphonia does
//! not apply the edit lists of mp4, so encoder priming and cut heads would be heard.

use super::waveform::{Waveform, check_silence};
use crate::Time;
use crate::media::{self, Frame, Resampler, Track};
use crate::sample::{AudioCodec, AudioRecipe};

/// Sound before the clip's start that the resampler is fed, in seconds: its filter's reach.
const LEAD: f64 = 0.05;
/// A jump of the sound's times beyond this many seconds is a gap, not rounding of a container.
const GAP: f64 = 0.02;

/// What a blob of sound needs, and which part of the source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) recipe: AudioRecipe,
    /// Whether floats are wanted besides the recipe's blob.
    pub(super) float: bool,
    /// The clip's range in nanoseconds, if it has one; its end, if that is said.
    pub(super) range: Option<(i64, Option<i64>)>,
}

/// Collects the sound of one clip.
pub(super) struct Sound {
    wanted: Wanted,
    resampler: Option<Resampler>,
    /// What the resampler gave and the waveform has not taken yet.
    fresh: Vec<f32>,
    waveform: Option<Waveform>,
    /// Source sample frame (from the start of the source) that is expected next.
    next: Option<i64>,
    /// Time of the first sample frame, in nanoseconds from the start of the source.
    begins: Option<i64>,
}

/// Sound that is ready.
pub(super) struct Finished {
    pub(super) waveform: Waveform,
    /// Time of the first sample frame from the start of the source.
    pub(super) begins: Time,
    /// Sample frames by which the sound ends before the clip's range does: silence for
    /// [`MAX_PAD`](super::waveform::MAX_PAD) seconds at most stands for them.
    pub(super) missing: u64,
}

impl Sound {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            resampler: None,
            fresh: Vec::new(),
            waveform: None,
            next: None,
            begins: None,
        }
    }

    /// Whether nothing after this is needed.
    pub(super) fn is_full(&self, at: i64) -> bool {
        let end = self.wanted.range.and_then(|(_, end)| end);
        end.is_some_and(|end| at > end.saturating_add((LEAD * 1e9) as i64))
    }

    /// A decoded stretch of sound that begins `at` nanoseconds from the start of the source; where the
    /// one before it ends, if that is not known.
    pub(super) fn push(
        &mut self,
        frame: &Frame,
        at: Option<i64>,
        track: &Track,
    ) -> media::Result<()> {
        let rate = f64::from(track.sample_rate.max(1));
        let after = || {
            self.next
                .map_or(0, |next| (next as f64 / rate * 1e9) as i64)
        };
        let at = at.unwrap_or_else(after);
        let skip = match self.wanted.range {
            Some((start, _)) => self.place(frame, at, start, track)?,
            None => {
                self.open(frame)?;
                0
            }
        };
        if skip < frame.samples() {
            self.begins.get_or_insert(at);
            if let Some(resampler) = &mut self.resampler {
                resampler.push(frame, skip, &mut self.fresh)?;
            }
        }
        self.store();
        Ok(())
    }

    /// Puts a stretch where its time says it belongs in a clip from `start` nanoseconds on: gives
    /// how many of its sample frames are not needed, and fills a gap before it with silence.
    fn place(&mut self, frame: &Frame, at: i64, start: i64, track: &Track) -> media::Result<usize> {
        let rate = f64::from(track.sample_rate.max(1));
        let first = (at as f64 / 1e9 * rate).round() as i64;
        let from = ((start as f64 / 1e9 - LEAD) * rate).floor().max(0.0) as i64;
        let wanted = self.next.map_or(from, |next| {
            let off = (first - next).abs() as f64 / rate;
            if off < GAP { first } else { next }
        });
        let skip = usize::try_from(wanted - first)
            .unwrap_or(0)
            .min(frame.samples());
        if skip == frame.samples() {
            return Ok(skip);
        }
        self.open(frame)?;
        match (self.next, &mut self.resampler) {
            (Some(next), Some(resampler)) if first > wanted => {
                // No longer than the clip, whatever the times say.
                let end = self.wanted.range.and_then(|(_, end)| end);
                let limit = end.map_or(i64::MAX, |e| ((e - start) as f64 / 1e9 * rate) as i64);
                let gap = usize::try_from((first - next).min(limit)).unwrap_or(0);
                check_silence(gap as u64 / u64::from(track.sample_rate.max(1)))?;
                resampler.push_silence(gap, &mut self.fresh)?;
            }
            (None, Some(resampler)) => {
                let fed = (first + skip as i64) as f64 / rate;
                let head = (start as f64 / 1e9 - fed) * f64::from(resampler.rate());
                if let Some(waveform) = &mut self.waveform {
                    waveform.shift(head.round() as i64)?;
                }
            }
            _ => {}
        }
        self.next = Some(first + frame.samples() as i64);
        Ok(skip)
    }

    /// Makes the resampler for this kind of sound, also where the kind changes in the middle.
    fn open(&mut self, frame: &Frame) -> media::Result<()> {
        if let Some(resampler) = &mut self.resampler {
            if resampler.fits(frame) {
                return Ok(());
            }
            resampler.flush(&mut self.fresh)?;
            self.store();
        }
        let Wanted {
            recipe,
            float,
            range,
        } = self.wanted;
        let (rate, channels) = match &self.waveform {
            Some(waveform) => (waveform.rate, waveform.channels),
            None => (
                recipe.sample_rate.unwrap_or(frame.sample_rate()),
                recipe.channels.unwrap_or(frame.channels()),
            ),
        };
        self.resampler = Some(Resampler::new(frame, rate, channels)?);
        if self.waveform.is_none() {
            let length = range.and_then(|(start, end)| {
                let seconds = (end? - start).max(0) as f64 / 1e9;
                Some((seconds * f64::from(rate)).round() as u64)
            });
            let shape = (rate, channels);
            self.waveform = Some(Waveform::new(shape, recipe.codec, float, length));
        }
        Ok(())
    }

    fn store(&mut self) {
        if let Some(waveform) = &mut self.waveform {
            waveform.push(&self.fresh);
            self.fresh.clear();
        }
    }

    /// What was collected; `None` if no sound came.
    pub(super) fn finish(mut self) -> media::Result<Option<Finished>> {
        if let Some(mut resampler) = self.resampler.take() {
            resampler.flush(&mut self.fresh)?;
        }
        self.store();
        let Some(mut waveform) = self.waveform else {
            return Ok(None);
        };
        let missing = waveform.fill();
        let start = self.wanted.range.map(|(start, _)| start);
        let begins = Time::from_nanos(start.or(self.begins).unwrap_or(0));
        Ok(Some(Finished {
            waveform,
            begins,
            missing,
        }))
    }
}

/// Silence of `seconds`, for clips without sound.
pub(super) fn silence(wanted: &Wanted, start: Time, seconds: f64) -> media::Result<Finished> {
    check_silence(seconds as u64)?;
    let recipe = wanted.recipe;
    let rate = recipe.sample_rate.unwrap_or(48_000);
    let length = (seconds * f64::from(rate)).round().max(0.0) as u64;
    let shape = (rate, recipe.channels.unwrap_or(1));
    // There is nothing to copy: silence is PCM.
    let codec = match recipe.codec {
        AudioCodec::Copy => AudioCodec::Wav,
        codec => codec,
    };
    let mut waveform = Waveform::new(shape, codec, wanted.float, Some(length));
    waveform.push_silence(length);
    Ok(Finished {
        waveform,
        begins: start,
        missing: 0,
    })
}
