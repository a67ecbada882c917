//! The table of readers, and which of them reads an input.
//!
//! A new kind of input is a file beside this one and a line in [`READERS`], above those that would
//! take its files too: the first that sniffs yes reads.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use super::annotations::{json, list, table};
use super::class_file::{self, ClassKind};
use super::media_kind::{HEAD, by_name, is_media_head};
use super::raw::{Gather, Raw, shown};
use super::tree;
use crate::{Error, Result};

/// One kind of input.
#[derive(Debug, Clone, Copy)]
pub struct Reader {
    /// Name on the command line (`--input-format`).
    pub name: &'static str,
    /// One line for help and docs.
    pub about: &'static str,
    /// Whether a file with this path and these first bytes is of this kind.
    sniff: fn(path: &Path, head: &[u8]) -> bool,
    /// Reads the file's rows.
    read: fn(path: &Path, from: &mut dyn BufRead, gather: &mut Gather<'_>) -> Result<()>,
}

/// Every kind of input file, by name. A folder is read as a tree of media, or, if it holds none,
/// as annotation files.
pub const READERS: &[Reader] = &[
    Reader {
        name: "media",
        about: "a video or sound file, or a tree of them",
        sniff: |path, head| is_media(path, head),
        read: media,
    },
    Reader {
        name: "jsonl",
        about: "an object of a clip on each line, with the names of a table's columns",
        sniff: json::sniff_lines,
        read: json::read_lines,
    },
    Reader {
        name: "classes",
        about: "names of classes and their indexes, as --labels takes; it names no clips",
        sniff: |_, head| class_file::sniff(head).is_some(),
        read: classes,
    },
    Reader {
        name: "json",
        about: "DeepMind, ActivityNet or Showmax JSON, or a list of objects",
        sniff: json::sniff,
        read: json::read,
    },
    Reader {
        name: "ava",
        about: "AVA or AVA-Kinetics: id, timestamp and perhaps box and label, no header",
        sniff: table::sniff_ava,
        read: table::read_ava,
    },
    Reader {
        name: "csv",
        about: "a table whose header names youtube_id, path or url, and perhaps label, start, end, \
                split; or Kinetics rows without a header",
        sniff: table::sniff,
        read: table::read,
    },
    Reader {
        name: "list",
        about: "`path label` lines, and what they hold besides is found out",
        sniff: list::sniff,
        read: list::read,
    },
    Reader {
        name: "list-frames",
        about: "`path frames label` lines",
        sniff: |_, _| false,
        read: list::read_frames,
    },
    Reader {
        name: "list-labels",
        about: "`path label label ..` lines",
        sniff: |_, _| false,
        read: list::read_labels,
    },
    Reader {
        name: "list-unlabelled",
        about: "`path start frames` lines of VideoMAEv2's pre-training",
        sniff: |_, _| false,
        read: list::read_unlabelled,
    },
];

/// The text files that may hold annotations.
const TABLES: [&str; 7] = ["csv", "tsv", "txt", "list", "json", "jsonl", "ndjson"];

/// Reads all inputs, in order.
pub(super) fn read_all(inputs: &[PathBuf], gather: &mut Gather<'_>) -> Result<()> {
    let wanted = gather.options.input_format.as_deref();
    let wanted = match wanted {
        Some(name) => Some(by_format(name)?),
        None => None,
    };
    for path in inputs {
        let meta = std::fs::metadata(path).map_err(Error::io("cannot open input", path))?;
        if meta.is_dir() {
            folder(path, wanted, gather)?;
        } else {
            file(path, wanted, gather)?;
        }
    }
    Ok(())
}

fn by_format(name: &str) -> Result<&'static Reader> {
    READERS.iter().find(|r| r.name == name).ok_or_else(|| {
        let names: Vec<&str> = READERS.iter().map(|r| r.name).collect();
        let names = names.join(", ");
        Error::usage(format!("--input-format {name}: expected one of {names}"))
    })
}

fn folder(dir: &Path, wanted: Option<&'static Reader>, gather: &mut Gather<'_>) -> Result<()> {
    let before = gather.rows.len();
    let annotations = wanted.is_some_and(|r| r.name != "media");
    let others = match annotations {
        true => files_of(dir)?,
        false => tree::read(dir, gather)?,
    };
    let others = others.iter().filter(|_| wanted.is_none() || annotations);
    for path in others.filter(|path| may_be_annotations(path)) {
        let (head, mut from) = open(path)?;
        let reader = wanted.or_else(|| READERS.iter().find(|r| (r.sniff)(path, &head)));
        match reader {
            Some(reader) if reader.name == "classes" && wanted.is_none() => {
                let note = "passed over, it names classes and no clips";
                gather.notes.push(format!("{}: {note}", shown(path)));
            }
            Some(reader) => (reader.read)(path, &mut from, gather)?,
            None => {}
        }
    }
    if gather.rows.len() > before {
        return Ok(());
    }
    let message = match wanted.filter(|_| annotations) {
        Some(reader) => format!("no rows of --input-format {} in this folder", reader.name),
        None => "no media and no annotation file in this folder: expected videos or sound files \
                 in DIR, DIR/class or DIR/split/class"
            .to_owned(),
    };
    let path = dir.to_owned();
    Err(Error::Input { path, message })
}

