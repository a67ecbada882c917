//! [`Mp4Box`]: what stands at the head of a box of an mp4 file (ISO/IEC 14496-12, 4.2).

/// The head of a box: nothing of it is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mp4Box {
    /// Its four letters.
    pub kind: [u8; 4],
    /// Bytes of the head: 8 or 16.
    pub head: u64,
    /// Bytes of the box, its head included, as it says; `None` is to the end of the file.
    pub size: Option<u64>,
}

impl Mp4Box {
    /// Bytes of the longest head.
    pub const LONGEST: usize = 16;

    /// Of the first bytes of a box; `None` where these are less than its head.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (size, rest) = bytes.split_first_chunk::<4>()?;
        let (kind, rest) = rest.split_first_chunk::<4>()?;
        let (head, size) = match u32::from_be_bytes(*size) {
            0 => (8, None),
            1 => (16, Some(u64::from_be_bytes(*rest.first_chunk()?))),
            size => (8, Some(u64::from(size))),
        };
        Some(Self {
            kind: *kind,
            head,
            size,
        })
    }
}
