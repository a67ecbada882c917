//! The floor of packing frames: nothing but decode, scale and JPEG from planes, one clip after the
//! other in one thread and one loop, every picture thrown away.
//!
//! ```text
//! cargo bench --bench floor -- FOLDER       # prints pictures and CPU seconds as JSON
//! ```
//!
//! Uses the crates' own plain interfaces and none of kpack, so that what kpack adds (colours,
//! timestamps, writing, metadata) shows as a ratio. Same scaler flags, size and quality as
//! `kpack frames --frames all --short-side 256 --quality 90`.
#![allow(clippy::print_stdout, reason = "the report of a bench")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ffmpeg_the_third as ffmpeg;
use ffmpeg_the_third::format::Pixel;
use ffmpeg_the_third::media::Type;
use ffmpeg_the_third::software::scaling::{Context, Flags};
use turbojpeg::{Compressor, Subsamp, YuvPlanesImage};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let folder = std::env::args().skip(1).find(|a| !a.starts_with('-'));
    let folder = folder.ok_or("name a folder of mp4 files")?;
    ffmpeg::init()?;
    let mut files = Vec::new();
    find(Path::new(&folder), &mut files)?;
    files.sort();
    let started = Instant::now();
    let (mut pictures, mut bytes) = (0, 0);
    for file in &files {
        let (p, b) = clip(file)?;
        pictures += p;
        bytes += b;
    }
    let wall = started.elapsed().as_secs_f64();
    let clips = files.len();
    println!(
        "{{\"clips\": {clips}, \"pictures\": {pictures}, \"bytes\": {bytes}, \"wall_s\": {wall:.3}}}"
    );
    Ok(())
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> Outcome<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "mp4") {
            files.push(path);
        }
    }
    Ok(())
}

/// Pictures of one clip and their bytes.
fn clip(path: &Path) -> Outcome<(u64, u64)> {
    let mut input = ffmpeg::format::input(path)?;
    let stream = input.streams().best(Type::Video).ok_or("no video")?;
    let index = stream.index();
    let mut context = ffmpeg::codec::Context::from_parameters(stream.parameters())?;
    context.set_threading(ffmpeg::threading::Config::count(1));
    let mut decoder = context.decoder().video()?;
    let mut pictures = Pictures::new(decoder.width(), decoder.height(), decoder.format())?;
    for packet in input.packets() {
        let (stream, packet) = packet?;
        if stream.index() == index {
            decoder.send_packet(&packet)?;
            pictures.take(&mut decoder)?;
        }
    }
    decoder.send_eof()?;
    pictures.take(&mut decoder)?;
    Ok((pictures.count, pictures.bytes))
}

struct Pictures {
    scaler: Context,
    jpeg: Compressor,
    decoded: ffmpeg::frame::Video,
    small: ffmpeg::frame::Video,
    out: Vec<u8>,
    count: u64,
    bytes: u64,
}

impl Pictures {
    fn new(width: u32, height: u32, format: Pixel) -> Outcome<Self> {
        let short = width.min(height);
        let side = 256.min(short);
        let long = |n: u32| 2 * ((n * side + short) / (2 * short));
        let (w, h) = if width < height {
            (side, long(height))
        } else {
            (long(width), side)
        };
        // Bit 0x40000 is accurate rounding.
        let flags = Flags::BILINEAR | Flags::BITEXACT | Flags::ACCURATE_RND;
        let mut jpeg = Compressor::new()?;
        jpeg.set_quality(90)?;
        jpeg.set_subsamp(Subsamp::Sub2x2)?;
        Ok(Self {
            scaler: Context::get(format, width, height, Pixel::YUV420P, w, h, flags)?,
            jpeg,
            decoded: ffmpeg::frame::Video::empty(),
            small: ffmpeg::frame::Video::empty(),
            out: vec![0; turbojpeg::compressed_buf_len(w as usize, h as usize, Subsamp::Sub2x2)?],
            count: 0,
            bytes: 0,
        })
    }

    fn take(&mut self, decoder: &mut ffmpeg::decoder::Video) -> Outcome<()> {
        while decoder.receive_frame(&mut self.decoded).is_ok() {
            self.scaler.run(&self.decoded, &mut self.small)?;
            let small = &self.small;
            let planes = YuvPlanesImage {
                y_plane: small.data(0),
                u_plane: small.data(1),
                v_plane: small.data(2),
                width: small.width() as usize,
                height: small.height() as usize,
                y_stride: small.stride(0),
                u_stride: small.stride(1),
                v_stride: small.stride(2),
                subsamp: Subsamp::Sub2x2,
            };
            self.bytes +=
                self.jpeg
                    .compress_yuv_planes_to_slice(&planes, &mut self.out)? as u64;
            self.count += 1;
        }
        Ok(())
    }
}
