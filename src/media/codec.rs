//! [`VideoCodec`]: the codecs that videos are encoded with, one line each.

use super::av::has_encoder;

/// A codec that videos are encoded with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VideoCodec {
    /// H.264 by x264.
    H264,
    /// H.265 by x265.
    Hevc,
    /// AV1 by libaom.
    Av1,
    /// VP9 by libvpx.
    Vp9,
}

/// What is known of a codec.
struct Line {
    codec: VideoCodec,
    name: &'static str,
    encoder: &'static str,
    /// FFmpeg's name of the container, and the extension of its files.
    container: (&'static str, &'static str),
    /// FFmpeg's encoder of the sound that goes with it.
    sound: &'static str,
    default_crf: u8,
    max_crf: u8,
}

const MP4: (&str, &str) = ("mp4", "mp4");
const WEBM: (&str, &str) = ("webm", "webm");

#[rustfmt::skip]
static LINES: [Line; 4] = [
    Line { codec: VideoCodec::H264, name: "h264", encoder: "libx264", container: MP4, sound: "aac", default_crf: 23, max_crf: 51 },
    Line { codec: VideoCodec::Hevc, name: "hevc", encoder: "libx265", container: MP4, sound: "aac", default_crf: 28, max_crf: 51 },
    Line { codec: VideoCodec::Av1, name: "av1", encoder: "libaom-av1", container: MP4, sound: "aac", default_crf: 32, max_crf: 63 },
    Line { codec: VideoCodec::Vp9, name: "vp9", encoder: "libvpx-vp9", container: WEBM, sound: "libopus", default_crf: 31, max_crf: 63 },
];

impl VideoCodec {
    /// All of them.
    pub const ALL: [VideoCodec; 4] = [Self::H264, Self::Hevc, Self::Av1, Self::Vp9];

    fn line(self) -> &'static Line {
        let [first, ..] = &LINES;
        let line = LINES.iter().find(|line| line.codec == self);
        line.unwrap_or(first)
    }
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        self.line().name
    }
    /// FFmpeg's name of the encoder.
    pub fn encoder(self) -> &'static str {
        self.line().encoder
    }
    /// Whether the libraries in use can encode it.
    pub fn is_there(self) -> bool {
        has_encoder(self.encoder())
    }
    /// FFmpeg's name of the container that its videos stand in.
    pub fn container(self) -> &'static str {
        self.line().container.0
    }
    /// Extension of these files.
    pub fn extension(self) -> &'static str {
        self.line().container.1
    }
    /// FFmpeg's name of the encoder for the sound beside it.
    pub fn sound_encoder(self) -> &'static str {
        self.line().sound
    }
    /// Constant rate factor where none is asked for.
    pub fn default_crf(self) -> u8 {
        self.line().default_crf
    }
    /// Largest constant rate factor, of the worst quality; 0 is the best.
    pub fn max_crf(self) -> u8 {
        self.line().max_crf
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_has_its_line() {
        for (codec, line) in VideoCodec::ALL.iter().zip(&LINES) {
            assert_eq!((*codec, codec.name()), (line.codec, line.name));
        }
    }
}
