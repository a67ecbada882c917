//! Typed options become a [`Recipe`], in one place. What contradicts itself is refused here, with
//! what to do instead.

use kpack::media::VideoCodec;
use kpack::sample::{
    AudioCodec, AudioRecipe, FrameChoice, FrameRecipe, ImageCodec, NoAudio, Pace, Preset, Recipe,
    Size, Trim, VideoRecipe, VideoSound,
};
use kpack::{Error, Result};

use super::args::{
    AudioKind, ImageKind, NoAudioKind, Pictures, PresetKind, SchemaKind, Sound, TrimKind, Video,
    VideoKind,
};

/// What a command does where an option is not given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Defaults {
    /// Frames of `--frames`.
    pub(crate) frames: Option<FrameChoice>,
    /// Sound of `--audio`.
    pub(crate) audio: Option<AudioCodec>,
    /// Whether the video is copied where neither frames nor audio are asked for.
    pub(crate) video: bool,
}

/// Everything that shapes a sample, as typed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shape<'a> {
    pub(crate) video: Option<&'a Video>,
    pub(crate) pictures: Option<&'a Pictures>,
    pub(crate) sound: Option<&'a Sound>,
    pub(crate) schema: Option<SchemaKind>,
}

/// What one sample holds, and the schema of records.
pub(crate) fn resolve(shape: &Shape<'_>, defaults: Defaults) -> Result<(Recipe, SchemaKind)> {
    let (no_video, no_pictures, no_sound) = Default::default();
    let typed_video = shape.video.unwrap_or(&no_video);
    let pictures = shape.pictures.unwrap_or(&no_pictures);
    let typed_sound = shape.sound.unwrap_or(&no_sound);

    let sound_schema = shape.schema == Some(SchemaKind::Sound);
    let frames = frames(pictures, defaults.frames)?;
    let audio = sound(typed_sound, defaults.audio, sound_schema)?;
    let copy = defaults.video && frames.is_none() && audio.is_none();
    let video = video(typed_video, copy)?;
    if video == VideoRecipe::None && frames.is_none() && audio.is_none() {
        return usage("nothing is asked for: give --video, --frames or --audio");
    }
    let size = size(pictures, &video, frames.is_some())?;
    let schema = shape.schema.unwrap_or(match frames {
        Some(_) => SchemaKind::Dmvr,
        None => SchemaKind::Example,
    });
    if sound_schema && (video != VideoRecipe::None || frames.is_some()) {
        return usage("--schema sound holds sound only: leave out --video and --frames");
    }
    let recipe = Recipe {
        video,
        trim: trim(typed_video, &video)?,
        frames,
        size,
        upscale: pictures.upscale,
        pace: Pace::Source,
        video_sound: VideoSound::Encode,
        waveform: audio.is_some() && schema != SchemaKind::Example,
        audio,
    };
    Ok((recipe, schema))
}

fn usage<T>(message: &str) -> Result<T> {
    Err(Error::usage(message))
}

fn video(typed: &Video, copy: bool) -> Result<VideoRecipe> {
    let kind = typed.video.unwrap_or(match copy {
        true => VideoKind::Copy,
        false => VideoKind::None,
    });
    let given = [
        ("--crf", typed.crf.is_some()),
        ("--preset", typed.preset.is_some()),
        ("--gop", typed.gop.is_some()),
    ];
    let codec = match kind {
        VideoKind::H264 => VideoCodec::H264,
        VideoKind::Hevc => VideoCodec::Hevc,
        VideoKind::Av1 => VideoCodec::Av1,
        VideoKind::Vp9 => VideoCodec::Vp9,
        VideoKind::Copy | VideoKind::None => {
            return match (kind, given.iter().find(|(_, given)| *given)) {
                (_, Some((option, _))) => usage(&format!(
                    "{option} needs --video h264, or another codec to encode with"
                )),
                (VideoKind::Copy, None) => Ok(VideoRecipe::Copy),
                _ => Ok(VideoRecipe::None),
            };
        }
    };
    let (crf, most) = (typed.crf.unwrap_or(codec.default_crf()), codec.max_crf());
    if crf > most {
        let name = codec.name();
        return usage(&format!("--crf {crf}: the worst of {name} is {most}"));
    }
    let preset = typed.preset.map_or(Preset::Medium, preset);
    Ok(VideoRecipe::encoded(codec, crf, preset, typed.gop))
}

