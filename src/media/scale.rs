//! [`Scaler`]: decoded frames to 8-bit pictures of the wanted size, upright.
//!
//! libswscale, bilinear (which averages over the covered area when it shrinks), with the flags
//! that make its result the same on every processor. Range and matrix are left alone on the way
//! to planes; see `color` for the pass that follows on the small planes.

use std::ptr;

use ffmpeg_the_third::ffi::{self, AVPixelFormat, SwsContext};

use super::av::{Error, Result};
use super::color::ColorInfo;
use super::frame::Frame;
use super::picture::{Rgb, Yuv};
use super::to_jpeg::convert_to_jpeg;
use super::track::Rotation;

const SWS_BILINEAR: i32 = 2;
const SWS_FULL_CHR_H_INT: i32 = 0x2000;
const SWS_FULL_CHR_H_INP: i32 = 0x4000;
const SWS_ACCURATE_RND: i32 = 0x40000;
const SWS_BITEXACT: i32 = 0x80000;

/// Largest width or height that is scaled, in pixels.
pub const MAX_SIDE: u32 = 32_768;
/// Most pixels of a scaled picture.
const MAX_AREA: u64 = 1 << 28;

/// What a scaler was made for: frames may change size or format in the middle of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    from: (i32, i32, i32),
    to: (u32, u32),
    rgb: bool,
    quick: bool,
    color: ColorInfo,
}

/// Scales frames; keeps its context and buffers from frame to frame.
#[derive(Default)]
pub struct Scaler {
    context: Option<(Shape, Context)>,
    quick: bool,
    turned: Yuv,
    turned_rgb: Rgb,
}

struct Context(*mut SwsContext);

// SAFETY: the context is used through `&mut Scaler` only.
unsafe impl Send for Context {}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: made by sws_getContext, freed once.
        unsafe { ffi::sws_freeContext(self.0) }
    }
}

impl Scaler {
    /// A scaler whose RGB is made by the processor's own vector code, several times as fast: chroma
    /// is not interpolated, and values may differ by a level or two from processor to processor. For
    /// pictures that are looked at and thrown away, as in training.
    pub fn quick() -> Self {
        Self {
            quick: true,
            ..Self::default()
        }
    }

    /// Scales to upright 4:2:0 planes of `width` x `height` that keep the source's range and matrix.
    pub fn planes(
        &mut self,
        frame: &Frame,
        (width, height): (u32, u32),
        rotation: Rotation,
        out: &mut Yuv,
    ) -> Result<ColorInfo> {
        check_size(frame, (width, height))?;
        let color = source_color(frame);
        let lying = rotation.turned((width, height));
        let upright = rotation == Rotation::default();
        let mut turned = std::mem::take(&mut self.turned);
        let target = if upright { &mut *out } else { &mut turned };
        target.resize(lying.0, lying.1);
        let result = if is_plain(frame) && (frame.width(), frame.height()) == lying {
            copy_planes(frame, target)
        } else {
            self.scale_planes(frame, color, target)
        };
        if result.is_ok() && !upright {
            turned.turned_into(rotation, out);
        }
        self.turned = turned;
        result.map(|()| color)
    }

    /// Scales to planes as JPEG means them: BT.601, full range, padded to even sizes.
    pub fn jpeg_planes(
        &mut self,
        frame: &Frame,
        size: (u32, u32),
        rotation: Rotation,
        out: &mut Yuv,
    ) -> Result<ColorInfo> {
        let color = self.planes(frame, size, rotation, out)?;
        convert_to_jpeg(out, color);
        out.pad_to_even();
        Ok(color)
    }

    /// Scales to upright RGB, by the source's own matrix and range.
    pub fn rgb(
        &mut self,
        frame: &Frame,
        (width, height): (u32, u32),
        rotation: Rotation,
        out: &mut Rgb,
    ) -> Result<ColorInfo> {
        check_size(frame, (width, height))?;
        let color = source_color(frame);
        let (w, h) = rotation.turned((width, height));
        let mut lying = std::mem::take(&mut self.turned_rgb);
        let upright = rotation == Rotation::default();
        let target = if upright { &mut *out } else { &mut lying };
        target.resize(w, h);
        let (pointer, stride) = (target.plane.data.as_mut_ptr(), target.plane.stride as i32);
        let result = self
            .context(frame, (w, h), true, color)
            .and_then(|context| {
                // SAFETY: the plane has `stride` bytes in each of its rows, and one row to spare.
                unsafe {
                    run(
                        context,
                        frame,
                        [pointer, ptr::null_mut(), ptr::null_mut()],
                        [stride, 0, 0],
                    )
                }
            });
        if result.is_ok() && !upright {
            lying.turned_into(rotation, out);
        }
        self.turned_rgb = lying;
        result.map(|()| color)
    }

    fn scale_planes(&mut self, frame: &Frame, color: ColorInfo, out: &mut Yuv) -> Result<()> {
        let size = (out.width, out.height);
        let strides = [0, 1, 2].map(|i: usize| out.planes[i].stride as i32);
        let pointers = out.planes.each_mut().map(|p| p.data.as_mut_ptr());
        let context = self.context(frame, size, false, color)?;
        // SAFETY: each plane was sized for this picture, with a row to spare.
        unsafe { run(context, frame, pointers, strides) }
    }

