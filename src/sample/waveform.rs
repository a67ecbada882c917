//! [`Waveform`]: decoded sound in the form that its blob needs, and the blobs.
//!
//! 16-bit sound is kept as the bytes of its WAV file, header in front, so that two hours of it do
//! not stand in memory twice.

use kpack_formats::{Blob, npy};

use crate::media::{self, AudioEncoder, Muxer, to_i16};
use crate::pulse;
use crate::sample::AudioCodec;

/// Seconds by which sound is filled up where a time range ends after its source.
pub(super) const MAX_PAD: u64 = 60;
/// Seconds of silence that stand in for a gap, a late start or missing sound.
const MAX_SILENCE: u64 = 3 * 3600;

/// Sound, interleaved.
pub(super) struct Waveform {
    values: Values,
    pub(super) rate: u32,
    pub(super) channels: u32,
    /// Values still to be dropped at the head.
    drop: u64,
    /// Sample frames it ends with, where the clip's range says.
    length: Option<u64>,
}

enum Values {
    /// In [-1, 1].
    Float(Vec<f32>),
    /// A WAV file of 16-bit PCM, and the length of its header.
    Wav(Vec<u8>, usize),
}

impl Waveform {
    /// Empty, of `rate` Hz. 16-bit where `codec` is and floats are not wanted besides; `length`
    /// sample frames long in the end, if that is known.
    pub(super) fn new(
        (rate, channels): (u32, u32),
        codec: AudioCodec,
        float: bool,
        length: Option<u64>,
    ) -> Self {
        let values = match codec {
            AudioCodec::Wav | AudioCodec::Flac if !float => {
                let header = wav_header(rate, channels);
                let length = header.len();
                Values::Wav(header, length)
            }
            _ => Values::Float(Vec::new()),
        };
        Self {
            values,
            rate,
            channels,
            drop: 0,
            length,
        }
    }

    /// Sample frames.
    pub(super) fn len(&self) -> u64 {
        self.count() / u64::from(self.channels.max(1))
    }

    fn count(&self) -> u64 {
        match &self.values {
            Values::Float(values) => values.len() as u64,
            Values::Wav(bytes, header) => (bytes.len() - header) as u64 / 2,
        }
    }

    /// Drops the next `frames` sample frames that come; where negative, puts silence before them.
    ///
    /// # Errors
    /// For more silence than [`MAX_SILENCE`].
    pub(super) fn shift(&mut self, frames: i64) -> media::Result<()> {
        let wide = u64::from(self.channels);
        self.drop = u64::try_from(frames).unwrap_or(0).saturating_mul(wide);
        if frames < 0 {
            check_silence(frames.unsigned_abs() / u64::from(self.rate.max(1)))?;
            self.push_silence(frames.unsigned_abs());
        }
        Ok(())
    }

    /// Appends interleaved values in [-1, 1], up to the length.
    pub(super) fn push(&mut self, values: &[f32]) {
        let dropped = self.drop.min(values.len() as u64);
        self.drop -= dropped;
        let values = &values[usize::try_from(dropped).unwrap_or(0)..];
        let room = usize::try_from(self.room()).unwrap_or(usize::MAX);
        let values = &values[..room.min(values.len())];
        pulse::hold(std::mem::size_of_val(values));
        match &mut self.values {
            Values::Float(own) => own.extend_from_slice(values),
            Values::Wav(bytes, _) => {
                bytes.extend(values.iter().flat_map(|v| to_i16(*v).to_le_bytes()));
            }
        }
    }

    /// Values that fit before the length.
    fn room(&self) -> u64 {
        let wide = u64::from(self.channels);
        self.length.map_or(u64::MAX, |l| {
            l.saturating_mul(wide).saturating_sub(self.count())
        })
    }

    pub(super) fn push_silence(&mut self, frames: u64) {
        let count = frames
            .saturating_mul(u64::from(self.channels))
            .min(self.room());
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        match &mut self.values {
            Values::Float(own) => own.resize(own.len().saturating_add(count), 0.0),
            Values::Wav(bytes, _) => {
                bytes.resize(bytes.len().saturating_add(count.saturating_mul(2)), 0);
            }
        }
    }

