#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use super::*;
use crate::{FrameEntry, FrameTable, Limits, Member, Result};

fn table(n: u64) -> FrameTable {
    let frame = |i: u64| FrameEntry {
        pts: [40, 0, -3][i as usize % 3] + 512 * i as i64,
        offset: [7, 50, 20][i as usize % 3],
        length: 1 + i as u32,
        key: i.is_multiple_of(4),
        hidden: i == 1,
    };
    FrameTable {
        time_base: (1, 12_800),
        origin: -21_333_333,
        frames: (0..n).map(frame).collect(),
    }
}

fn entries() -> Vec<IndexEntry> {
    let member = |i: u64| Member {
        name: format!("{i:06}.jpg"),
        offset: 1000 * i + 512,
        length: 300 + i,
        crc32c: i as u32,
        frames: (i % 3 == 1).then(|| Arc::new(table(i))),
    };
    let entry = |i: u64| IndexEntry {
        key: format!("class/clip_{i}"),
        extent: Extent {
            offset: 10_000 * i,
            length: 10_000,
            crc32c: 7,
            members: (10 * i..10 * i + i).map(member).collect(),
        },
    };
    (0..6).map(entry).collect()
}

fn written(entries: &[IndexEntry]) -> Vec<u8> {
    let mut file = tempfile::tempfile().unwrap();
    let mut writer = IndexWriter::create(file.try_clone().unwrap()).unwrap();
    for entry in entries {
        writer.append(&entry.key, &entry.extent).unwrap();
    }
    writer.finish(99).unwrap();
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

fn reader(bytes: &[u8]) -> Result<IndexReader> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    IndexReader::new(file, Limits::default())
}

fn read(bytes: &[u8]) -> Result<(Vec<IndexEntry>, Option<u64>)> {
    let mut reader = reader(bytes)?;
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        entries.push(entry);
    }
    Ok((entries, reader.shard_bytes()))
}

#[test]
fn what_is_written_is_read() {
    assert_eq!(read(&written(&entries())).unwrap(), (entries(), Some(99)));
    assert_eq!(read(&written(&[])).unwrap(), (vec![], Some(99)));
}

#[test]
fn an_index_is_compact() {
    let member = |i: u64| Member {
        name: format!("{i:06}.jpg"),
        offset: 512 + i * 20_992,
        length: 20_000,
        crc32c: u32::MAX,
        frames: None,
    };
    let members = (0..300).map(member).collect();
    let extent = Extent {
        offset: 0,
        length: 6_297_600,
        crc32c: 0,
        members,
    };
    let bytes = written(&[IndexEntry {
        key: "k".into(),
        extent,
    }]);
    assert!(
        bytes.len() < 300 * 18,
        "{} bytes for 300 members",
        bytes.len()
    );
}

#[test]
fn continued_at_any_entry_it_ends_in_the_same_bytes() {
    let whole = written(&entries());
    for keep in 0..=entries().len() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&whole).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        let mut reader = IndexReader::new(file.try_clone().unwrap(), Limits::default()).unwrap();
        for _ in 0..keep {
            reader.next_entry().unwrap().unwrap();
        }
        let mut writer = IndexWriter::continue_after(reader).unwrap();
        for entry in &entries()[keep..] {
            writer.append(&entry.key, &entry.extent).unwrap();
        }
        writer.finish(99).unwrap();
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, whole, "kept {keep}");
    }
}

#[test]
fn every_truncation_and_every_flipped_bit_is_noticed() {
    let whole = written(&entries());
    for cut in 0..whole.len() {
        assert!(read(&whole[..cut]).is_err(), "cut at {cut}");
    }
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&bytes).is_err(), "bit {bit}");
    }
    assert!(read(&[&whole[..], &[0]].concat()).is_err());
}

#[test]
fn shared_names_cannot_grow_without_bound() {
    let name = "n".repeat(1024);
    let member = |offset| Member {
        name: name.clone(),
        offset,
        length: 0,
        crc32c: 0,
        frames: None,
    };
    let members = (0..1000).map(member).collect();
    let extent = Extent {
        offset: 0,
        length: 0,
        crc32c: 0,
        members,
    };
    let bytes = written(&[IndexEntry {
        key: "k".into(),
        extent,
    }]);
    assert!(read(&bytes).is_err());
}

