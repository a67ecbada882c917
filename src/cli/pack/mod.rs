//! What the packing commands share: options to a job, the job to a dataset, a report at the end.

pub(crate) mod args;
mod columns;
mod dry_run;
mod feeding;
mod make;
mod progress;
mod report;
mod resolve;
mod run;

pub(super) use dry_run::run as print_plan;
pub(super) use progress::Watch;
pub(super) use report::print as print_summary;

use kpack::pipeline::{PlanOptions, ShardRule, ShardTarget, Target};
use kpack::sample::{AudioCodec, Made, Pace, Recipe, SampleError, Trim, VideoRecipe, VideoSound};
use kpack::source::{self, Clip, Input, ReadOptions};
use kpack::tree::{self, Tree, TreeOptions};
use kpack::worker::Worker;
use kpack_formats::{Compression, Schema, WriteOptions};

use self::args::{CompressKind, Files, FrameNames, InOut, OnErrorKind, SchemaKind, Shards};
pub(crate) use self::resolve::{Defaults, Shape, resolve};
use super::values::MaxFailures;
use super::{Common, Exit, inputs, libav};

/// What shards hold where nothing is asked for: the videos as they are.
pub(crate) const SHARDS: Defaults = Defaults {
    frames: None,
    audio: None,
    video: true,
};

/// Makes samples for other commands as packing does.
pub(crate) fn maker(
    limits: &args::WorkerLimits,
    common: &Common,
) -> impl Fn(&Clip, &Recipe, &mut Worker) -> Result<Made, SampleError> + Sync {
    let workers = super::worker::workers(limits.of_clip(), common.quiet);
    move |clip, recipe, worker| make::make(clip, recipe, &workers, worker)
}

/// As [`maker`], always in this process.
pub(crate) fn maker_here()
-> impl Fn(&Clip, &Recipe, &mut Worker) -> Result<Made, SampleError> + Sync {
    let workers = kpack::worker::Workers::in_process();
    move |clip, recipe, worker| make::make(clip, recipe, &workers, worker)
}

/// Expected size of a clip's sample, in proportion to those of others.
pub(crate) fn weight(clip: &Clip) -> u64 {
    make::weight(clip)
}

/// One run of a packing command, before its target is known.
pub(crate) struct Job<'a> {
    io: &'a InOut,
    run: &'a args::Run,
    recipe: Recipe,
    schema: SchemaKind,
}

impl<'a> Job<'a> {
    pub(crate) fn new(
        io: &'a InOut,
        run: &'a args::Run,
        shape: &Shape<'_>,
        defaults: Defaults,
    ) -> kpack::Result<Self> {
        let (recipe, schema) = resolve::resolve(shape, defaults)?;
        if let Some(coding) = recipe.video.coding() {
            libav::check_encoder(coding.codec)?;
        }
        let limited = run.max_failures != MaxFailures::Percent(100.0);
        if run.on_error == OnErrorKind::Fail && limited {
            return Err(kpack::Error::usage(
                "--on-error fail ends with the first failure, --max-failures allows some: use one",
            ));
        }
        Ok(Self {
            io,
            run,
            recipe,
            schema,
        })
    }

    /// Says which frames and which sound encoded videos have.
    pub(crate) fn encoding(mut self, pace: Pace, sound: VideoSound) -> kpack::Result<Self> {
        if let Some(coding) = self
            .recipe
            .video
            .coding()
            .filter(|_| sound == VideoSound::Encode)
        {
            libav::check_sound_encoder(coding.codec)?;
        }
        (self.recipe.pace, self.recipe.video_sound) = (pace, sound);
        Ok(self)
    }

    /// Packs into shards of the format `name`.
    pub(crate) fn shards(
        mut self,
        name: &str,
        shards: &Shards,
        common: &Common,
    ) -> anyhow::Result<Exit> {
        let Some(format) = kpack_formats::format(name) else {
            anyhow::bail!("this build does not write {name}");
        };
        if shards.compress == CompressKind::Zlib && name != "tfrecord" {
            return Err(kpack::Error::usage(
                "--compress zlib is for TFRecord only: use gzip or zstd for tar shards",
            )
            .into());
        }
        // Only records have a place for a waveform besides the sound itself.
        self.recipe.waveform &= name == "tfrecord";
        let target = ShardTarget {
            format,
            write: WriteOptions {
                schema: match self.schema {
                    SchemaKind::Dmvr => Schema::Dmvr,
                    SchemaKind::Example => Schema::Example,
                    SchemaKind::Sound => Schema::Sound,
                },
            },
            level: None,
            compression: match shards.compress {
                CompressKind::None => Compression::None,
                CompressKind::Gzip => Compression::Gzip,
                CompressKind::Zlib => Compression::Zlib,
                CompressKind::Zstd => Compression::Zstd,
            },
        };
        let options = PlanOptions {
            rule: match (shards.shard_samples, shards.shard_size, shards.shards) {
                (_, Some(bytes), _) => ShardRule::Bytes(bytes),
                (_, _, Some(count)) => ShardRule::Count(count),
                (samples, _, _) => ShardRule::Samples(samples.unwrap_or(1000)),
            },
            shuffle: shards.shuffle,
            name: shards.name.clone(),
            part: self.run.part.unwrap_or_default(),
        };
        let mut input = self.read()?;
        input.notes.extend(self.mono_warning());
        input.notes.extend(self.empty_sequence_warning());
        run::run(&self, input, Target::Shards(&target), options, common)
    }

