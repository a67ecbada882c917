//! What the command line asks of libav: versions and codecs. Nothing else of `src/cli` does.

/// Names and versions of the libraries as they are loaded.
pub(crate) fn versions() -> Vec<(&'static str, String)> {
    Vec::new()
}

/// The FFmpeg release, for the manifest.
pub(crate) fn release() -> String {
    versions()
        .into_iter()
        .next()
        .map_or_else(String::new, |(_, version)| version)
}

/// Whether libav can decode with the decoder `name`; `None` where that is not known.
pub(crate) fn has_decoder(_name: &str) -> Option<bool> {
    None
}

/// Whether libav can encode with the encoder `name`; `None` where that is not known.
pub(crate) fn has_encoder(_name: &str) -> Option<bool> {
    None
}
