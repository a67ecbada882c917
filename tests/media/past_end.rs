//! Ranges of sound that end, or begin, behind their source.

use kpack::sample::{AudioCodec, Class};

use super::{fixture, make, sound, span, try_make};

#[test]
fn ranges_of_sound_past_the_end_are_too_short_or_said_to_be_filled_up() {
    let path = fixture("media/h264_bframes_aac.mp4");
    let end = 4.0;
    let failed = try_make(
        &path,
        span(end + 3.0, Some(end + 5.0)),
        &sound(AudioCodec::Wav),
    );
    let error = failed.unwrap_err();
    assert_eq!(error.class, Class::TooShort, "{error}");
    let (_, facts) = make(&path, span(2.0, Some(7.0)), &sound(AudioCodec::Wav));
    assert_eq!(
        facts.audio_samples,
        Some(5 * u64::from(facts.sample_rate.unwrap()))
    );
    assert!((facts.got_end.unwrap().secs() - end).abs() < 0.1);
    assert!(
        facts
            .notes
            .iter()
            .any(|n| n.contains("before the range does")),
        "{:?}",
        facts.notes
    );
    let (_, facts) = make(&path, span(1.0, Some(3.0)), &sound(AudioCodec::Wav));
    assert_eq!((facts.frames, facts.notes.len()), (Some(50), 0));
}
