//! Any bytes as a `.kidx`, its entries under right checksums. What is read is written the same again.
use std::fs::File;
use std::path::PathBuf;

use kpack_formats::{IndexEntry, IndexReader, IndexWriter, Limits, tables_at};

const HEAD: usize = 8;

fn path() -> PathBuf {
    scratch().join("kidx")
}

fn entries() -> Option<Vec<IndexEntry>> {
    let mut reader = IndexReader::new(File::open(path()).ok()?, Limits::default()).ok()?;
    let bytes = std::fs::read(path()).expect("a file in the temporary folder");
    let mut entries = Vec::new();
    loop {
        let at = reader.position();
        let Ok(Some(entry)) = reader.next_entry() else {
            return Some(entries);
        };
        let tables = tables_at(&bytes, at).expect("an entry that was read in order");
        assert_eq!(tables, entry.extent.tables());
        entries.push(entry);
    }
}

/// The number at the end of a body: the length of the frame tables behind it.
fn tables_behind(body: &[u8]) -> usize {
    let more = body.iter().rev().skip(1).take_while(|b| **b & 0x80 != 0);
    let digits = 1 + more.count().min(3);
    let begin = body.len().saturating_sub(digits);
    let digit = |n: usize, b: &u8| n << 7 | usize::from(b & 0x7f);
    body[begin..].iter().rev().fold(0, digit)
}

/// Makes the checksums of each entry and its tables right, as far as the lengths lead.
fn seal(data: &mut [u8]) {
    let mut at = HEAD;
    while let Some(length) = data.get(at..at + 4).and_then(|b| b.try_into().ok()) {
        let length = u32::from_le_bytes(length) as usize;
        let Some(body) = data.get(at + 8..at + 8 + length) else {
            return;
        };
        let crc = crc32c::crc32c(body).to_le_bytes();
        let tables = match data[5] >= 2 {
            true => tables_behind(body),
            false => 0,
        };
        data[at + 4..at + 8].copy_from_slice(&crc);
        at += 8 + length;
        if tables > 0 {
            let Some(block) = data.get(at + 4..at + 4 + tables) else {
                return;
            };
            let crc = crc32c::crc32c(block).to_le_bytes();
            data[at..at + 4].copy_from_slice(&crc);
            at += 4 + tables;
        }
    }
}

pub(crate) fn run(data: &[u8]) {
    let mut data = data.to_vec();
    seal(&mut data);
    std::fs::write(path(), &data).expect("a file in the temporary folder");
    let Some(first) = entries() else { return };
    let file = File::create(path()).expect("a file in the temporary folder");
    let mut writer = IndexWriter::create(file).expect("an index");
    for entry in &first {
        writer
            .append(&entry.key, &entry.extent)
            .expect("what was read can be written");
    }
    writer.finish(0).expect("a tail");
    assert_eq!(entries(), Some(first));
}

/// A folder that goes with the thread.
fn scratch() -> std::path::PathBuf {
    thread_local! {
        static DIR: tempfile::TempDir = tempfile::tempdir().expect("a temporary folder");
    }
    DIR.with(|dir| dir.path().to_owned())
}
