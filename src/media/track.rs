//! [`Track`]: what a file's header says of one of its streams.

use std::ffi::CStr;

use ffmpeg_the_third::ffi::{self, AVRational};

use crate::Time;

/// Kinds of track that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackKind {
    /// Moving pictures.
    Video,
    /// Sound.
    Audio,
}

/// One track of a file, as its header describes it.
#[derive(Debug, Clone)]
pub struct Track {
    /// Position among the file's streams.
    pub index: usize,
    /// Video or audio.
    pub kind: TrackKind,
    /// Seconds per tick: numerator and denominator, both positive.
    pub time_base: (i64, i64),
    /// FFmpeg's name of the codec.
    pub codec: String,
    /// Coded width in pixels, before rotation; 0 for audio.
    pub width: u32,
    /// Coded height in pixels, before rotation; 0 for audio.
    pub height: u32,
    /// How the picture must be turned to stand upright.
    pub rotation: Rotation,
    /// Frames as the container counts them; 0 where it does not.
    pub frames: u64,
    /// Average frames per second; 0 where unknown.
    pub fps: f64,
    /// Duration as the container says.
    pub duration: Option<Time>,
    /// Sample rate in Hz; 0 for video.
    pub sample_rate: u32,
    /// Channels; 0 for video.
    pub channels: u32,
    /// The display matrix that `rotation` was read from.
    #[cfg_attr(ffmpeg_6_1, allow(dead_code, reason = "there it is in the parameters"))]
    pub(super) matrix: Option<[i32; 9]>,
    /// Sample frames that the decoder drops at the head by itself: Opus's pre-skip.
    pub(super) delay: u32,
    /// Where its sound lies to the sample, if its ticks are coarser than that.
    pub(super) grid: Option<SoundGrid>,
}

/// Clockwise quarter turns and a mirror that bring a picture upright.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Clockwise quarter turns, 0 to 3, after the mirror.
    pub turns: u8,
    /// Whether left and right are swapped first.
    pub mirror: bool,
}

impl Rotation {
    /// Whether the upright picture's width is the coded height.
    pub fn swaps(self) -> bool {
        self.turns % 2 == 1
    }
    /// Width and height of what this makes of a picture of that width and height.
    pub fn turned(self, (width, height): (u32, u32)) -> (u32, u32) {
        match self.swaps() {
            true => (height, width),
            false => (width, height),
        }
    }
}

impl Track {
    /// A tick count as nanoseconds, rounded to nearest. Relative to libav's zero, not the origin.
    pub fn nanos(&self, ticks: i64) -> i64 {
        let (num, den) = self.time_base;
        let scaled = i128::from(ticks) * i128::from(num) * 1_000_000_000;
        let den = i128::from(den);
        clamp_i64((scaled + den / 2).div_euclid(den))
    }
    /// Nanoseconds as ticks, rounded down.
    pub fn ticks_floor(&self, nanos: i64) -> i64 {
        let (num, den) = self.time_base;
        clamp_i64((i128::from(nanos) * i128::from(den)).div_euclid(i128::from(num) * 1_000_000_000))
    }
    /// So many sample frames in ticks, to nearest.
    pub(super) fn ticks_of_samples(&self, samples: u32) -> i64 {
        let (num, den) = (i128::from(self.time_base.0), i128::from(self.time_base.1));
        let unit = num * i128::from(self.sample_rate.max(1));
        clamp_i64((i128::from(samples) * den + unit / 2).div_euclid(unit))
    }
    /// Where a decoded stretch of `samples` sample frames begins that libav puts at `ticks`, in
    /// nanoseconds from libav's zero; to the sample also where ticks are coarser.
    pub fn sound_nanos(&self, ticks: i64, samples: usize) -> i64 {
        let told = self.nanos(ticks);
        let exact = self.grid.and_then(|grid| grid.place(told, samples));
        exact.unwrap_or(told)
    }
    /// Nanoseconds that a frame usually lasts; 40 ms where that is not known.
    pub fn usual_step(&self) -> i64 {
        match self.fps > 0.0 {
            true => (1e9 / self.fps) as i64,
            false => 40_000_000,
        }
    }
    /// Width of the upright picture.
    pub fn shown_width(&self) -> u32 {
        self.rotation.turned((self.width, self.height)).0
    }
    /// Height of the upright picture.
    pub fn shown_height(&self) -> u32 {
        self.rotation.turned((self.width, self.height)).1
    }
}

fn clamp_i64(n: i128) -> i64 {
    n.clamp(i128::from(i64::MIN + 1), i128::from(i64::MAX)) as i64
}

/// The instants at which the packets of a sound track begin, where its ticks are longer than a
/// sample frame (Matroska: a millisecond) and its packets all have the same length.
///
/// Sound is contiguous: packet `k` begins `k` packet lengths after the first, whatever the rounded
/// time in the file says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SoundGrid {
    /// Time of the first packet as the file says, in nanoseconds from libav's zero.
    first: i64,
    /// Time of the first sample frame that is heard, as libav says it.
    heard: i64,
    /// Sample frames before that one.
    skipped: u32,
    rate: u32,
    /// Nanoseconds a tick lasts.
    tick: i64,
}

