//! The colours that a reader of the JPEGs sees.

use std::io::Write;
use std::path::Path;

use kpack::sample::{FrameChoice, Recipe, Size};
use kpack_formats::Sample;

use super::{ffmpeg, files, stream};
use crate::media::{blob, frames, make, span};

/// Both sides of the comparison enlarge chroma in the same way.
const RGB: &str =
    "flags=bilinear+accurate_rnd+bitexact+full_chroma_int+full_chroma_inp,format=rgb24";
/// Seconds from the start that are compared.
const SECONDS: f64 = 0.5;

/// The pictures of a sample as a reader of JPEG sees them.
fn as_seen(sample: &Sample) -> Vec<u8> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for name in sample.blobs.keys() {
        file.write_all(&blob(sample, name)).unwrap();
    }
    let filter = format!("scale={RGB}");
    let after = ["-fps_mode", "passthrough", "-vf", &filter, "-f", "rawvideo"];
    ffmpeg(&["-f", "mjpeg"], file.path(), &after)
}

/// As many frames as ffmpeg itself turns into colours, by the source's own matrix and range.
fn reference(path: &Path, (width, height): (u32, u32), frames: usize) -> Vec<u8> {
    let video = stream(path, "v:0").unwrap();
    let matrix = match video["color_space"].as_str() {
        Some("bt709") => "bt709",
        Some("bt2020nc") => "bt2020",
        _ => "bt601",
    };
    let range = match video["color_range"].as_str() {
        Some("pc") => "pc",
        _ => "tv",
    };
    // Scaled as planes, so that both have seen the same subsampling of chroma.
    let filter = format!(
        "scale={width}:{height}:flags=bilinear+accurate_rnd+bitexact,format=yuv420p|yuvj420p,\
         scale=in_color_matrix={matrix}:in_range={range}:{RGB}"
    );
    let frames = frames.to_string();
    let map = [
        "-map",
        "0:v:0",
        "-frames:v",
        &frames,
        "-fps_mode",
        "passthrough",
    ];
    ffmpeg(
        &[],
        path,
        &[&map[..], &["-vf", &filter, "-f", "rawvideo"]].concat(),
    )
}

#[test]
fn jpegs_have_the_colours_of_the_sources_own_matrix_and_range() {
    let Some(files) = files("jpegs_have_the_colours_of_the_source") else {
        return;
    };
    for path in files {
        if stream(&path, "v:0").is_none() {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        for size in [Size::Source, Size::ShortSide(96)] {
            let mut recipe = Recipe {
                size,
                ..frames(FrameChoice::All)
            };
            recipe.frames.as_mut().unwrap().quality = 100;
            let range = match size {
                Size::Source => span(0.0, Some(0.1)),
                _ => span(0.0, Some(SECONDS)),
            };
            let (sample, facts) = make(&path, range, &recipe);
            let shown = (facts.width.unwrap(), facts.height.unwrap());
            let (ours, theirs) = (
                as_seen(&sample),
                reference(&path, shown, sample.blobs.len()),
            );
            assert_eq!(theirs.len(), ours.len(), "{name} {size:?}");
            let pairs = ours.iter().zip(&theirs);
            let sum: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            let mean = sum as f64 / theirs.len() as f64;
            assert!(mean <= 2.0, "{name} {size:?}: {mean} levels on average");
        }
    }
}
