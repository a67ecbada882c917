//! The options of packing, as they are typed. Nothing here decides anything: see `resolve`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use kpack::Time;
use kpack::pipeline::Part;
use kpack::sample::Size;
use kpack::tree::TreeLayout;
use kpack::worker::Limits;

use crate::cli::fetching::WhilePacking;
use crate::cli::values::{self, Frames, MaxFailures};

/// What goes in and where it goes out.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Input and output")]
pub(crate) struct InOut {
    /// Media files, directory trees (class folders become labels), or annotation files
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Folder of the dataset
    #[arg(short, long, value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// Where the videos of annotation rows lie [default: beside the annotation file]
    #[arg(long, value_name = "DIR")]
    pub(crate) media_dir: Option<PathBuf>,
    /// A folder whose videos are used before those of --media-dir
    #[arg(long, value_name = "DIR")]
    pub(crate) replacement: Option<PathBuf>,
    /// Videos named for an id alone (ID.mp4) are the clips already: cut no time range from them
    #[arg(long)]
    pub(crate) media_trimmed: bool,
    /// Length of the clips around AVA's timestamps [default: 6]
    #[arg(long, value_name = "S", value_parser = values::duration)]
    pub(crate) clip_window: Option<Time>,
    /// Class names that fix the class index: one a line, `id,name`, `#id name`, or JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) labels: Option<PathBuf>,
    /// Kind of the inputs, instead of finding it out
    #[arg(long, value_name = "NAME", value_parser = input_formats())]
    pub(crate) input_format: Option<String>,
}

/// The kinds of input, for `--input-format`.
pub(crate) fn input_formats() -> clap::builder::PossibleValuesParser {
    let value = |r: &kpack::source::Reader| clap::builder::PossibleValue::new(r.name).help(r.about);
    clap::builder::PossibleValuesParser::new(kpack::source::READERS.iter().map(value))
}

/// The clip's video blob.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Video")]
pub(crate) struct Video {
    /// The clip's video: the source's packets, re-encoded, or none [default: copy where neither
    /// frames nor audio are asked for, else none]
    #[arg(long, value_enum, visible_alias = "codec")]
    pub(crate) video: Option<VideoKind>,
    /// How the video is cut to the clip's time range; frames and audio are always cut exactly
    /// [default: smart for --video copy]
    #[arg(long, value_enum)]
    pub(crate) trim: Option<TrimKind>,
    /// Quality of an encoded video, 0 is best: to 51 for h264 and hevc, to 63 for av1 and vp9
    /// [default: h264 23, hevc 28, av1 32, vp9 31]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=63))]
    pub(crate) crf: Option<u8>,
    /// Speed of encoding against size, by x264's names [default: medium]
    #[arg(long, value_enum)]
    pub(crate) preset: Option<PresetKind>,
    /// Largest distance of key frames of an encoded video, in frames [default: 250]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) gop: Option<u32>,
}

/// Decoded pictures.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Frames")]
pub(crate) struct Pictures {
    /// Decoded pictures: none, all, N (per second: 5, 12.5, 30000/1001), count:N (spread evenly),
    /// every:S (one each S seconds), keyframes
    #[arg(long, value_name = "WHICH", value_parser = values::frames)]
    pub(crate) frames: Option<Frames>,
    /// Resize so that the shorter side has N pixels
    #[arg(long, value_name = "N", value_parser = values::side, conflicts_with = "size")]
    pub(crate) short_side: Option<u32>,
    /// Resize to exactly this, whatever the ratio
    #[arg(long, value_name = "WxH", value_parser = values::exact_size)]
    pub(crate) size: Option<Size>,
    /// Enlarge too
    #[arg(long)]
    pub(crate) upscale: bool,
    /// Picture coding [default: jpeg]
    #[arg(long, value_enum)]
    pub(crate) image: Option<ImageKind>,
    /// Quality of jpeg and webp, 1 to 100 [default: 90]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) quality: Option<u8>,
}

/// The sound blob.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Audio")]
pub(crate) struct Sound {
    /// Sound: none, the source's packets, 16-bit wav or flac, 32-bit floats
    #[arg(long, value_enum)]
    pub(crate) audio: Option<AudioKind>,
    /// Resample to this many Hz [default: as in the source]
    #[arg(long, value_name = "HZ", value_parser = clap::value_parser!(u32).range(1000..=768_000))]
    pub(crate) sample_rate: Option<u32>,
    /// Mix to this many channels, 1 or 2 [default: as in the source]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=2))]
    pub(crate) channels: Option<u32>,
    /// A clip without sound: keep it with has_audio false, skip it, or write silence
    /// [default: keep]
    #[arg(long, value_enum)]
    pub(crate) no_audio: Option<NoAudioKind>,
}

/// How samples become shards.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Shards")]
pub(crate) struct Shards {
    /// Samples of a shard [default: 1000]
    #[arg(long, value_name = "N", group = "limit",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) shard_samples: Option<u32>,
    /// Bytes of a shard, at most; a larger sample gets a shard of its own
    #[arg(long, value_name = "BYTES", group = "limit", value_parser = values::size)]
    pub(crate) shard_size: Option<u64>,
    /// Number of shards of each split
    #[arg(long, value_name = "N", group = "limit",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) shards: Option<u32>,
    /// Compress whole shards
    #[arg(long, value_enum, default_value_t)]
    pub(crate) compress: CompressKind,
    /// Shard names begin with this [default: the split, or data]
    #[arg(long, value_name = "PREFIX")]
    pub(crate) name: Option<String>,
    /// Shuffle the samples across all shards of their split
    #[arg(long, value_name = "SEED")]
    pub(crate) shuffle: Option<u64>,
}

