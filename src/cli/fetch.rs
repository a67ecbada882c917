//! `kpack fetch`: from annotation files to clips on disk.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use kpack::Time;
use kpack::fetch::{FetchOptions, JOURNAL, PastEnd, Report, YtDlp, fetch};
use kpack::sample::{Preset, Trim, VideoRecipe};
use kpack::source::{self, ReadOptions};

use super::out::{bytes, count, grouped, say};
use super::pack::Watch;
use super::signals::Signals;
use super::{Common, Exit, out, values};

const HELP: &str = "\
Examples:
  kpack fetch kinetics-400_val.csv -o clips/ --cookies cookies.txt        YouTube ids, by yt-dlp
  kpack fetch urls.csv -o clips/ --trim copy                              column `url`
  kpack fetch ids.csv -o clips/ --url-template 'https://host/{id}.mp4'
  kpack fetch kinetics-400_val.csv -o clips/ --mirror k400_val_path.txt   CVDF's list of tar.gz
  kpack fetch long-videos.csv -o clips/ --min-length 2 --past-end skip    column `path`, local files

Each source is fetched once, whatever the number of its clips, and dropped when they are cut
(--keep-source keeps it). MEDIA/fetch.jsonl has a row for each row of ANNOTATIONS: done, failed with
its class and reason, or skipped. The same command again fetches only what is not done, and goes on
in the middle of files where the server allows it. Then: kpack webdataset ANNOTATIONS --media-dir MEDIA.

Exit codes:
  0    all clips are there
  1    ended by an error, such as a full disk
  2    the command cannot be understood, or yt-dlp is needed and not installed
  3    finished, but some rows failed; MEDIA/fetch.jsonl says which and why
  130  stopped by Ctrl-C, 143 by SIGTERM; the same command again continues";