fn preset(kind: PresetKind) -> Preset {
    match kind {
        PresetKind::Ultrafast => Preset::Ultrafast,
        PresetKind::Superfast => Preset::Superfast,
        PresetKind::Veryfast => Preset::Veryfast,
        PresetKind::Faster => Preset::Faster,
        PresetKind::Fast => Preset::Fast,
        PresetKind::Medium => Preset::Medium,
        PresetKind::Slow => Preset::Slow,
        PresetKind::Slower => Preset::Slower,
        PresetKind::Veryslow => Preset::Veryslow,
    }
}

fn trim(typed: &Video, video: &VideoRecipe) -> Result<Trim> {
    match (typed.trim, video) {
        (Some(_), VideoRecipe::None) => usage(
            "--trim is about the video blob, and none is asked for: give --video, or leave it out \
             (frames and audio are always cut exactly)",
        ),
        (None | Some(TrimKind::Smart), VideoRecipe::Copy) => Ok(Trim::Smart),
        (Some(TrimKind::Copy | TrimKind::Smart), encoded) if encoded.coding().is_some() => usage(
            "--trim copy and smart keep packets, an encoded video has new ones: use --trim exact, or \
             --video copy",
        ),
        (Some(TrimKind::Smart), _) => Ok(Trim::Smart),
        (None | Some(TrimKind::Exact), _) => Ok(Trim::Exact),
        (Some(TrimKind::Copy), _) => Ok(Trim::Copy),
        (Some(TrimKind::None), _) => Ok(Trim::None),
    }
}

fn frames(typed: &Pictures, default: Option<FrameChoice>) -> Result<Option<FrameRecipe>> {
    let choice = typed.frames.map_or(default, |frames| frames.0);
    let Some(choice) = choice else {
        return match (typed.image, typed.quality) {
            (Some(_), _) => usage("--image needs --frames, such as --frames 5"),
            (_, Some(_)) => usage(
                "--quality is that of pictures and needs --frames; for a re-encoded video use \
                 --video h264 --crf N",
            ),
            (None, None) => Ok(None),
        };
    };
    let image = match typed.image {
        None | Some(ImageKind::Jpeg) => ImageCodec::Jpeg,
        Some(ImageKind::Png) => ImageCodec::Png,
        Some(ImageKind::Webp) => ImageCodec::Webp,
    };
    if image == ImageCodec::Png && typed.quality.is_some() {
        return usage("--quality does not apply to --image png, which is lossless");
    }
    Ok(Some(FrameRecipe {
        choice,
        image,
        quality: typed.quality.unwrap_or(90),
    }))
}

fn size(typed: &Pictures, video: &VideoRecipe, frames: bool) -> Result<Size> {
    let (size, option) = match (typed.short_side, typed.size) {
        (Some(side), _) => (Size::ShortSide(side), "--short-side"),
        (None, Some(size)) => (size, "--size"),
        (None, None) if typed.upscale => {
            return usage("--upscale needs --short-side or --size");
        }
        (None, None) => return Ok(Size::Source),
    };
    match (video, size) {
        (VideoRecipe::Copy, _) if !frames => usage(&format!(
            "--video copy keeps the packets as they are, so {option} cannot apply: use --video \
             h264 to re-encode, or --frames to decode pictures"
        )),
        (VideoRecipe::None, _) if !frames => {
            usage(&format!("{option} needs --frames or --video h264"))
        }
        (encoded, Size::Exact { width, height })
            if encoded.coding().is_some() && (width % 2 == 1 || height % 2 == 1) =>
        {
            usage("an encoded video needs even sides: change --size")
        }
        _ => Ok(size),
    }
}

