//! [`H264`] and [`EdgeEncoder`]: packets of an H.264 track, and frames encoded so that both decode
//! as one track.
//!
//! What is encoded has parameter sets with an id of their own, and the track's `avcC` holds those
//! of the source and these. So any key frame can be decoded from, and nothing changes on the way.

use ffmpeg_the_third as ffmpeg;
use ffmpeg_the_third::ffi::{self, AVPixelFormat, AVRational};
use ffmpeg_the_third::packet::{Flags, Packet};

use super::av::{Error, Result};
use super::encode::{Encoder, fill};
use super::frame::Frame;
use super::h264::{Framing, Parameters, Sequence, repacked};
use super::input::Input;
use super::picture::Yuv;
use super::track::Track;
use super::video_encoder::reads_stray_memory;

/// Quality of what is encoded: hard to tell from the frames beside it.
const CRF: &str = "18";

/// What an H.264 track is made of.
pub struct H264 {
    source: Parameters,
    sequence: Sequence,
}

impl H264 {
    /// Of a track to which encoded frames can be joined.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with the reason, for all others.
    pub fn new(input: &Input, track: &Track) -> Result<Self> {
        let refuse = |what: &str| Err(Error::Unsupported(what.to_owned()));
        if track.codec != "h264" {
            return refuse(&format!("its codec is {}, not H.264", track.codec));
        }
        let source = Parameters::parse(input.extradata(track))?;
        let sequence = source.sequence()?;
        if sequence.chroma != 1 || sequence.bits != 8 {
            return refuse("its pictures are not 4:2:0 of 8 bits");
        }
        if !sequence.progressive {
            return refuse("it is interlaced");
        }
        if !matches!(sequence.profile, 66 | 77 | 100) {
            return refuse(&format!("its H.264 profile is {}", sequence.profile));
        }
        if input.needs_first(track) {
            return refuse(
                "an old x264 made it, whose frames decoders treat in a way of their own",
            );
        }
        Ok(Self { source, sequence })
    }

    /// A packet as the joined track holds it, and whether all that follows can be decoded from it
    /// on.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where its parameter sets are not those of the track.
    pub fn repack(&self, packet: &Packet) -> Result<(Packet, bool)> {
        let data = packet.data().unwrap_or_default();
        let (data, idr) = repacked(self.source.framing, data, &self.source)?;
        let mut new = Packet::copy(&data);
        new.set_flags(packet.flags() & Flags::KEY);
        Ok((new, idr))
    }

    /// The `avcC` record of the joined track.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the edges differ from each other.
    pub fn record(&self, edges: &[EdgeEncoder]) -> Result<Vec<u8>> {
        let none = Parameters {
            framing: Framing::AnnexB,
            sps: Vec::new(),
            pps: Vec::new(),
        };
        let first = edges.first().map_or(&none, |edge| &edge.parameters);
        if edges.iter().any(|edge| edge.parameters != *first) {
            let reason = "its pictures change their size or colours on the way";
            return Err(Error::Unsupported(reason.to_owned()));
        }
        self.source.joined(first)
    }
}

/// Encodes the frames at one edge of a cut.
pub struct EdgeEncoder {
    encoder: Encoder,
    parameters: Parameters,
    frame: ffmpeg::frame::Video,
}

impl EdgeEncoder {
    /// For frames like `first`, decoded from `track`; of its size, colours and profile.
    pub fn new(h264: &H264, first: &Frame, track: &Track) -> Result<Self> {
        let (mut encoder, codec) = Encoder::new("libx264")?;
        let (like, raw) = (first.raw(), encoder.raw());
        (raw.width, raw.height) = (like.width, like.height);
        if like.width % 2 != 0 || like.height % 2 != 0 {
            let reason = "its sides are odd".to_owned();
            return Err(Error::Unsupported(reason));
        }
        raw.pix_fmt = AVPixelFormat::YUV420P;
        raw.time_base = AVRational {
            num: track.time_base.0 as i32,
            den: track.time_base.1 as i32,
        };
        if track.fps > 0.0 {
            raw.framerate = AVRational {
                num: (track.fps * 1000.0).round() as i32,
                den: 1000,
            };
        }
        raw.gop_size = 250;
        raw.max_b_frames = 0;
        raw.color_range = like.color_range;
        raw.colorspace = like.colorspace;
        raw.color_primaries = like.color_primaries;
        raw.color_trc = like.color_trc;
        raw.chroma_sample_location = like.chroma_location;
        raw.sample_aspect_ratio = like.sample_aspect_ratio;
        encoder.set("preset", "medium")?;
        encoder.set("crf", CRF)?;
        encoder.set(
            "profile",
            match h264.sequence.profile {
                66 => "baseline",
                77 => "main",
                _ => "high",
            },
        )?;
        let mut own = format!("sps-id={}", h264.source.free_id()?);
        if reads_stray_memory() {
            own.push_str(":asm=AVX2,FMA3,BMI2");
        }
        encoder.set("x264-params", &own)?;
        encoder.open(codec)?;
        let parameters = Parameters::parse(encoder.extradata())?;
        let size = (like.width as u32, like.height as u32);
        let frame = ffmpeg::frame::Video::new(ffmpeg::format::Pixel::YUV420P, size.0, size.1);
        Ok(Self {
            encoder,
            parameters,
            frame,
        })
    }

    /// Encodes one picture, shown at `pts` ticks of the track.
    pub fn push(&mut self, picture: &Yuv, pts: i64, to: &mut Vec<Packet>) -> Result<()> {
        fill(&mut self.frame, picture)?;
        self.frame.set_pts(Some(pts));
        // A key frame of x264 in the middle may be none of a sequence: only the first is forced.
        self.take(false, to)
    }

    /// Encodes what is held back.
    pub fn finish(&mut self, to: &mut Vec<Packet>) -> Result<()> {
        self.take(true, to)
    }

    fn take(&mut self, end: bool, to: &mut Vec<Packet>) -> Result<()> {
        let frame: Option<&ffmpeg::Frame> = if end { None } else { Some(&self.frame) };
        let parameters = &self.parameters;
        self.encoder.encode_to(frame, &mut |packet| {
            let data = packet.data().unwrap_or_default();
            let (data, _) = repacked(Framing::AnnexB, data, parameters)?;
            let mut new = Packet::copy(&data);
            new.set_flags(packet.flags() & Flags::KEY);
            new.set_pts(packet.pts());
            to.push(new);
            Ok(())
        })
    }
}

/// Puts `bytes` in the place of extradata.
///
/// # Safety
/// `data` and `size` are those of valid parameters or of a codec context that is not open.
pub(super) unsafe fn set_extradata(data: &mut *mut u8, size: &mut i32, bytes: &[u8]) -> Result<()> {
    let room = bytes.len() + ffi::AV_INPUT_BUFFER_PADDING_SIZE as usize;
    // SAFETY: extradata come from av_malloc, as libav demands, and are freed before they are
    // replaced; the new ones are zeroed and have room for the bytes and the padding.
    unsafe {
        ffi::av_freep((&raw mut *data).cast());
        *size = 0;
        let fresh = ffi::av_mallocz(room).cast::<u8>();
        if fresh.is_null() {
            return Err(Error::Alloc("extradata"));
        }
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), fresh, bytes.len());
        *data = fresh;
    }
    *size = bytes.len() as i32;
    Ok(())
}
