//! The frame tables of a sample's members as one block of bytes.

use std::sync::Arc;

use crate::kidx::coding::{put, put_signed, take, take_signed};
use crate::{FrameEntry, FrameTable, Member};

/// How tables are laid out; others are passed over.
const LAYOUT: u64 = 1;

/// Appends the tables of `members`.
pub(super) fn put_tables(buffer: &mut Vec<u8>, members: &[Member]) {
    let mut table = Vec::new();
    for (number, member) in members.iter().enumerate() {
        let Some(frames) = &member.frames else {
            continue;
        };
        table.clear();
        put_table(&mut table, frames);
        put(buffer, number as u64);
        put(buffer, LAYOUT);
        put(buffer, table.len() as u64);
        buffer.extend_from_slice(&table);
    }
}

/// Gives each member the table that `block` has for it.
pub(super) fn take_tables(mut block: &[u8], members: &mut [Member]) -> Option<()> {
    let mut least = 0;
    while !block.is_empty() {
        let number = usize::try_from(take(&mut block)?).ok()?;
        let layout = take(&mut block)?;
        let length = usize::try_from(take(&mut block)?).ok()?;
        let (table, rest) = block.split_at_checked(length)?;
        block = rest;
        let member = members.get_mut(number).filter(|_| number >= least)?;
        least = number + 1;
        if layout == LAYOUT {
            let table = take_table(table)?;
            member.frames = table.fits(member.length).then(|| Arc::new(table));
            member.frames.as_ref()?;
        }
    }
    Some(())
}

fn put_table(buffer: &mut Vec<u8>, table: &FrameTable) {
    put(buffer, u64::from(table.time_base.0));
    put(buffer, u64::from(table.time_base.1));
    put_signed(buffer, table.origin);
    put(buffer, table.frames.len() as u64);
    let (mut pts, mut end) = (0_i64, 0_u64);
    for frame in &table.frames {
        put_signed(buffer, frame.pts.wrapping_sub(pts));
        put_signed(buffer, frame.offset.wrapping_sub(end) as i64);
        let flags = u64::from(frame.key) | u64::from(frame.hidden) << 1;
        put(buffer, u64::from(frame.length) << 2 | flags);
        pts = frame.pts;
        end = frame.offset.wrapping_add(u64::from(frame.length));
    }
}

fn take_table(mut bytes: &[u8]) -> Option<FrameTable> {
    let mut base = || u32::try_from(take(&mut bytes)?).ok();
    let time_base = (base()?, base()?);
    let origin = take_signed(&mut bytes)?;
    let count = usize::try_from(take(&mut bytes)?).ok()?;
    // Each frame takes at least 3 bytes, so a lie costs nothing.
    let mut frames = Vec::with_capacity(count.min(bytes.len() / 3));
    let (mut pts, mut end) = (0_i64, 0_u64);
    for _ in 0..count {
        pts = pts.wrapping_add(take_signed(&mut bytes)?);
        let offset = end.wrapping_add(take_signed(&mut bytes)? as u64);
        let last = take(&mut bytes)?;
        let length = u32::try_from(last >> 2).ok()?;
        end = offset.wrapping_add(u64::from(length));
        frames.push(FrameEntry {
            pts,
            offset,
            length,
            key: last & 1 != 0,
            hidden: last & 2 != 0,
        });
    }
    bytes.is_empty().then_some(FrameTable {
        time_base,
        origin,
        frames,
    })
}
