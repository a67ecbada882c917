//! Every damaged tar of the contract.

use kpack_formats::{Error, Kind, Limits, ReadOptions, Sample};

use crate::support::{Case, assert_same, clip, file, read_file, sample, write};

const BLOCK: usize = 512;

fn read(bytes: &[u8]) -> (Vec<Sample>, Option<Error>) {
    let (_dir, path) = file("tar", bytes);
    read_file(&path, &ReadOptions::default())
}

/// Two samples of two members, each of one data block.
fn samples() -> Vec<Sample> {
    vec![
        sample("a", &[("cls", b"1x"), ("jpg", &[1; 64])]),
        sample("b", &[("cls", b"2x"), ("jpg", &[2; 64])]),
    ]
}

fn two() -> Vec<u8> {
    write(Case::TAR, &samples()).0
}

#[track_caller]
fn assert_damage(bytes: &[u8], offset: usize, words: &str) {
    let (samples, error) = read(bytes);
    let error = error.unwrap_or_else(|| panic!("{} samples and no error", samples.len()));
    assert_eq!(error.kind(), Kind::Corrupt, "{error}");
    assert!(
        error.message().contains(words),
        "{error} does not say {words:?}"
    );
    assert_eq!(error.at().offset, Some(offset as u64), "{error}");
}

