//! [`Resampler`]: decoded sound to interleaved f32 of the wanted rate and channels.

use std::ptr;

use ffmpeg_the_third::ffi::{self, AVChannelLayout, AVSampleFormat, SwrContext};

use super::av::{Error, Result, check};
use super::frame::Frame;
use crate::stopwatch::{self, Step};

/// Converts sound to interleaved 32-bit float in [-1, 1], by libswresample.
///
/// Output sample frame 0 is at the instant of input sample frame 0: the filter's delay is
/// compensated. Mixing down never exceeds full scale: mono of stereo is half of each.
pub struct Resampler {
    context: *mut SwrContext,
    shape: (i32, i32, i32),
    rate: u32,
    channels: u32,
}

// SAFETY: the context is used through `&mut self` only.
unsafe impl Send for Resampler {}

impl Drop for Resampler {
    fn drop(&mut self) {
        // SAFETY: made by swr_alloc_set_opts2, freed once.
        unsafe { ffi::swr_free(&mut self.context) }
    }
}

fn shape(frame: &Frame) -> (i32, i32, i32) {
    let raw = frame.raw();
    (raw.format, raw.sample_rate, raw.ch_layout.nb_channels)
}

impl Resampler {
    /// From the kind of sound that `frame` holds to `rate` Hz and `channels` (1 or 2, or as many
    /// as the frame has).
    pub fn new(frame: &Frame, rate: u32, channels: u32) -> Result<Self> {
        let raw = frame.raw();
        let shape = shape(frame);
        if raw.sample_rate <= 0 || raw.ch_layout.nb_channels <= 0 {
            return Err(Error::Unsupported(
                "sound without a rate or channels".to_owned(),
            ));
        }
        // SAFETY: layouts are plain data made by libav's own functions; the context is checked.
        unsafe {
            let mut out = std::mem::zeroed::<AVChannelLayout>();
            let mut from = std::mem::zeroed::<AVChannelLayout>();
            ffi::av_channel_layout_default(&mut out, channels as i32);
            // A layout without an order cannot be mixed: take the usual one of that many channels.
            ffi::av_channel_layout_default(&mut from, raw.ch_layout.nb_channels);
            let known = raw.ch_layout.order != ffi::AVChannelOrder::UNSPEC;
            let layout = if known {
                (&raw const raw.ch_layout).cast_mut()
            } else {
                &raw mut from
            };
            let mut context = ptr::null_mut();
            let code = ffi::swr_alloc_set_opts2(
                &mut context,
                &mut out,
                AVSampleFormat::FLT,
                rate as i32,
                layout,
                AVSampleFormat(raw.format),
                raw.sample_rate,
                0,
                ptr::null_mut(),
            );
            check("cannot set up the resampler", code)?;
            let mut resampler = Self {
                context,
                shape,
                rate,
                channels,
            };
            // Float output is not normalised unless asked; sound above full scale would clip later.
            ffi::av_opt_set_double(context.cast(), c"rematrix_maxval".as_ptr(), 1.0, 0);
            check(
                "cannot start the resampler",
                ffi::swr_init(resampler.context),
            )?;
            resampler.context = context;
            Ok(resampler)
        }
    }

    /// Sample rate of the output in Hz.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Whether `frame` is of the kind this was made for.
    pub fn fits(&self, frame: &Frame) -> bool {
        self.shape == shape(frame)
    }

    /// Converts the sample frames of `frame` from `skip` on, appending to `out`.
    pub fn push(&mut self, frame: &Frame, skip: usize, out: &mut Vec<f32>) -> Result<()> {
        let _step = stopwatch::enter(Step::Sound);
        let raw = frame.raw();
        let count = frame.samples().saturating_sub(skip);
        if count == 0 {
            return Ok(());
        }
        let channels = usize::try_from(raw.ch_layout.nb_channels).unwrap_or(0);
        // SAFETY: sample sizes by format; a decoded frame has its planes in extended_data.
        let (bytes, planar) = unsafe {
            let format = AVSampleFormat(raw.format);
            let bytes = usize::try_from(ffi::av_get_bytes_per_sample(format)).unwrap_or(0);
            (bytes, ffi::av_sample_fmt_is_planar(format) != 0)
        };
        let planes = if planar { channels } else { 1 };
        let step = if planar { bytes } else { bytes * channels };
        // SAFETY: each plane holds `samples * step` bytes and `skip < samples`.
        let pointers: Vec<*const u8> = unsafe {
            (0..planes)
                .map(|i| (*raw.extended_data.add(i)).add(skip * step).cast_const())
                .collect()
        };
        self.convert(Some(&pointers), count, out)
    }

    /// Feeds `count` sample frames of silence, for a gap.
    pub fn push_silence(&mut self, count: usize, out: &mut Vec<f32>) -> Result<()> {
        let channels = usize::try_from(self.shape.2).unwrap_or(0);
        // Eight bytes hold a sample of any format; unsigned 8-bit is silent at 128.
        let format = self.shape.0;
        let is_u8 = format == AVSampleFormat::U8.0 || format == AVSampleFormat::U8P.0;
        const STEP: usize = 4096;
        let quiet = vec![if is_u8 { 128_u8 } else { 0 }; STEP * 8 * channels];
        let pointers = vec![quiet.as_ptr(); channels];
        let mut left = count;
        while left > 0 {
            let n = left.min(STEP);
            self.convert(Some(&pointers), n, out)?;
            left -= n;
        }
        Ok(())
    }

    /// Appends what the filter still holds.
    pub fn flush(&mut self, out: &mut Vec<f32>) -> Result<()> {
        self.convert(None, 0, out)
    }

    fn convert(
        &mut self,
        input: Option<&[*const u8]>,
        count: usize,
        out: &mut Vec<f32>,
    ) -> Result<()> {
        let count = i32::try_from(count)
            .map_err(|_| Error::Limit("more than 2^31 sample frames at once".to_owned()))?;
        let channels = self.channels as usize;
        // SAFETY: the output has room for what swr_get_out_samples promises at most; the input
        // pointers hold `count` sample frames, promised by the callers.
        unsafe {
            let room = usize::try_from(ffi::swr_get_out_samples(self.context, count)).unwrap_or(0);
            let old = out.len();
            out.resize(old + room * channels, 0.0);
            let mut to = out.as_mut_ptr().add(old).cast::<u8>();
            let from = input.map_or(ptr::null_mut(), |p| p.as_ptr().cast_mut().cast());
            let made = ffi::swr_convert(self.context, &mut to, room as i32, from, count);
            let made = check("cannot resample", made);
            let kept = made
                .as_ref()
                .map_or(0, |n| usize::try_from(*n).unwrap_or(0));
            out.truncate(old + kept * channels);
            made.map(|_| ())
        }
    }
}
