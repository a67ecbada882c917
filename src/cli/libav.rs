//! What the command line asks of libav: versions and codecs. Nothing else of `src/cli` does.

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
