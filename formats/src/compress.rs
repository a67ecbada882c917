//! Compression of whole shards.

/// How a whole shard is compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// RFC 1952: tar shards and TFRecord `GZIP`.
    Gzip,
    /// RFC 1950: TFRecord `ZLIB`.
    Zlib,
    /// Zstandard; kpack's own for TFRecord.
    Zstd,
}
