//! Reads the samples of a tree, folder by folder in bytewise order of the names.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::scan::{Group, Listing, list};
use super::sidecar::{self, Entry, Sidecar};
use crate::names::safe_key;
use crate::{Blob, Error, ReadOptions, Result, Sample, ShardReader};

/// Files from this size on are not loaded.
const LARGE: u64 = 64 << 20;
/// Deepest nesting of folders.
const DEPTH: usize = 64;

pub(super) struct Reader {
    root: PathBuf,
    options: ReadOptions,
    /// Folders on the way, each with what is left of it.
    stack: Vec<(PathBuf, std::vec::IntoIter<Group>)>,
    /// The root, if it is itself a folder of pictures.
    single: bool,
    /// Whether blobs are left where they are: samples have empty ones of their names.
    pub(super) heads: bool,
    length: u64,
}

impl Reader {
    pub(super) fn open(root: &Path, options: &ReadOptions) -> Result<Self> {
        let listing = list(root)?;
        let single = !listing.pictures().is_empty();
        let groups = if single { Vec::new() } else { listing.groups() };
        Ok(Self {
            root: root.to_owned(),
            options: options.clone(),
            stack: vec![(root.to_owned(), groups.into_iter())],
            single,
            heads: false,
            length: 0,
        })
    }

    /// Reads single groups of the tree at `root`.
    pub(super) fn of_groups(root: &Path, options: &ReadOptions) -> Self {
        Self {
            root: root.to_owned(),
            options: options.clone(),
            stack: Vec::new(),
            single: false,
            heads: false,
            length: 0,
        }
    }

    /// The next group of the folders on the way; `None` behind the last.
    pub(super) fn next_group(&mut self) -> Option<(PathBuf, Group)> {
        loop {
            let (folder, groups) = self.stack.last_mut()?;
            match groups.next() {
                Some(group) => return Some((folder.clone(), group)),
                None => drop(self.stack.pop()),
            }
        }
    }

    /// Whether the root itself is a sample; true once.
    pub(super) fn take_single(&mut self) -> bool {
        std::mem::take(&mut self.single)
    }

    /// The sample of a group, if it is one.
    pub(super) fn visit(&mut self, folder: &Path, group: &Group) -> Result<Option<Sample>> {
        let json = folder.join(format!("{}.json", group.stem));
        let sidecar = match group.files.iter().any(|f| f == "json") {
            true => self.sidecar(&json)?,
            false => None,
        };
        let inner = folder.join(&group.stem);
        let listing = if group.folder {
            list(&inner)?
        } else {
            Listing::default()
        };
        self.descend(&inner, &listing)?;
        if let Some(sidecar) = sidecar {
            return self
                .described(folder, sidecar)
                .map(Some)
                .map_err(|e| e.path(&json));
        }
        self.plain(folder, group, &inner, &listing)
    }

    /// Goes on in a folder: all of it, or beside pictures its folders only.
    fn descend(&mut self, inner: &Path, listing: &Listing) -> Result<()> {
        let files = match listing.pictures().is_empty() {
            true => listing.files.clone(),
            false => Vec::new(),
        };
        let below = Listing::of(files, listing.folders.clone());
        if below.files.is_empty() && below.folders.is_empty() {
            return Ok(());
        }
        if self.stack.len() >= DEPTH {
            let text = format!("folders are nested more than {DEPTH} deep");
            return Err(Error::limit(text).path(inner));
        }
        self.stack
            .push((inner.to_owned(), below.groups().into_iter()));
        Ok(())
    }

    fn sidecar(&self, json: &Path) -> Result<Option<Sidecar>> {
        let blob = self.load(json, None)?;
        if blob.len() > sidecar::SIZE_MAX as u64 {
            let text = format!(
                "the JSON is {} bytes, the limit is {}",
                blob.len(),
                sidecar::SIZE_MAX
            );
            return Err(Error::limit(text).path(json));
        }
        let bytes = blob.load()?;
        sidecar::decode(&bytes).map_err(|e| e.path(json))
    }

    /// A sample by its JSON; sizes and checksums must agree.
    fn described(&mut self, folder: &Path, sidecar: Sidecar) -> Result<Sample> {
        let Sidecar {
            key,
            labels,
            meta,
            blobs,
        } = sidecar;
        let mut sample = Sample {
            key,
            labels,
            meta,
            ..Sample::default()
        };
        self.check_count(blobs.len())
            .map_err(|e| e.key(&sample.key))?;
        if self.heads {
            let names = blobs.into_iter().map(|entry| entry.name);
            sample.blobs = names.map(|name| (name, Bytes::new().into())).collect();
            return Ok(sample);
        }
        for entry in &blobs {
            let blob = self.checked(&folder.join(&entry.file), entry);
            let blob = blob.map_err(|e| e.key(&sample.key))?;
            if sample.blobs.insert(entry.name.clone(), blob).is_some() {
                let text = format!("blob {} is listed twice", entry.name);
                return Err(Error::corrupt(text).key(&sample.key));
            }
        }
        self.check_bytes(&sample)?;
        Ok(sample)
    }

