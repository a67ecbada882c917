//! Tars that others write.

use kpack_formats::webdataset::MemberReader;
use kpack_formats::{Blob, Kind, ReadOptions, Sample};
use tar::{Builder, EntryType, Header};

use crate::support::{Case, assert_same, file, read_file, sample, write};

fn header(mut header: Header, kind: EntryType, name: &[u8], size: u64) -> Header {
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    header
}

/// A tar of raw entries, each padded.
fn archive(entries: &[(Header, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (header, data) in entries {
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(data);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn read(bytes: &[u8]) -> Vec<Sample> {
    let (_dir, path) = file("tar", bytes);
    let (samples, error) = read_file(&path, &ReadOptions::default());
    assert!(error.is_none(), "{error:?}");
    samples
}

fn read_error(bytes: &[u8]) -> kpack_formats::Error {
    let (_dir, path) = file("tar", bytes);
    read_file(&path, &ReadOptions::default()).1.unwrap()
}

#[test]
fn ustar_gnu_and_v7_headers_of_every_regular_type() {
    for make in [Header::new_ustar, Header::new_gnu, Header::new_old] {
        for kind in [b'0', 0, b'7'] {
            let header = header(make(), EntryType::new(kind), b"d/k.txt", 5);
            let got = read(&archive(&[(header, b"hello")]));
            assert_same(&got, &[sample("d/k", &[("txt", b"hello")])]);
        }
    }
}

#[test]
fn names_of_any_length_by_any_means() {
    for length in [90, 99, 100, 101, 155, 200, 255, 256, 300, 900] {
        let key: String = (0..length - 4)
            .map(|i| if i % 50 == 49 { '/' } else { 'k' })
            .collect();
        let expected = sample(&key, &[("txt", b"x")]);
        let ours = write(Case::TAR, std::slice::from_ref(&expected)).0;
        assert_same(&read(&ours), std::slice::from_ref(&expected));
        // The other crate reads ours, and we read its.
        let mut archive = tar::Archive::new(&ours[..]);
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(
            entry.path().unwrap().to_string_lossy(),
            format!("{key}.txt")
        );
        let mut builder = Builder::new(Vec::new());
        let mut header = Header::new_gnu();
        header.set_size(1);
        builder
            .append_data(&mut header, format!("{key}.txt"), &b"x"[..])
            .unwrap();
        assert_same(&read(&builder.into_inner().unwrap()), &[expected]);
    }
}

fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while length != rest + length.to_string().len() {
            length += 1;
        }
        bytes.extend_from_slice(format!("{length} {key}={value}\n").as_bytes());
    }
    bytes
}

fn with_pax(kind: u8, records: &[(&str, &str)]) -> Vec<u8> {
    let data = pax(records);
    let first = header(
        Header::new_ustar(),
        EntryType::new(kind),
        b"pax",
        data.len() as u64,
    );
    let member = header(Header::new_ustar(), EntryType::Regular, b"short.txt", 3);
    archive(&[(first, &data), (member, b"abc")])
}

#[test]
fn pax_path_and_size_are_applied_and_the_rest_is_passed_over() {
    let records = [
        ("mtime", "1.5"),
        ("path", "long/name.txt"),
        ("comment", "x=y\nz"),
    ];
    let got = read(&with_pax(b'x', &records));
    assert_same(&got, &[sample("long/name", &[("txt", b"abc")])]);
    let got = read(&with_pax(b'x', &[("size", "2")]));
    assert_same(&got, &[sample("short", &[("txt", b"ab")])]);
    let got = read(&with_pax(b'g', &[("comment", "git commit")]));
    assert_same(&got, &[sample("short", &[("txt", b"abc")])]);
}

#[test]
fn damaged_pax_is_found_and_global_paths_are_refused() {
    for (records, kind) in [
        (&b"x"[..], Kind::Corrupt),
        (b"5 a=b", Kind::Corrupt),
        (b"99 a=b\n", Kind::Corrupt),
        (b"0 a=b\n", Kind::Corrupt),
        (b"5 ab\n\n", Kind::Corrupt),
        (b"11 size=-1\n", Kind::Corrupt),
        (b"99999999999999999999999 a=b\n", Kind::Corrupt),
    ] {
        let first = header(
            Header::new_ustar(),
            EntryType::XHeader,
            b"pax",
            records.len() as u64,
        );
        let error = read_error(&archive(&[(first, records)]));
        assert_eq!(error.kind(), kind, "{}", String::from_utf8_lossy(records));
    }
    let error = read_error(&with_pax(b'g', &[("path", "a.txt")]));
    assert_eq!(error.kind(), Kind::Unsupported);
}

#[test]
fn sparse_members_are_refused_with_a_hint() {
    let gnu = header(Header::new_gnu(), EntryType::GNUSparse, b"k.bin", 3);
    let by_pax = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0")];
    for bytes in [archive(&[(gnu, b"abc")]), with_pax(b'x', &by_pax)] {
        let error = read_error(&bytes);
        assert_eq!(error.kind(), Kind::Unsupported);
        assert!(error.message().contains("sparse"), "{error}");
        assert_eq!(error.at().offset, Some(0));
    }
}

#[test]
fn folders_links_and_devices_are_passed_over() {
    let mut entries: Vec<(Header, &[u8])> = Vec::new();
    for kind in [b'1', b'2', b'3', b'4', b'5', b'6'] {
        let name = [b"x.", &[kind][..]].concat();
        entries.push((
            header(Header::new_ustar(), EntryType::new(kind), &name, 0),
            b"",
        ));
    }
    entries.push((
        header(Header::new_old(), EntryType::new(0), b"folder/", 0),
        b"",
    ));
    entries.push((
        header(Header::new_ustar(), EntryType::Regular, b"k.txt", 1),
        b"x",
    ));
    assert_same(&read(&archive(&entries)), &[sample("k", &[("txt", b"x")])]);
    let odd = header(Header::new_ustar(), EntryType::new(b'M'), b"k.txt", 1);
    assert_eq!(
        read_error(&archive(&[(odd, b"x")])).kind(),
        Kind::Unsupported
    );
}

#[test]
fn base_256_sizes_are_read() {
    let mut base_256 = header(Header::new_gnu(), EntryType::Regular, b"k.txt", 0);
    base_256.as_mut_bytes()[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3]);
    base_256.set_cksum();
    let got = read(&archive(&[(base_256, b"abc")]));
    assert_same(&got, &[sample("k", &[("txt", b"abc")])]);
}

#[test]
fn keys_and_extensions_split_as_webdataset_does() {
    let entry = |name: &str| {
        let bytes = name.as_bytes();
        (
            header(Header::new_ustar(), EntryType::Regular, bytes, 1),
            &b"x"[..],
        )
    };
    let names = [
        "./d.x/a.000001.JPG",
        "./d.x/a.seg.json",
        "noext",
        ".hidden",
        "d/.hid",
        "__meta__/x.txt",
        "__meta__.json",
        "b.",
    ];
    let entries: Vec<_> = names[..7].iter().map(|n| entry(n)).collect();
    let got = read(&archive(&entries));
    let expected = [
        sample("d.x/a", &[("000001.jpg", b"x"), ("seg.json", b"x")]),
        sample("__meta__", &[("json", b"x")]),
    ];
    assert_same(&got, &expected);
    assert_eq!(
        read_error(&archive(&[entry("b.")])).kind(),
        Kind::Unsupported
    );
    let latin = header(Header::new_ustar(), EntryType::Regular, b"n\xe9.txt", 1);
    assert_eq!(
        read_error(&archive(&[(latin, b"x")])).kind(),
        Kind::Unsupported
    );
    let both = read_error(&archive(&[entry("a.jpg"), entry("a.JPG")]));
    assert!(both.message().contains("twice"), "{both}");
}

#[test]
fn label_and_json_of_others_stay_as_they_are() {
    for (name, text) in [
        ("cls", "3\n"),
        ("cls", "03"),
        ("cls", "7.0"),
        ("cls", ""),
        ("json", "{ \"a\": 1 }"),
        ("json", "{}"),
        ("json", "[1]"),
        ("json", "{\"a\":1}\n"),
        ("json", "{\"a\":1e2}"),
    ] {
        let member = format!("k.{name}");
        let header = header(
            Header::new_ustar(),
            EntryType::Regular,
            member.as_bytes(),
            text.len() as u64,
        );
        let got = read(&archive(&[(header, text.as_bytes())]));
        assert_same(&got, &[sample("k", &[(name, text.as_bytes())])]);
        let again = read(&write(Case::TAR, &got).0);
        assert_same(&again, &got);
    }
    let cls = header(Header::new_ustar(), EntryType::Regular, b"k.cls", 1);
    let got = read(&archive(&[(cls, b"3")]));
    assert_eq!(got[0].labels[0].index, Some(3));
    assert!(got[0].blobs.is_empty() && got[0].meta.is_empty());
    let blob = Blob::from(vec![0; 3]);
    assert_eq!(blob.len(), 3);
}

/// Heads and data of all members, of each only the first `take` bytes, `step` at a time.
fn heads(bytes: &[u8], take: usize, step: usize) -> kpack_formats::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let (_dir, path) = file("tar", bytes);
    let mut reader = MemberReader::open(&path, &ReadOptions::default())?;
    let (mut all, mut piece) = (Vec::new(), vec![0; step]);
    while let Some(head) = reader.next_head()? {
        let mut data = Vec::new();
        while data.len() < take {
            match reader.read_data(&mut piece)? {
                0 => break,
                n => data.extend_from_slice(&piece[..n]),
            }
        }
        all.push((head.name, data));
    }
    Ok(all)
}