impl SoundGrid {
    /// For a track whose first packet is at `first` ticks, and of which decoders drop so many
    /// ticks and sample frames.
    pub(super) fn new(track: &Track, first: i64, dropped: (i64, u32)) -> Option<Self> {
        let tick = track.nanos(1);
        // Vorbis has packets of two lengths.
        let regular = track.kind == TrackKind::Audio && track.codec != "vorbis";
        if !regular || tick * i64::from(track.sample_rate) <= 1_000_000_000 {
            return None;
        }
        Some(Self {
            first: track.nanos(first),
            heard: track.nanos(first.saturating_add(dropped.0)),
            skipped: dropped.1,
            rate: track.sample_rate,
            tick,
        })
    }

    /// The instant that a stretch of a packet's length begins, `told` by the file; `None` where
    /// it is not on the grid: at the head, or after a gap.
    fn place(self, told: i64, samples: usize) -> Option<i64> {
        let (rate, samples) = (f64::from(self.rate), samples as f64);
        let length = samples / rate * 1e9;
        if length <= 3.0 * self.tick as f64 {
            return None;
        }
        let packets = ((told - self.first) as f64 / length).round();
        let heard = packets * samples - f64::from(self.skipped);
        let exact = self.heard + (heard / rate * 1e9).round() as i64;
        ((exact - told).abs() * 2 <= self.tick * 3).then_some(exact)
    }
}

pub(super) fn describe(stream: &ffi::AVStream, is_video: bool) -> Track {
    // SAFETY: a stream of an open context has codec parameters; codec names are static.
    let (par, codec) = unsafe {
        let par = &*stream.codecpar;
        (
            par,
            CStr::from_ptr(ffi::avcodec_get_name(par.codec_id))
                .to_string_lossy()
                .into_owned(),
        )
    };
    let time_base = (
        i64::from(stream.time_base.num.max(1)),
        i64::from(stream.time_base.den.max(1)),
    );
    let frames = u64::try_from(stream.nb_frames).unwrap_or(0);
    let mut track = Track {
        index: usize::try_from(stream.index).unwrap_or(0),
        kind: if is_video {
            TrackKind::Video
        } else {
            TrackKind::Audio
        },
        time_base,
        codec,
        width: u32::try_from(par.width).unwrap_or(0),
        height: u32::try_from(par.height).unwrap_or(0),
        rotation: if is_video {
            rotation(stream)
        } else {
            Rotation::default()
        },
        frames,
        fps: 0.0,
        duration: None,
        sample_rate: u32::try_from(par.sample_rate).unwrap_or(0),
        channels: u32::try_from(par.ch_layout.nb_channels).unwrap_or(0),
        matrix: display_matrix(stream).filter(|_| is_video),
        delay: match par.codec_id {
            ffi::AVCodecID::OPUS => u32::try_from(par.initial_padding).unwrap_or(0),
            _ => 0,
        },
        grid: None,
    };
    if stream.duration > 0 {
        track.duration = Some(Time::from_nanos(track.nanos(stream.duration)));
    }
    let measured = |d: Time| {
        if d > Time::ZERO {
            frames as f64 / d.secs()
        } else {
            0.0
        }
    };
    track.fps = match ratio(stream.avg_frame_rate) {
        fps if fps > 0.0 => fps,
        _ => track.duration.map_or(0.0, measured),
    };
    track
}

fn ratio(r: AVRational) -> f64 {
    if r.den == 0 {
        0.0
    } else {
        f64::from(r.num) / f64::from(r.den)
    }
}

/// The display matrix of a stream as quarter turns and a mirror; other angles are left alone.
fn rotation(stream: &ffi::AVStream) -> Rotation {
    let Some(matrix) = display_matrix(stream) else {
        return Rotation::default();
    };
    let sign = |i: usize| matrix[i].signum();
    // Row vectors times the matrix: (x, y) -> (a x + c y, b x + d y), y downwards.
    let (a, b, c, d) = (sign(0), sign(1), sign(3), sign(4));
    match (a, b, c, d) {
        (0, 1, -1, 0) => Rotation {
            turns: 1,
            mirror: false,
        },
        (-1, 0, 0, -1) => Rotation {
            turns: 2,
            mirror: false,
        },
        (0, -1, 1, 0) => Rotation {
            turns: 3,
            mirror: false,
        },
        (-1, 0, 0, 1) => Rotation {
            turns: 0,
            mirror: true,
        },
        (1, 0, 0, -1) => Rotation {
            turns: 2,
            mirror: true,
        },
        // Mirror first (x to -x), then turn.
        (0, -1, -1, 0) => Rotation {
            turns: 1,
            mirror: true,
        },
        (0, 1, 1, 0) => Rotation {
            turns: 3,
            mirror: true,
        },
        _ => Rotation::default(),
    }
}

/// The nine numbers of the display matrix, if the stream has one.
fn display_matrix(stream: &ffi::AVStream) -> Option<[i32; 9]> {
    // SAFETY: side data arrays of an open context are valid for their stated length; a display
    // matrix is nine native 32-bit integers, and its size is checked.
    unsafe {
        #[cfg(ffmpeg_6_1)]
        let (list, count) = {
            let par = &*stream.codecpar;
            (par.coded_side_data, par.nb_coded_side_data)
        };
        #[cfg(not(ffmpeg_6_1))]
        let (list, count) = (stream.side_data, stream.nb_side_data);
        for i in 0..usize::try_from(count).ok()? {
            let entry = &*list.add(i);
            if entry.type_ == ffi::AVPacketSideDataType::DISPLAYMATRIX && entry.size >= 36 {
                return Some(entry.data.cast::<[i32; 9]>().read_unaligned());
            }
        }
    }
    None
}
