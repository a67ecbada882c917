//! Reads the samples of a tree, folder by folder in bytewise order of the names.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::passed::PassedOver;
use super::scan::{Content, Group, Listing, list};
use super::sidecar::{self, Entry, Sidecar};
use crate::{Blob, Error, ReadOptions, Result, Sample, ShardReader};

/// Files from this size on are not loaded.
const LARGE: u64 = 64 << 20;
/// Deepest nesting of folders.
const DEPTH: usize = 64;

pub(super) struct Reader {
    pub(super) root: PathBuf,
    options: ReadOptions,
    /// Folders on the way, each with what is left of it.
    stack: Vec<(PathBuf, std::vec::IntoIter<Group>)>,
    /// What the root holds, if it is itself a sample.
    single: Option<Content>,
    /// Whether blobs are left where they are: samples have empty ones of their names.
    pub(super) heads: bool,
    pub(super) passed: PassedOver,
    /// Whether a JSON of kpack's told of the last sample.
    pub(super) described: bool,
    length: u64,
}

/// A group and what its folder holds.
pub(super) struct Visited {
    folder: PathBuf,
    group: Group,
    inner: PathBuf,
    listing: Listing,
    content: Option<Content>,
}

impl Reader {
    pub(super) fn open(root: &Path, options: &ReadOptions) -> Result<Self> {
        let mut reader = Self::of_groups(root, options);
        let listing = list(root)?.without_dataset();
        reader.single = listing.content();
        let is_sample = reader.single.is_some();
        reader.descend(root, &listing, is_sample)?;
        Ok(reader)
    }

    /// Reads single groups of the tree at `root`.
    pub(super) fn of_groups(root: &Path, options: &ReadOptions) -> Self {
        Self {
            root: root.to_owned(),
            options: options.clone(),
            stack: Vec::new(),
            single: None,
            heads: false,
            passed: PassedOver::default(),
            described: false,
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

    /// What the root itself holds as a sample; once.
    pub(super) fn take_single(&mut self) -> Option<Content> {
        self.single.take()
    }

    /// Looks into a group's folder, through which the way goes on.
    pub(super) fn visit(&mut self, folder: PathBuf, group: Group) -> Result<Visited> {
        let inner = folder.join(&group.stem);
        let listing = match group.folder {
            true => list(&inner)?,
            false => Listing::default(),
        };
        let content = listing.content();
        self.descend(&inner, &listing, content.is_some())?;
        Ok(Visited {
            folder,
            group,
            inner,
            listing,
            content,
        })
    }

    /// The sample of a group, if it is one. An error concerns this sample only.
    pub(super) fn sample(&mut self, visited: &Visited) -> Result<Option<Sample>> {
        let Visited { folder, group, .. } = visited;
        let json = folder.join(format!("{}.json", group.stem));
        let sidecar = match group.files.iter().any(|f| f == "json") {
            true => self.sidecar(&json)?,
            false => None,
        };
        self.described = sidecar.is_some();
        if let Some(sidecar) = sidecar {
            self.pass_unlisted(visited, &sidecar);
            return self
                .described(folder, sidecar)
                .map(Some)
                .map_err(|e| e.path(&json));
        }
        let files = group.files.iter().map(|rest| {
            let path = folder.join(format!("{}.{rest}", group.stem));
            (rest.as_str(), path)
        });
        let files: Vec<(&str, PathBuf)> = files.collect();
        if visited.content.is_none() && !group.is_sample() {
            files
                .into_iter()
                .for_each(|(_, path)| self.passed.add(path));
            return Ok(None);
        }
        self.plain(&visited.inner, visited.content.as_ref(), files)
            .map(Some)
    }

    /// Goes on in a folder: all of it, or of a sample's folder its folders only.
    fn descend(&mut self, inner: &Path, listing: &Listing, is_sample: bool) -> Result<()> {
        self.passed.hidden += listing.hidden;
        for name in &listing.strange {
            self.passed.add(inner.join(name));
        }
        let files = match is_sample {
            false => listing.files.clone(),
            true => Vec::new(),
        };
        for name in files.iter().filter(|name| !name.contains('.')) {
            self.passed.add(inner.join(name));
        }
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

    /// Counts the files of a sample's name that its JSON does not list.
    fn pass_unlisted(&mut self, visited: &Visited, sidecar: &Sidecar) {
        let listed: HashSet<&str> = sidecar.blobs.iter().map(|e| e.file.as_str()).collect();
        let stem = &visited.group.stem;
        let beside = visited.group.files.iter().filter(|rest| *rest != "json");
        let beside = beside.map(|rest| format!("{stem}.{rest}"));
        let inside = match visited.content.is_some() {
            true => visited.listing.files.as_slice(),
            false => &[],
        };
        // As many as the JSON lists are those that it lists, or reading says which are not there.
        let there = visited.group.files.len() - 1 + inside.len();
        if there == sidecar.blobs.len() {
            return;
        }
        let inside = inside.iter().map(|file| format!("{stem}/{file}"));
        for file in beside.chain(inside) {
            if !listed.contains(file.as_str()) {
                self.passed.add(visited.folder.join(file));
            }
        }
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
        for entry in &blobs {
            if self.heads {
                sample.blobs.insert(entry.name.clone(), Vec::new().into());
                continue;
            }
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

    /// A file's bytes; a large one stays on disk.
    pub(super) fn load(&self, path: &Path, expected: Option<u64>) -> Result<Blob> {
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

    pub(super) fn check_count(&self, count: usize) -> Result<()> {
        let limit = self.options.limits.members;
        if count as u64 > limit {
            return Err(Error::limit(format!(
                "the sample has {count} files, the limit is {limit}"
            )));
        }
        Ok(())
    }

    pub(super) fn check_bytes(&mut self, sample: &Sample) -> Result<()> {
        self.length = sample.blob_bytes();
        let limit = self.options.limits.sample_bytes;
        if self.length > limit {
            let text = format!("the sample has {} bytes, the limit is {limit}", self.length);
            return Err(Error::limit(text).key(&sample.key));
        }
        Ok(())
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
        if let Some(content) = self.take_single() {
            return self.root_sample(&content).map(Some);
        }
        while let Some((folder, group)) = self.next_group() {
            let visited = self.visit(folder, group)?;
            if let Some(sample) = self.sample(&visited)? {
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
