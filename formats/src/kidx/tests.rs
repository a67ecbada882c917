#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Seek, SeekFrom, Write};

use super::*;
use crate::{Limits, Member, Result};

fn entries() -> Vec<IndexEntry> {
    let member = |i: u64| Member {
        name: format!("{i:06}.jpg"),
        offset: 1000 * i + 512,
        length: 300 + i,
        crc32c: i as u32,
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
