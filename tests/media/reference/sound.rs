//! Sound, to the sample.

use kpack::sample::AudioCodec;

use super::{ffmpeg, files, stream};
use crate::media::sound::wav;
use crate::media::{blob, decibels, make, sound, span};

#[test]
fn sound_is_that_of_ffmpeg_and_ranges_begin_at_their_start() {
    let Some(files) = files("sound_is_that_of_ffmpeg") else {
        return;
    };
    for path in files {
        if stream(&path, "a:0").is_none() {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let (sample, facts) = make(&path, None, &sound(AudioCodec::Wav));
        let (spec, ours) = wav(&blob(&sample, "wav"));
        let after = ["-map", "0:a:0", "-f", "s16le", "-c:a", "pcm_s16le"];
        let theirs = ffmpeg(&[], &path, &after);
        let theirs: Vec<f32> = theirs
            .as_chunks::<2>()
            .0
            .iter()
            .map(|pair| f32::from(i16::from_le_bytes(*pair)) / 32768.0)
            .collect();
        assert_eq!(ours.len(), theirs.len(), "{name}: samples");
        let db = decibels(&ours, &theirs);
        assert!(db >= 60.0, "{name}: {db} dB");

        let (wide, rate) = (usize::from(spec.channels), f64::from(spec.sample_rate));
        let begins = facts.audio_start.unwrap().secs();
        let frames = ours.len() / wide;
        let start = begins + 0.4 * frames as f64 / rate;
        let length = (0.3 * frames as f64 / rate).min(1.5);
        let range = span(start, Some(start + length));
        let (sample, facts) = make(&path, range, &sound(AudioCodec::Wav));
        let (_, cut) = wav(&blob(&sample, "wav"));
        let want = (length * rate).round() as usize;
        assert!(
            (cut.len() / wide).abs_diff(want) <= 1,
            "{name}: {} of {want}",
            cut.len() / wide
        );
        assert!(
            (facts.audio_start.unwrap().secs() - start).abs() < 1e-6,
            "{name}"
        );
        // Matroska keeps milliseconds, AVI the times of chunks that begin within a frame of sound.
        let slack = match path.extension().and_then(|e| e.to_str()) {
            Some("mkv" | "webm" | "avi") => (rate * 0.002) as i64,
            _ => 1,
        };
        let at = ((start - begins) * rate).round() as i64;
        let best = (-slack..=slack).map(|lag| {
            let from = (at + lag) as usize * wide;
            decibels(&cut, &ours[from..from + cut.len()])
        });
        let best = best.fold(f64::MIN, f64::max);
        assert!(best > 40.0, "{name} from {start} s: {best} dB at best");
    }
}
