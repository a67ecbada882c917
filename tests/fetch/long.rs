//! Long videos, made by the ffmpeg command.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file of `seconds`, named so that its extension says the container; `None`, and a word about it,
/// where the command or a codec is not there. Pictures of `size`, 30 a second, and sound.
pub(super) fn video(path: &Path, (size, seconds): (&str, u32), more: &[&str]) -> Option<Vec<u8>> {
    let mut command = Command::new("ffmpeg");
    let picture = format!("testsrc2=size={size}:rate=30:duration={seconds}");
    let sound = format!("sine=frequency=440:sample_rate=48000:duration={seconds}");
    command.args([
        "-v", "error", "-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &sound,
    ]);
    command.args(more).args(["-g", "60", "-shortest"]);
    match command.arg(path).status() {
        Ok(status) if status.success() => Some(fs::read(path).unwrap()),
        _ => {
            println!("skipped: no ffmpeg command with these codecs here: {more:?}");
            None
        }
    }
}

/// H.264 with B-frames, and AAC.
pub(super) const MP4: [&str; 10] = [
    "-c:v",
    "libx264",
    "-preset",
    "ultrafast",
    "-bf",
    "2",
    "-b:v",
    "150k",
    "-c:a",
    "aac",
];

/// VP8 and Opus.
pub(super) const WEBM: [&str; 10] = [
    "-c:v",
    "libvpx",
    "-deadline",
    "realtime",
    "-cpu-used",
    "8",
    "-b:v",
    "300k",
    "-c:a",
    "libopus",
];

/// The same packets with the index in front.
pub(super) fn faststart(path: &Path) -> PathBuf {
    let to = path.with_extension("front.mp4");
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-i"]).arg(path);
    command.args(["-c", "copy", "-movflags", "+faststart"]);
    assert!(command.arg(&to).status().unwrap().success());
    to
}

/// The bytes from the key frame before `times`, in seconds, to the one after, with the sound between.
pub(super) fn groups(path: &Path, times: Range<f64>) -> u64 {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-select_streams", "v", "-of", "csv=p=0"]);
    command
        .args(["-show_entries", "packet=pts_time,pos,flags"])
        .arg(path);
    let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let key = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let is_key = fields.iter().any(|field| field.starts_with('K'));
        is_key.then(|| (fields[0].parse().unwrap(), fields[1].parse().unwrap()))
    };
    let keys: Vec<(f64, u64)> = text.lines().filter_map(key).collect();
    let begin = keys.iter().rev().find(|key| key.0 <= times.start);
    let end = keys.iter().find(|key| key.0 >= times.end);
    let end = end.map_or_else(|| fs::metadata(path).unwrap().len(), |key| key.1);
    end - begin.map_or(0, |key| key.1)
}