    /// Packs into files of their own.
    pub(crate) fn tree(
        mut self,
        files: &Files,
        names: &FrameNames,
        common: &Common,
    ) -> anyhow::Result<Exit> {
        self.recipe.waveform = false;
        let picture = self.recipe.frames.map(|frames| frames.image.extension());
        let given = names.frame_name.is_some() || names.frame_start.is_some();
        if picture.is_none() && given {
            let message = "--frame-name and --frame-start need --frames";
            return Err(kpack::Error::usage(message).into());
        }
        let typed = names.frame_name.as_deref().and_then(picture_of);
        if let (Some(typed), Some(written)) = (typed, picture)
            && typed != written
        {
            let kind = typed.replace("jpg", "jpeg");
            return Err(kpack::Error::usage(format!(
                "--frame-name ends with .{typed}, but the pictures are {written}: add --image \
                 {kind}, or end it with .{written}"
            ))
            .into());
        }
        let options = TreeOptions {
            layout: files.layout.into(),
            frames: picture.map(|extension| tree::FrameNames {
                template: names
                    .frame_name
                    .clone()
                    .unwrap_or_else(|| format!("img_{{:05}}.{extension}")),
                start: names.frame_start.unwrap_or(1),
            }),
        };
        let input = self.read()?;
        columns::refuse_own(&input)?;
        let tree = Tree::new(&self.io.out, &input, options)?;
        let tree = match self.blob_names() {
            Some(names) => tree.with_blobs(names),
            None => tree,
        };
        let options = PlanOptions {
            part: self.run.part.unwrap_or_default(),
            ..PlanOptions::default()
        };
        run::run(&self, input, Target::Tree(&tree), options, common)
    }

    /// The blobs that a sample may have besides frames; `None` where they are named as the sources.
    fn blob_names(&self) -> Option<Vec<&'static str>> {
        let mut names = match (self.recipe.video, self.recipe.video.coding()) {
            (VideoRecipe::Copy, _) => return None,
            (_, Some(coding)) => vec![coding.codec.extension()],
            (_, None) => Vec::new(),
        };
        names.extend_from_slice(match self.recipe.audio.map(|audio| audio.codec) {
            None => &[],
            Some(AudioCodec::Wav) => &["wav"],
            Some(AudioCodec::Flac) => &["flac"],
            Some(AudioCodec::F32) => &["npy", "wav"],
            Some(AudioCodec::Copy) => &["ac3", "eac3", "flac", "m4a", "mka", "mp3", "ogg", "wav"],
        });
        Some(names)
    }

    /// All rows of the inputs, and what the user should know of them.
    fn read(&self) -> kpack::Result<Input> {
        let options = ReadOptions {
            media_dir: self.io.media_dir.clone(),
            labels: self.io.labels.clone(),
            input_format: self.io.input_format.clone(),
            exclude: Some(self.io.out.clone()),
            replacement: self.io.replacement.clone(),
            media_trimmed: self.io.media_trimmed,
            annotations_only: false,
            window: self.io.clip_window,
        };
        if let (true, Some(dir)) = (self.run.fetch.fetch, &options.media_dir) {
            let created = std::fs::create_dir_all(dir);
            created.map_err(kpack::Error::io("cannot create", dir))?;
        }
        let mut input = source::read(&self.io.inputs, &options).map_err(inputs::fault)?;
        self.refuse_cut_packets(&input)?;
        input.notes.extend(self.class_warning(&input));
        input.notes.extend(columns::warning(&input));
        Ok(input)
    }

    /// Copied sound packets cannot be cut to a time range.
    fn refuse_cut_packets(&self, input: &Input) -> kpack::Result<()> {
        let recipe = &self.recipe;
        let own = recipe
            .audio
            .is_some_and(|audio| audio.codec == AudioCodec::Copy);
        let beside = recipe.video_sound == VideoSound::Copy && recipe.trim != Trim::None;
        if !own && !beside {
            return Ok(());
        }
        let instead = match own {
            true => "--audio wav, flac or f32",
            false => "--audio encode",
        };
        let cut = |row: &&source::Row| row.problem.is_none() && row.clip.span.is_some();
        match input.rows.iter().find(cut) {
            Some(row) => Err(kpack::Error::usage(format!(
                "{}: --audio copy cannot cut sound to a time range: use {instead}",
                row.clip.source
            ))),
            None => Ok(()),
        }
    }

    /// Readers of DMVR look for frames or a waveform.
    fn empty_sequence_warning(&self) -> Option<String> {
        let empty = self.recipe.frames.is_none() && self.recipe.audio.is_none();
        (empty && self.schema == SchemaKind::Dmvr).then(|| {
            "readers of DMVR expect frames, and none are asked for: --frames 5 adds them, --schema \
             example is for whole videos"
                .to_owned()
        })
    }

    /// Readers of DMVR's waveform know one channel only.
    fn mono_warning(&self) -> Option<String> {
        let dmvr = self.recipe.waveform && self.schema == SchemaKind::Dmvr;
        let mono = self
            .recipe
            .audio
            .is_none_or(|audio| audio.channels == Some(1));
        (dmvr && !mono).then(|| {
            "readers of DMVR take the waveform as one channel: --channels 1 makes it so".to_owned()
        })
    }

    /// Class indexes made from one split alone may differ from those of another.
    fn class_warning(&self, input: &Input) -> Option<String> {
        let mut splits = input.rows.iter().map(|row| row.clip.split.as_deref());
        let split = splits.next()??;
        let made = self.io.labels.is_none()
            && input
                .rows
                .iter()
                .any(|row| row.clip.labels.iter().any(|l| l.text.is_some()));
        (made && splits.all(|other| other == Some(split))).then(|| {
            format!(
                "class indexes are made from split {split} alone: --labels FILE keeps them equal \
                 in all splits"
            )
        })
    }
}

/// The extension of pictures with which a frame name ends, `jpeg` as `jpg`.
fn picture_of(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" => Some("jpg"),
        "png" => Some("png"),
        "webp" => Some("webp"),
        _ => None,
    }
}
