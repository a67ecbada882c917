//! The suite that every shard format passes, with every compression.

use std::collections::BTreeSet;

use kpack_formats::{Compression, Kind, ReadOptions, Sample, open};

use crate::support::{Case, assert_same, clip, contents, file, read, sample, write};

#[test]
fn empty_one_and_a_thousand_samples_come_back() {
    for case in Case::all() {
        for count in [0, 1, 1000] {
            let samples: Vec<Sample> = (0..count).map(clip).collect();
            let (bytes, _) = write(case, &samples);
            let (got, error) = read(case, &bytes);
            assert!(error.is_none(), "{case:?} {count}: {error:?}");
            assert_same(&got, &samples);
        }
    }
}

#[test]
fn extents_and_members_say_where_the_bytes_are() {
    for case in [Case::TAR, Case::EXAMPLE, Case::DMVR] {
        let samples: Vec<Sample> = (0..20).map(clip).collect();
        let (bytes, extents) = write(case, &samples);
        let mut end = 0;
        for (sample, extent) in samples.iter().zip(&extents) {
            assert_eq!(extent.offset, end, "{case:?}: extents leave no gap");
            let part = &bytes[extent.offset as usize..][..extent.length as usize];
            assert_eq!(crc32c::crc32c(part), extent.crc32c);
            for member in &extent.members {
                let payload = &bytes[member.offset as usize..][..member.length as usize];
                assert_eq!(crc32c::crc32c(payload), member.crc32c);
                if let Some(blob) = sample.blobs.get(&member.name) {
                    assert_eq!(
                        payload,
                        &blob.load().unwrap()[..],
                        "{case:?} {}",
                        member.name
                    );
                }
            }
            let named: BTreeSet<&str> = extent.members.iter().map(|m| m.name.as_str()).collect();
            for name in ["000001.jpg", "000002.jpg", "mp4", "wav", "json"] {
                assert!(named.contains(name), "{case:?} has no member {name}");
            }
            end += extent.length;
        }
    }
}

#[test]
fn a_reader_tells_the_extent_that_the_writer_gave() {
    for case in Case::all() {
        let samples: Vec<Sample> = (0..5).map(clip).collect();
        let (bytes, extents) = write(case, &samples);
        let (_dir, path) = file(case.extension(), &bytes);
        let mut reader = open(&path, &ReadOptions::default()).unwrap();
        for extent in &extents {
            reader.next_sample().unwrap().unwrap();
            assert_eq!(
                reader.position(),
                (extent.offset, extent.length),
                "{case:?}"
            );
        }
    }
}

#[test]
fn odd_keys_and_empty_blobs_come_back() {
    let long = format!("{}/{}", "d".repeat(150), "k".repeat(90));
    let longer = format!("{}/{}", "d".repeat(300), "k".repeat(200));
    for case in Case::all() {
        let keys = [
            "a",
            "A/b-c_d/0",
            "-dash",
            "_",
            "__x",
            long.as_str(),
            longer.as_str(),
        ];
        let samples: Vec<Sample> = keys
            .iter()
            .map(|key| sample(key, &[("bin", b""), ("x.y.z", b"\0")]))
            .collect();
        let (bytes, _) = write(case, &samples);
        let (got, error) = read(case, &bytes);
        assert!(error.is_none(), "{case:?}: {error:?}");
        assert_same(&got, &samples);
    }
}

#[test]
fn a_sample_of_ten_thousand_frames_comes_back() {
    let mut many = sample("v", &[]);
    for i in 1..=10_000u32 {
        let frame = kpack_formats::Blob::from(i.to_le_bytes().to_vec());
        many.blobs.insert(format!("{i:06}.jpg"), frame);
    }
    for case in [Case::TAR, Case::EXAMPLE, Case::DMVR] {
        let (bytes, _) = write(case, std::slice::from_ref(&many));
        let (got, error) = read(case, &bytes);
        assert!(error.is_none(), "{case:?}: {error:?}");
        assert_same(&got, std::slice::from_ref(&many));
    }
}

/// Truncation: an error, or exactly the whole samples before the cut. A tar cut between two members
/// of a sample is a whole tar of fewer members.
#[test]
fn a_cut_at_every_byte_is_never_silent() {
    for case in Case::all() {
        let samples: Vec<Sample> = (0..2).map(clip).collect();
        let (bytes, extents) = write(case, &samples);
        let plain = case.compression == Compression::None;
        let (_dir, path) = file(case.extension(), &bytes);
        for cut in (0..bytes.len()).rev() {
            let f = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            f.set_len(cut as u64).unwrap();
            let (got, error) = crate::support::read_file(&path, &ReadOptions::default());
            let whole = extents
                .iter()
                .filter(|e| (e.offset + e.length) as usize <= cut)
                .count();
            if let Some(error) = error {
                let kind = error.kind();
                assert!(
                    matches!(kind, Kind::Corrupt | Kind::Unsupported),
                    "cut {cut}: {error:?}"
                );
                assert!(!plain || got.len() <= whole);
                continue;
            }
            if !plain {
                // Only the empty file says nothing: an empty TFRecord.
                assert_eq!((cut, got.len()), (0, 0), "{case:?} cut at {cut} is silent");
                continue;
            }
            let at_end = extents
                .iter()
                .any(|e| (e.offset + e.length) as usize == cut)
                || cut == 0;
            let tar = case.format == "webdataset" && cut % 512 == 0;
            assert!(at_end || tar, "{case:?} cut at {cut} is silent");
            assert_same(&got[..whole.min(got.len())], &samples[..whole]);
        }
    }
}