    /// Fills up to the length with silence, but by no more than [`MAX_PAD`] seconds: gives how many
    /// sample frames were missing.
    pub(super) fn fill(&mut self) -> u64 {
        let missing = self.length.unwrap_or(0).saturating_sub(self.len());
        let most = MAX_PAD * u64::from(self.rate);
        self.push_silence(missing.min(most));
        missing
    }

    /// Calls `each` with stretches of the sound, in order.
    pub(super) fn each_chunk(
        &self,
        frames: usize,
        mut each: impl FnMut(&[f32]) -> media::Result<()>,
    ) -> media::Result<()> {
        let step = frames.max(1) * self.channels.max(1) as usize;
        match &self.values {
            Values::Float(values) => values.chunks(step).try_for_each(each),
            Values::Wav(bytes, header) => {
                let mut chunk = Vec::with_capacity(step);
                for bytes in bytes[*header..].chunks(step * 2) {
                    let (pairs, _) = bytes.as_chunks::<2>();
                    chunk.clear();
                    chunk.extend(
                        pairs
                            .iter()
                            .map(|b| f32::from(i16::from_le_bytes(*b)) / 32_768.0),
                    );
                    each(&chunk)?;
                }
                Ok(())
            }
        }
    }

    /// Floats as `.npy`, if this holds floats.
    pub(super) fn npy(&self) -> Option<(&'static str, Blob)> {
        match &self.values {
            Values::Float(values) => {
                Some(("npy", npy::encode(values, u64::from(self.channels)).into()))
            }
            Values::Wav(..) => None,
        }
    }

    /// The blob for `codec`, with its name.
    pub(super) fn into_blob(self, codec: AudioCodec) -> media::Result<(&'static str, Blob)> {
        match codec {
            AudioCodec::Flac => Ok(("flac", self.flac()?.into())),
            AudioCodec::Wav | AudioCodec::Copy => Ok(("wav", self.wav()?.into())),
            AudioCodec::F32 => self
                .npy()
                .ok_or(media::Error::Alloc("floats of 16-bit sound")),
        }
    }

    fn flac(&self) -> media::Result<Vec<u8>> {
        let mut muxer = Muxer::new("flac")?;
        let mut encoder = AudioEncoder::new("flac", self.rate, self.channels, &mut muxer)?;
        self.encode(&mut encoder, &mut muxer)?;
        muxer.finish()
    }

    /// Encodes all of it, the first sample frame at time 0.
    pub(super) fn encode(
        &self,
        encoder: &mut AudioEncoder,
        muxer: &mut Muxer,
    ) -> media::Result<()> {
        self.each_chunk(encoder.frame_size(), |chunk| encoder.push(chunk, muxer))?;
        encoder.finish(muxer)
    }

    fn wav(mut self) -> media::Result<Vec<u8>> {
        if let Values::Float(values) = &self.values {
            let shape = (self.rate, self.channels);
            let mut coarse = Waveform::new(shape, AudioCodec::Wav, false, None);
            coarse.push(values);
            self = coarse;
        }
        let Values::Wav(mut bytes, header) = self.values else {
            return Err(media::Error::Alloc("16-bit sound"));
        };
        // The two lengths of RIFF: of all after the first 8 bytes, and of the data.
        let data = bytes.len() - header;
        let (Ok(riff), Ok(data)) = (u32::try_from(bytes.len() - 8), u32::try_from(data)) else {
            return Err(media::Error::Limit(
                "the sound is longer than the 4 GiB of a WAV file: use --audio flac or f32"
                    .to_owned(),
            ));
        };
        bytes[4..8].copy_from_slice(&riff.to_le_bytes());
        bytes[header - 4..header].copy_from_slice(&data.to_le_bytes());
        Ok(bytes)
    }
}

/// Refuses `seconds` of silence that nobody wants in memory.
pub(super) fn check_silence(seconds: u64) -> media::Result<()> {
    if seconds <= MAX_SILENCE {
        return Ok(());
    }
    Err(media::Error::Limit(format!(
        "needs {seconds} s of silence, and {MAX_SILENCE} s is the most: its times, or the row's, are wrong"
    )))
}

/// The header of a WAV file whose lengths are not known yet.
fn wav_header(rate: u32, channels: u32) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: u16::try_from(channels).unwrap_or(u16::MAX),
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    spec.into_header_for_infinite_file()
}