#[test]
fn frame_tables_are_compact_and_can_be_passed_over() {
    let mut entries = entries();
    let frames = (0..300).map(|i: u64| FrameEntry {
        pts: 512 * (i as i64 ^ 1),
        offset: 48 + 2_000 * i,
        length: 1_600,
        key: i.is_multiple_of(250),
        hidden: false,
    });
    let table = FrameTable {
        time_base: (1, 15_360),
        origin: 0,
        frames: frames.collect(),
    };
    let without = written(&entries).len();
    let member = &mut entries[1].extent.members[0];
    (member.length, member.frames) = (600_048, Some(Arc::new(table)));
    let bytes = written(&entries);
    let more = bytes.len() - without;
    assert!(more < 300 * 7, "{more} bytes for 300 frames");

    let mut reader = reader(&bytes).unwrap();
    for entry in &entries {
        let alone = tables_at(&bytes, reader.position()).unwrap();
        assert_eq!(alone, entry.extent.tables());
        assert!(tables_at(&bytes, reader.position() + 1).is_err());
        let mut brief = reader.next_brief().unwrap().unwrap();
        assert!(brief.extent.tables().is_empty());
        if entry.key.ends_with('4') {
            reader.read_tables(&mut brief).unwrap();
            assert_eq!(brief, *entry);
        }
    }
    assert_eq!(reader.next_brief().unwrap(), None);
}

#[test]
fn a_table_that_leaves_its_blob_is_refused() {
    let mut entries = entries();
    let member = &mut entries[1].extent.members[0];
    member.length = 7;
    assert!(read(&written(&entries)).is_err());
}

/// As kpack 0.1.0 wrote it before there were frame tables: samples `a` with `mp4` and `json`, and
/// `ab` with `mp4`.
const VERSION_1: &str = "\
    4b4944580a010000250000008c3c064f000161008010010000000200036d70348008ac0202000000\
    00046a736f6ea80b280300000018000000d81271e9010162008010040000000100036d70348008ac\
    02050000000000000090c83f9a02000000000000000014000000000000";

#[test]
fn indexes_of_version_1_are_read_and_continued() {
    let bytes: Vec<u8> = (0..VERSION_1.len() / 2)
        .map(|i| u8::from_str_radix(&VERSION_1[2 * i..2 * i + 2], 16).unwrap())
        .collect();
    let (entries, shard) = read(&bytes).unwrap();
    assert_eq!(shard, Some(5120));
    let keys: Vec<_> = entries.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["a", "ab"]);
    assert_eq!(entries[0].extent.members[1].name, "json");
    assert_eq!(entries[1].extent.members[0].length, 300);

    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let mut reader = IndexReader::new(file.try_clone().unwrap(), Limits::default()).unwrap();
    reader.next_entry().unwrap().unwrap();
    let mut writer = IndexWriter::continue_after(reader).unwrap();
    writer.append(&entries[1].key, &entries[1].extent).unwrap();
    writer.finish(5120).unwrap();
    let mut again = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut again).unwrap();
    assert_eq!(again, bytes);
}

#[test]
fn the_end_tells_the_totals_before_the_entries_are_read() {
    let entries = entries();
    let bytes = written(&entries);
    let mut index = reader(&bytes).unwrap();
    assert_eq!(index.totals().unwrap(), (6, 99));
    for entry in &entries {
        assert_eq!(index.totals().unwrap(), (6, 99));
        assert_eq!(index.next_entry().unwrap().unwrap().key, entry.key);
    }
    for cut in 8..bytes.len() {
        let mut torn = reader(&bytes[..cut]).unwrap();
        assert!(torn.totals().is_err(), "cut to {cut}");
    }
    for at in bytes.len() - 24..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert!(reader(&damaged).unwrap().totals().is_err(), "byte {at}");
    }
}