fn sound(
    typed: &Sound,
    default: Option<AudioCodec>,
    sound_schema: bool,
) -> Result<Option<AudioRecipe>> {
    let codec = match typed.audio {
        None if sound_schema => Some(AudioCodec::F32),
        None => default,
        Some(AudioKind::None) => None,
        Some(AudioKind::Copy) => Some(AudioCodec::Copy),
        Some(AudioKind::Wav) => Some(AudioCodec::Wav),
        Some(AudioKind::Flac) => Some(AudioCodec::Flac),
        Some(AudioKind::F32) => Some(AudioCodec::F32),
    };
    if sound_schema && (codec != Some(AudioCodec::F32) || typed.channels == Some(2)) {
        return usage("--schema sound holds 32-bit floats of one channel: use --audio f32");
    }
    let shaping = [
        ("--sample-rate", typed.sample_rate.is_some()),
        ("--channels", typed.channels.is_some()),
        ("--no-audio", typed.no_audio.is_some()),
    ];
    let given = shaping.iter().find(|(_, given)| *given);
    match (codec, given) {
        (None, Some((option, _))) => {
            return usage(&format!("{option} needs --audio, such as --audio wav"));
        }
        (Some(AudioCodec::Copy), Some((option, _))) if *option != "--no-audio" => {
            return usage(&format!(
                "--audio copy keeps the packets as they are, so {option} cannot apply: use wav, \
                 flac or f32"
            ));
        }
        _ => {}
    }
    let no_audio = match typed.no_audio {
        None | Some(NoAudioKind::Keep) => NoAudio::Keep,
        Some(NoAudioKind::Skip) => NoAudio::Skip,
        Some(NoAudioKind::Silence) => NoAudio::Silence,
    };
    if codec == Some(AudioCodec::Copy) && no_audio == NoAudio::Silence {
        return usage("--no-audio silence writes sound, --audio copy only copies it: use wav");
    }
    Ok(codec.map(|codec| AudioRecipe {
        codec,
        sample_rate: typed.sample_rate,
        channels: if sound_schema {
            Some(1)
        } else {
            typed.channels
        },
        no_audio,
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::cli::values::Frames;

    const SHARDS: Defaults = Defaults {
        frames: None,
        audio: None,
        video: true,
    };

    fn run(video: &Video, pictures: &Pictures, sound: &Sound) -> Result<(Recipe, SchemaKind)> {
        let shape = Shape {
            video: Some(video),
            pictures: Some(pictures),
            sound: Some(sound),
            schema: None,
        };
        resolve(&shape, SHARDS)
    }

    fn all_frames() -> Pictures {
        Pictures {
            frames: Some(Frames(Some(FrameChoice::All))),
            ..Pictures::default()
        }
    }

    #[test]
    fn the_video_is_copied_where_nothing_is_asked_for() {
        let (recipe, schema) =
            run(&Video::default(), &Pictures::default(), &Sound::default()).unwrap();
        assert_eq!(recipe.video, VideoRecipe::Copy);
        assert_eq!((schema, recipe.waveform), (SchemaKind::Example, false));
    }

    #[test]
    fn frames_bring_the_schema_of_sequences_and_its_waveform() {
        let sound = Sound {
            audio: Some(AudioKind::Wav),
            ..Sound::default()
        };
        let (recipe, schema) = run(&Video::default(), &all_frames(), &sound).unwrap();
        assert_eq!(recipe.video, VideoRecipe::None);
        assert_eq!((schema, recipe.waveform), (SchemaKind::Dmvr, true));
    }

    #[test]
    fn contradictions_are_refused_with_a_hint() {
        let message = |video: &Video, pictures: &Pictures, sound: &Sound| {
            run(video, pictures, sound).unwrap_err().to_string()
        };
        let (v, p, s) = (Video::default(), Pictures::default(), Sound::default());
        let small = Pictures {
            short_side: Some(256),
            ..p.clone()
        };
        let copy = Video {
            video: Some(VideoKind::Copy),
            ..v.clone()
        };
        assert!(message(&copy, &small, &s).contains("--video h264 to re-encode"));
        let crf = Video {
            crf: Some(20),
            ..v.clone()
        };
        assert!(message(&crf, &p, &s).contains("--crf needs --video h264"));
        let rate = Sound {
            sample_rate: Some(16_000),
            ..s.clone()
        };
        assert!(message(&v, &p, &rate).contains("--sample-rate needs --audio"));
        let none = Video {
            video: Some(VideoKind::None),
            ..v
        };
        assert!(message(&none, &p, &s).contains("nothing is asked for"));
    }

    #[test]
    fn the_sound_schema_holds_mono_floats() {
        let shape = Shape {
            schema: Some(SchemaKind::Sound),
            ..Shape::default()
        };
        let (recipe, _) = resolve(&shape, SHARDS).unwrap();
        let audio = recipe.audio.unwrap();
        assert_eq!((audio.codec, audio.channels), (AudioCodec::F32, Some(1)));
        assert_eq!(recipe.video, VideoRecipe::None);
    }
}
