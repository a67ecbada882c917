//! Bounds on what a file may make a reader allocate or loop over.

/// Limits of the readers. A file that asks for more ends in [`crate::Kind::Limit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one TFRecord payload or of one tar member. Default 8 GiB.
    pub record_bytes: u64,
    /// Bytes of all blobs of one sample. Default 16 GiB.
    pub sample_bytes: u64,
    /// Members of one sample. Default 4 Mi (a two-hour video at 60 fps has 432,000 frames).
    pub members: u64,
    /// Bytes of one extended tar header (a long name, a PAX record). Default 1 MiB.
    pub header_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            record_bytes: 8 << 30,
            sample_bytes: 16 << 30,
            members: 4 << 20,
            header_bytes: 1 << 20,
        }
    }
}
