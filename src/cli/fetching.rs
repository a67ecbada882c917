//! The options of fetching that `kpack fetch` and `--fetch` share.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use kpack::Time;
use kpack::fetch::{FetchOptions, PastEnd, YtDlp};

use super::{Common, values};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetArgs {
    /// Sources fetched at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = values::threads)]
    pub(crate) fetch_threads: usize,
    /// Sources fetched at once from one host
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = values::threads)]
    pub(crate) per_host: usize,
    /// Further attempts at a source that failed for the moment; waits double from 1 s to 60 s
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(crate) retries: u32,
    /// Bytes per second, all sources together
    #[arg(long, value_name = "BYTES/S", value_parser = values::size)]
    pub(crate) rate: Option<u64>,
    /// Largest source
    #[arg(long, value_name = "BYTES", default_value = "20G", value_parser = values::size)]
    pub(crate) max_size: u64,
    /// Longest time without an answer or progress
    #[arg(long, value_name = "S", default_value = "30", value_parser = values::duration)]
    pub(crate) stall: Time,
    /// Longest time for one source
    #[arg(long, value_name = "S", default_value = "1:00:00", value_parser = values::duration)]
    pub(crate) fetch_timeout: Time,
    /// Allow loopback, private and link-local addresses
    #[arg(long)]
    pub(crate) allow_private: bool,
    /// HTTP proxy, for yt-dlp too
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<String>,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "yt-dlp")]
pub(crate) struct YtDlpArgs {
    /// Give every web address to yt-dlp, not only those of known sites
    #[arg(long)]
    pub(crate) via_yt_dlp: bool,
    /// The program
    #[arg(long, value_name = "PATH", default_value = "yt-dlp")]
    pub(crate) yt_dlp: PathBuf,
    /// An argument for yt-dlp; may be repeated: --yt-dlp-arg=--sleep-interval --yt-dlp-arg=5
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub(crate) yt_dlp_arg: Vec<String>,
    /// Cookies in Netscape's format, for yt-dlp
    #[arg(long, value_name = "FILE")]
    pub(crate) cookies: Option<PathBuf>,
    /// yt-dlp's format selector, such as `bv*[height<=360]+ba/b`
    #[arg(long, value_name = "SELECTOR")]
    pub(crate) format: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PastEndKind {
    /// It ends with the source, and its row says so
    #[default]
    Clamp,
    /// It is skipped
    Skip,
    /// It fails, class too-short
    Fail,
}

impl From<PastEndKind> for PastEnd {
    fn from(kind: PastEndKind) -> Self {
        match kind {
            PastEndKind::Clamp => PastEnd::Clamp,
            PastEndKind::Skip => PastEnd::Skip,
            PastEndKind::Fail => PastEnd::Fail,
        }
    }
}

/// Fetching while packing.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Fetching")]
pub(crate) struct WhilePacking {
    /// Fetch the clips that --media-dir lacks, and pack them as they come; see kpack fetch --help
    #[arg(long, requires = "media_dir")]
    pub(crate) fetch: bool,
    /// Delete what was fetched as soon as it is packed
    #[arg(long, requires = "fetch")]
    pub(crate) discard_media: bool,
    /// Address of each row, with {id} or {key}; with {start} or {end} it is that of the clip itself
    #[arg(long, value_name = "T", requires = "fetch")]
    pub(crate) url_template: Option<String>,
    /// Take the clips out of archives, as kpack fetch --mirror; those on the way to a clip come with
    /// it and wait in --media-dir; may be repeated
    #[arg(long, value_name = "LIST|TAR|URL", requires = "fetch",
          conflicts_with_all = ["url_template", "via_yt_dlp", "keep_source"])]
    pub(crate) mirror: Vec<PathBuf>,
    /// Skip clips whose source has less of them than this
    #[arg(long, value_name = "S", requires = "fetch", value_parser = values::duration)]
    pub(crate) min_length: Option<Time>,
    /// What becomes of a clip whose range ends past its source
    #[arg(long, value_enum, default_value_t, requires = "fetch")]
    pub(crate) past_end: PastEndKind,
    /// Keep the sources too, in the folder sources of --media-dir
    #[arg(long, requires = "fetch")]
    pub(crate) keep_source: bool,
    #[command(flatten)]
    pub(crate) net: NetArgs,
    #[command(flatten)]
    pub(crate) yt_dlp: YtDlpArgs,
}

impl WhilePacking {
    /// An option that has no meaning without `--fetch`.
    pub(crate) fn idle(&self) -> Option<&'static str> {
        let (net, yt_dlp, defaults) = (&self.net, &self.yt_dlp, FetchOptions::default());
        let given = [
            ("--fetch-threads", net.fetch_threads != defaults.threads),
            ("--per-host", net.per_host != defaults.per_host),
            ("--retries", net.retries != defaults.retries),
            ("--rate", net.rate.is_some()),
            ("--max-size", net.max_size != defaults.max_size),
            ("--stall", duration(net.stall) != defaults.stall),
            (
                "--fetch-timeout",
                duration(net.fetch_timeout) != defaults.timeout,
            ),
            ("--allow-private", net.allow_private),
            ("--proxy", net.proxy.is_some()),
            ("--via-yt-dlp", yt_dlp.via_yt_dlp),
            ("--yt-dlp", yt_dlp.yt_dlp != defaults.yt_dlp.program),
            ("--cookies", yt_dlp.cookies.is_some()),
            ("--format", yt_dlp.format.is_some()),
            ("--yt-dlp-arg", !yt_dlp.yt_dlp_arg.is_empty()),
            ("--past-end", self.past_end != PastEndKind::Clamp),
        ];
        let given = given.iter().find(|(_, given)| *given && !self.fetch);
        given.map(|(option, _)| *option)
    }

    /// The options, if clips are fetched.
    pub(crate) fn options(&self, common: &Common) -> Option<FetchOptions> {
        self.fetch.then(|| FetchOptions {
            url_template: self.url_template.clone(),
            mirrors: self.mirror.clone(),
            min_length: self.min_length,
            past_end: self.past_end.into(),
            keep_source: self.keep_source,
            ..options(&self.net, &self.yt_dlp, common)
        })
    }
}

fn duration(time: Time) -> Duration {
    Duration::from_nanos(time.nanos().unsigned_abs())
}

/// What both commands ask for.
pub(super) fn options(net: &NetArgs, yt_dlp: &YtDlpArgs, common: &Common) -> FetchOptions {
    FetchOptions {
        threads: net.fetch_threads,
        cut_threads: common.threads(),
        per_host: net.per_host,
        retries: net.retries,
        rate: net.rate,
        max_size: net.max_size,
        stall: duration(net.stall),
        timeout: duration(net.fetch_timeout),
        allow_private: net.allow_private,
        proxy: net.proxy.clone(),
        via_yt_dlp: yt_dlp.via_yt_dlp,
        yt_dlp: YtDlp {
            program: yt_dlp.yt_dlp.clone(),
            cookies: yt_dlp.cookies.clone(),
            format: yt_dlp.format.clone(),
            args: yt_dlp.yt_dlp_arg.clone(),
        },
        ..FetchOptions::default()
    }
}