    fn checked(&self, path: &Path, entry: &Entry) -> Result<Blob> {
        let blob = self
            .load(path, Some(entry.bytes))
            .map_err(|e| match e.io_kind() {
                Some(std::io::ErrorKind::NotFound) => {
                    Error::corrupt("a file that the JSON lists is missing").path(path)
                }
                _ => e,
            })?;
        let found = format!("{:08x}", checksum(&blob)?);
        if found != entry.crc32c {
            let text = format!(
                "the file's crc32c is {found}, the JSON says {}",
                entry.crc32c
            );
            return Err(Error::corrupt(text).path(path));
        }
        Ok(blob)
    }

    /// A sample without a JSON of kpack's.
    fn plain(
        &mut self,
        folder: &Path,
        group: &Group,
        inner: &Path,
        listing: &Listing,
    ) -> Result<Option<Sample>> {
        let below = inner.strip_prefix(&self.root).unwrap_or(inner);
        let mut sample = Sample {
            key: safe_key(&below.to_string_lossy()),
            ..Sample::default()
        };
        self.frames(inner, listing, &mut sample)?;
        for rest in group.media() {
            let blob = self.blob(&folder.join(format!("{}.{rest}", group.stem)))?;
            sample.blobs.insert(rest.to_ascii_lowercase(), blob);
        }
        self.check_bytes(&sample)?;
        Ok((!sample.blobs.is_empty()).then_some(sample))
    }

    /// Loads a folder's pictures as frames 000001 on.
    fn frames(&self, inner: &Path, listing: &Listing, sample: &mut Sample) -> Result<()> {
        let pictures = listing.pictures();
        self.check_count(pictures.len())?;
        for (number, (file, extension)) in (1..).zip(pictures) {
            let blob = self.blob(&inner.join(file))?;
            sample
                .blobs
                .insert(format!("{number:06}.{extension}"), blob);
        }
        Ok(())
    }

    /// A file as a blob.
    fn blob(&self, path: &Path) -> Result<Blob> {
        match self.heads {
            true => Ok(Bytes::new().into()),
            false => self.load(path, None),
        }
    }

    /// A file's bytes; a large one stays on disk.
    fn load(&self, path: &Path, expected: Option<u64>) -> Result<Blob> {
        let wrong = |e| Error::io("cannot read", e).path(path);
        // A pipe would wait for ever, and a device never end.
        if !fs::metadata(path).map_err(wrong)?.is_file() {
            return Err(Error::corrupt("is no regular file").path(path));
        }
        let file = File::open(path).map_err(wrong)?;
        let length = file.metadata().map_err(wrong)?.len();
        if let Some(expected) = expected.filter(|e| *e != length) {
            let text = format!("the file has {length} bytes, the JSON says {expected}");
            return Err(Error::corrupt(text).path(path));
        }
        let limit = self.options.limits.record_bytes;
        if length > limit {
            let text = format!("the file is {length} bytes long, the limit is {limit}");
            return Err(Error::limit(text).path(path));
        }
        if length >= LARGE {
            let (file, path) = (Arc::new(file), Arc::from(path));
            return Ok(Blob::File {
                file,
                path,
                offset: 0,
                length,
            });
        }
        Ok(Blob::Bytes(Bytes::from(fs::read(path).map_err(wrong)?)))
    }

    fn check_count(&self, count: usize) -> Result<()> {
        let limit = self.options.limits.members;
        if count as u64 > limit {
            return Err(Error::limit(format!(
                "the sample has {count} files, the limit is {limit}"
            )));
        }
        Ok(())
    }

    fn check_bytes(&mut self, sample: &Sample) -> Result<()> {
        self.length = sample.blob_bytes();
        let limit = self.options.limits.sample_bytes;
        if self.length > limit {
            let text = format!("the sample has {} bytes, the limit is {limit}", self.length);
            return Err(Error::limit(text).key(&sample.key));
        }
        Ok(())
    }

    /// The root's own pictures, as one sample of its name.
    pub(super) fn root_sample(&mut self) -> Result<Sample> {
        let root = self.root.clone();
        let name = fs::canonicalize(&root).unwrap_or(root.clone());
        let name = name
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut sample = Sample {
            key: safe_key(&name),
            ..Sample::default()
        };
        self.frames(&root, &list(&root)?, &mut sample)?;
        self.check_bytes(&sample)?;
        Ok(sample)
    }
}

fn checksum(blob: &Blob) -> Result<u32> {
    if let Blob::Bytes(bytes) = blob {
        return Ok(crate::crc32c(bytes));
    }
    let (mut at, mut crc, mut buffer) = (0, 0, Vec::new());
    while at < blob.len() {
        buffer.resize((blob.len() - at).min(1 << 20) as usize, 0);
        blob.read_at(at, &mut buffer)?;
        crc = crate::crc32c_append(crc, &buffer);
        at += buffer.len() as u64;
    }
    Ok(crc)
}

impl ShardReader for Reader {
    /// After an error in one sample the next call goes on with the one behind it.
    fn next_sample(&mut self) -> Result<Option<Sample>> {
        if self.take_single() {
            return self.root_sample().map(Some);
        }
        while let Some((folder, group)) = self.next_group() {
            if let Some(sample) = self.visit(&folder, &group)? {
                return Ok(Some(sample));
            }
        }
        Ok(None)
    }

    /// A tree has no offsets: 0, and the bytes of the sample's blobs.
    fn position(&self) -> (u64, u64) {
        (0, self.length)
    }
}
