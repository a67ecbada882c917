#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;

/// Main profile, id 0, 160x120, frames only; and with the id that `id` codes in bits.
const SPS_MAIN: &[u8] = &[0x67, 77, 0x40, 10, 0xec, 0xa2, 0x8f, 0xc8];

fn parameters() -> Parameters {
    Parameters {
        framing: Framing::Length(4),
        sps: vec![SPS_MAIN.to_vec()],
        pps: vec![vec![0x68, 0xeb, 0xe3]],
    }
}

#[test]
fn records_are_read_as_they_are_written() {
    let mine = parameters();
    let mut other = mine.clone();
    other.sps = vec![vec![0x67, 77, 0x40, 10, 0x5c]];
    let record = mine.joined(&other).unwrap();
    let read = Parameters::parse(&record).unwrap();
    assert_eq!((read.sps.len(), read.pps.len()), (2, 2));
    assert_eq!(read.framing, Framing::Length(4));
    for cut in 0..record.len() {
        // Never a panic, whatever is missing.
        let _ = Parameters::parse(&record[..cut]);
    }
    let one = Parameters::parse(
        &mine
            .joined(&Parameters {
                sps: Vec::new(),
                pps: Vec::new(),
                ..mine.clone()
            })
            .unwrap(),
    );
    assert_eq!(one.unwrap(), mine);
}

#[test]
fn what_a_sequence_says() {
    let sequence = parameters().sequence().unwrap();
    assert_eq!((sequence.profile, sequence.id, sequence.chroma), (77, 0, 1));
    assert_eq!(sequence.bits, 8);
    assert_eq!(parameters().free_id().unwrap(), 1);
}

#[test]
fn units_of_either_framing_become_the_same_packet() {
    let known = parameters();
    let idr: &[u8] = &[0x65, 1, 2, 3];
    let mut annex = vec![0, 0, 0, 1];
    annex.extend_from_slice(SPS_MAIN);
    annex.extend_from_slice(&[0, 0, 1]);
    annex.extend_from_slice(idr);
    let mut short = vec![0, 4];
    short.extend_from_slice(idr);
    let wanted = [&[0, 0, 0, 4][..], idr].concat();
    for (framing, data) in [(Framing::AnnexB, annex), (Framing::Length(2), short)] {
        let (packet, is_idr) = repacked(framing, &data, &known).unwrap();
        assert_eq!((packet, is_idr), (wanted.clone(), true));
    }
    let other = [0, 0, 1, 0x67, 66, 0, 10];
    assert!(repacked(Framing::AnnexB, &other, &known).is_err());
    assert!(repacked(Framing::Length(4), &[0, 0, 0, 9, 1], &known).is_err());
}
