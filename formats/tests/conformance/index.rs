//! `SHARD.kidx`.

use kpack_formats::{Extent, Index, Kind, Limits, Member, Sample, index_path};
use proptest::prelude::*;

use crate::support::{Case, clip, write};

fn index() -> Index {
    let samples: Vec<Sample> = (0..20).map(clip).collect();
    let (bytes, extents) = write(Case::TAR, &samples);
    let samples = samples.into_iter().map(|s| s.key).zip(extents).collect();
    Index {
        shard_bytes: bytes.len() as u64,
        samples,
    }
}

#[test]
fn an_index_comes_back_from_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = index_path(&dir.path().join("data-000000.tar"));
    assert!(path.ends_with("data-000000.tar.kidx"));
    for index in [index(), Index::default()] {
        index.write(&path).unwrap();
        assert_eq!(Index::read(&path, &Limits::default()).unwrap(), index);
    }
}

#[test]
fn an_index_is_compact() {
    let index = index();
    let members: usize = index.samples.iter().map(|(_, e)| e.members.len()).sum();
    let keys: usize = index.samples.iter().map(|(k, _)| k.len()).sum();
    let size = index.encode().unwrap().len();
    assert!(size < keys + 12 * (members + 20) + 200, "{size} bytes");
}

#[test]
fn damage_is_found_at_every_byte() {
    let bytes = index().encode().unwrap();
    for at in 0..bytes.len() {
        let cut = Index::decode(&bytes[..at], &Limits::default()).unwrap_err();
        assert_eq!(cut.kind(), Kind::Corrupt, "cut at {at}");
        let mut flipped = bytes.clone();
        flipped[at] ^= 4;
        let error = Index::decode(&flipped, &Limits::default()).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt, "byte {at}");
    }
}

fn sealed(mut body: Vec<u8>) -> Vec<u8> {
    let crc = crc32c::crc32c(&body);
    body.extend_from_slice(&crc.to_le_bytes());
    body
}

/// Whoever writes a right checksum can still lie: an error, never a panic or a huge allocation.
#[test]
fn lies_under_a_right_checksum_are_survived() {
    let bytes = index().encode().unwrap();
    let body = &bytes[..bytes.len() - 4];
    for at in 8..body.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut lie = body.to_vec();
            lie[at] = value;
            let _ = Index::decode(&sealed(lie), &Limits::default());
        }
        let _ = Index::decode(&sealed(body[..at].to_vec()), &Limits::default());
    }
    let mut later = body.to_vec();
    later[8] = 2;
    let error = Index::decode(&sealed(later), &Limits::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    let limits = Limits {
        members: 3,
        ..Limits::default()
    };
    assert_eq!(
        Index::decode(&bytes, &limits).unwrap_err().kind(),
        Kind::Limit
    );
}

/// A section of a later build is passed over.
#[test]
fn unknown_sections_are_passed_over() {
    let index = index();
    let bytes = index.encode().unwrap();
    let body = &bytes[..bytes.len() - 4];
    let mut more = body[..12].to_vec();
    more.extend_from_slice(&3u32.to_le_bytes());
    more.extend_from_slice(&body[16..24]);
    more.extend_from_slice(&99u32.to_le_bytes());
    more.extend_from_slice(&[0; 16]);
    for entry in body[24..64].chunks(20) {
        let offset = u64::from_le_bytes(entry[4..12].try_into().unwrap()) + 20;
        more.extend_from_slice(&entry[..4]);
        more.extend_from_slice(&offset.to_le_bytes());
        more.extend_from_slice(&entry[12..]);
    }
    more.extend_from_slice(&body[64..]);
    assert_eq!(
        Index::decode(&sealed(more), &Limits::default()).unwrap(),
        index
    );
}

#[test]
fn extents_out_of_order_are_refused() {
    let extent = |offset, length| Extent {
        offset,
        length,
        crc32c: 0,
        members: vec![],
    };
    let member = |offset, length| Member {
        name: "x".into(),
        offset,
        length,
        crc32c: 0,
    };
    let with = |member| Extent {
        members: vec![member],
        ..extent(0, 10)
    };
    for extents in [
        vec![extent(10, 10), extent(0, 10)],
        vec![extent(0, 10), extent(9, 10)],
        vec![extent(u64::MAX, 1)],
        vec![with(member(9, 2))],
        vec![with(member(u64::MAX, 2))],
    ] {
        let samples = extents.into_iter().map(|e| ("k".to_owned(), e)).collect();
        let index = Index {
            shard_bytes: u64::MAX,
            samples,
        };
        assert_eq!(index.encode().unwrap_err().kind(), Kind::Usage);
    }
}

proptest! {
    #[test]
    fn any_extents_come_back(
        gaps in prop::collection::vec((0u64..1 << 40, 0u64..1 << 30, any::<u32>(), 0usize..4), 0..50),
    ) {
        let mut end = 0;
        let mut samples = Vec::new();
        for (i, (gap, length, crc32c, count)) in gaps.into_iter().enumerate() {
            let offset = end + gap;
            let share = length / 4;
            let member = |m: usize| {
                let name = format!("{m:06}.jpg");
                Member { name, offset: offset + m as u64 * share, length: share / 2, crc32c }
            };
            let members = (0..count).map(member).collect();
            samples.push((format!("k{i}"), Extent { offset, length, crc32c, members }));
            end = offset + length;
        }
        let index = Index { shard_bytes: end, samples };
        let bytes = index.encode().unwrap();
        prop_assert_eq!(Index::decode(&bytes, &Limits::default()).unwrap(), index);
    }
}
