//! [`ImageEncoder`]: pictures to JPEG, PNG or WebP bytes.

use std::io::Cursor;

use bytes::Bytes;
use turbojpeg::{Compressor, Subsamp, YuvPlanesImage};

use super::av::{Error, Result};
use super::frame::Frame;
use super::picture::{Rgb, Yuv};
use super::track::Rotation;
use super::webp::WebpEncoder;
use super::{ColorInfo, MAX_SIDE, Scaler};
use crate::sample::ImageCodec;
use crate::stopwatch::{self, Step};

/// Scales, turns and codes pictures; keeps its contexts and buffers.
pub struct ImageEncoder {
    codec: ImageCodec,
    scaler: Scaler,
    jpeg: Compressor,
    webp: WebpEncoder,
    yuv: Yuv,
    rgb: Rgb,
}

impl ImageEncoder {
    /// An encoder for `codec`; `quality` is 1 to 100 and serves JPEG and WebP; PNG is
    /// lossless.
    pub fn new(codec: ImageCodec, quality: u8) -> Result<Self> {
        let mut jpeg = Compressor::new().map_err(image_error)?;
        jpeg.set_quality(i32::from(quality.clamp(1, 100)))
            .map_err(image_error)?;
        jpeg.set_subsamp(Subsamp::Sub2x2).map_err(image_error)?;
        let (scaler, yuv, rgb) = Default::default();
        Ok(Self {
            codec,
            scaler,
            jpeg,
            webp: WebpEncoder::new(quality),
            yuv,
            rgb,
        })
    }

    /// One frame as an upright picture of `size`, and how its colours were read.
    pub fn encode(
        &mut self,
        frame: &Frame,
        size: (u32, u32),
        rotation: Rotation,
    ) -> Result<(Bytes, ColorInfo)> {
        let _step = stopwatch::enter(Step::Pictures);
        match self.codec {
            ImageCodec::Jpeg => {
                let color = self
                    .scaler
                    .jpeg_planes(frame, size, rotation, &mut self.yuv)?;
                Ok((self.jpeg()?, color))
            }
            ImageCodec::Png | ImageCodec::Webp => {
                let color = self.scaler.rgb(frame, size, rotation, &mut self.rgb)?;
                let bytes = match self.codec {
                    ImageCodec::Webp => self.webp.encode(&self.rgb)?.into(),
                    _ => png(&self.rgb)?,
                };
                Ok((bytes, color))
            }
        }
    }

    fn jpeg(&mut self) -> Result<Bytes> {
        let [y, u, v] = self.yuv.planes();
        let image = YuvPlanesImage {
            y_plane: y.data(),
            u_plane: u.data(),
            v_plane: v.data(),
            width: self.yuv.width as usize,
            height: self.yuv.height as usize,
            y_stride: y.stride(),
            u_stride: u.stride(),
            v_stride: v.stride(),
            subsamp: Subsamp::Sub2x2,
        };
        let bytes = self
            .jpeg
            .compress_yuv_planes_to_vec(&image)
            .map_err(image_error)?;
        Ok(bytes.into())
    }
}

/// Decodes JPEG pictures; keeps its context.
pub struct Jpeg(turbojpeg::Decompressor);

impl Jpeg {
    /// A decoder.
    pub fn new() -> Result<Self> {
        let made = turbojpeg::Decompressor::new();
        made.map(Self).map_err(image_error)
    }

    /// One picture as RGB.
    pub fn decode(&mut self, bytes: &[u8], out: &mut Rgb) -> Result<()> {
        let header = self.0.read_header(bytes).map_err(image_error)?;
        let side = |n: usize| {
            u32::try_from(n)
                .ok()
                .filter(|n| (1..=MAX_SIDE / 2).contains(n))
        };
        let (Some(width), Some(height)) = (side(header.width), side(header.height)) else {
            let (width, height) = (header.width, header.height);
            return Err(Error::Limit(format!("a picture of {width}x{height}")));
        };
        out.resize(width, height);
        let image = turbojpeg::Image {
            width: header.width,
            height: header.height,
            pitch: out.plane.stride,
            format: turbojpeg::PixelFormat::RGB,
            pixels: &mut out.plane.data[..],
        };
        self.0.decompress(bytes, image).map_err(image_error)
    }
}

fn image_error(e: turbojpeg::Error) -> Error {
    Error::Image(e.to_string())
}

fn png(rgb: &Rgb) -> Result<Bytes> {
    let mut out = Cursor::new(Vec::new());
    let (color, format) = (image::ExtendedColorType::Rgb8, image::ImageFormat::Png);
    image::write_buffer_with_format(
        &mut out,
        &rgb.packed(),
        rgb.width,
        rgb.height,
        color,
        format,
    )
    .map_err(|e| Error::Image(e.to_string()))?;
    Ok(out.into_inner().into())
}
