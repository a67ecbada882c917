//! What the bytes of a file say of its container, where libav says little.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use crate::media::Mp4Box;

/// Boxes of an mp4 file that are looked at.
const BOXES: u32 = 10_000;

/// Whether the first bytes are those of a container, so that a file that cannot be opened must be
/// damaged.
pub(super) fn is_known(file: &File) -> bool {
    let mut head = [0; 12];
    let read = file.read_exact_at(&mut head, 0).is_ok();
    let matroska = head.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]);
    let mp4 = matches!(&head[4..8], b"ftyp" | b"moov");
    read && (mp4 || matroska || head.starts_with(b"RIFF"))
}

/// Whether `file` is an mp4 whose last box is longer than what is left of the file.
pub(super) fn is_cut_off(file: &File) -> bool {
    let Ok(length) = file.metadata().map(|meta| meta.len()) else {
        return false;
    };
    let mut at = 0_u64;
    for _ in 0..BOXES {
        let mut head = [0; Mp4Box::LONGEST];
        let there = usize::try_from(length.saturating_sub(at)).unwrap_or(usize::MAX);
        let there = there.min(head.len());
        let read = head.get_mut(..there);
        if there < 8 || read.is_none_or(|head| file.read_exact_at(head, at).is_err()) {
            // Between boxes, or in the head of one.
            return at > 0 && at < length;
        }
        let Some(found) = Mp4Box::parse(head.get(..there).unwrap_or_default()) else {
            return true;
        };
        if at == 0 && found.kind != *b"ftyp" {
            return false;
        }
        // A box without a size goes to the end of the file.
        let Some(size) = found.size else {
            return false;
        };
        at = match at.checked_add(size.max(8)) {
            Some(next) if next <= length => next,
            _ => return true,
        };
    }
    false
}
