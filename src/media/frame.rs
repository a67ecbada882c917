//! [`Frame`]: one decoded picture or stretch of sound, counted by reference.

use ffmpeg_the_third as ffmpeg;
use ffmpeg_the_third::ffi;

use super::av::{Error, Result, check};
use super::track::Rotation;

/// One decoded picture, or some sample frames of sound, as libav holds it.
pub struct Frame(pub(super) ffmpeg::Frame);

impl Frame {
    pub(super) fn empty() -> Self {
        // SAFETY: an empty frame is allocated here and freed by the wrapper.
        Self(unsafe { ffmpeg::Frame::empty() })
    }

    /// Sound of `channels` interleaved in `values`, at `rate` Hz.
    pub fn of_sound(values: &[f32], rate: u32, channels: u32) -> Result<Self> {
        let mut frame = Self::empty();
        // SAFETY: the frame is described before its buffer is allocated, as libav demands; packed
        // sound has one plane, of samples x channels values.
        unsafe {
            let raw = &mut *frame.0.as_mut_ptr();
            raw.format = ffi::AVSampleFormat::FLT.0;
            raw.sample_rate = rate as i32;
            raw.nb_samples = (values.len() / channels.max(1) as usize) as i32;
            ffi::av_channel_layout_default(&mut raw.ch_layout, channels as i32);
            let code = ffi::av_frame_get_buffer(frame.0.as_mut_ptr(), 0);
            check("cannot allocate sound", code)?;
            let count = frame.samples() * channels as usize;
            let to = (*(*frame.0.as_ptr()).extended_data).cast::<f32>();
            std::slice::from_raw_parts_mut(to, count).copy_from_slice(&values[..count]);
        }
        Ok(frame)
    }

    pub(super) fn raw(&self) -> &ffi::AVFrame {
        // SAFETY: the pointer is valid as long as the frame.
        unsafe { &*self.0.as_ptr() }
    }

    /// Presentation time in ticks of the track; libav's best guess where the packet has none.
    pub fn pts(&self) -> Option<i64> {
        let raw = self.raw();
        [raw.best_effort_timestamp, raw.pts]
            .into_iter()
            .find(|t| *t != ffi::AV_NOPTS_VALUE)
    }
    /// Whether the codec calls it a key frame.
    pub fn is_key(&self) -> bool {
        self.0.is_key()
    }
    /// Width in pixels, before rotation.
    pub fn width(&self) -> u32 {
        u32::try_from(self.raw().width).unwrap_or(0)
    }
    /// Height in pixels, before rotation.
    pub fn height(&self) -> u32 {
        u32::try_from(self.raw().height).unwrap_or(0)
    }
    /// Width and height of the upright picture.
    pub fn upright(&self, rotation: Rotation) -> (u32, u32) {
        rotation.turned((self.width(), self.height()))
    }
    /// Sample frames of sound; 0 for a picture.
    pub fn samples(&self) -> usize {
        usize::try_from(self.raw().nb_samples).unwrap_or(0)
    }
    /// Sample rate in Hz; 0 for a picture.
    pub fn sample_rate(&self) -> u32 {
        u32::try_from(self.raw().sample_rate).unwrap_or(0)
    }
    /// Channels of sound; 0 for a picture.
    pub fn channels(&self) -> u32 {
        u32::try_from(self.raw().ch_layout.nb_channels).unwrap_or(0)
    }
    /// Whether the decoder had to conceal damage.
    pub fn is_damaged(&self) -> bool {
        let raw = self.raw();
        raw.decode_error_flags != 0 || raw.flags & ffi::AV_FRAME_FLAG_CORRUPT != 0
    }
    /// Another handle on the same picture, without copying it.
    pub fn share(&self) -> Result<Self> {
        let mut other = Self::empty();
        // SAFETY: both frames are valid; the data is reference-counted.
        if unsafe { ffi::av_frame_ref(other.0.as_mut_ptr(), self.0.as_ptr()) } < 0 {
            return Err(Error::Alloc("a frame reference"));
        }
        Ok(other)
    }
}
