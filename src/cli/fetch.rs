//! `kpack fetch`: from annotation files to clips on disk.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use kpack::Time;
use kpack::fetch::{FetchOptions, JOURNAL, Report, fetch};
use kpack::sample::{Preset, Trim, VideoRecipe};
use kpack::source::{self, ReadOptions};
use kpack::worker::Limits;

use super::fetching::{NetArgs, PastEndKind, YtDlpArgs, options};
use super::out::{bytes, count, grouped, say};
use super::pack::Watch;
use super::pack::args::LayoutKind;
use super::signals::Signals;
use super::{Common, Exit, out, values, worker};

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
in the middle of files where the server allows it. Clips are cut in child processes: what crashes there is
the failure of one row. Then: kpack webdataset ANNOTATIONS --media-dir MEDIA.

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
    /// A folder whose videos stand in for those of the same names, such as CVDF's replacements of
    /// corrupt ones: used before anything is fetched
    #[arg(long, value_name = "DIR")]
    replacement: Option<PathBuf>,
    /// Folders of the clips below MEDIA; those that are there already stay where they are
    #[arg(long, value_enum, default_value = "flat")]
    layout: LayoutKind,
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

/// Most failures that are named on standard error.
const NAMED: usize = 20;

impl Fetch {
    pub(crate) fn run(&self, common: &Common) -> anyhow::Result<Exit> {
        let mut options = self.options(common)?;
        let input = source::read(
            &self.annotations,
            &ReadOptions {
                labels: self.labels.clone(),
                input_format: self.input_format.clone(),
                exclude: Some(self.out.clone()),
                replacement: self.replacement.clone(),
                annotations_only: true,
                ..ReadOptions::default()
            },
        )
        .map_err(super::inputs::fault)?;
        options.workers = worker::workers(Some(Limits::default()), common.quiet).into();
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
        let defaults = FetchOptions {
            url_template: self.url_template.clone(),
            mirrors: self.mirror.clone(),
            name_template: self.name_template.clone(),
            layout: self.layout.into(),
            replacement: self.replacement.clone(),
            ..options(net, &self.yt_dlp, common)
        };
        Ok(FetchOptions {
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
            past_end: cut.past_end.into(),
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
