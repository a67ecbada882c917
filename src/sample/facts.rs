//! [`Facts`]: what was found out while a sample was made.

use serde::{Deserialize, Serialize};

use crate::Time;

/// What was found out while a sample was made: its part of `samples.jsonl` and of the metadata
/// JSON. Absent where it does not apply.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Time of the first frame (or sound) kept, in seconds from the start of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub got_start: Option<Time>,
    /// End of the last frame (or sound) kept, in seconds from the start of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub got_end: Option<Time>,
    /// Frames: pictures in the sample, or frames of its video blob where that was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<u64>,
    /// Of the frames of the video blob, those that were encoded anew where others were copied
    /// (`--trim smart`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoded_frames: Option<u64>,
    /// Frames that the video blob does not have because they repeat the one before; absent where
    /// that was not asked for (`--drop-duplicates`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped_frames: Option<u64>,
    /// Width in pixels of the pictures, or of the video as it is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Height in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Frames per second: of the pictures where they are sampled at a rate, else of the video.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
    /// Presentation time of each picture in seconds from the start of the source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub frame_times: Vec<Time>,
    /// Codec of the source's video track, in FFmpeg's spelling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_codec: Option<String>,
    /// Codec of the source's audio track, in FFmpeg's spelling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_codec: Option<String>,
    /// Whether the source has an audio track; absent where no sound was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_audio: Option<bool>,
    /// Sample rate in Hz of the sound blob.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<u32>,
    /// Channels of the sound blob.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<u32>,
    /// Sample frames (instants, whatever the number of channels) of the sound blob.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_samples: Option<u64>,
    /// Time of the first sample frame in seconds from the start of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_start: Option<Time>,
    /// Packets or frames that could not be decoded, or decoded with errors; absent if none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decode_errors: Option<u64>,
    /// What was done that a user may not expect (a tone curve kept, a range assumed), one line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}