/// Writes the checksum of a header block anew.
fn fix(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block[..BLOCK].iter().map(|b| u32::from(*b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

#[test]
fn a_missing_or_padded_trailer_is_no_damage() {
    let whole = two();
    let end = whole.len() - 1024;
    let garbage = [&whole[..], b"garbage that is no header", &[9; 2000]].concat();
    let padded = [&whole[..], &[0; 10240 - 5120]].concat();
    for bytes in [
        &whole[..end],
        &whole[..end + BLOCK],
        &whole,
        &garbage,
        &padded,
    ] {
        let (got, error) = read(bytes);
        assert!(error.is_none(), "{error:?}");
        assert_same(&got, &samples());
    }
}

#[test]
fn an_archive_without_members_has_no_samples() {
    let (got, error) = read(&[0; 1024]);
    assert!(got.is_empty() && error.is_none());
    let (_, error) = read(b"");
    assert_eq!(
        error.unwrap().kind(),
        Kind::Corrupt,
        "a file of 0 bytes is no archive"
    );
}

#[test]
fn a_bad_checksum_is_damage_in_any_header() {
    for header in 0..4 {
        let mut bytes = two();
        bytes[header * 2 * BLOCK + 5] ^= 1;
        assert_damage(&bytes, header * 2 * BLOCK, "checksum");
    }
}

#[test]
fn cuts_in_header_data_and_padding_are_damage() {
    let whole = two();
    assert_damage(&whole[..2 * BLOCK + 100], 2 * BLOCK, "truncated header");
    assert_damage(&whole[..3 * BLOCK + 10], 2 * BLOCK, "truncated member");
    assert_damage(&whole[..3 * BLOCK + 65], 2 * BLOCK, "truncated member");
    assert_damage(&whole[..4 * BLOCK - 1], 2 * BLOCK, "truncated member");
    assert_damage(&whole[..4 * BLOCK + 1], 4 * BLOCK, "truncated header");
    let in_trailer = whole.len() - 1;
    assert_damage(&whole[..in_trailer], 8 * BLOCK, "truncated header");
}

#[test]
fn data_behind_a_lone_zero_block_are_damage() {
    let whole = two();
    let bytes = [&whole[..4 * BLOCK], &[0; BLOCK], &whole[4 * BLOCK..]].concat();
    assert_damage(&bytes, 4 * BLOCK, "lone zero block");
}

#[test]
fn a_second_archive_behind_the_first_is_told_and_can_be_read() {
    let (first, second) = (
        write(Case::TAR, &[clip(1)]).0,
        write(Case::TAR, &[clip(2)]).0,
    );
    let both = [first.clone(), second].concat();
    let (_dir, path) = file("tar", &both);
    let (_, error) = read_file(&path, &ReadOptions::default());
    let error = error.unwrap();
    assert!(error.message().contains("another archive"), "{error}");
    assert!(
        error.message().contains(&first.len().to_string()),
        "{error}"
    );
    let options = ReadOptions {
        concatenated: true,
        ..ReadOptions::default()
    };
    let (got, error) = read_file(&path, &options);
    assert!(error.is_none(), "{error:?}");
    assert_same(&got, &[clip(1), clip(2)]);
}

#[test]
fn sizes_that_are_none_or_too_large_are_damage() {
    let with_size = |field: &[u8]| {
        let mut bytes = two();
        bytes[2 * BLOCK + 124..][..field.len()].copy_from_slice(field);
        fix(&mut bytes[2 * BLOCK..3 * BLOCK]);
        bytes
    };
    assert_damage(&with_size(b"xyz"), 2 * BLOCK, "no number");
    assert_damage(&with_size(&[0xff; 12]), 2 * BLOCK, "negative");
    for size in [(1u64 << 33) - 1, 1 << 40, u64::MAX, u64::MAX - 511, 1 << 63] {
        let mut field = [0u8; 12];
        field[4..].copy_from_slice(&size.to_be_bytes());
        field[0] = 0x80;
        assert_damage(&with_size(&field), 2 * BLOCK, "truncated member");
    }
    assert_damage(&with_size(b"77777777777\0"), 2 * BLOCK, "truncated member");
    assert_damage(&with_size(b"00000100000\0"), 2 * BLOCK, "truncated member");
}

#[test]
fn an_extended_header_without_its_member_is_damage() {
    let long = "d/".repeat(200) + "k";
    let (whole, _) = write(Case::TAR, &[sample(&long, &[("txt", b"x")])]);
    assert_damage(&whole[..2 * BLOCK], 0, "before the member");
    let zeros = [&whole[..2 * BLOCK], &[0; 1024]].concat();
    assert_damage(&zeros, 0, "before the member");
    assert_damage(&whole[..BLOCK + 100], 0, "truncated");
}

#[test]
fn twice_the_same_member_and_scattered_members_are_damage() {
    let whole = two();
    let (a, b) = (&whole[..4 * BLOCK], &whole[4 * BLOCK..8 * BLOCK]);
    let twice = [&a[..2 * BLOCK], a, &[0; 1024]].concat();
    assert_damage(&twice, 2 * BLOCK, "twice");
    let scattered = [&a[..2 * BLOCK], b, &a[2 * BLOCK..], &[0; 1024]].concat();
    assert_damage(&scattered, 6 * BLOCK, "do not stand together");
    let (_dir, path) = file("tar", &scattered);
    let options = ReadOptions {
        repeated_keys: true,
        ..ReadOptions::default()
    };
    let (got, error) = read_file(&path, &options);
    assert!(error.is_none(), "{error:?}");
    let keys: Vec<&str> = got.iter().map(|s| s.key.as_str()).collect();
    assert_eq!(keys, ["a", "b", "a"]);
}

#[test]
fn limits_hold() {
    let (_dir, path) = file("tar", &two());
    let default = Limits::default();
    for limits in [
        Limits {
            record_bytes: 63,
            ..default
        },
        Limits {
            sample_bytes: 65,
            ..default
        },
        Limits {
            members: 1,
            ..default
        },
    ] {
        let (_, error) = read_file(
            &path,
            &ReadOptions {
                limits,
                ..ReadOptions::default()
            },
        );
        assert_eq!(error.unwrap().kind(), Kind::Limit, "{limits:?}");
    }
    let long = "d/".repeat(200) + "k";
    let (bytes, _) = write(Case::TAR, &[sample(&long, &[("txt", b"x")])]);
    let (_dir, path) = file("tar", &bytes);
    let limits = Limits {
        header_bytes: 300,
        ..default
    };
    let (_, error) = read_file(
        &path,
        &ReadOptions {
            limits,
            ..ReadOptions::default()
        },
    );
    assert_eq!(error.unwrap().kind(), Kind::Limit);
}
