//! `kpack stats`: what is there, counted.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use kpack::stats::{
    Bar, Histogram, States, Stats, StatsOptions, gather, means, page, stats, thumbs,
};
use kpack::worker::Limits;
use kpack_formats::atomic::write_atomic;

use super::out::{bytes, count, grouped, say};
use super::pack::Watch;
use super::{Common, Exit, out, worker};

const HELP: &str = "\
Examples:
  kpack stats videos/                                 each file is opened and its first frame decoded
  kpack stats out/ --html out.html                    of a packed dataset, from its rows
  kpack stats k400_val.csv --media-dir videos/        what is missing of a published table
  kpack stats k600_train.csv k700_val.csv             videos that both have
  kpack stats videos/ --json | jq '.classes'

A clip is short if it is by more than half a second shorter than its time range, which its row or
its name (ID_000010_000020.mp4) says. Colours are measured on four frames each of some clips. Files are
opened in child processes: one that crashes its decoder is corrupt, and counted as such.

Exit codes:
  0    counted, whatever was found
  1    an input cannot be read
  2    the command cannot be understood";

/// Count what is found, missing, short and corrupt; durations, sizes, codecs, colours, overlaps
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct StatsCommand {
    /// Packed datasets or their manifests, folders of media, media files, annotation files
    #[arg(required = true, value_name = "DIR|MANIFEST|FILE")]
    inputs: Vec<PathBuf>,
    /// Where the videos of annotation rows lie [default: beside the annotation file]
    #[arg(long, value_name = "DIR")]
    media_dir: Option<PathBuf>,
    /// Class names that fix the class index
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Decode every media file to its end, instead of its first frame
    #[arg(long)]
    decode: bool,
    /// Clips whose frames give the means of the colours; 0 for none
    #[arg(long, value_name = "N", default_value_t = 100)]
    means: usize,
    /// Write a page with plots, a picture of each class and the failures; it needs no network
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Most lines of a list on standard output.
const LINES: usize = 20;

impl StatsCommand {
    pub(crate) fn run(&self, common: &Common) -> anyhow::Result<Exit> {
        let options = StatsOptions {
            media_dir: self.media_dir.clone(),
            labels: self.labels.clone(),
            decode: self.decode,
            threads: common.threads(),
            workers: worker::workers(Some(Limits::default()), common.quiet).into(),
        };
        let watch = Watch::new(common);
        let gathered = gather(&self.inputs, &options, &watch);
        watch.end();
        let (records, mut notes) = gathered?;
        let channels = match self.means {
            0 => None,
            most => means(&records, most, &options, &mut notes)?,
        };
        let inputs = self.inputs.iter().map(|path| path.display().to_string());
        let mut counted = stats(inputs.collect(), &records, channels, notes);
        if let Some(path) = &self.html {
            let thumbs = thumbs(&records, &options, &mut counted.notes)?;
            write_atomic(path, page(&counted, &thumbs).as_bytes())?;
            if !common.quiet {
                say(format_args!("page written to {}", path.display()));
            }
        }
        if common.json {
            out::print_json(&serde_json::to_value(&counted)?)?;
        } else {
            let all = common.verbose > 0;
            out::print(|out| print(out, &counted, if all { usize::MAX } else { LINES }))?;
        }
        Ok(Exit::Done)
    }
}

fn print(out: &mut dyn Write, stats: &Stats, lines: usize) -> io::Result<()> {
    writeln!(out, "{}", stats.inputs.join(", "))?;
    let known = stats.duration.known;
    writeln!(
        out,
        "  {}, {}, {:.1} s in {} of known duration",
        count(stats.total.clips, "clip"),
        bytes(stats.bytes),
        stats.seconds,
        grouped(known)
    )?;
    table(out, "split", stats.splits.iter(), lines)?;
    table(out, "class", stats.classes.iter(), lines)?;
    if known > 0 {
        histogram(out, &stats.duration)?;
    }
    for (title, bars) in [
        ("frames per second", &stats.fps),
        ("size", &stats.size),
        ("video codec", &stats.video_codec),
        ("sound codec", &stats.audio_codec),
    ] {
        values(out, title, bars, lines)?;
    }
    if let Some(means) = &stats.channels {
        let three = |v: [f64; 3]| v.map(|x| format!("{x:.4}")).join(" ");
        writeln!(
            out,
            "\ncolours, red green blue from 0 to 1, {} of {}\n  mean {}\n  std  {}",
            count(means.frames, "frame"),
            count(means.clips, "clip"),
            three(means.mean),
            three(means.std)
        )?;
    }
    overlaps(out, stats)?;
    failures(out, stats, lines)?;
    stats
        .notes
        .iter()
        .try_for_each(|note| writeln!(out, "note: {note}"))
}

fn table<'a>(
    out: &mut dyn Write,
    title: &str,
    rows: impl ExactSizeIterator<Item = (&'a String, &'a States)>,
    lines: usize,
) -> io::Result<()> {
    let more = rows.len().saturating_sub(lines);
    let rows: Vec<_> = rows.take(lines).collect();
    let width = rows.iter().map(|(name, _)| name.chars().count()).max();
    let width = width.unwrap_or(0).clamp(12, 48);
    writeln!(out)?;
    let mut line = |name: &str, cells: [String; 6]| {
        write!(out, "  {name:<width$}")?;
        cells
            .iter()
            .try_for_each(|cell| write!(out, " {cell:>9}"))?;
        writeln!(out)
    };
    let heads = ["clips", "found", "missing", "short", "corrupt", "skipped"];
    line(title, heads.map(str::to_owned))?;
    for (name, s) in rows {
        let name = if name.is_empty() { "(none)" } else { name };
        let cells = [s.clips, s.found, s.missing, s.short, s.corrupt, s.skipped];
        line(name, cells.map(grouped))?;
    }
    more_lines(out, more)
}

