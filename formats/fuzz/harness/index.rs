//! Any bytes as a `.kidx`, its entries under right checksums. What is read is written the same again.
use std::fs::File;
use std::path::PathBuf;

use kpack_formats::{IndexEntry, IndexReader, IndexWriter, Limits};

const HEAD: usize = 8;

fn path() -> PathBuf {
    std::env::temp_dir().join(format!("kpack-fuzz-index-{}", std::process::id()))
}

fn entries() -> Option<Vec<IndexEntry>> {
    let mut reader = IndexReader::new(File::open(path()).ok()?, Limits::default()).ok()?;
    let mut entries = Vec::new();
    while let Ok(Some(entry)) = reader.next_entry() {
        entries.push(entry);
    }
    Some(entries)
}

/// Makes the checksum of each entry right, as far as the lengths lead.
fn seal(data: &mut [u8]) {
    let mut at = HEAD;
    while let Some(length) = data.get(at..at + 4).and_then(|b| b.try_into().ok()) {
        let length = u32::from_le_bytes(length) as usize;
        let Some(body) = data.get(at + 8..at + 8 + length) else {
            return;
        };
        let crc = crc32c::crc32c(body).to_le_bytes();
        data[at + 4..at + 8].copy_from_slice(&crc);
        at += 8 + length;
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
