//! Colours and sizes of pictures.

use image::RgbImage;
use kpack::sample::{FrameChoice, ImageCodec, Recipe, Size};

use super::{EXPECTED, blob, fixture, frames, make, number, pictures};

const CODECS: [ImageCodec; 3] = [ImageCodec::Jpeg, ImageCodec::Png, ImageCodec::Webp];

fn one(image: ImageCodec, quality: u8) -> Recipe {
    let mut recipe = frames(FrameChoice::Count(1));
    let frames = recipe.frames.as_mut().unwrap();
    (frames.image, frames.quality) = (image, quality);
    recipe
}

fn picture(name: &str, recipe: &Recipe) -> RgbImage {
    pictures(&make(&fixture(name), None, recipe).0).remove(0)
}

#[test]
fn colours_are_those_that_were_painted_whatever_the_matrix_and_range() {
    let bars = EXPECTED["bars_rgb"].as_array().unwrap();
    for name in [
        "media/bt601_limited.mp4",
        "media/bt709_limited.mp4",
        "media/bt709_full.mp4",
        "media/full_range.mp4",
        "media/untagged.mp4",
        "media/bt2020_10bit.mp4",
    ] {
        let sizes = [Size::Source, Size::ShortSide(90)];
        for (codec, size) in CODECS.into_iter().flat_map(|c| sizes.map(|size| (c, size))) {
            // At quality 90 coding alone moves a bar by up to 5 levels.
            let recipe = Recipe {
                size,
                ..one(codec, 100)
            };
            let picture = picture(name, &recipe);
            let mut sum = 0;
            for (bar, want) in bars.iter().enumerate() {
                let x = picture.width() * (2 * bar as u32 + 1) / 16;
                let got = picture.get_pixel(x, picture.height() / 2).0;
                for (channel, got) in got.into_iter().enumerate() {
                    let want = want[channel].as_i64().unwrap();
                    let off = (i64::from(got) - want).abs();
                    assert!(
                        off <= 4,
                        "{name} {codec:?} {size:?}, bar {bar}: {got}, not {want}"
                    );
                    sum += off;
                }
            }
            assert!(
                sum <= 2 * 24,
                "{name} {codec:?} {size:?}: off by {sum} in 24 values"
            );
        }
    }
}

#[test]
fn sizes_keep_the_ratio_and_enlarge_only_when_asked() {
    let (source, short) = (Size::Source, Size::ShortSide);
    let exact = |width, height| Size::Exact { width, height };
    for (name, size, upscale, want) in [
        ("media/no_audio.mp4", source, false, (160, 120)),
        ("media/no_audio.mp4", short(60), false, (80, 60)),
        ("media/no_audio.mp4", short(61), false, (82, 61)),
        ("media/no_audio.mp4", short(256), false, (160, 120)),
        ("media/no_audio.mp4", short(240), true, (320, 240)),
        ("media/no_audio.mp4", exact(64, 64), false, (64, 64)),
        ("media/no_audio.mp4", exact(33, 77), false, (33, 77)),
        ("media/no_audio.mp4", exact(200, 60), false, (160, 120)),
        ("media/no_audio.mp4", exact(200, 60), true, (200, 60)),
        ("media/no_audio.mp4", exact(1, 1), false, (1, 1)),
        ("media/rotated_90.mp4", short(60), false, (80, 60)),
        ("media/rotated_270.mp4", exact(64, 100), false, (64, 100)),
        ("media/odd_size.webm", source, false, (161, 121)),
        ("media/odd_size.webm", short(55), false, (74, 55)),
        ("media/size_change.mkv", short(60), false, (80, 60)),
        ("media/tenbit.mp4", exact(81, 61), false, (81, 61)),
        ("media/yuv422.mp4", exact(81, 61), false, (81, 61)),
        ("media/yuv444.mp4", exact(81, 61), false, (81, 61)),
    ] {
        for codec in CODECS {
            let recipe = Recipe {
                size,
                upscale,
                ..one(codec, 90)
            };
            let (sample, facts) = make(&fixture(name), None, &recipe);
            let picture = &pictures(&sample)[0];
            let told = (facts.width.unwrap(), facts.height.unwrap());
            assert_eq!(picture.dimensions(), want, "{name} {size:?} {codec:?}");
            assert_eq!(told, want, "{name} {size:?} {codec:?}");
            if want.0 >= 60 && want.1 >= 55 {
                let middle = [25, 24];
                assert!(
                    middle.contains(&number(picture)),
                    "{name} {size:?} {codec:?}"
                );
            }
        }
    }
}

#[test]
fn a_frame_is_what_its_name_says_and_quality_is_heeded() {
    let name = "media/no_audio.mp4";
    for (codec, file, magic) in [
        (ImageCodec::Jpeg, "000001.jpg", &b"\xff\xd8\xff"[..]),
        (ImageCodec::Png, "000001.png", &b"\x89PNG"[..]),
        (ImageCodec::Webp, "000001.webp", &b"RIFF"[..]),
    ] {
        let bytes = blob(&make(&fixture(name), None, &one(codec, 90)).0, file);
        assert!(bytes.starts_with(magic), "{file}");
    }
    let size = |quality| {
        let (sample, _) = make(&fixture(name), None, &one(ImageCodec::Jpeg, quality));
        blob(&sample, "000001.jpg").len()
    };
    assert!(size(30) < size(75) && size(75) < size(95));
    // Lossless both: the same pixels.
    let of = |codec| picture(name, &one(codec, 90));
    assert_eq!(of(ImageCodec::Png), of(ImageCodec::Webp));
}

#[test]
fn turned_pictures_are_those_that_lie_straight() {
    let straight = picture("media/no_audio.mp4", &one(ImageCodec::Png, 90));
    for turn in [90, 180, 270] {
        let turned = picture(
            &format!("media/rotated_{turn}.mp4"),
            &one(ImageCodec::Png, 90),
        );
        let sum: u64 = turned
            .iter()
            .zip(straight.iter())
            .map(|(a, b)| u64::from(a.abs_diff(*b)))
            .sum();
        let mean = sum as f64 / straight.len() as f64;
        assert!(mean < 4.0, "{turn}: off by {mean} levels on average");
    }
}

#[test]
fn high_dynamic_range_and_small_sources_are_told() {
    let recipe = Recipe {
        size: Size::ShortSide(256),
        ..one(ImageCodec::Jpeg, 90)
    };
    let (_, facts) = make(&fixture("media/no_audio.mp4"), None, &recipe);
    assert!(facts.notes.iter().any(|note| note.contains("--upscale")));
}
