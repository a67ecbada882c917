//! [`Muxer`]: packets into a container in memory.

use std::ffi::{CStr, CString};
use std::ptr;

use ffmpeg_the_third as ffmpeg;
use ffmpeg_the_third::ffi::{self, AVCodecParameters, AVFormatContext, AVRational};
use ffmpeg_the_third::packet::{Mut as _, Packet};

use super::av::{Error, Result, check};
use super::edge::set_extradata;
use super::input::Input;
use super::io::MemoryIo;
use super::track::Track;

/// Writes packets into a container in memory.
///
/// Nothing of the moment or of the library's version is written (libavformat's `bitexact`).
pub struct Muxer {
    // Freed in Drop, before `io`.
    context: *mut AVFormatContext,
    io: MemoryIo,
    /// Time base of the packets of each stream.
    bases: Vec<AVRational>,
    begun: bool,
}

/// What a track is like, apart from its file: for a stream that takes the track's own packets.
pub struct StreamLike {
    parameters: ffmpeg::codec::Parameters,
    base: AVRational,
}

impl StreamLike {
    /// Like `track` of `input`.
    pub fn new(input: &Input, track: &Track) -> Result<Self> {
        let mut parameters = ffmpeg::codec::Parameters::new();
        // SAFETY: the parameters belong to the open input and are copied into fresh ones.
        let code = unsafe {
            ffi::avcodec_parameters_copy(parameters.as_mut_ptr(), input.parameters(track))
        };
        check("cannot copy codec parameters", code)?;
        let base = AVRational {
            num: track.time_base.0 as i32,
            den: track.time_base.1 as i32,
        };
        Ok(Self { parameters, base })
    }
}

/// mp4's name for HEVC whose parameter sets are in the header.
const HVC1: u32 = u32::from_le_bytes(*b"hvc1");

/// What a muxer wrote.
pub type Muxed = Vec<u8>;

// SAFETY: the context is used through `&mut self` only.
unsafe impl Send for Muxer {}

impl Drop for Muxer {
    fn drop(&mut self) {
        // SAFETY: made by avformat_alloc_output_context2; its I/O context is freed by `io`.
        unsafe { ffi::avformat_free_context(self.context) }
    }
}

impl Muxer {
    /// A muxer of FFmpeg's `format`, such as `mp4`, `matroska`, `flac`.
    pub fn new(format: &str) -> Result<Self> {
        let io = MemoryIo::create()?;
        let name = CString::new(format).unwrap_or_default();
        let mut context = ptr::null_mut();
        // SAFETY: the name is NUL-terminated; the context is checked before use.
        unsafe {
            let code = ffi::avformat_alloc_output_context2(
                &mut context,
                ptr::null(),
                name.as_ptr(),
                ptr::null(),
            );
            check("cannot make a muxer", code)?;
            (*context).pb = io.as_ptr();
            // Everything stands in memory anyway: order packets of all streams by time.
            (*context).max_interleave_delta = 0;
            if format == "webm" {
                // Opus begins before 0 by what its decoder drops, and WebM says how much that is.
                // Moving all tracks by it would bring the picture late.
                (*context).avoid_negative_ts = 0;
            }
            (*context).flags |= ffi::AVFMT_FLAG_CUSTOM_IO | ffi::AVFMT_FLAG_BITEXACT;
        }
        Ok(Self {
            context,
            io,
            bases: Vec::new(),
            begun: false,
        })
    }

    /// Whether it writes WebM.
    pub(super) fn is_webm(&self) -> bool {
        // SAFETY: a context that was made for a format keeps its static name.
        unsafe { CStr::from_ptr((*(*self.context).oformat).name).to_bytes() == b"webm" }
    }

    /// Adds a stream like `track` of `input`, for its own packets. Returns its number.
    pub fn add_copy(&mut self, input: &Input, track: &Track) -> Result<usize> {
        let base = AVRational {
            num: track.time_base.0 as i32,
            den: track.time_base.1 as i32,
        };
        // SAFETY: the parameters belong to the open input and are copied.
        let index = unsafe { self.add(input.parameters(track), base) }?;
        #[cfg(not(ffmpeg_6_1))]
        self.turn(index, track)?;
        Ok(index)
    }

