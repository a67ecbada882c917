//! Every kind of video in the fixtures, frame by frame.

use kpack::sample::FrameChoice;

use super::{expected, fixture, frames, make, number, pictures, times, with_track};

#[test]
fn every_frame_comes_out_in_order_upright_and_at_its_time() {
    for name in with_track("video") {
        let want = &expected(name)["video"];
        let (sample, facts) = make(&fixture(name), None, &frames(FrameChoice::All));
        let pictures = pictures(&sample);
        assert_eq!(pictures.len() as u64, want["frames"], "{name}");
        assert_eq!(facts.frames, want["frames"].as_u64(), "{name}");
        let size = |key: &str| want[key].as_u64().unwrap() as u32;
        let size = (size("width"), size("height"));
        for picture in &pictures {
            assert_eq!(picture.dimensions(), size, "{name}");
        }
        assert_eq!((facts.width, facts.height), (Some(size.0), Some(size.1)));
        if let Some(first) = want["first_number"].as_u64() {
            let got: Vec<u32> = pictures.iter().map(number).collect();
            let want: Vec<u32> = (first as u32..).take(pictures.len()).collect();
            assert_eq!(got, want, "{name}: painted numbers");
        }
        let got: Vec<f64> = facts.frame_times.iter().map(|t| t.secs()).collect();
        let want = times(name);
        assert_eq!(got.len(), want.len(), "{name}");
        for (k, (got, want)) in got.iter().zip(&want).enumerate() {
            // Matroska keeps milliseconds, and expected.json microseconds.
            assert!((got - want).abs() < 0.0011, "{name} {k}: {got}, not {want}");
        }
        assert_eq!(facts.decode_errors, None, "{name}");
    }
}
