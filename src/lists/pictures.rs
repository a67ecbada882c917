//! Whether the frames in a folder are whole pictures.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use kpack_formats::lists::FrameFiles;

use crate::bounded;
use crate::verify::Glance;
use crate::worker::Workers;

/// The largest file of a frame that is decoded, in bytes.
const LARGEST: u64 = 256 << 20;
/// Where a JPEG has its end marker: in so many bytes at its end.
const TAIL: usize = 4096;

/// Checks the frames of `folder`: none is empty, and the first decodes, or where `all` is set each.
pub(super) fn check(
    folder: &Path,
    files: &FrameFiles,
    (all, workers): (bool, &Workers),
) -> Result<(), String> {
    for k in 0..files.count {
        let name = files.name(files.first.saturating_add(k));
        let path = folder.join(&name);
        let meta = fs::metadata(&path).map_err(|e| format!("the frame {name}: {e}"))?;
        if meta.len() == 0 {
            return Err(format!("the frame {name} is empty (0 bytes)"));
        }
        if k == 0 || all {
            whole(&path, workers).map_err(|e| format!("the frame {name} does not decode: {e}"))?;
        }
    }
    Ok(())
}

fn whole(path: &Path, workers: &Workers) -> Result<(), String> {
    let file = bounded::open(path).map_err(|e| e.to_string())?;
    let length = file.metadata().map_err(|e| e.to_string())?.len();
    if length > LARGEST {
        return Err(format!("is longer than {LARGEST} bytes"));
    }
    let mut ends = vec![0; TAIL.min(length as usize)];
    let (mut head, tail) = ([0; 2], length - ends.len() as u64);
    let read = file.read_exact_at(&mut ends, tail);
    let read = read.and_then(|()| file.read_at(&mut head, 0));
    read.map_err(|e| e.to_string())?;
    let task = Glance {
        pictures: vec![(length, true)],
    };
    let key = path.to_string_lossy();
    let glanced = workers.ask(&key, &Arc::new(file), &task);
    let (glanced, _) = glanced.map_err(|problem| problem.reason)?;
    if let Some((_, reason)) = glanced.broken.into_iter().next() {
        return Err(reason);
    }
    // Decoders fill up what is cut off. Inside the picture's data no byte 0xff stands before 0xd9.
    let ended = ends.windows(2).any(|pair| pair == [0xff, 0xd9]);
    match head == [0xff, 0xd8] && !ended {
        true => Err("it is cut off: it has no end marker".to_owned()),
        false => Ok(()),
    }
}
