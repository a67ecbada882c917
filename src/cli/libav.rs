//! What the command line asks of libav: versions and codecs. Nothing else of `src/cli` does.

use kpack::media::VideoCodec;

/// Names and versions of the libraries as they are loaded.
pub(crate) fn versions() -> Vec<(&'static str, String)> {
    let v = kpack::media::versions();
    vec![
        ("FFmpeg", v.ffmpeg),
        ("libavcodec", v.avcodec),
        ("libavformat", v.avformat),
        ("libswscale", v.swscale),
        ("libswresample", v.swresample),
    ]
}

/// The FFmpeg release, for the manifest.
pub(crate) fn release() -> String {
    versions()
        .into_iter()
        .next()
        .map_or_else(String::new, |(_, version)| version)
}

/// Whether libav can decode with the decoder `name`; `None` where that is not known.
pub(crate) fn has_decoder(name: &str) -> Option<bool> {
    Some(kpack::media::has_decoder(name))
}

/// Whether libav can encode with the encoder `name`; `None` where that is not known.
pub(crate) fn has_encoder(name: &str) -> Option<bool> {
    Some(kpack::media::has_encoder(name))
}

/// Refuses a codec that libav cannot encode, and says which it can.
pub(crate) fn check_encoder(codec: VideoCodec) -> kpack::Result<()> {
    if codec.is_there() {
        return Ok(());
    }
    let others = VideoCodec::ALL.iter().filter(|codec| codec.is_there());
    let others: Vec<&str> = others.map(|codec| codec.name()).collect();
    let instead = match others.as_slice() {
        [] => "it has none of h264, hevc, av1 and vp9".to_owned(),
        some => format!("it has those of {}", some.join(", ")),
    };
    Err(kpack::Error::usage(format!(
        "--video {}: this libav has no encoder {}; {instead} (`kpack doctor` says more)",
        codec.name(),
        codec.encoder()
    )))
}

/// Refuses a codec whose videos have sound that libav cannot encode.
pub(crate) fn check_sound_encoder(codec: VideoCodec) -> kpack::Result<()> {
    match kpack::media::has_encoder(codec.sound_encoder()) {
        true => Ok(()),
        false => Err(kpack::Error::usage(format!(
            "--video {}: this libav has no encoder {} for the sound; use --audio copy or none",
            codec.name(),
            codec.sound_encoder()
        ))),
    }
}