/// How files of one clip each are placed.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Files")]
pub(crate) struct Files {
    /// Folders below OUT [default: class]
    #[arg(long, value_enum, default_value_t)]
    pub(crate) layout: LayoutKind,
}

/// How frames are named.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Files")]
pub(crate) struct FrameNames {
    /// Names of the frames, with their number in braces [default: img_{:05}.jpg, or as --image]
    #[arg(long, value_name = "TEMPLATE")]
    pub(crate) frame_name: Option<String>,
    /// Number of the first frame [default: 1]
    #[arg(long, value_name = "N")]
    pub(crate) frame_start: Option<u32>,
}

/// How the run goes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Run")]
pub(crate) struct Run {
    /// Do the I-th of N slices, counted from 0, for job arrays
    #[arg(long, value_name = "I/N", value_parser = part)]
    pub(crate) part: Option<Part>,
    /// What a clip that fails does to the run
    #[arg(long, value_enum, default_value_t)]
    pub(crate) on_error: OnErrorKind,
    /// End the run when more than N clips, or P percent of them, failed
    #[arg(long, value_name = "N|P%", default_value = "100%", value_parser = values::max_failures)]
    pub(crate) max_failures: MaxFailures,
    #[command(flatten)]
    pub(crate) limits: WorkerLimits,
    #[command(flatten)]
    pub(crate) fetch: WhilePacking,
    /// Print the plan and its problems, write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Start anew in an OUT that holds another dataset, which is removed
    #[arg(long)]
    pub(crate) overwrite: bool,
}

/// What one clip may take.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Run")]
pub(crate) struct WorkerLimits {
    /// Give a clip up after S seconds without progress, or 12 times as long in all (longer for clips
    /// of more than two minutes)
    #[arg(long, value_name = "S", default_value = "300", value_parser = values::duration)]
    pub(crate) timeout: Time,
    /// Give a clip up when decoding it needs more memory, its own sample not counted
    #[arg(long, value_name = "BYTES", default_value = "2GiB", value_parser = values::memory)]
    pub(crate) max_memory: u64,
    /// Decode in this process, without these limits: a crash or a hang is that of the whole run
    #[arg(long)]
    pub(crate) in_process: bool,
}

impl WorkerLimits {
    /// Limits of one clip in a child process; `None` for this process.
    pub(crate) fn of_clip(&self) -> Option<Limits> {
        (!self.in_process).then(|| Limits {
            timeout: Duration::from_nanos(self.timeout.nanos().unsigned_abs()),
            memory: self.max_memory,
            adjustable: true,
        })
    }
}

fn part(text: &str) -> Result<Part, String> {
    text.parse().map_err(|e: kpack::Error| e.to_string())
}

/// Declares the values of an option, in the order in which help shows them.
macro_rules! values {
    ($(#[$meta:meta])* $name:ident { $($(#[$about:meta])* $value:ident),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
        pub(crate) enum $name { $($(#[$about])* $value),+ }
    };
}

values!(
    /// Values of `--video`.
    VideoKind {
    /// The source's own packets
    Copy,
    /// Re-encoded by x264, as mp4
    H264,
    /// Re-encoded by x265, as mp4
    Hevc,
    /// Re-encoded by libaom, as mp4; slow
    Av1,
    /// Re-encoded by libvpx, as webm
    Vp9,
    /// No video
    None,
});
values!(
    /// Values of `--trim`.
    TrimKind {
    /// Cut to the frame: packets are copied, only what the edges cut is encoded (H.264; else as exact)
    Smart,
    /// Decode and re-encode where a range is given: cut to the frame
    Exact,
    /// Whole packets, from the key frame at or before the start
    Copy,
    /// Keep the whole source
    None,
});
values!(
    /// Values of `--preset`.
    PresetKind { Ultrafast, Superfast, Veryfast, Faster, Fast, Medium, Slow, Slower, Veryslow }
);
values!(
    /// Values of `--image`.
    ImageKind { Jpeg, Png, Webp }
);
values!(
    /// Values of `--audio`.
    AudioKind { None, Copy, Wav, Flac, F32 }
);
values!(
    /// Values of `--no-audio`.
    NoAudioKind { Keep, Skip, Silence }
);
values!(
    /// Values of `--schema`.
    SchemaKind {
    /// SequenceExample with the keys of DMVR and MediaSequence
    Dmvr,
    /// Example, one feature a blob
    Example,
    /// Example with path, length, sound_raw, cls_id
    Sound,
});
values!(
    /// Values of `--compress`.
    #[derive(Default)]
    CompressKind {
    #[default]
    None,
    Gzip,
    /// TFRecord only
    Zlib,
    Zstd,
});
values!(
    /// Values of `--layout`.
    #[derive(Default)]
    LayoutKind {
    /// OUT/KEY, where the key of a clip in a tree holds its folders; with kpack fetch and reorg OUT/FILE
    Flat,
    /// OUT/CLASS/KEY
    #[default]
    Class,
    /// OUT/SPLIT/KEY
    Split,
    /// OUT/SPLIT/CLASS/KEY
    SplitClass,
});
impl From<LayoutKind> for TreeLayout {
    fn from(kind: LayoutKind) -> Self {
        match kind {
            LayoutKind::Flat => TreeLayout::Flat,
            LayoutKind::Class => TreeLayout::Class,
            LayoutKind::Split => TreeLayout::Split,
            LayoutKind::SplitClass => TreeLayout::SplitClass,
        }
    }
}

values!(
    /// Values of `--on-error`.
    #[derive(Default)]
    OnErrorKind {
    /// Record it and go on
    #[default]
    Skip,
    /// End the run
    Fail,
});