/// A flipped bit is found, or changes nothing but a payload that the format does not protect.
#[test]
fn a_flipped_bit_is_found_wherever_the_format_can() {
    for case in [Case::TAR, Case::EXAMPLE, Case::DMVR] {
        let mut small = clip(1);
        small.blobs.retain(|name, _| name != "000002.jpg");
        let samples = [small, sample("b", &[("txt", b"hello")])];
        let (bytes, extents) = write(case, &samples);
        let payload = |at: usize| {
            let inside =
                |m: &kpack_formats::Member| (m.offset..m.offset + m.length).contains(&(at as u64));
            extents.iter().flat_map(|e| &e.members).any(inside)
        };
        let headers = |at: usize| {
            extents
                .iter()
                .flat_map(|e| &e.members)
                .any(|m| (m.offset as usize - 512..m.offset as usize).contains(&at))
        };
        let last = extents.last().map_or(0, |e| (e.offset + e.length) as usize);
        let (dir, path) = file(case.extension(), &bytes);
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            std::fs::write(&path, &flipped).unwrap();
            let (got, error) = crate::support::read_file(&path, &ReadOptions::default());
            if case.format == "tfrecord" {
                assert!(error.is_some(), "{case:?}: byte {at} flipped unseen");
            } else if headers(at) && error.is_none() {
                // Only what means the same: a leading zero of the checksum became a space.
                assert_same(&got, &samples);
            } else if headers(at) {
                assert_eq!(error.map(|e| e.kind()), Some(Kind::Corrupt), "byte {at}");
            } else if !payload(at) && at < last {
                // Padding: nothing but zeros is lost.
                assert!(error.is_none());
                assert_same(&got, &samples);
            } else if at < last {
                assert_eq!(got.len(), 2);
                let changed = got
                    .iter()
                    .zip(&samples)
                    .filter(|(a, b)| contents(a) != contents(b));
                assert_eq!(changed.count(), 1, "byte {at}");
            }
        }
        drop(dir);
    }
}

#[test]
fn the_same_samples_give_the_same_bytes() {
    for case in Case::all() {
        let samples: Vec<Sample> = (0..30).map(clip).collect();
        assert_eq!(write(case, &samples).0, write(case, &samples).0, "{case:?}");
    }
}

#[test]
fn contents_decide_and_a_wrong_name_does_not_matter() {
    for case in Case::all() {
        let samples = [clip(3)];
        let (bytes, _) = write(case, &samples);
        for name in ["tar", "tfrecord", "bin", "tar.gz"] {
            let (_dir, path) = file(name, &bytes);
            let (got, error) = crate::support::read_file(&path, &ReadOptions::default());
            assert!(error.is_none(), "{case:?} named {name}: {error:?}");
            assert_same(&got, &samples);
        }
    }
}

#[test]
fn what_is_no_shard_is_refused_by_name() {
    for bytes in [&b"hello"[..], b"PK\x03\x04", &[0xff; 3000]] {
        let (_dir, path) = file("bin", bytes);
        let error = open(&path, &ReadOptions::default()).err().unwrap();
        assert_eq!(error.kind(), Kind::Unsupported);
        assert_eq!(error.at().path.as_deref(), Some(path.as_path()));
    }
}

/// A sample is read from its extent alone, and shares the bytes it is given.
#[test]
fn an_extent_is_a_sample() {
    for case in [Case::TAR, Case::EXAMPLE, Case::DMVR] {
        let samples: Vec<Sample> = (0..5).map(clip).collect();
        let (bytes, extents) = write(case, &samples);
        let bytes = bytes::Bytes::from(bytes);
        let read = kpack_formats::format(case.format).unwrap().read.unwrap();
        for (sample, extent) in samples.iter().zip(&extents) {
            let range = extent.offset as usize..(extent.offset + extent.length) as usize;
            let part = bytes.slice(range);
            let mut reader = read(part.clone(), "s".as_ref(), &ReadOptions::default());
            let got = reader.next_sample().unwrap().unwrap();
            assert_same(std::slice::from_ref(&got), std::slice::from_ref(sample));
            assert!(reader.next_sample().unwrap().is_none());
            let kpack_formats::Blob::Bytes(frame) = &got.blobs["000001.jpg"] else {
                panic!()
            };
            assert!(
                part.as_ptr_range().contains(&frame.as_ptr()),
                "{case:?} copied"
            );
        }
    }
}
