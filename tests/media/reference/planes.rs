//! Scaled planes, before range and matrix.

use std::cell::RefCell;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use kpack::media::{Decoder, Frame, Input, Result, Rotation, Scaler, Yuv};

use super::{ffmpeg, files};

/// Frames of each file that are compared.
const FRAMES: usize = 12;

/// Width and height, and the planes of each frame, one after the other.
type Planes = ((u32, u32), Vec<Vec<u8>>);

/// The first frames of a file as planes of a size that [`target`] chooses, without padding.
fn scaled(path: &Path) -> Option<Planes> {
    let mut input = Input::open(Arc::new(File::open(path).unwrap())).unwrap();
    let track = input.video().cloned()?;
    let size = target(track.width, track.height);
    let mut decoder = Decoder::new(&input, &track).unwrap();
    let (mut scaler, mut planes) = (Scaler::default(), Yuv::default());
    let out = RefCell::new(Vec::new());
    let mut take = |frame: &Frame| -> Result<()> {
        scaler.planes(frame, size, Rotation::default(), &mut planes)?;
        out.borrow_mut().push(packed(&planes));
        Ok(())
    };
    while out.borrow().len() < FRAMES
        && let Some(packet) = input.next_packet().unwrap()
    {
        if packet.stream() == track.index {
            decoder.feed(&packet, &mut take).unwrap();
        }
    }
    decoder.drain(&mut take).unwrap();
    let mut out = out.into_inner();
    out.truncate(FRAMES);
    Some((size, out))
}

/// Three quarters of a small picture, or a short side of 256.
fn target(width: u32, height: u32) -> (u32, u32) {
    let short = width.min(height);
    let side = if short > 256 { 256 } else { short * 3 / 4 };
    let scale = |n: u32| ((n * side / short) & !1).max(2);
    (scale(width), scale(height))
}

fn packed(picture: &Yuv) -> Vec<u8> {
    let (w, h) = (picture.width as usize, picture.height as usize);
    let sizes = [(w, h), (w / 2, h / 2), (w / 2, h / 2)];
    let planes = picture.planes().iter().zip(sizes);
    planes
        .flat_map(|(plane, (w, h))| (0..h).flat_map(move |y| plane.row(y)[..w].iter().copied()))
        .collect()
}

#[test]
fn scaled_planes_are_those_of_ffmpeg() {
    let Some(files) = files("scaled_planes_are_those_of_ffmpeg") else {
        return;
    };
    let mut compared = 0;
    for path in files {
        let Some(((width, height), ours)) = scaled(&path) else {
            continue;
        };
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // Whatever its name, the full-range format holds the same planes.
        let filter = format!(
            "scale={width}:{height}:flags=bilinear+accurate_rnd+bitexact,format=yuv420p|yuvj420p"
        );
        let frames = ours.len().to_string();
        let theirs = ffmpeg(
            &["-noautorotate"],
            &path,
            &[
                "-map",
                "0:v:0",
                "-frames:v",
                &frames,
                "-fps_mode",
                "passthrough",
                "-vf",
                &filter,
                "-f",
                "rawvideo",
            ],
        );
        let size = (width * height * 3 / 2) as usize;
        assert_eq!(
            theirs.len(),
            size * ours.len(),
            "{name}: bytes of {frames} frames"
        );
        for (k, (a, b)) in ours.iter().zip(theirs.chunks(size)).enumerate() {
            let luma = (width * height) as usize;
            for (plane, range) in [
                ("Y", 0..luma),
                ("Cb", luma..luma * 5 / 4),
                ("Cr", luma * 5 / 4..size),
            ] {
                let pairs = a[range.clone()].iter().zip(&b[range.clone()]);
                let sum: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
                let mean = sum as f64 / range.len() as f64;
                assert!(
                    mean <= 1.0,
                    "{name} frame {k} {plane}: {mean} levels on average"
                );
            }
        }
        compared += 1;
    }
    assert!(compared >= 25, "{compared} files");
}
