//! Decodes a media file once: its pictures' looks, and how loud it is.

use std::fs::File;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::picture::{Looks, SIDE};
use crate::media::{Decoder, Frame, Input, Resampler, Rotation, Scaler, Track, Yuv};
use crate::sample::{Class, Stage};
use crate::source::Problem;
use crate::worker::Task;

/// Below this, 60 dB under full scale, nothing is heard.
const SILENCE: f32 = 0.001;

/// What is heard of a sound.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Heard {
    /// Sample frames.
    pub(super) samples: u64,
    loudest: f32,
}

impl Heard {
    pub(super) fn add(&mut self, values: &[f32]) {
        let loudest = values.iter().fold(0_f32, |most, v| most.max(v.abs()));
        self.loudest = self.loudest.max(loudest);
    }
    pub(super) fn is_silent(&self) -> bool {
        self.samples > 0 && self.loudest < SILENCE
    }
}

/// What came out of a media file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(super) pictures: u64,
    /// From the first picture's time to the end of the last.
    pub(super) seconds: f64,
    /// Whether all pictures are black.
    pub(super) black: bool,
    /// Whether all pictures show the same.
    pub(super) frozen: bool,
    /// `None` without a sound track.
    pub(super) heard: Option<Heard>,
    /// Packets and frames that do not decode cleanly.
    pub(super) errors: u64,
}

/// Decodes all of a media file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WatchMedia;

impl Task for WatchMedia {
    type Answer = Seen;

    fn run(&self, file: &Arc<File>, _: &mut Vec<u8>) -> Result<Seen, Problem> {
        let input = Input::open(file.clone()).map_err(|e| e.to_string());
        let seen = input.and_then(|mut input| {
            crate::pulse::length(input.duration());
            watch(&mut input)
        });
        seen.map_err(|reason| Problem {
            stage: Stage::Decode,
            class: Class::Corrupt,
            reason,
        })
    }
}

fn watch(input: &mut Input) -> Result<Seen, String> {
    let (video, audio) = (input.video().cloned(), input.audio().cloned());
    let mut eyes = video.map(|track| Eyes::new(input, track)).transpose()?;
    let mut ears = audio.map(|track| Ears::new(input, track)).transpose()?;
    if eyes.is_none() && ears.is_none() {
        return Err("no track of video or sound".to_owned());
    }
    let mut broken = 0;
    loop {
        match input.next_packet() {
            Ok(None) => break,
            Ok(Some(packet)) => {
                if let Some(eyes) = eyes.as_mut().filter(|e| e.track.index == packet.stream()) {
                    let Eyes {
                        decoder,
                        state,
                        track,
                        ..
                    } = eyes;
                    decoder.feed(&packet, |frame| state.see(frame, track))?;
                } else if let Some(ears) = ears.as_mut().filter(|e| e.index == packet.stream()) {
                    let Ears { decoder, state, .. } = ears;
                    decoder.feed(&packet, |frame| state.hear(frame))?;
                }
            }
            Err(_) => {
                broken = 1;
                break;
            }
        }
    }
    let mut seen = Seen {
        errors: broken,
        ..Seen::default()
    };
    if let Some(mut eyes) = eyes {
        let Eyes {
            decoder,
            state,
            track,
        } = &mut eyes;
        decoder.drain(|frame| state.see(frame, track))?;
        seen.errors += eyes.decoder.errors();
        seen.pictures = eyes.state.pictures;
        seen.seconds = eyes.state.seconds();
        seen.black = eyes.state.looks.is_black();
        seen.frozen = eyes.state.looks.is_frozen();
    }
    if let Some(mut ears) = ears {
        let Ears { decoder, state, .. } = &mut ears;
        decoder.drain(|frame| state.hear(frame))?;
        seen.errors += ears.decoder.errors();
        seen.heard = Some(ears.state.heard);
    }
    Ok(seen)
}

struct Eyes {
    decoder: Decoder,
    track: Track,
    state: Pictures,
}

#[derive(Default)]
struct Pictures {
    scaler: Scaler,
    small: Yuv,
    looks: Looks,
    pictures: u64,
    first: Option<i64>,
    last: i64,
}

impl Eyes {
    fn new(input: &Input, track: Track) -> Result<Self, String> {
        let decoder = Decoder::new(input, &track).map_err(|e| e.to_string())?;
        let state = Pictures::default();
        Ok(Self {
            decoder,
            track,
            state,
        })
    }
}

impl Pictures {
    fn see(&mut self, frame: &Frame, track: &Track) -> Result<(), String> {
        self.pictures += 1;
        if let Some(ticks) = frame.pts() {
            let nanos = track.nanos(ticks);
            self.first = Some(self.first.map_or(nanos, |first| first.min(nanos)));
            self.last = self.last.max(nanos);
        }
        let size = (SIDE as u32, SIDE as u32);
        let upright = Rotation::default();
        let scaled = self.scaler.planes(frame, size, upright, &mut self.small);
        if scaled.is_ok() {
            let plane = &self.small.planes()[0];
            let rows = (0..SIDE).flat_map(|y| plane.row(y)[..SIDE].iter().copied());
            self.looks.add(rows.collect());
        }
        Ok(())
    }

    /// The last picture is taken to last as long as the mean.
    fn seconds(&self) -> f64 {
        let shown = (self.last - self.first.unwrap_or(self.last)) as f64 / 1e9;
        match self.pictures {
            0 | 1 => shown,
            n => shown * n as f64 / (n - 1) as f64,
        }
    }
}

struct Ears {
    decoder: Decoder,
    index: usize,
    state: Sounds,
}

#[derive(Default)]
struct Sounds {
    heard: Heard,
    resampler: Option<Resampler>,
    values: Vec<f32>,
}

impl Ears {
    fn new(input: &Input, track: Track) -> Result<Self, String> {
        let decoder = Decoder::new(input, &track).map_err(|e| e.to_string())?;
        Ok(Self {
            decoder,
            index: track.index,
            state: Sounds::default(),
        })
    }
}

impl Sounds {
    fn hear(&mut self, frame: &Frame) -> Result<(), String> {
        self.heard.samples += frame.samples() as u64;
        if self.resampler.as_ref().is_none_or(|r| !r.fits(frame)) {
            let (rate, channels) = (frame.sample_rate(), frame.channels());
            let made = Resampler::new(frame, rate, channels).map_err(|e| e.to_string())?;
            self.resampler = Some(made);
        }
        if let Some(resampler) = &mut self.resampler {
            self.values.clear();
            let pushed = resampler.push(frame, 0, &mut self.values);
            pushed.map_err(|e| e.to_string())?;
            self.heard.add(&self.values);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_hears_is_silent() {
        let mut heard = Heard {
            samples: 2,
            ..Heard::default()
        };
        heard.add(&[0.0, -0.0005]);
        assert!(heard.is_silent());
        heard.add(&[-0.01]);
        assert!(!heard.is_silent());
        assert!(!Heard::default().is_silent(), "no sound is not silence");
    }
}
