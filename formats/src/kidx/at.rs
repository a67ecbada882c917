//! [`tables_at`]: the frame tables of one sample, without reading the index up to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::crc::crc32c;
use crate::kidx::coding::{take, take_place};
use crate::kidx::read::take_members;
use crate::kidx::tables::take_tables;
use crate::kidx::{TABLES, VERSIONS, head};
use crate::{Error, Extent, FrameTable, Result};

/// The frame tables, by the names of members, of the entry that begins at byte `position` of the
/// index whose bytes are `index`: where [`IndexReader::position`](crate::IndexReader::position) stood
/// before it was read. Nothing else of the index is looked at but its head.
///
/// # Errors
/// [`crate::Kind::Corrupt`] with the offset, where no whole entry stands there.
pub fn tables_at(index: &[u8], position: u64) -> Result<BTreeMap<String, Arc<FrameTable>>> {
    let wrong = || {
        let text = "no whole index entry stands here";
        Error::corrupt(text).offset(position)
    };
    let version = index.get(5).copied().unwrap_or_default();
    if !index.starts_with(&head(version)) || !VERSIONS.contains(&version) {
        return Err(Error::corrupt("not a kpack index").offset(0));
    }
    let record = usize::try_from(position)
        .ok()
        .and_then(|at| index.get(at..));
    let members = record.and_then(|record| read(record, version));
    let mut extent = Extent {
        offset: 0,
        length: 0,
        crc32c: 0,
        members: Vec::new(),
    };
    extent.members = members.ok_or_else(wrong)?;
    Ok(extent.tables())
}

fn read(mut record: &[u8], version: u8) -> Option<Vec<crate::Member>> {
    let length = number(&mut record)? as usize;
    let mut body = checked(&mut record, length)?;
    skip_text(&mut body)?;
    let (offset, _, _) = take_place(&mut body, 0)?;
    let mut members = take_members(&mut body, offset)?;
    let tables = match version >= TABLES {
        true => usize::try_from(take(&mut body)?).ok()?,
        false => 0,
    };
    if tables > 0 {
        take_tables(checked(&mut record, tables)?, &mut members)?;
    }
    body.is_empty().then_some(members)
}

/// A checksum, and the bytes that match it.
fn checked<'a>(record: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let crc = number(record)?;
    let (bytes, rest) = record.split_at_checked(length)?;
    *record = rest;
    (crc32c(bytes) == crc).then_some(bytes)
}

fn number(record: &mut &[u8]) -> Option<u32> {
    let (bytes, rest) = record.split_first_chunk::<4>()?;
    *record = rest;
    Some(u32::from_le_bytes(*bytes))
}

fn skip_text(body: &mut &[u8]) -> Option<()> {
    take(body)?;
    let more = usize::try_from(take(body)?).ok()?;
    *body = body.get(more..)?;
    Some(())
}
