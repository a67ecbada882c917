//! [`ImageEncoder`]: pictures to JPEG, PNG or WebP bytes.

use std::io::Cursor;

use bytes::Bytes;
use turbojpeg::{Compressor, Subsamp, YuvPlanesImage};

use super::av::{Error, Result};
use super::encode::WebpEncoder;
use super::frame::Frame;
use super::input::Rotation;
use super::picture::{Rgb, Yuv};
use super::{ColorInfo, Scaler};
use crate::sample::ImageCodec;

/// Scales, turns and codes pictures; keeps its contexts and buffers.
pub struct ImageEncoder {
    codec: ImageCodec,
    scaler: Scaler,
    jpeg: Compressor,
    webp: Option<WebpEncoder>,
    quality: u8,
    yuv: Yuv,
    rgb: Rgb,
}

impl ImageEncoder {
    /// An encoder for `codec`; `quality` is 1 to 100 and serves JPEG and WebP.
    pub fn new(codec: ImageCodec, quality: u8) -> Result<Self> {
        let mut jpeg = Compressor::new().map_err(image_error)?;
        jpeg.set_quality(i32::from(quality.clamp(1, 100))).map_err(image_error)?;
        jpeg.set_subsamp(Subsamp::Sub2x2).map_err(image_error)?;
        let (scaler, yuv, rgb) = Default::default();
        Ok(Self { codec, scaler, jpeg, webp: None, quality, yuv, rgb })
    }

    /// One frame as an upright picture of `size`, and how its colours were read.
    pub fn encode(
        &mut self,
        frame: &Frame,
        size: (u32, u32),
        rotation: Rotation,
    ) -> Result<(Bytes, ColorInfo)> {
        match self.codec {
            ImageCodec::Jpeg => {
                let color = self.scaler.jpeg_planes(frame, size, rotation, &mut self.yuv)?;
                Ok((self.jpeg()?, color))
            }
            ImageCodec::Png => {
                let color = self.scaler.rgb(frame, size, rotation, &mut self.rgb)?;
                Ok((rgb_png(&self.rgb)?, color))
            }
            ImageCodec::Webp => {
                let color = self.scaler.rgb(frame, size, rotation, &mut self.rgb)?;
                let webp = match &mut self.webp {
                    Some(webp) if webp.size() == size => webp,
                    slot => slot.insert(WebpEncoder::new(size, self.quality)?),
                };
                Ok((webp.encode(&self.rgb)?, color))
            }
        }
    }

    fn jpeg(&mut self) -> Result<Bytes> {
        let planes = self.yuv.planes();
        let image = YuvPlanesImage {
            planes: planes.iter().map(|p| p.data()).collect::<Vec<_>>(),
            width: self.yuv.width as usize,
            strides: planes.iter().map(|p| p.stride()).collect(),
            height: self.yuv.height as usize,
            subsamp: Subsamp::Sub2x2,
        };
        let bytes = self.jpeg.compress_yuv_planes_to_vec(&image).map_err(image_error)?;
        Ok(bytes.into())
    }
}

fn image_error(e: turbojpeg::Error) -> Error {
    Error::Image(e.to_string())
}

/// An RGB picture as PNG.
pub fn rgb_png(rgb: &Rgb) -> Result<Bytes> {
    let mut out = Cursor::new(Vec::new());
    image::write_buffer_with_format(
        &mut out,
        &rgb.packed(),
        rgb.width,
        rgb.height,
        image::ExtendedColorType::Rgb8,
        image::ImageFormat::Png,
    )
    .map_err(|e| Error::Image(e.to_string()))?;
    Ok(out.into_inner().into())
}