/// Fetch the videos that annotation files name, and cut their clips
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Fetch {
    /// Annotation files: Kinetics, AVA and others, or tables with a column `path`, `url` or `id`
    #[arg(required = true, value_name = "ANNOTATIONS")]
    annotations: Vec<PathBuf>,
    /// Folder of the clips
    #[arg(short, long, value_name = "MEDIA")]
    out: PathBuf,
    /// Format of ANNOTATIONS, where it is not seen by itself
    #[arg(long, value_name = "NAME")]
    input_format: Option<String>,
    /// A file that fixes the class indexes
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Address of each row, with {id} or {key}; with {start} or {end} it is that of the clip itself
    #[arg(long, value_name = "T")]
    url_template: Option<String>,
    /// Take the clips out of archives, such as CVDF's: a tar (plain, gzip, zstd), its address, or a
    /// list of these, one a line; may be repeated
    #[arg(long, value_name = "LIST|TAR|URL")]
    mirror: Vec<PathBuf>,
    /// Name of each clip [default: {id}_{start:06}_{end:06}.mp4]
    #[arg(long, value_name = "T")]
    name_template: Option<String>,
    #[command(flatten)]
    net: NetArgs,
    #[command(flatten)]
    yt_dlp: YtDlpArgs,
    #[command(flatten)]
    cut: CutArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
struct NetArgs {
    /// Sources fetched at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = values::threads)]
    fetch_threads: usize,
    /// Sources fetched at once from one host
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = values::threads)]
    per_host: usize,
    /// Further attempts at a source that failed for the moment; waits double from 1 s to 60 s
    #[arg(long, value_name = "N", default_value_t = 4)]
    retries: u32,
    /// Bytes per second, all sources together
    #[arg(long, value_name = "BYTES/S", value_parser = values::size)]
    rate: Option<u64>,
    /// Largest source
    #[arg(long, value_name = "BYTES", default_value = "20G", value_parser = values::size)]
    max_size: u64,
    /// Longest time without an answer or progress
    #[arg(long, value_name = "S", default_value = "30", value_parser = values::duration)]
    stall: Time,
    /// Longest time for one source
    #[arg(long, value_name = "S", default_value = "1:00:00", value_parser = values::duration)]
    fetch_timeout: Time,
    /// Allow loopback, private and link-local addresses
    #[arg(long)]
    allow_private: bool,
    /// HTTP proxy, for yt-dlp too
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "yt-dlp")]
struct YtDlpArgs {
    /// Give every web address to yt-dlp, not only those of known sites
    #[arg(long)]
    via_yt_dlp: bool,
    /// The program
    #[arg(long, value_name = "PATH", default_value = "yt-dlp")]
    yt_dlp: PathBuf,
    /// An argument for yt-dlp; may be repeated: --yt-dlp-arg=--sleep-interval --yt-dlp-arg=5
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    yt_dlp_arg: Vec<String>,
    /// Cookies in Netscape's format, for yt-dlp
    #[arg(long, value_name = "FILE")]
    cookies: Option<PathBuf>,
    /// yt-dlp's format selector, such as `bv*[height<=360]+ba/b`
    #[arg(long, value_name = "SELECTOR")]
    format: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Clips")]
struct CutArgs {
    /// How clips are cut
    #[arg(long, value_enum, default_value_t)]
    trim: TrimKind,
    /// Quality of --trim exact: 0 (lossless) to 51 [default: 23]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=51))]
    crf: Option<u8>,
    /// Largest distance of key frames of --trim exact, in frames [default: 250]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    gop: Option<u32>,
    /// Skip clips shorter than this
    #[arg(long, value_name = "S", value_parser = values::duration)]
    min_length: Option<Time>,
    /// What becomes of a clip whose range ends past its source
    #[arg(long, value_enum, default_value_t)]
    past_end: PastEndKind,
    /// Keep the sources too, in MEDIA/sources
    #[arg(long)]
    keep_source: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum TrimKind {
    /// First and last frame as asked; packets are copied, only what the edges cut is encoded (H.264;
    /// else as exact, and fetch.jsonl says why)
    #[default]
    Smart,
    /// First and last frame as asked; encoded again as H.264 and AAC
    Exact,
    /// Whole packets from the key frame before; fast, and fetch.jsonl says what was got
    Copy,
    /// Not at all: the sources themselves
    None,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum PastEndKind {
    /// It ends with the source, and its row says so
    #[default]
    Clamp,
    /// It is skipped
    Skip,
    /// It fails, class too-short
    Fail,
}

/// Most failures that are named on standard error.
const NAMED: usize = 20;

impl Fetch {
    pub(crate) fn run(&self, common: &Common) -> anyhow::Result<Exit> {
        let options = self.options(common)?;
        let input = source::read(
            &self.annotations,
            &ReadOptions {
                labels: self.labels.clone(),
                input_format: self.input_format.clone(),
                exclude: Some(self.out.clone()),
                annotations_only: true,
                ..ReadOptions::default()
            },
        )
        .map_err(super::inputs::fault)?;
        let signals = Signals::listen()?;
        let watch = Watch::new(common);
        for note in &input.notes {
            kpack::progress::Progress::note(&watch, note);
        }
        let report = fetch(&input, &self.out, &options, &watch, signals.stop());
        watch.end();
        let report = report?;
        if common.json {
            out::print_json(&serde_json::to_value(&report)?)?;
        }
        if !common.quiet {
            self.summary(&report, &watch);
        }
        Ok(match signals.exit() {
            Some(exit) if report.remaining > 0 => exit,
            _ if report.failed > 0 => Exit::SomeFailed,
            _ => Exit::Done,
        })
    }

    fn options(&self, common: &Common) -> kpack::Result<FetchOptions> {
        let (net, cut) = (&self.net, &self.cut);
        let refuse = |text: &str| Err(kpack::Error::usage(text));
        if cut.trim != TrimKind::Exact && (cut.crf.is_some() || cut.gop.is_some()) {
            return refuse("--crf and --gop are for --trim exact: the other ways keep the packets");
        }
        if cut.trim == TrimKind::None {
            if cut.keep_source {
                return refuse(
                    "--keep-source has no meaning with --trim none, which keeps the sources as they are",
                );
            }
            if cut.min_length.is_some() || !matches!(cut.past_end, PastEndKind::Clamp) {
                return refuse("--min-length and --past-end are for clips: --trim none cuts none");
            }
        }
        if !self.mirror.is_empty() {
            if self.url_template.is_some() || self.yt_dlp.via_yt_dlp {
                return refuse(
                    "--mirror is asked for all rows: leave out --url-template and --via-yt-dlp, or fetch the rest in a second run",
                );
            }
            if cut.trim == TrimKind::None || cut.keep_source {
                return refuse(
                    "with --mirror, members that are the clips are kept as they are, and others are cut: leave out --trim none and --keep-source",
                );
            }
        }
        let time = |time: Time| Duration::from_nanos(time.nanos().unsigned_abs());
        let defaults = FetchOptions::default();
        Ok(FetchOptions {
            url_template: self.url_template.clone(),
            mirrors: self.mirror.clone(),
            name_template: self.name_template.clone(),
            threads: net.fetch_threads,
            cut_threads: common.threads(),
            per_host: net.per_host,
            retries: net.retries,
            rate: net.rate,
            max_size: net.max_size,
            stall: time(net.stall),
            timeout: time(net.fetch_timeout),
            allow_private: net.allow_private,
            proxy: net.proxy.clone(),
            via_yt_dlp: self.yt_dlp.via_yt_dlp,
            yt_dlp: YtDlp {
                program: self.yt_dlp.yt_dlp.clone(),
                cookies: self.yt_dlp.cookies.clone(),
                format: self.yt_dlp.format.clone(),
                args: self.yt_dlp.yt_dlp_arg.clone(),
            },
            trim: match cut.trim {
                TrimKind::Exact => Trim::Exact,
                TrimKind::Smart => Trim::Smart,
                TrimKind::Copy => Trim::Copy,
                TrimKind::None => Trim::None,
            },
            video: match cut.trim {
                TrimKind::Exact => VideoRecipe::H264 {
                    crf: cut.crf.unwrap_or(23),
                    preset: Preset::Medium,
                    gop: cut.gop,
                },
                _ => VideoRecipe::Copy,
            },
            min_length: cut.min_length,
            past_end: match cut.past_end {
                PastEndKind::Clamp => PastEnd::Clamp,
                PastEndKind::Skip => PastEnd::Skip,
                PastEndKind::Fail => PastEnd::Fail,
            },
            keep_source: cut.keep_source,
            ..defaults
        })
    }

    fn summary(&self, report: &Report, watch: &Watch) {
        let there = match report.there {
            0 => String::new(),
            n => format!(", {} there before", grouped(n)),
        };
        say(format_args!(
            "{} of {} done{there}: {} from {} in {:.1} s",
            grouped(report.done),
            count(report.rows, "clip"),
            bytes(report.bytes_fetched),
            count(report.sources, "source"),
            report.seconds,
        ));
        if report.skipped > 0 {
            say(format_args!("{} skipped", count(report.skipped, "clip")));
        }
        if report.failed > 0 {
            let classes = report.failures.iter();
            let list = classes.map(|(class, n)| format!("{} {}", grouped(*n), class.as_str()));
            let list: Vec<String> = list.collect();
            let failed = count(report.failed, "clip");
            say(format_args!("{failed} failed: {}", list.join(", ")));
            for (key, reason) in watch.failures().iter().take(NAMED) {
                say(format_args!("  {key}: {reason}"));
            }
            say(format_args!(
                "{} says all",
                self.out.join(JOURNAL).display()
            ));
        }
        if report.remaining > 0 {
            let clips = count(report.remaining, "clip");
            say(format_args!(
                "{clips} remain: the same command again continues"
            ));
        }
    }
}
