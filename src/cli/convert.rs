//! `kpack convert`: shards into shards of another kind.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use kpack::convert::{Choice, Conversion, Edits, MdsOptions, recipe_of};
use kpack::pipeline::{
    End, FailureLimit, Options, Part, Plan, PlanOptions, ShardRule, ShardTarget, Summary, Target,
    pack,
};
use kpack::source::Input;
use kpack::tree::{self, Tree, TreeLayout, TreeOptions};
use kpack_formats::{Compression, Schema, WriteOptions};

use super::pack::args::{
    CompressKind, Files, FrameNames, LayoutKind, OnErrorKind, SchemaKind, Shards,
};
use super::pack::{Watch, print_plan, print_summary};
use super::signals::Signals;
use super::values::{self, MaxFailures};
use super::{Common, Exit, exit, libav, mds, out};

const HELP: &str = "\
Examples:
  kpack convert out -o wds --to webdataset              a dataset of kpack's, of any format
  kpack convert 'dump/00000.tar' -o tf --to tfrecord    a tar of video2dataset, webdataset, tarp
  kpack convert dmvr/train-* -o frames --to frames      DMVR's records into frame directories
  kpack convert v2d -o wds --to webdataset              a tree of files: KEY.mp4, KEY.txt, KEY.json
  kpack convert out -o out2 --to webdataset --shard-size 1GiB --shuffle 7
  kpack convert out -o mds --to mds                     for MosaicML streaming; shards of 64 MiB
  kpack convert out -o small --to tfrecord --class 'riding*' --drop '*.jpg' --rename wav=sound

Nothing is decoded or encoded anew. Keys, labels, metadata, unknown features and unknown members come
through as they are; what others wrote compressed is read too. In a tree of files, those of one stem
are one sample; what belongs to no sample is counted and named. An interrupted run continues with the
same command; to MDS, behind the last whole shard.";

/// Convert shards of any format into another, bytes as they are; also re-shard, shuffle, select
#[derive(Debug, Args)]
#[command(after_help = format!("{HELP}\n\n{}", exit::PACK_CODES))]
pub(crate) struct Convert {
    /// Shards, folders of shards, datasets, or trees of files such as frame directories
    #[arg(required = true, value_name = "SRC", help_heading = "Input and output")]
    sources: Vec<PathBuf>,
    /// Folder for the new dataset
    #[arg(short, long, value_name = "OUT", help_heading = "Input and output")]
    out: PathBuf,
    /// Format to write
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        help_heading = "Input and output"
    )]
    to: ToKind,
    /// Only samples whose key matches (repeatable)
    #[arg(long, value_name = "GLOB", help_heading = "Selection")]
    key: Vec<String>,
    /// Only samples of this class, by name, glob or index (repeatable)
    #[arg(long, value_name = "NAME|GLOB", help_heading = "Selection")]
    class: Vec<String>,
    /// Only samples of this split (repeatable)
    #[arg(long, value_name = "SPLIT", help_heading = "Selection")]
    split: Vec<String>,
    /// Leave out the blobs of this name or glob, json and cls too (repeatable)
    #[arg(long, value_name = "BLOB", help_heading = "Selection")]
    drop: Vec<String>,
    /// Give blob A the name B (repeatable)
    #[arg(long, value_name = "A=B", value_parser = rename, help_heading = "Selection")]
    rename: Vec<(String, String)>,
    /// Layout of TFRecord payloads [default: example]
    #[arg(long, value_enum, value_name = "NAME", help_heading = "Shards")]
    schema: Option<SchemaKind>,
    #[command(flatten)]
    shards: Shards,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    names: FrameNames,
    #[command(flatten)]
    run: Going,
}

/// How the run goes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Run")]
struct Going {
    /// Do the I-th of N slices, counted from 0, for job arrays
    #[arg(long, value_name = "I/N", value_parser = part)]
    part: Option<Part>,
    /// What a sample that fails does to the run
    #[arg(long, value_enum, default_value_t)]
    on_error: OnErrorKind,
    /// End the run when more than N samples, or P percent of them, failed
    #[arg(long, value_name = "N|P%", default_value = "100%", value_parser = values::max_failures)]
    max_failures: MaxFailures,
    /// Print the plan, write nothing
    #[arg(long)]
    dry_run: bool,
    /// Start anew in an OUT that holds another dataset, which is removed
    #[arg(long)]
    overwrite: bool,
}