/// The files directly in `dir`, in bytewise order.
fn files_of(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).map_err(Error::io("cannot read folder", dir))?;
    let paths = entries.flatten().map(|e| e.path()).filter(|p| p.is_file());
    let mut paths: Vec<PathBuf> = paths.collect();
    paths.sort_unstable();
    Ok(paths)
}

fn may_be_annotations(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str());
    extension.is_some_and(|e| TABLES.contains(&e.to_ascii_lowercase().as_str()))
}

fn file(path: &Path, wanted: Option<&'static Reader>, gather: &mut Gather<'_>) -> Result<()> {
    let named_media = path.file_name().and_then(by_name) == Some(true);
    if wanted.is_none() && named_media && gather.options.annotations_only {
        return Err(no_text(path, true));
    }
    if wanted.is_none_or(|r| r.name == "media") && named_media {
        // A video that cannot be opened is one failed row, so it is not opened here.
        return media(path, &mut std::io::empty(), gather);
    }
    let before = gather.rows.len();
    let (head, mut from) = open(path)?;
    let media_here = is_media(path, &head) || is_media_head(&head);
    if wanted.is_none() && !media_here {
        refuse_compressed(path, &head)?;
    }
    if gather.options.annotations_only && wanted.is_none() && (media_here || is_binary(&head)) {
        return Err(no_text(path, media_here));
    }
    let reader = match wanted.or_else(|| READERS.iter().find(|r| (r.sniff)(path, &head))) {
        Some(reader) => reader.read,
        // Bytes that are no text go to libav, which knows more containers than we do.
        None if head.contains(&0) => media,
        None if head.contains(&b',') || head.contains(&b'\t') => table::read,
        None => list::read,
    };
    reader(path, &mut from, gather)?;
    if gather.rows.len() == before && gather.class_file.as_deref() != Some(path) {
        let path = path.to_owned();
        let message = "holds no rows: expected media, `path label` lines, or a CSV with a header \
                       that names path"
            .to_owned();
        return Err(Error::Input { path, message });
    }
    Ok(())
}

/// Refuses what has to be unpacked first.
fn refuse_compressed(path: &Path, head: &[u8]) -> Result<()> {
    const KINDS: [(&[u8], &str); 4] = [
        (b"\x1f\x8b", "gzip"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\xfd7zXZ", "xz"),
        (b"PK\x03\x04", "zip"),
    ];
    let Some((_, kind)) = KINDS.iter().find(|(magic, _)| head.starts_with(magic)) else {
        return Ok(());
    };
    let message = format!("is compressed ({kind}): unpack it first");
    let path = path.to_owned();
    Err(Error::Input { path, message })
}

/// Whether `head` holds bytes that are in no text.
fn is_binary(head: &[u8]) -> bool {
    let odd =
        |b: &u8| b.is_ascii_control() && !matches!(b, b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | 0x1a);
    head.iter().any(odd)
}

/// Where annotations are wanted and the file holds none.
fn no_text(path: &Path, media: bool) -> Error {
    let is = match media {
        true => "is video or sound",
        false => "is no text",
    };
    let path = path.to_owned();
    let message = format!("{is}: expected annotations, such as a CSV, JSON or list of clips");
    Error::Input { path, message }
}

/// A file about classes: where only annotations matter, it fixes their indexes.
fn classes(path: &Path, from: &mut dyn BufRead, gather: &mut Gather<'_>) -> Result<()> {
    let head = from.fill_buf().map_err(Error::io("cannot read", path))?;
    let kind = class_file::sniff(head).unwrap_or(ClassKind::Map);
    if kind == ClassKind::Map && gather.options.annotations_only && gather.class_file.is_none() {
        gather.class_file = Some(path.to_owned());
        return Ok(());
    }
    let path = path.to_owned();
    let message = match kind {
        ClassKind::Map => "names classes and no clips: give it as --labels FILE",
        ClassKind::Groups => "groups classes and names no clips: give it as --categories FILE",
    };
    let message = message.to_owned();
    Err(Error::Input { path, message })
}

/// A file's first bytes, and a reader of all of them; works for pipes too.
fn open(path: &Path) -> Result<(Vec<u8>, impl BufRead)> {
    let mut file = File::open(path).map_err(Error::io("cannot open input", path))?;
    let mut head = Vec::with_capacity(HEAD);
    let read = file.by_ref().take(HEAD as u64).read_to_end(&mut head);
    read.map_err(Error::io("cannot read input", path))?;
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        let message = "is UTF-16 text: save it as UTF-8".to_owned();
        let path = path.to_owned();
        return Err(Error::Input { path, message });
    }
    let all = std::io::Cursor::new(head.clone()).chain(BufReader::with_capacity(1 << 18, file));
    Ok((head, all))
}

fn is_media(path: &Path, head: &[u8]) -> bool {
    let name = path.file_name().and_then(by_name);
    name.unwrap_or_else(|| is_media_head(head))
}

/// A media file as an input of its own: its key is its name.
fn media(path: &Path, _: &mut dyn BufRead, gather: &mut Gather<'_>) -> Result<()> {
    let file = gather.start(path);
    let name = path.file_name().map_or(0, |name| name.len());
    let below = path.as_os_str().len().saturating_sub(name);
    gather.rows.push(Raw {
        named: path.to_owned(),
        below,
        file,
        ..Raw::default()
    });
    Ok(())
}
