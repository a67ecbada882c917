//! Videos that decode only with what their first packet says of the x264 that made them: whatever begins
//! later gives the frames of a full decode.

use std::path::{Path, PathBuf};

use kpack::access::Video;
use kpack::sample::{FrameChoice, ImageCodec, Recipe, Size, Trim, VideoRecipe};
use kpack_formats::Blob;

use super::packed::{all, range, some};
use super::reference::clips;
use super::video::video;
use super::{blob, fixture, frames, make, pictures, span};

/// Small pictures without loss.
fn small() -> Recipe {
    let mut recipe = frames(FrameChoice::All);
    recipe.size = Size::ShortSide(72);
    if let Some(frames) = &mut recipe.frames {
        frames.image = ImageCodec::Png;
    }
    recipe
}

/// What they hold, of all frames in `start..end` seconds.
fn seen(path: &Path, range: Option<(f64, f64)>) -> (Vec<Vec<u8>>, Vec<f64>) {
    let range = range.and_then(|(start, end)| span(start, Some(end)));
    let (sample, facts) = make(path, range, &small());
    assert_eq!(facts.decode_errors, None, "{}", path.display());
    let pictures = pictures(&sample).into_iter().map(|p| p.into_raw());
    let times = facts.frame_times.iter().map(|t| t.secs());
    (pictures.collect(), times.collect())
}

/// Mean difference of two pictures, of 255.
fn difference(a: &[u8], b: &[u8]) -> f64 {
    let pairs = a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b)));
    assert_eq!(a.len(), b.len());
    pairs.sum::<f64>() / a.len() as f64
}

/// A cut of the file, and when it begins.
fn cut(path: &Path, (start, end): (f64, f64), trim: Trim, to: &Path) -> f64 {
    let recipe = video(VideoRecipe::Copy, trim);
    let (sample, facts) = make(path, span(start, Some(end)), &recipe);
    assert_eq!(facts.decode_errors, None, "{trim:?}");
    let name = sample.blobs.keys().next().unwrap();
    std::fs::write(to, blob(&sample, name)).unwrap();
    facts.got_start.unwrap().secs()
}

/// Ranges and cuts of a video, against all of it decoded from the start.
fn assert_same_from_anywhere(path: &Path, at: (f64, f64)) {
    let (whole, times) = seen(path, None);
    let inside = |from: f64| times.iter().position(|t| *t >= from - 1e-6).unwrap();
    let (some, _) = seen(path, Some(at));
    let first = inside(at.0);
    assert!(first > 0 && !some.is_empty());
    assert_eq!(some[..], whole[first..first + some.len()], "a range");
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("cut.mp4");
    let begins = inside(cut(path, at, Trim::Copy, &to));
    assert!(begins > 0);
    let (copied, _) = seen(&to, None);
    assert_eq!(copied[..], whole[begins..begins + copied.len()], "copied");
    // The cut tells it on.
    let later = dir.path().join("later.mp4");
    let half = (at.1 - at.0) / 2.0;
    let again = inside(times[begins] + cut(&to, (half, half + 0.2), Trim::Copy, &later));
    let (copied, _) = seen(&later, None);
    assert_eq!(copied[..], whole[again..again + copied.len()], "cut again");
    for trim in [Trim::Exact, Trim::Smart] {
        cut(path, at, trim, &to);
        let (made, _) = seen(&to, None);
        assert_eq!(made.len(), some.len(), "{trim:?}");
        for (made, want) in made.iter().zip(&some) {
            let off = difference(made, want);
            assert!(off < 6.0, "{trim:?}: {off}");
        }
    }
}

/// Frames of a packed video, each group of pictures decoded on its own.
fn assert_same_in_any_order(path: &Path) {
    let blob = Blob::from(std::fs::read(path).unwrap());
    let whole: Vec<(u64, u32)> = (0..).zip(all(&blob)).collect();
    let end = whole.len() as u64;
    for start in [end / 2, end - 3, 0, end / 3] {
        let mut video = Video::open(&blob, None).unwrap();
        for start in [start, (start + 9) % end] {
            let stop = (start + 3).min(end);
            let got = some(&mut video, range(&format!("{start}..{stop}")));
            assert_eq!(got, whole[start as usize..stop as usize], "{start}");
        }
    }
}

#[test]
fn frames_are_those_of_a_full_decode_wherever_decoding_begins() {
    let path = fixture("odd/old_x264.mp4");
    assert_same_in_any_order(&path);
    assert_same_from_anywhere(&path, (0.5, 0.9));
}

#[test]
fn the_same_of_a_real_clip() {
    let test = "the_same_of_a_real_clip";
    let Some(clips) = clips(test) else { return };
    let path: PathBuf = clips.join("deb_python3-imageio_cockatoo.mp4");
    if !path.exists() {
        println!("{test}: skipped: {} is not there", path.display());
        return;
    }
    assert_same_in_any_order(&path);
    assert_same_from_anywhere(&path, (8.0, 9.0));
}

/// What most videos are made with changes nothing, and a cut of them holds their packets as they are.
#[test]
fn no_other_cut_carries_anything_along() {
    let (sample, _) = make(
        &fixture("media/gop250.mp4"),
        span(11.0, Some(11.5)),
        &video(VideoRecipe::Copy, Trim::Copy),
    );
    let bytes = blob(&sample, "mp4");
    assert!(!bytes.windows(11).any(|w| w == b"x264 - core"));
}