#[test]
fn members_come_piece_by_piece_or_not_at_all() {
    let large = vec![7; 3_000_000];
    let file = |name: &[u8], size| header(Header::new_ustar(), EntryType::Regular, name, size);
    let link = header(Header::new_ustar(), EntryType::Symlink, b"link.mp4", 0);
    let bytes = archive(&[
        (file(b"a.mp4", 5), b"hello"),
        (file(b"folder/", 3), b"odd"),
        (link, b""),
        (file(b"b.mp4", 3_000_000), &large),
        (file(b"c.mp4", 0), b""),
    ]);
    for (take, step) in [(usize::MAX, 1 << 16), (usize::MAX, 3), (0, 1), (1000, 1000)] {
        let got = heads(&bytes, take, step).unwrap();
        let names: Vec<&[u8]> = got.iter().map(|(name, _)| name.as_slice()).collect();
        assert_eq!(names, [b"a.mp4", b"b.mp4", b"c.mp4"]);
        assert_eq!(got[1].1.len(), take.min(large.len()), "{take} {step}");
        assert!(take == 0 || got[0].1 == b"hello");
    }
    // Cut off in the data, wherever they are read or passed over.
    for take in [usize::MAX, 0] {
        let e = heads(&bytes[..1_000_000], take, 1 << 16).unwrap_err();
        assert_eq!(e.kind(), Kind::Corrupt, "{e}");
    }
}

/// Another compression is no damage, and a member's name is no compression.
#[test]
fn shards_in_other_compressions_are_named_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let heads: [(&[u8], &str); 2] = [(b"BZh91AY&SY", "bzip2"), (b"\xfd7zXZ\0\0\x04", "xz")];
    for (head, name) in heads {
        let path = dir.path().join("a.tar");
        std::fs::write(&path, [head, &[0x5a; 2000]].concat()).unwrap();
        let e = kpack_formats::sniff(&path).unwrap_err().to_string();
        assert!(e.contains(name) && e.contains("gzip or zstd"), "{e}");
    }
    let sample = kpack_formats::Sample {
        key: "BZhang/a".to_owned(),
        blobs: [("bin".to_owned(), kpack_formats::Blob::from(vec![1]))].into(),
        ..kpack_formats::Sample::default()
    };
    let (bytes, _) = write(Case::TAR, &[sample]);
    let path = dir.path().join("b.tar");
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(kpack_formats::sniff(&path).unwrap().name, "webdataset");
}
