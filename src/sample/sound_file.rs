//! Whole sound files through symphonia.
//!
//! FLAC, MP3, Ogg Vorbis and WAV are decoded by a library without `unsafe`, with the same length
//! and waveform as libav gives. libav serves where it alone is right or able:
//!
//! * sound in video files: symphonia ignores the edit lists of mp4, so encoder priming and cut
//!   heads would be heard; it has no Opus, and its AAC no SBR;
//! * a time range of a file: libav's seeking is the one that is checked here;
//! * more than two channels: the matrices for mixing down are libav's;
//! * whatever symphonia refuses.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;

use super::audio::{Sound, Wanted};
use crate::media::{self, Frame, Input, Track};

/// Whether a whole file's sound is one for symphonia.
pub(super) fn serves(input: &Input, wanted: &Wanted) -> bool {
    let Some(track) = input.audio() else {
        return false;
    };
    let container = input.container();
    let plain = match track.codec.as_str() {
        "flac" => container == "flac",
        "mp3" => container == "mp3",
        "vorbis" => container == "ogg",
        "pcm_s16le" | "pcm_s24le" | "pcm_u8" | "pcm_f32le" => container == "wav",
        _ => false,
    };
    plain && input.video().is_none() && wanted.range.is_none() && track.channels <= 2
}

/// Decodes all of `file`. `None` where symphonia cannot, or met damage: libav conceals it better.
pub(super) fn decode(
    file: &Arc<File>,
    track: &Track,
    wanted: Wanted,
) -> media::Result<Option<Sound>> {
    let Ok(length) = file.metadata().map(|m| m.len()) else {
        return Ok(None);
    };
    let source = Box::new(Source {
        file: file.clone(),
        length,
        at: 0,
    });
    let stream = MediaSourceStream::new(source, Default::default());
    let probe = symphonia::default::get_probe();
    let (options, tags) = (FormatOptions::default(), MetadataOptions::default());
    let Ok(mut format) = probe.probe(&Hint::new(), stream, options, tags) else {
        return Ok(None);
    };
    let codec = format.default_track(TrackType::Audio);
    let Some((id, params)) = codec.and_then(|t| Some((t.id, t.codec_params.as_ref()?.audio()?)))
    else {
        return Ok(None);
    };
    let codecs = symphonia::default::get_codecs();
    let Ok(mut decoder) = codecs.make_audio_decoder(params, &AudioDecoderOptions::default()) else {
        return Ok(None);
    };
    let mut sound = Sound::new(wanted);
    let mut values: Vec<f32> = Vec::new();
    loop {
        let packet = match format.next_packet() {
            Ok(Some(packet)) if packet.track_id == id => packet,
            Ok(Some(_)) => continue,
            Ok(None) => break,
            Err(Error::IoError(e)) if e.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(_) => return Ok(None),
        };
        let Ok(decoded) = decoder.decode(&packet) else {
            return Ok(None);
        };
        let (rate, channels) = (decoded.spec().rate(), decoded.spec().channels().count());
        if rate != track.sample_rate || channels != track.channels as usize {
            return Ok(None);
        }
        decoded.copy_to_vec_interleaved(&mut values);
        if !values.is_empty() {
            let frame = Frame::of_sound(&values, rate, track.channels)?;
            sound.push(&frame, Some(0), track)?;
        }
    }
    Ok(Some(sound))
}

/// An open file read from a place of its own.
struct Source {
    file: Arc<File>,
    length: u64,
    at: u64,
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(into, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

impl MediaSource for Source {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.length)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::sample::{AudioCodec, AudioRecipe, NoAudio};

    /// The files that are named are decoded here, not by libav, and with the length they have.
    #[test]
    fn plain_sound_files_have_their_length_to_the_sample() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/media");
        for (name, samples) in [
            ("mono_44k.flac", 88_200),
            ("mono_8k_u8.wav", 16_000),
            ("stereo_44k.mp3", 176_400),
            ("stereo_48k.wav", 120_000),
            ("vorbis.ogg", 192_000),
        ] {
            let file = Arc::new(File::open(folder.join(name)).unwrap());
            let input = Input::open(file.clone()).unwrap();
            let recipe = AudioRecipe {
                codec: AudioCodec::Wav,
                sample_rate: None,
                channels: None,
                no_audio: NoAudio::Keep,
            };
            let wanted = Wanted {
                recipe,
                float: false,
                range: None,
            };
            assert!(serves(&input, &wanted), "{name}");
            let sound = decode(&file, input.audio().unwrap(), wanted).unwrap();
            let waveform = sound.unwrap().finish().unwrap().unwrap().waveform;
            // As `ffprobe` and `expected.json` say: sample frames, both channels counted in stereo.
            let values = waveform.len() * u64::from(waveform.channels);
            assert_eq!(values, samples, "{name}");
        }
    }
}