    fn context(
        &mut self,
        frame: &Frame,
        to: (u32, u32),
        rgb: bool,
        color: ColorInfo,
    ) -> Result<*mut SwsContext> {
        let raw = frame.raw();
        let shape = Shape {
            from: (raw.width, raw.height, raw.format),
            to,
            rgb,
            quick: rgb && self.quick,
            color,
        };
        if let Some((made, context)) = &self.context
            && *made == shape
        {
            return Ok(context.0);
        }
        let context = make(shape)?;
        Ok(self.context.insert((shape, context)).1.0)
    }
}

/// Colour of the planes that [`Scaler::planes`] gives: RGB sources become JPEG's YCbCr.
fn source_color(frame: &Frame) -> ColorInfo {
    let color = ColorInfo::of(frame);
    if is_rgb(frame.raw().format) {
        ColorInfo {
            high_dynamic_range: color.high_dynamic_range,
            ..ColorInfo::JPEG
        }
    } else {
        color
    }
}

fn is_rgb(format: i32) -> bool {
    const FLAG_RGB: u64 = 1 << 5;
    const FLAG_PAL: u64 = 1 << 1;
    // SAFETY: a look-up that gives null or a static description.
    let description = unsafe { ffi::av_pix_fmt_desc_get(AVPixelFormat(format)).as_ref() };
    description.is_some_and(|d| d.flags & (FLAG_RGB | FLAG_PAL) != 0)
}

/// 8-bit 4:2:0 planes stored top down: can be copied as they are.
fn is_plain(frame: &Frame) -> bool {
    let raw = frame.raw();
    (raw.format == AVPixelFormat::YUV420P.0 || raw.format == AVPixelFormat::YUVJ420P.0)
        && raw.linesize[..3].iter().all(|l| *l > 0)
}

fn copy_planes(frame: &Frame, out: &mut Yuv) -> Result<()> {
    let raw = frame.raw();
    let (w, h) = (frame.width() as usize, frame.height() as usize);
    for (i, plane) in out.planes.iter_mut().enumerate() {
        let (w, h) = if i == 0 {
            (w, h)
        } else {
            (w.div_ceil(2), h.div_ceil(2))
        };
        let stride = raw.linesize[i] as usize;
        for (y, row) in plane.rows_mut(h).enumerate() {
            // SAFETY: a decoded 4:2:0 frame has `h` rows of at least `w` samples in plane `i`,
            // `stride` (positive, see is_plain) apart.
            let from = unsafe { std::slice::from_raw_parts(raw.data[i].add(y * stride), w) };
            row[..w].copy_from_slice(from);
        }
    }
    Ok(())
}

/// Refuses sizes that are not scaled, before memory is taken for them.
fn check_size(frame: &Frame, (width, height): (u32, u32)) -> Result<()> {
    let sides = [frame.width(), frame.height(), width, height];
    let area = u64::from(width) * u64::from(height);
    if sides.iter().all(|s| (1..=MAX_SIDE).contains(s)) && area <= MAX_AREA {
        return Ok(());
    }
    Err(Error::Limit(format!(
        "a picture of {}x{} to {width}x{height} is outside 1 to {MAX_SIDE} pixels a side and {MAX_AREA} in all",
        frame.width(),
        frame.height(),
    )))
}

fn make(shape: Shape) -> Result<Context> {
    let (width, height, format) = shape.from;
    let to = if shape.rgb {
        AVPixelFormat::RGB24
    } else {
        AVPixelFormat::YUV420P
    };
    let mut flags = SWS_BILINEAR | SWS_ACCURATE_RND | SWS_BITEXACT;
    if shape.quick {
        flags = SWS_BILINEAR;
    } else if shape.rgb {
        flags |= SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP;
    }
    // SAFETY: sizes are checked; a null result is handled; the tables are static.
    unsafe {
        let context = ffi::sws_getContext(
            width,
            height,
            AVPixelFormat(format),
            shape.to.0 as i32,
            shape.to.1 as i32,
            to,
            flags,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null(),
        );
        if context.is_null() {
            return Err(Error::Unsupported(format!(
                "pixel format number {format} cannot be scaled"
            )));
        }
        let context = Context(context);
        let from_table = ffi::sws_getCoefficients(shape.color.matrix.sws());
        // The same table and range on both sides of planes, or libswscale would convert between
        // them on the way. For RGB the second table means nothing, and the range is always full.
        let to_table = from_table;
        let range = i32::from(shape.color.full_range);
        let to_range = if shape.rgb { 1 } else { range };
        ffi::sws_setColorspaceDetails(
            context.0,
            from_table,
            range,
            to_table,
            to_range,
            0,
            1 << 16,
            1 << 16,
        );
        Ok(context)
    }
}

/// Runs a context over a whole frame.
///
/// # Safety
/// `context` was made for this frame's size and format, and `to` has room for its target size.
unsafe fn run(
    context: *mut SwsContext,
    frame: &Frame,
    to: [*mut u8; 3],
    strides: [i32; 3],
) -> Result<()> {
    let raw = frame.raw();
    let to = [to[0], to[1], to[2], ptr::null_mut()];
    let strides = [strides[0], strides[1], strides[2], 0];
    // SAFETY: promised by the caller; libav's frames are valid for their own size.
    let rows = unsafe {
        ffi::sws_scale(
            context,
            raw.data.as_ptr().cast(),
            raw.linesize.as_ptr(),
            0,
            raw.height,
            to.as_ptr(),
            strides.as_ptr(),
        )
    };
    if rows <= 0 {
        return Err(Error::Unsupported("libswscale refused a frame".to_owned()));
    }
    Ok(())
}
