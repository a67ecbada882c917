//! [`WebpEncoder`]: lossy WebP pictures, by libwebp behind libav.

use ffmpeg_the_third as ffmpeg;
use ffmpeg_the_third::ffi::{self, AVPixelFormat, AVRational};
use ffmpeg_the_third::packet::{Mut as _, Packet};

use super::av::{Error, Result, check};
use super::encode::Encoder;
use super::picture::Rgb;

/// Codes pictures of one size after the other; opens anew when the size changes.
pub(super) struct WebpEncoder {
    quality: u8,
    opened: Option<((u32, u32), Encoder)>,
}

impl WebpEncoder {
    /// `quality` is 1 to 100.
    pub(super) fn new(quality: u8) -> Self {
        Self {
            quality: quality.clamp(1, 100),
            opened: None,
        }
    }

    pub(super) fn encode(&mut self, rgb: &Rgb) -> Result<Vec<u8>> {
        let size = (rgb.width, rgb.height);
        if self.opened.as_ref().is_none_or(|(s, _)| *s != size) {
            self.opened = Some((size, self.open(size)?));
        }
        let Some((_, encoder)) = &mut self.opened else {
            return Err(Error::Alloc("a WebP encoder"));
        };
        let frame = bgra(rgb);
        // SAFETY: an open encoder without delay, a frame of its size and format, an empty packet.
        unsafe {
            let context = encoder.as_mut_ptr();
            check("cannot encode a picture", {
                ffi::avcodec_send_frame(context, frame.as_ptr())
            })?;
            let mut packet = Packet::empty();
            check("cannot encode a picture", {
                ffi::avcodec_receive_packet(context, packet.as_mut_ptr())
            })?;
            Ok(packet.data().unwrap_or_default().to_vec())
        }
    }

    fn open(&self, (width, height): (u32, u32)) -> Result<Encoder> {
        let (mut encoder, codec) = Encoder::new("libwebp")?;
        let raw = encoder.raw();
        (raw.width, raw.height) = (width as i32, height as i32);
        raw.pix_fmt = AVPixelFormat::BGRA;
        raw.time_base = AVRational { num: 1, den: 25 };
        encoder.set("quality", &self.quality.to_string())?;
        encoder.open(codec)?;
        Ok(encoder)
    }
}

/// The picture as libwebp takes it, opaque.
fn bgra(rgb: &Rgb) -> ffmpeg::frame::Video {
    let format = ffmpeg::format::Pixel::BGRA;
    let mut frame = ffmpeg::frame::Video::new(format, rgb.width, rgb.height);
    let stride = frame.stride(0);
    let rows = frame.data_mut(0).chunks_mut(stride);
    for (y, row) in rows.take(rgb.height as usize).enumerate() {
        let from = rgb.plane.row(y).as_chunks::<3>().0;
        let to = row.as_chunks_mut::<4>().0;
        for (to, [r, g, b]) in to.iter_mut().zip(from).take(rgb.width as usize) {
            *to = [*b, *g, *r, 255];
        }
    }
    frame
}
