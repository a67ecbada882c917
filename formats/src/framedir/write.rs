//! Writes one sample. May run on many threads at once: samples share nothing but folders.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::sidecar::{self, Entry};
use super::{Naming, picture};
use crate::atomic::{create, temporary};
use crate::crc::crc32c_join;
use crate::names::{check_blob_name, check_key, frame_number};
use crate::{Blob, Error, Extent, Member, Result, Sample};

const CHUNK: usize = 1 << 20;

/// Writes `sample` into the folder `dir`, which is made if need be. What an interrupted run left of
/// the same sample is replaced. The JSON comes last and everything appears by rename, so after a
/// crash of the program a sample with a JSON is whole; nothing is synced to the disk.
///
/// The extent counts the bytes of all files, and its checksum is that of the files joined: frames,
/// other blobs in order of their names, JSON.
///
/// # Errors
/// [`crate::Kind::Usage`] for a key or blob name that is not safe as a file name, or if the
/// sample's folder holds files that are no frames; [`crate::Kind::Io`].
pub fn write(dir: &Path, sample: &Sample, naming: &Naming) -> Result<Extent> {
    write_at(dir, &sample.key, sample, naming)
}

/// As [`write()`], but at `place` instead of the key: `DIR/PLACE/img_00001.jpg`, `DIR/PLACE.json`.
/// The JSON keeps the key.
///
/// # Errors
/// Those of [`write()`]; `place` has to be what a key may be.
pub fn write_at(dir: &Path, place: &str, sample: &Sample, naming: &Naming) -> Result<Extent> {
    write_sample(dir, place, sample, naming).map_err(|e| e.key(&sample.key))
}

fn write_sample(dir: &Path, place: &str, sample: &Sample, naming: &Naming) -> Result<Extent> {
    check_key(place)?;
    check_key(&sample.key)?;
    sample
        .blobs
        .keys()
        .try_for_each(|name| check_blob_name(name))?;
    sample.blobs.values().try_for_each(Blob::check_length)?;
    let target = dir.join(place);
    let folder = target.parent().unwrap_or(dir);
    let stem = place.rsplit('/').next().unwrap_or(place);
    fs::create_dir_all(folder).map_err(|e| Error::io("cannot create", e).path(folder))?;
    let mut frames: Vec<(&str, &Blob)> = Vec::new();
    let mut others: Vec<(&str, &Blob)> = Vec::new();
    for (name, blob) in &sample.blobs {
        let is_frame = frame_number(name).is_some();
        let list = if is_frame { &mut frames } else { &mut others };
        list.push((name, blob));
    }
    frames.sort_by_key(|(name, _)| frame_number(name));
    let json = folder.join(format!("{stem}.json"));
    remove(&json)?;
    let mut written = Written::default();
    if !frames.is_empty() {
        write_frames(folder, stem, &frames, naming, &mut written)?;
    }
    for (name, blob) in others {
        let file = match name {
            "json" => format!("{stem}.json.blob"),
            _ => format!("{stem}.{name}"),
        };
        let path = folder.join(&file);
        let crc = written.file(&temporary(&path), blob)?;
        rename(&temporary(&path), &path)?;
        written.add(name, file, blob.len(), crc);
    }
    if !frames.is_empty() || naming.json {
        let blob = Blob::from(sidecar::encode(sample, &written.entries)?);
        let crc = written.file(&temporary(&json), &blob)?;
        rename(&temporary(&json), &json)?;
        written.add("json", String::new(), blob.len(), crc);
    }
    let Written {
        length,
        crc32c,
        members,
        ..
    } = written;
    Ok(Extent {
        offset: 0,
        length,
        crc32c,
        members,
    })
}

/// What has been written of a sample.
#[derive(Default)]
struct Written {
    length: u64,
    crc32c: u32,
    members: Vec<Member>,
    entries: Vec<Entry>,
    buffer: Vec<u8>,
}

impl Written {
    fn add(&mut self, name: &str, file: String, length: u64, crc32c: u32) {
        let (name, offset) = (name.to_owned(), self.length);
        let crc = format!("{crc32c:08x}");
        self.entries.push(Entry {
            name: name.clone(),
            file,
            bytes: length,
            crc32c: crc,
        });
        self.members.push(Member {
            name,
            offset,
            length,
            crc32c,
            frames: None,
        });
        self.crc32c = crc32c_join(self.crc32c, crc32c, length);
        self.length += length;
    }

    /// Writes a blob as a file and gives its checksum.
    fn file(&mut self, path: &Path, blob: &Blob) -> Result<u32> {
        let wrong = |e| Error::io("cannot write", e).path(path);
        let mut file: File = create(path).map_err(wrong)?;
        if let Blob::Bytes(bytes) = blob {
            file.write_all(bytes).map_err(wrong)?;
            return Ok(crate::crc32c(bytes));
        }
        let (mut at, mut crc) = (0, 0);
        while at < blob.len() {
            self.buffer
                .resize((blob.len() - at).min(CHUNK as u64) as usize, 0);
            blob.read_at(at, &mut self.buffer)?;
            crc = crate::crc32c_append(crc, &self.buffer);
            file.write_all(&self.buffer).map_err(wrong)?;
            at += self.buffer.len() as u64;
        }
        Ok(crc)
    }
}

fn write_frames(
    folder: &Path,
    stem: &str,
    frames: &[(&str, &Blob)],
    naming: &Naming,
    written: &mut Written,
) -> Result<()> {
    let target = folder.join(stem);
    let partial = temporary(&target);
    if let Err(e) = fs::remove_dir_all(&partial)
        && e.kind() != ErrorKind::NotFound
    {
        return Err(Error::io("cannot remove what an earlier run left", e).path(&partial));
    }
    fs::create_dir(&partial).map_err(|e| Error::io("cannot create", e).path(&partial))?;
    for (position, (name, blob)) in (0..).zip(frames) {
        let extension = frame_number(name).map_or("jpg", |(_, extension)| extension);
        let file = naming.file(position, extension);
        let crc = written.file(&partial.join(&file), blob)?;
        written.add(name, format!("{stem}/{file}"), blob.len(), crc);
    }
    clear(&target)?;
    rename(&partial, &target)
}

/// Removes a sample's old folder, if it holds nothing but pictures.
fn clear(target: &Path) -> Result<()> {
    let wrong = |e| Error::io("cannot remove what an earlier run left", e).path(target);
    let entries = match fs::read_dir(target) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(wrong(e)),
    };
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let entry = entry.map_err(wrong)?;
        let is_file = entry.file_type().map_err(wrong)?.is_file();
        if !is_file || picture(&entry.file_name().to_string_lossy()).is_none() {
            return Err(Error::usage(format!(
                "the folder is in the way and holds {:?}, which is no frame; move it elsewhere",
                entry.file_name()
            ))
            .path(target));
        }
        files.push(entry.path());
    }
    files.iter().try_for_each(fs::remove_file).map_err(wrong)?;
    fs::remove_dir(target).map_err(wrong)
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => {
            Err(Error::io("cannot remove what an earlier run left", e).path(path))
        }
        _ => Ok(()),
    }
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|e| Error::io("cannot rename to", e).path(to))
}
