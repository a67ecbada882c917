#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;

/// Profile 244, 4:4:4, and profile 77.
const SPS_444: &[u8] = &[0x67, 244, 0, 10, 0x91, 0x9b, 0x28, 0x28, 0x3f, 0x60];
const SPS_420: &[u8] = &[0x67, 77, 0x40, 10, 0xec, 0xa2, 0x8f, 0xc8];

fn avcc(sps: &[u8], size: u8) -> Vec<u8> {
    let mut record = vec![1, 0, 0, 0, 0xfc | (size - 1), 0xe1, 0, sps.len() as u8];
    record.extend_from_slice(sps);
    record.extend_from_slice(&[1, 0, 3, 0x68, 0xeb, 0xe3]);
    record
}

fn told(version: &str) -> Vec<u8> {
    let text = format!("x264 - core {version} r50 - options: cabac=1");
    [&[6, 5, 60][..], &[0xdc; 16], text.as_bytes(), &[0x80]].concat()
}

/// A first packet: parameter sets, what is told, and a picture.
fn packet(framing: Framing, told: &[u8]) -> Vec<u8> {
    let units = [SPS_444, &[0x68, 0xeb, 0xe3], told, &[0x65; 9000]];
    let framed = units.map(|unit| framing.framed(unit).unwrap());
    framed.concat()
}

#[test]
fn the_version_is_found_in_packets_of_either_framing() {
    let annex_b = [&[0, 0, 0, 1], SPS_444, &[0, 0, 1, 0x68, 0xeb, 0xe3]].concat();
    for (extradata, framing) in [
        (avcc(SPS_444, 4), Framing::Length(4)),
        (avcc(SPS_444, 2), Framing::Length(2)),
        (annex_b, Framing::AnnexB),
    ] {
        let unit = told("142");
        let found = X264::new(&extradata, &packet(framing, &unit)).unwrap();
        assert_eq!(found.version(), 142, "{framing:?}");
        let unit = framing.framed(&unit);
        assert_eq!(found.unit, unit, "{framing:?}");
        assert!(X264::new(&extradata, &packet(framing, &[6, 1, 0x80])).is_none());
    }
}

#[test]
fn only_where_decoding_depends_on_it_the_unit_is_kept() {
    let is_kept = |sps: &[u8], version: &str| {
        let first = packet(Framing::Length(4), &told(version));
        let found = X264::new(&avcc(sps, 4), &first)?;
        Some((found.version(), found.unit.is_some()))
    };
    assert_eq!(is_kept(SPS_444, "150"), Some((150, true)));
    assert_eq!(is_kept(SPS_444, "151"), Some((151, false)));
    assert_eq!(is_kept(SPS_420, "150"), Some((150, false)));
    assert_eq!(is_kept(SPS_420, "33"), Some((33, true)));
    assert_eq!(is_kept(SPS_420, "34"), Some((34, false)));
    assert_eq!(is_kept(SPS_444, "00001"), Some((67, true)));
    for none in ["0000", "", "x"] {
        assert_eq!(is_kept(SPS_444, none), None, "{none}");
    }
    assert_eq!(
        is_kept(SPS_420, "99999999999999"),
        Some((999_999_999, false))
    );
}

#[test]
fn any_beginning_of_a_packet_is_read_without_a_panic() {
    let extradata = avcc(SPS_444, 4);
    let first = packet(Framing::Length(4), &told("142"));
    for length in 0..200 {
        let found = X264::new(&extradata, &first[..length]);
        // A unit that is cut off still tells, but is not kept.
        let whole = SPS_444.len() + 4 + 7 + 4 + told("142").len();
        let kept = found.is_some_and(|maker| maker.unit.is_some());
        assert_eq!(kept, length >= whole, "{length}");
    }
}
