//! Members as files. A shard may come from anywhere, so no name leaves the folder.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use kpack::access::{Form, FrameRange};
use kpack::worker::Workers;
use kpack_formats::{Blob, Sample};

use super::frames;

/// Writes all blobs, labels and metadata of `sample` into `dir`; gives the number of files.
pub(super) fn write(dir: &Path, sample: &Sample) -> anyhow::Result<u64> {
    let names = sample
        .blobs
        .keys()
        .map(|name| target(dir, &sample.key, name));
    let paths: Vec<PathBuf> = names.collect::<anyhow::Result<_>>()?;
    for (path, blob) in paths.iter().zip(sample.blobs.values()) {
        put(path, blob)?;
    }
    let mut files = sample.blobs.len() as u64;
    let mut text = |name: &str, text: String| {
        let path = target(dir, &sample.key, name)?;
        files += 1;
        put(&path, &Blob::from(text.into_bytes()))
    };
    if !sample.meta.is_empty() && !sample.blobs.contains_key("json") {
        text("json", format!("{:#}\n", serde_json::json!(sample.meta)))?;
    }
    let index = sample.labels.first().and_then(|label| label.index);
    if let Some(index) = index.filter(|_| !sample.blobs.contains_key("cls")) {
        text("cls", index.to_string())?;
    }
    Ok(files)
}

/// Decodes the frames of `range` into `DIR/KEY.frame-NUMBER.png` and gives their number.
pub(super) fn frames(
    dir: &Path,
    sample: &Sample,
    range: FrameRange,
    workers: &Workers,
) -> anyhow::Result<u64> {
    let frames = frames::of(sample, range, Form::Png, workers)?;
    for frame in &frames {
        let name = format!("frame-{:06}.png", frame.number);
        let path = target(dir, &sample.key, &name)?;
        put(&path, &Blob::from(frame.bytes.clone()))?;
    }
    Ok(frames.len() as u64)
}

/// `DIR/KEY.NAME`, if that surely lies in DIR.
fn target(dir: &Path, key: &str, name: &str) -> anyhow::Result<PathBuf> {
    let file = format!("{key}.{name}");
    let safe = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(char::is_control);
    if !file.split(['/', '\\']).all(safe) || file.contains('\\') || file.contains(':') {
        bail!("sample {key:?} has a member {name:?} whose name could leave the folder: refused");
    }
    Ok(dir.join(file))
}

fn put(path: &Path, blob: &Blob) -> anyhow::Result<()> {
    let shown = path.display();
    if let Some(parent) = path.parent() {
        let parent_shown = parent.display();
        fs::create_dir_all(parent).with_context(|| format!("cannot make {parent_shown}"))?;
    }
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = file.with_context(|| format!("cannot create {shown}"))?;
    let bytes = blob.load()?;
    file.write_all(&bytes)
        .with_context(|| format!("cannot write {shown}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        let dir = Path::new("out");
        assert_eq!(
            target(dir, "a/b", "000001.jpg").unwrap(),
            dir.join("a/b.000001.jpg")
        );
        for key in ["/etc/x", "../x", "a/../x", "a//x", "a\\x", "a\nx", "C:x"] {
            assert!(target(dir, key, "jpg").is_err(), "{key:?}");
        }
        assert!(target(dir, "a", "/../x").is_err());
    }
}