fn more_lines(out: &mut dyn Write, more: usize) -> io::Result<()> {
    match more {
        0 => Ok(()),
        more => writeln!(out, "  and {} more: -v lists all", grouped(more as u64)),
    }
}

fn bar(clips: u64, most: u64) -> String {
    let length = clips.saturating_mul(40).div_ceil(most.max(1));
    "#".repeat(usize::try_from(length).unwrap_or(40))
}

fn histogram(out: &mut dyn Write, h: &Histogram) -> io::Result<()> {
    writeln!(
        out,
        "\nduration in seconds: {:.3} to {:.3}, median {:.3}, mean {:.3}",
        h.min, h.max, h.median, h.mean
    )?;
    let most = h.counts.iter().max().copied().unwrap_or(0);
    let mut empty = false;
    for (i, clips) in h.counts.iter().enumerate() {
        if *clips == 0 {
            if !std::mem::replace(&mut empty, true) {
                writeln!(out, "         ..")?;
            }
            continue;
        }
        empty = false;
        let from = h.from + h.step * i as f64;
        let bar = bar(*clips, most);
        writeln!(out, "  {from:>10.3} {:>9} {bar}", grouped(*clips))?;
    }
    Ok(())
}

fn values(out: &mut dyn Write, title: &str, bars: &[Bar], lines: usize) -> io::Result<()> {
    if bars.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{title}")?;
    let most = bars.first().map_or(0, |bar| bar.clips);
    for one in bars.iter().take(lines) {
        let (value, clips) = (&one.value, grouped(one.clips));
        writeln!(out, "  {value:>10} {clips:>9} {}", bar(one.clips, most))?;
    }
    more_lines(out, bars.len().saturating_sub(lines))
}

fn overlaps(out: &mut dyn Write, stats: &Stats) -> io::Result<()> {
    for overlap in &stats.overlaps {
        let several = stats.inputs.len() > 1;
        let name = |group: &kpack::stats::Group| match (several, group.split.as_str()) {
            (true, "") => group.input.clone(),
            (true, split) => format!("{} {split}", group.input),
            (false, "") => "clips without a split".to_owned(),
            (false, split) => split.to_owned(),
        };
        writeln!(
            out,
            "\n{} and {} share {} and {}, such as {}",
            name(&overlap.one),
            name(&overlap.two),
            count(overlap.videos, "video"),
            count(overlap.clips, "clip"),
            overlap.examples.join(", ")
        )?;
    }
    Ok(())
}

fn failures(out: &mut dyn Write, stats: &Stats, lines: usize) -> io::Result<()> {
    if stats.failures.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nnot found whole")?;
    for (class, clips) in &stats.failures_by_class {
        writeln!(out, "  {:>9} {class}", grouped(*clips))?;
    }
    for failure in stats.failures.iter().take(lines) {
        writeln!(out, "  {}: {}", failure.key, failure.reason)?;
    }
    more_lines(out, stats.failures.len().saturating_sub(lines))
}