fn part(text: &str) -> Result<Part, String> {
    text.parse().map_err(|e: kpack::Error| e.to_string())
}

/// Values of `--to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ToKind {
    /// Tar shards
    Webdataset,
    /// TFRecord shards
    Tfrecord,
    /// Frame directories
    Frames,
    /// MosaicML streaming
    Mds,
}

fn rename(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => {
            Ok((old.to_owned(), new.to_owned()))
        }
        _ => Err(format!(
            "`{text}` renames nothing: write OLD=NEW, such as mp4=video.mp4"
        )),
    }
}

impl Convert {
    pub(crate) fn run(&self, common: &Common) -> anyhow::Result<Exit> {
        self.check()?;
        let choice = Choice {
            keys: self.key.clone(),
            classes: self.class.clone(),
            splits: self.split.clone(),
        };
        let edits = Edits {
            drop: self.drop.clone(),
            rename: self.rename.clone(),
        };
        let work = self.out.join(".kpack");
        let (conversion, input) =
            Conversion::read(&self.sources, &choice, edits, &work, common.threads())?;
        if self.to == ToKind::Mds {
            let options = self.mds_options(common.threads());
            return mds::run(&conversion, &input, &self.out, options, common);
        }
        if self.to == ToKind::Frames {
            let tree = Tree::new(&self.out, &input, self.tree_options())?;
            return self.go(&conversion, input, Target::Tree(&tree), common);
        }
        let target = self.shard_target()?;
        self.go(&conversion, input, Target::Shards(&target), common)
    }

    /// Options that the target has no use for.
    fn check(&self) -> kpack::Result<()> {
        let shards = &self.shards;
        let usage = |text: &str| Err(kpack::Error::usage(text));
        if self.to != ToKind::Tfrecord && self.schema.is_some() {
            return usage("--schema is the layout of TFRecord payloads: use it with --to tfrecord");
        }
        if self.to != ToKind::Tfrecord && shards.compress == CompressKind::Zlib {
            return usage("--compress zlib is for TFRecord only: use gzip or zstd for tar shards");
        }
        let tree = self.to == ToKind::Frames;
        let limits = [
            shards.shard_samples.is_some(),
            shards.shard_size.is_some(),
            shards.shards.is_some(),
            shards.compress != CompressKind::None,
            shards.name.is_some(),
        ];
        if tree && limits.contains(&true) {
            return usage(
                "--to frames writes folders, not shards: leave out the options of shards",
            );
        }
        self.check_mds()?;
        let named = self.names.frame_name.is_some() || self.names.frame_start.is_some();
        if !tree && (named || self.files.layout != LayoutKind::default()) {
            return usage("--layout, --frame-name and --frame-start are for --to frames");
        }
        let inside = |source: &PathBuf| match (source.canonicalize(), self.out.canonicalize()) {
            (Ok(source), Ok(out)) => source == out,
            _ => false,
        };
        if self.sources.iter().any(inside) {
            return usage("a dataset cannot be converted into its own folder: use another for -o");
        }
        Ok(())
    }

    fn check_mds(&self) -> kpack::Result<()> {
        let run = &self.run;
        let unused = [
            ("--shards", self.shards.shards.is_some()),
            ("--compress", self.shards.compress != CompressKind::None),
            ("--name", self.shards.name.is_some()),
            ("--part", run.part.is_some()),
            ("--on-error", run.on_error != OnErrorKind::default()),
            (
                "--max-failures",
                run.max_failures != MaxFailures::Percent(100.0),
            ),
            ("--dry-run", run.dry_run),
            ("--overwrite", run.overwrite),
        ];
        match unused.into_iter().find(|(_, given)| *given) {
            Some((name, _)) if self.to == ToKind::Mds => Err(kpack::Error::usage(format!(
                "{name} is not for --to mds, whose folders hold nothing but shards and their index: \
                 leave it out"
            ))),
            _ => Ok(()),
        }
    }

    fn mds_options(&self, threads: usize) -> MdsOptions {
        let shards = &self.shards;
        MdsOptions {
            shard_size: shards.shard_size.unwrap_or(64 << 20),
            shard_samples: shards.shard_samples.map(u64::from),
            shuffle: shards.shuffle,
            threads,
        }
    }

