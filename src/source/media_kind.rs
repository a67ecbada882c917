//! Which files are media: by the extension, else by the first bytes.

use std::ffi::OsStr;
use std::path::Path;

/// Bytes of a file's beginning that [`is_media_head`] wants to see.
pub(super) const HEAD: usize = 1024;

/// Extensions of video and sound files. `ts` is absent: it is TypeScript as often, so bytes decide.
const MEDIA: &[&str] = &[
    "3g2", "3gp", "aac", "ac3", "aif", "aifc", "aiff", "amr", "asf", "avi", "caf", "divx", "dv",
    "f4v", "flac", "flv", "h264", "h265", "hevc", "ivf", "m1v", "m2t", "m2ts", "m2v", "m4a", "m4b",
    "m4v", "mj2", "mka", "mkv", "mov", "mp2", "mp3", "mp4", "mpe", "mpeg", "mpg", "mpv", "mts",
    "mxf", "nut", "oga", "ogg", "ogm", "ogv", "opus", "qt", "rm", "rmvb", "vob", "wav", "webm",
    "wma", "wmv", "y4m",
];

/// Those of [`MEDIA`] that hold sound alone.
const SOUND: &[&str] = &[
    "aac", "ac3", "aif", "aifc", "aiff", "amr", "caf", "flac", "m4a", "m4b", "mka", "mp2", "mp3",
    "oga", "ogg", "opus", "wav", "wma",
];

/// Extensions that are surely something else, so that their files need not be opened.
const OTHER: &[&str] = &[
    "bmp",
    "cfg",
    "conf",
    "csv",
    "db",
    "description",
    "doc",
    "docx",
    "gif",
    "gz",
    "htm",
    "html",
    "idx",
    "ini",
    "jpeg",
    "jpg",
    "json",
    "jsonl",
    "kidx",
    "lock",
    "log",
    "m3u",
    "m3u8",
    "md",
    "npy",
    "npz",
    "parquet",
    "part",
    "partial",
    "pbtxt",
    "pdf",
    "pickle",
    "pkl",
    "png",
    "pt",
    "pth",
    "py",
    "rst",
    "sh",
    "srt",
    "sub",
    "svg",
    "tar",
    "tfrecord",
    "tif",
    "tiff",
    "toml",
    "tsv",
    "txt",
    "vtt",
    "webp",
    "xml",
    "yaml",
    "yml",
    "ytdl",
    "zip",
    "zst",
];

/// What the extension alone says: `None` where only the bytes can tell.
pub(super) fn by_name(name: &OsStr) -> Option<bool> {
    let extension = Path::new(name).extension()?.to_ascii_lowercase();
    let extension = extension.to_str()?;
    if MEDIA.binary_search(&extension).is_ok() {
        Some(true)
    } else if OTHER.binary_search(&extension).is_ok() {
        Some(false)
    } else {
        None
    }
}

/// Whether the extension is that of a file of sound alone.
pub(super) fn is_sound_name(name: &OsStr) -> bool {
    let extension = Path::new(name).extension().map(OsStr::to_ascii_lowercase);
    let extension = extension.as_deref().and_then(OsStr::to_str);
    extension.is_some_and(|extension| SOUND.binary_search(&extension).is_ok())
}

/// Whether a file that begins with `head` (up to [`HEAD`] bytes) is video or sound.
pub(super) fn is_media_head(head: &[u8]) -> bool {
    let at = |offset: usize, magic: &[u8]| {
        head.get(offset..)
            .is_some_and(|rest| rest.starts_with(magic))
    };
    const PICTURES: [&[u8]; 6] = [b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis"];
    const STARTS: [&[u8]; 20] = [
        b"\x1a\x45\xdf\xa3", // Matroska, WebM
        b"OggS",
        b"fLaC",
        b"ID3",
        b"FLV\x01",
        b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", // ASF
        b"\x00\x00\x01\xba",                 // MPEG program stream
        b"\x00\x00\x01\xb3",                 // MPEG video
        b"#!AMR",
        b"caff",
        b"wvpk",
        b".RMF",
        b".snd",
        b"DKIF", // IVF
        b"YUV4MPEG2",
        b"\x06\x0e\x2b\x34\x02\x05\x01\x01", // MXF
        b"\xff\xfb",                         // MPEG audio layer III
        b"\xff\xf3",
        b"\xff\xf1", // ADTS
        b"\xff\xf9",
    ];
    if at(4, b"ftyp") {
        return !PICTURES.iter().any(|brand| at(8, brand));
    }
    if at(0, b"RIFF") {
        return at(8, b"AVI ") || at(8, b"WAVE");
    }
    if at(0, b"FORM") {
        return at(8, b"AIFF") || at(8, b"AIFC");
    }
    let old_mov = [b"moov", b"mdat", b"wide"].iter().any(|atom| at(4, *atom));
    let transport = at(0, b"G") && at(188, b"G") && at(376, b"G");
    let blu_ray = at(4, b"G") && at(196, b"G") && at(388, b"G");
    old_mov || transport || blu_ray || STARTS.iter().any(|magic| at(0, magic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_for_the_search() {
        assert!(MEDIA.is_sorted() && OTHER.is_sorted() && SOUND.is_sorted());
        assert!(SOUND.iter().all(|e| MEDIA.contains(e)));
        assert!(!MEDIA.iter().any(|e| OTHER.contains(e)));
    }

    #[test]
    fn names_decide_first() {
        assert_eq!(by_name(OsStr::new("a.MP4")), Some(true));
        assert_eq!(by_name(OsStr::new("a.wav")), Some(true));
        assert_eq!(by_name(OsStr::new("a.csv")), Some(false));
        assert_eq!(by_name(OsStr::new("a.ts")), None);
        assert_eq!(by_name(OsStr::new("mp4")), None);
    }

    #[test]
    fn bytes_decide_else() {
        assert!(is_media_head(b"\0\0\0\x18ftypisom"));
        assert!(!is_media_head(b"\0\0\0\x18ftypheic"));
        assert!(is_media_head(b"RIFF\0\0\0\0AVI LIST"));
        assert!(!is_media_head(b"RIFF\0\0\0\0WEBPVP8 "));
        assert!(!is_media_head(b"import x from 'y';"));
        assert!(!is_media_head(b""));
    }
}
