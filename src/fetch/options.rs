//! [`FetchOptions`]: what is fetched how, and what is made of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::Time;
use crate::pipeline::Part;
use crate::sample::{Trim, VideoRecipe};
use crate::tree::TreeLayout;
use crate::worker::Workers;

/// How sources are fetched and clips are cut.
#[derive(Debug, Clone)]
pub struct FetchOptions {
    /// Address of a row's source with `{id}`, `{start}`, `{end}` and `{key}`; without it the row's
    /// `url` column, its path, or YouTube's page of its id. If the range is part of it, what is
    /// fetched is taken for the clip itself.
    pub url_template: Option<String>,
    /// Archives in which the rows' clips or sources are: tars, their addresses, or lists of such.
    /// With any, nothing else is asked.
    pub mirrors: Vec<PathBuf>,
    /// Name of a clip below the folder; `{id}_{start:06}_{end:06}.mp4` without.
    pub name_template: Option<String>,
    /// Folders of the clips below the folder. Clips that are there stay where they are.
    pub layout: TreeLayout,
    /// The folder of [`crate::source::ReadOptions::replacement`], with which the input was read: what
    /// lies there is not fetched.
    pub replacement: Option<PathBuf>,
    /// Which part of a job array this is. Parts fetch into one folder at the same time; each has a
    /// journal of its own, which the next run that is none takes over.
    pub part: Part,
    /// Sources fetched at once, at least 1.
    pub threads: usize,
    /// Clips cut at once, at least 1.
    pub cut_threads: usize,
    /// Sources fetched from one host at once, at least 1.
    pub per_host: usize,
    /// How often a fetch that failed for the moment is tried again.
    pub retries: u32,
    /// The wait before the first retry; it doubles up to a minute.
    pub backoff: Duration,
    /// Bytes per second, all HTTP sources together.
    pub rate: Option<u64>,
    /// Largest source in bytes.
    pub max_size: u64,
    /// Longest time without progress: less than 1 KiB counts as none.
    pub stall: Duration,
    /// Longest time for one source, waits not counted.
    pub timeout: Duration,
    /// Whether loopback, private and link-local addresses may be asked.
    pub allow_private: bool,
    /// An HTTP proxy.
    pub proxy: Option<String>,
    /// Whether all pages are given to yt-dlp, also those that could be files.
    pub via_yt_dlp: bool,
    /// How yt-dlp is run.
    pub yt_dlp: YtDlp,
    /// How clips are cut.
    pub trim: Trim,
    /// How the video of a cut with [`Trim::Exact`] is encoded.
    pub video: VideoRecipe,
    /// Clips shorter than this are skipped.
    pub min_length: Option<Time>,
    /// What becomes of a clip whose range ends past its source.
    pub past_end: PastEnd,
    /// Whether sources stay, in the folder `sources`.
    pub keep_source: bool,
    /// What opens sources and cuts clips; this process by default.
    pub workers: Arc<Workers>,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            url_template: None,
            mirrors: Vec::new(),
            name_template: None,
            layout: TreeLayout::Flat,
            replacement: None,
            part: Part::default(),
            threads: 8,
            cut_threads: 1,
            per_host: 4,
            retries: 4,
            backoff: Duration::from_secs(1),
            rate: None,
            max_size: 20_000_000_000,
            stall: Duration::from_secs(30),
            timeout: Duration::from_secs(3600),
            allow_private: false,
            proxy: None,
            via_yt_dlp: false,
            yt_dlp: YtDlp::default(),
            trim: Trim::Smart,
            video: VideoRecipe::Copy,
            min_length: None,
            past_end: PastEnd::Clamp,
            keep_source: false,
            workers: Arc::default(),
        }
    }
}

/// How yt-dlp is run. It is never given to a shell.
#[derive(Debug, Clone)]
pub struct YtDlp {
    /// The program.
    pub program: PathBuf,
    /// A file of cookies in Netscape's format.
    pub cookies: Option<PathBuf>,
    /// Its format selector.
    pub format: Option<String>,
    /// Further arguments, after all others.
    pub args: Vec<String>,
}

impl Default for YtDlp {
    fn default() -> Self {
        Self {
            program: "yt-dlp".into(),
            cookies: None,
            format: None,
            args: Vec::new(),
        }
    }
}

/// What becomes of a clip whose range ends past its source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PastEnd {
    /// It ends with the source, and its row says so.
    #[default]
    Clamp,
    /// It is skipped.
    Skip,
    /// It fails, class `too-short`.
    Fail,
}
