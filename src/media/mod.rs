//! libav behind a small safe face: open, probe, seek, decode, scale, resample, encode, mux.
//!
//! The only module with `unsafe`. Everything here works on an open [`std::fs::File`], never on a
//! path or URL: libav is given no protocol, so a file cannot make it open another one. Contexts
//! are used by one thread at a time and decode with one thread; many clips at once use the cores
//! better than many threads on one clip.
//!
//! ```text
//! File ─ io ─> Input ─ Packet ─> Decoder ─ Frame ─> Scaler ─> Yuv planes ─> ImageEncoder ─> JPEG, PNG, WebP
//!                                        └ Frame ─> Resampler ─> f32 ─> WAV, npy
//!                       └ Packet ──────────────────────> Muxer ─> mp4, mkv, m4a .. <─ VideoEncoder, AudioEncoder
//! ```

mod av;
mod codec;
mod color;
mod decode;
mod edge;
mod encode;
mod frame;
mod h264;
mod image;
mod index;
mod input;
mod io;
mod mp4_box;
mod mux;
mod packet;
mod picture;
mod resample;
mod scale;
mod table;
mod times;
mod to_jpeg;
mod track;
mod video_encoder;
mod webp;
mod x264;

pub use av::{Error, Result, Versions, has_decoder, has_encoder, versions};
pub use codec::VideoCodec;
pub use color::{ColorInfo, Matrix};
pub use decode::Decoder;
pub use edge::{EdgeEncoder, H264};
pub use encode::{AudioEncoder, to_i16};
pub use frame::Frame;
pub use image::{ImageEncoder, Jpeg};
pub use input::Input;
pub use mp4_box::Mp4Box;
pub use mux::{Muxed, Muxer, StreamLike};
pub use packet::is_hidden;
pub use picture::{Plane, Rgb, Yuv};
pub use resample::Resampler;
pub use scale::{MAX_SIDE, Scaler};
pub use table::{Packed, frame_table};
pub use times::FrameTimes;
pub use track::{Rotation, Track, TrackKind};
pub use video_encoder::{Coding, VideoEncoder};

pub use ffmpeg_the_third::packet::Packet;
