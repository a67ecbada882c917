//! Every malformed TFRecord of the contract: the kind, the words, the offset and the record.

use std::io::Write;

use flate2::Compression as Level;
use flate2::write::{GzEncoder, ZlibEncoder};
use kpack_formats::tfrecord::RecordReader;
use kpack_formats::{Error, Kind, Limits, ReadOptions};

use crate::support::{file, record};

/// Number of whole records, and the error behind them.
fn read(bytes: &[u8]) -> (usize, Option<Error>) {
    read_as("tfrecord", bytes, &ReadOptions::default())
}

fn read_as(extension: &str, bytes: &[u8], options: &ReadOptions) -> (usize, Option<Error>) {
    let (_dir, path) = file(extension, bytes);
    let mut reader = RecordReader::open(&path, options).unwrap();
    let mut count = 0;
    loop {
        match reader.next_record() {
            Ok(Some(_)) => count += 1,
            Ok(None) => return (count, None),
            Err(e) => {
                assert_eq!(e.at().path.as_deref(), Some(path.as_path()));
                return (count, Some(e));
            }
        }
    }
}

/// Three records of 36 bytes.
fn three() -> Vec<u8> {
    [
        record(&[b'A'; 20]),
        record(&[b'B'; 20]),
        record(&[b'C'; 20]),
    ]
    .concat()
}

#[track_caller]
fn assert_damage(bytes: &[u8], whole: usize, offset: u64, words: &str) {
    let (count, error) = read(bytes);
    let error = error.unwrap();
    assert_eq!(error.kind(), Kind::Corrupt, "{error}");
    assert!(
        error.message().contains(words),
        "{error} does not say {words:?}"
    );
    assert_eq!(count, whole, "whole records before the damage");
    assert_eq!(error.at().offset, Some(offset), "{error}");
    assert_eq!(error.at().record, Some(whole as u64), "{error}");
}

/// A header with a right checksum and nothing behind it that fits.
fn header(length: u64) -> Vec<u8> {
    let bytes = length.to_le_bytes();
    let crc = crc32c::crc32c(&bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8);
    [&bytes[..], &crc.to_le_bytes()].concat()
}

#[test]
fn a_cut_record_is_truncated() {
    for keep in 1..36 {
        let words = if keep < 12 {
            "of its header"
        } else {
            "are left"
        };
        assert_damage(&three()[..72 + keep], 2, 72, words);
        assert_damage(&three()[..72 + keep], 2, 72, "truncated record");
    }
}

#[test]
fn stray_bytes_behind_the_last_record_are_found() {
    for stray in 1..12 {
        assert_damage(
            &[three(), vec![0; stray]].concat(),
            3,
            108,
            "truncated record",
        );
    }
    for zeros in [16, 512] {
        assert_damage(
            &[three(), vec![0; zeros]].concat(),
            3,
            108,
            "length does not match",
        );
    }
}

#[test]
fn flipped_bits_are_told_apart() {
    for at in 36..72 {
        let mut bytes = three();
        bytes[at] ^= 1;
        let words = if at < 48 {
            "length does not match"
        } else {
            "data do not match"
        };
        assert_damage(&bytes, 1, 36, words);
    }
}

#[test]
fn checksums_of_zero_or_without_mask_are_wrong() {
    let payload = [b'A'; 20];
    let length = 20u64.to_le_bytes();
    let unmasked = [
        &length[..],
        &crc32c::crc32c(&length).to_le_bytes(),
        &payload,
        &crc32c::crc32c(&payload).to_le_bytes(),
    ];
    let zero = [&length[..], &[0; 4], &payload, &[0; 4]];
    for bytes in [unmasked.concat(), zero.concat()] {
        assert_damage(&[three(), bytes].concat(), 3, 108, "length does not match");
    }
}

