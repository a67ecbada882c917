//! What every format offers: a writer that appends samples and says where they went, and a reader
//! that gives them back in order.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::{FrameTable, Limits, Result, Sample};

/// Where one sample lies in its shard (or, for a frame directory, what its files hold together).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// First byte of the sample: a record's length field, a tar member's header.
    pub offset: u64,
    /// Bytes up to the next sample, padding included.
    pub length: u64,
    /// CRC-32C of those bytes.
    pub crc32c: u32,
    /// The blobs, labels and metadata inside, in file order.
    pub members: Vec<Member>,
}

impl Extent {
    /// Gives the members their frame tables, of those that fit them.
    pub fn learn(&mut self, tables: &BTreeMap<String, Arc<FrameTable>>) {
        for member in &mut self.members {
            let table = tables.get(&member.name);
            member.frames = table.filter(|table| table.fits(member.length)).cloned();
        }
    }

    /// The frame tables of its members, by their names.
    pub fn tables(&self) -> BTreeMap<String, Arc<FrameTable>> {
        let known = |member: &Member| Some((member.name.clone(), member.frames.clone()?));
        self.members.iter().filter_map(known).collect()
    }
}

/// Where the payload of one member lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Name within the sample: a blob's name, `json`, `cls`.
    pub name: String,
    /// First byte of the payload, counted from the start of the shard.
    pub offset: u64,
    /// Bytes of the payload.
    pub length: u64,
    /// CRC-32C of the payload.
    pub crc32c: u32,
    /// Where the frames of a video lie in the payload; writers of shards leave it out, the index
    /// keeps it.
    pub frames: Option<Arc<FrameTable>>,
}

/// A finished shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardInfo {
    /// Samples appended by this writer.
    pub samples: u64,
    /// Length of the file in bytes, trailer included.
    pub bytes: u64,
}

/// Appends samples to one shard.
///
/// All bytes of a sample have been handed to the operating system when `append` returns, so a
/// shard cut at the end of any extent is a whole shard but for its trailer. Dropping a writer
/// without `finish` leaves the file as it is.
pub trait ShardWriter {
    /// Writes one sample at the end.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] and [`crate::Kind::Limit`] before anything is written;
    /// [`crate::Kind::Io`], naming the file of the blob if that could not be read. The shard is cut
    /// back to its last whole sample and can be written on; if even that fails, every further call
    /// fails.
    fn append(&mut self, sample: &Sample) -> Result<Extent>;
    /// Writes the trailer, if the format has one. Does not fsync.
    ///
    /// # Errors
    /// [`crate::Kind::Io`].
    fn finish(self: Box<Self>) -> Result<ShardInfo>;
}

/// Reads the samples of one shard in order.
pub trait ShardReader {
    /// The next sample; `None` at a clean end.
    ///
    /// # Errors
    /// [`crate::Kind::Corrupt`], [`crate::Kind::Unsupported`], [`crate::Kind::Limit`] or
    /// [`crate::Kind::Io`], with the path and, in a shard, the offset of the record or member. A torn
    /// end is an error too. Behind a record or a tree's sample that alone is damaged the next call
    /// goes on; behind other damage it is an error again, never a clean end.
    fn next_sample(&mut self) -> Result<Option<Sample>>;
    /// Offset and length in bytes of the sample that `next_sample` gave last, in the uncompressed
    /// stream.
    fn position(&self) -> (u64, u64);
}

/// A reader of any format.
pub type Reading = Box<dyn ShardReader + Send>;

/// How samples are laid out; formats take what concerns them.
#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    /// Layout of TFRecord payloads.
    pub schema: Schema,
}

/// What a TFRecord payload looks like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Schema {
    /// `tf.train.SequenceExample` with the keys of DMVR and MediaSequence.
    Dmvr,
    /// `tf.train.Example`, one bytes feature per blob.
    #[default]
    Example,
    /// `tf.train.Example` with `path`, `length`, `sound_raw`, `cls_id`.
    Sound,
}

/// What may be demanded of a file that is being read.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// Bounds on what a file may make us allocate.
    pub limits: Limits,
    /// Goes on where one tar follows the end of another in a file; else that is an error.
    pub concatenated: bool,
    /// Takes a key that comes again later in a tar; else that is an error.
    pub repeated_keys: bool,
    /// Does not compare payloads with the checksums in their framing, so that bytes which nobody
    /// looks at are not touched. Lengths are checked all the same.
    pub unchecked: bool,
    /// Number of the first record, where reading begins inside a shard: for messages, and for keys
    /// of records that have none.
    pub first_record: u64,
}

/// How a format keeps its samples.
#[derive(Debug, Clone, Copy)]
pub enum Layout {
    /// One file, a log of samples: appending to it at any extent's end continues it.
    Log {
        /// Continues `file` at byte `at` (0 for a new shard). The file is cut there first.
        create:
            fn(file: File, at: u64, options: &WriteOptions) -> Result<Box<dyn ShardWriter + Send>>,
    },
    /// A tree of files without order among its samples.
    Tree,
}

/// One on-disk format: a line in [`crate::FORMATS`].
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// Name on the command line.
    pub name: &'static str,
    /// One line for help and docs.
    pub about: &'static str,
    /// File extensions without the dot, the first is written.
    pub extensions: &'static [&'static str],
    /// Whether a file that begins with these (up to 1024, uncompressed) bytes may be of this format.
    pub sniff: fn(head: &[u8]) -> bool,
    /// How samples are kept.
    pub layout: Layout,
    /// Reads uncompressed bytes in memory: a shard, or a run of whole samples of one (the extent of a
    /// sample, say). Blobs share the bytes. The path serves messages, offsets count from the first
    /// byte. `None` for trees.
    pub read: Option<fn(bytes: Bytes, path: &Path, options: &ReadOptions) -> Reading>,
    /// Opens a shard (or a tree) for reading, inflating it if its first bytes say so.
    pub open: fn(path: &Path, options: &ReadOptions) -> Result<Reading>,
}