    /// Adds a stream for the packets of a track like this. Returns its number.
    pub fn add_like(&mut self, like: &StreamLike) -> Result<usize> {
        // SAFETY: the parameters are valid as long as their owner.
        unsafe { self.add(like.parameters.as_ptr(), like.base) }
    }

    /// As [`Self::add_copy`], for packets that need `extradata` instead of the source's.
    pub fn add_joined(&mut self, input: &Input, track: &Track, extradata: &[u8]) -> Result<usize> {
        let index = self.add_copy(input, track)?;
        // SAFETY: the stream was just added, and the header is not written.
        unsafe {
            let par = &mut *(**(*self.context).streams.add(index)).codecpar;
            set_extradata(&mut par.extradata, &mut par.extradata_size, extradata)?;
        }
        Ok(index)
    }

    /// Gives a stream the display matrix of `track`; newer libraries have it in the parameters.
    #[cfg(not(ffmpeg_6_1))]
    fn turn(&mut self, index: usize, track: &Track) -> Result<()> {
        let Some(matrix) = track.matrix else {
            return Ok(());
        };
        const KIND: ffi::AVPacketSideDataType = ffi::AVPacketSideDataType::DISPLAYMATRIX;
        // SAFETY: the stream was just added; the memory that libav gives has the size asked for.
        unsafe {
            let stream = *(*self.context).streams.add(index);
            let data = ffi::av_stream_new_side_data(stream, KIND, size_of_val(&matrix));
            if data.is_null() {
                return Err(Error::Alloc("a display matrix"));
            }
            data.cast::<[i32; 9]>().write_unaligned(matrix);
        }
        Ok(())
    }

    /// Adds a stream of `parameters`, whose packets count time in `base`.
    ///
    /// # Safety
    /// `parameters` points to valid codec parameters.
    pub(super) unsafe fn add(
        &mut self,
        parameters: *const AVCodecParameters,
        base: AVRational,
    ) -> Result<usize> {
        // SAFETY: the context is valid; the stream is checked; parameters as promised.
        unsafe {
            let stream = ffi::avformat_new_stream(self.context, ptr::null());
            if stream.is_null() {
                return Err(Error::Alloc("a stream"));
            }
            let code = ffi::avcodec_parameters_copy((*stream).codecpar, parameters);
            check("cannot copy codec parameters", code)?;
            // The source container's own name for the codec does not count.
            let hevc = (*parameters).codec_id == ffi::AVCodecID::HEVC;
            let mp4 = CStr::from_ptr((*(*self.context).oformat).name).to_bytes() == b"mp4";
            // Of HEVC's two names in mp4 this is the one that all players know.
            let name = if hevc && mp4 { HVC1 } else { 0 };
            (*(*stream).codecpar).codec_tag = name;
            (*stream).time_base = base;
        }
        self.bases.push(base);
        Ok(self.bases.len() - 1)
    }

    /// Writes one packet of stream `index`. Packets of a stream come in decoding order.
    pub fn write(&mut self, mut packet: Packet, index: usize) -> Result<()> {
        self.begin()?;
        // SAFETY: `index` came from `add`; the packet is valid and given away.
        let code = unsafe {
            let stream = *(*self.context).streams.add(index);
            packet.set_stream(index);
            packet.set_position(-1);
            ffi::av_packet_rescale_ts(packet.as_mut_ptr(), self.bases[index], (*stream).time_base);
            ffi::av_interleaved_write_frame(self.context, packet.as_mut_ptr())
        };
        check("cannot write a packet", code).map(|_| ())
    }

    /// Whether the container takes the streams added. Called by the first packet otherwise.
    pub fn begin(&mut self) -> Result<()> {
        if !self.begun {
            // SAFETY: the context has its I/O and streams; no options.
            let code = unsafe { ffi::avformat_write_header(self.context, ptr::null_mut()) };
            check("cannot begin the container", code)?;
            self.begun = true;
        }
        Ok(())
    }

    /// Writes the trailer and gives the bytes.
    pub fn finish(mut self) -> Result<Muxed> {
        self.begin()?;
        // SAFETY: the header was written.
        check("cannot finish the container", unsafe {
            ffi::av_write_trailer(self.context)
        })?;
        Ok(self.io.take())
    }
}