#[test]
fn lengths_that_the_file_cannot_hold_are_not_allocated() {
    let huge = [
        1 << 20,
        1 << 31,
        1 << 33,
        1 << 36,
        1 << 40,
        20u64.swap_bytes(),
    ];
    let near = [
        u64::MAX,
        u64::MAX - 3,
        u64::MAX - 4,
        u64::MAX - 15,
        1 << 63,
        (1 << 63) - 1,
    ];
    for length in huge.into_iter().chain(near) {
        assert_damage(
            &[three(), header(length)].concat(),
            3,
            108,
            "truncated record",
        );
        let behind = [three(), header(length), vec![7; 100]].concat();
        assert_damage(&behind, 3, 108, "truncated record");
        // Of a stream the length is not known, so the limit speaks.
        let (count, error) = read(&gzip(&[&behind]));
        let error = error.unwrap();
        let expected = if length > 8 << 30 {
            Kind::Limit
        } else {
            Kind::Corrupt
        };
        assert_eq!(
            (count, error.kind(), error.at().offset),
            (3, expected, Some(108)),
            "{error}"
        );
    }
}

#[test]
fn a_record_above_the_limit_says_so() {
    let limits = Limits {
        record_bytes: 19,
        ..Limits::default()
    };
    let options = ReadOptions {
        limits,
        ..ReadOptions::default()
    };
    let (count, error) = read_as("tfrecord", &three(), &options);
    let error = error.unwrap();
    assert_eq!((count, error.kind()), (0, Kind::Limit));
    assert!(error.message().contains("20 bytes") && error.message().contains("19"));
}

/// Each part as a gzip member of its own.
fn gzip(parts: &[&[u8]]) -> Vec<u8> {
    let member = |part: &&[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
        encoder.write_all(part).unwrap();
        encoder.finish().unwrap()
    };
    parts.iter().flat_map(member).collect()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Level::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn gzip_of_several_members_and_zlib_are_read() {
    let three = three();
    let members = gzip(&[&three[..36], &three[36..50], &three[50..]]);
    for bytes in [gzip(&[&three]), members, zlib(&three)] {
        for name in ["tfrecord", "tfrecord.gz", "bin"] {
            let (count, error) = read_as(name, &bytes, &ReadOptions::default());
            assert!(error.is_none(), "{error:?}");
            assert_eq!(count, 3);
        }
    }
}

#[test]
fn damage_of_the_compressed_stream_is_found() {
    let three = three();
    let mut wrong_trailer = gzip(&[&three]);
    let at = wrong_trailer.len() - 6;
    wrong_trailer[at] ^= 1;
    let padded = [gzip(&[&three]), vec![0; 512]].concat();
    let twice = [zlib(&three), zlib(&three)].concat();
    for bytes in [wrong_trailer, padded, twice] {
        let (count, error) = read(&bytes);
        let error = error.unwrap();
        assert_eq!((count, error.kind()), (3, Kind::Corrupt), "{error}");
        assert!(error.message().contains("compressed stream"), "{error}");
    }
    for whole in [gzip(&[&three]), zlib(&three)] {
        for cut in 12..whole.len() {
            let (_, error) = read(&whole[..cut]);
            assert_eq!(error.unwrap().kind(), Kind::Corrupt, "cut at {cut}");
        }
    }
}

#[test]
fn an_empty_file_holds_no_records() {
    assert!(matches!(read(b""), (0, None)));
    assert!(matches!(read(&gzip(&[b""])), (0, None)));
}

#[test]
fn a_record_that_is_no_example_is_named() {
    let bytes = [record(b""), record(b"\xff\xff\xff")].concat();
    let (_dir, path) = file("tfrecord", &bytes);
    let (samples, error) = crate::support::read_file(&path, &ReadOptions::default());
    let error = error.unwrap();
    assert_eq!((samples.len(), error.kind()), (1, Kind::Corrupt));
    assert_eq!((error.at().record, error.at().offset), (Some(1), Some(16)));
}