    fn tree_options(&self) -> TreeOptions {
        let names = tree::FrameNames::default();
        TreeOptions {
            layout: match self.files.layout {
                LayoutKind::Flat => TreeLayout::Flat,
                LayoutKind::Class => TreeLayout::Class,
                LayoutKind::Split => TreeLayout::Split,
                LayoutKind::SplitClass => TreeLayout::SplitClass,
            },
            frames: Some(tree::FrameNames {
                template: self.names.frame_name.clone().unwrap_or(names.template),
                start: self.names.frame_start.unwrap_or(names.start),
            }),
        }
    }

    fn shard_target(&self) -> anyhow::Result<ShardTarget> {
        let name = match self.to {
            ToKind::Tfrecord => "tfrecord",
            _ => "webdataset",
        };
        let Some(format) = kpack_formats::format(name) else {
            anyhow::bail!("this build does not write {name}");
        };
        Ok(ShardTarget {
            format,
            write: WriteOptions {
                schema: match self.schema {
                    Some(SchemaKind::Dmvr) => Schema::Dmvr,
                    Some(SchemaKind::Sound) => Schema::Sound,
                    Some(SchemaKind::Example) | None => Schema::Example,
                },
            },
            compression: match self.shards.compress {
                CompressKind::None => Compression::None,
                CompressKind::Gzip => Compression::Gzip,
                CompressKind::Zlib => Compression::Zlib,
                CompressKind::Zstd => Compression::Zstd,
            },
            level: None,
        })
    }

    fn plan_options(&self) -> PlanOptions {
        let shards = &self.shards;
        PlanOptions {
            rule: match (shards.shard_samples, shards.shard_size, shards.shards) {
                (_, Some(bytes), _) => ShardRule::Bytes(bytes),
                (_, _, Some(count)) => ShardRule::Count(count),
                (samples, _, _) => ShardRule::Samples(samples.unwrap_or(1000)),
            },
            shuffle: shards.shuffle,
            name: shards.name.clone(),
            part: self.run.part.unwrap_or_default(),
        }
    }

    /// Plans, converts, reports.
    fn go(
        &self,
        conversion: &Conversion,
        mut input: Input,
        target: Target<'_>,
        common: &Common,
    ) -> anyhow::Result<Exit> {
        let mut notes = std::mem::take(&mut input.notes);
        let plan = Plan::new(input, recipe_of(&self.sources), target, self.plan_options())?;
        notes.extend(plan.notes());
        for note in notes.iter().filter(|_| !common.quiet) {
            out::say(format_args!("note: {note}"));
        }
        if self.run.dry_run {
            print_plan(&plan, &notes, None, common)?;
            return Ok(Exit::Done);
        }
        let signals = Signals::listen()?;
        let watch = Watch::new(common);
        let sources = conversion.paths();
        let options = Options {
            threads: common.threads(),
            failures: self.limit(),
            overwrite: self.run.overwrite,
            sources: &sources,
            libav: libav::release(),
            estimate: Some(&Conversion::weight),
            ..Options::default()
        };
        let packed = pack(
            &plan,
            &self.out,
            target,
            &options,
            |clip, _: &mut ()| conversion.make(clip),
            &watch,
            signals.stop(),
        );
        watch.end();
        let summary = packed?;
        if !common.quiet {
            print_summary(&summary, &plan, &watch, &self.out);
        }
        if common.json {
            out::print_json(&serde_json::to_value(&summary)?)?;
        }
        Ok(exit_of(&summary, &signals))
    }

    fn limit(&self) -> FailureLimit {
        match (self.run.on_error, self.run.max_failures) {
            (OnErrorKind::Fail, _) => FailureLimit::First,
            (OnErrorKind::Skip, MaxFailures::Count(count)) => FailureLimit::Count(count),
            (OnErrorKind::Skip, MaxFailures::Percent(100.0)) => FailureLimit::None,
            (OnErrorKind::Skip, MaxFailures::Percent(percent)) => FailureLimit::Percent(percent),
        }
    }
}

fn exit_of(summary: &Summary, signals: &Signals) -> Exit {
    match summary.end {
        End::Finished if summary.counts.failed == 0 => Exit::Done,
        End::Finished => Exit::SomeFailed,
        End::TooManyFailures => Exit::Fatal,
        End::Interrupted => signals.exit().unwrap_or(Exit::Interrupted),
    }
}
