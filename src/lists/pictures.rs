//! Whether the frames in a folder are whole pictures.

use std::fs;
use std::path::Path;

use kpack_formats::lists::FrameFiles;

use crate::bounded;
use crate::verify::decodes;

/// The largest file of a frame that is decoded, in bytes.
const LARGEST: u64 = 256 << 20;
/// Where a JPEG has its end marker: in so many bytes at its end.
const TAIL: usize = 4096;

/// Checks the frames of `folder`: none is empty, and the first decodes, or where `all` is set each.
pub(super) fn check(folder: &Path, files: &FrameFiles, all: bool) -> Result<(), String> {
    for k in 0..files.count {
        let name = files.name(files.first.saturating_add(k));
        let path = folder.join(&name);
        let meta = fs::metadata(&path).map_err(|e| format!("the frame {name}: {e}"))?;
        if meta.len() == 0 {
            return Err(format!("the frame {name} is empty (0 bytes)"));
        }
        if k == 0 || all {
            whole(&path).map_err(|e| format!("the frame {name} does not decode: {e}"))?;
        }
    }
    Ok(())
}

fn whole(path: &Path) -> Result<(), String> {
    let bytes = bounded::read(path, LARGEST).map_err(|e| e.to_string())?;
    decodes(&bytes)?;
    let tail = bytes.get(bytes.len().saturating_sub(TAIL)..);
    // Decoders fill up what is cut off. Inside the picture's data no byte 0xff stands before 0xd9.
    let ends = tail.is_some_and(|tail| tail.windows(2).any(|pair| pair == [0xff, 0xd9]));
    match bytes.starts_with(&[0xff, 0xd8]) && !ends {
        true => Err("it is cut off: it has no end marker".to_owned()),
        false => Ok(()),
    }
}
