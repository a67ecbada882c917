//! WebDataset: a tar in which consecutive members `KEY.NAME` make up the sample KEY.
//!
//! ```text
//! [header 512][data][zeros to 512]   KEY.000001.jpg      members of a sample in bytewise order
//! [header 512][data][zeros to 512]   KEY.cls             index of a single label, decimal
//! [header 512][data][zeros to 512]   KEY.json            the metadata, compact
//! ...
//! [1024 zeros]                                           end of the archive
//! ```
//!
//! The key is all up to the first dot of the member's base name. `header.rs` draws a header.
//! A `cls` or `json` member that writing the sample would not give again byte for byte stays a
//! blob of that name.

mod header;
mod member;
mod reader;
mod salvage;
mod writer;

pub use member::{MemberHead, MemberReader, RawMember};
pub(crate) use reader::interpret;
pub use salvage::salvage;

use crate::{Format, Layout};

/// The header blocks that kpack writes in front of the member `path` of `size` bytes: one, or three
/// for a long path. `None` for a size that no header holds.
pub fn member_header(path: &str, size: u64) -> Option<Vec<u8>> {
    let mut blocks = Vec::new();
    (size <= header::SIZE_MAX).then(|| header::write(path, size, &mut blocks))?;
    Some(blocks)
}

/// The format's line in the table.
pub(crate) const FORMAT: Format = Format {
    name: "webdataset",
    about: "tar shards for webdataset, DALI, Energon and others",
    extensions: &["tar"],
    sniff: header::sniff,
    layout: Layout::Log {
        create: writer::create,
    },
    read: Some(reader::read),
    open: reader::open,
};
