//! The kinds of addresses, one line each, and how what lies there becomes a file.

use std::path::PathBuf;

use super::net::Net;
use super::plan::Source;
use super::{Fail, http, local, ytdlp};

/// One kind of address.
#[derive(Debug)]
pub(super) struct Scheme {
    pub(super) name: &'static str,
    /// Whether an address is of this kind; the first line that says so serves it.
    takes: fn(&str) -> bool,
    /// One attempt to bring the source.
    pub(super) get: fn(&Net<'_>, &Source) -> Result<Got, Fail>,
}

/// All kinds.
static SCHEMES: [&Scheme; 3] = [&FILE, &HTTP, &PAGES];

/// Paths of this machine.
pub(super) static FILE: Scheme = Scheme {
    name: "file",
    takes: local::takes,
    get: local::get,
};

/// Files of the web.
pub(super) static HTTP: Scheme = Scheme {
    name: "http",
    takes: http::takes,
    get: http::get,
};

/// Pages with a video.
static PAGES: Scheme = Scheme {
    name: YT_DLP,
    takes: |_| true,
    get: ytdlp::get,
};

/// The name of the kind that yt-dlp serves.
pub(super) const YT_DLP: &str = "yt-dlp";

/// The kind of an address.
pub(super) fn scheme(address: &str) -> Option<&'static Scheme> {
    let mut schemes = SCHEMES.iter();
    schemes.find(|scheme| (scheme.takes)(address)).copied()
}

/// The kind that yt-dlp serves.
pub(super) fn yt_dlp() -> &'static Scheme {
    &PAGES
}

/// A source that is there.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) path: PathBuf,
    /// Whether it was fetched, so that it may be moved and deleted.
    pub(super) owned: bool,
    /// Whether it is one that an earlier run brought.
    pub(super) there: bool,
    /// Where it holds only the parts that are needed: the bytes of these.
    pub(super) came: Option<u64>,
}
