//! Counts what decoding would allocate, before it does: an empty byte string takes two bytes of a
//! record and dozens in memory.

use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use crate::{Error, Limits, Result};

/// Checks that a record holds no more map entries, byte strings and steps than a sample may have
/// members. A damaged record passes: the decoder says what is wrong with it.
pub(super) fn check(payload: &[u8], limits: &Limits) -> Result<()> {
    let mut left = limits.members;
    // Each item takes at least two bytes.
    if payload.len() as u64 / 2 <= left || count(payload, Message::Record, &mut left) {
        return Ok(());
    }
    Err(Error::limit(format!(
        "the record holds more than {} features, values and steps, the limit",
        limits.members
    )))
}

#[derive(Clone, Copy, PartialEq)]
enum Message {
    Record,
    Features,
    Lists,
    FeatureEntry,
    ListEntry,
    List,
    Feature,
    Bytes,
}

impl Message {
    /// The message in a field, and whether each such field is an item in memory.
    fn inside(self, field: u32) -> Option<(Self, bool)> {
        Some(match (self, field) {
            (Message::Record, 1) => (Message::Features, false),
            (Message::Record, 2) => (Message::Lists, false),
            (Message::Features, 1) => (Message::FeatureEntry, true),
            (Message::Lists, 1) => (Message::ListEntry, true),
            (Message::FeatureEntry, 2) | (Message::List, 1) => (Message::Feature, true),
            (Message::ListEntry, 2) => (Message::List, false),
            (Message::Feature, 1) => (Message::Bytes, false),
            _ => return None,
        })
    }
}

/// Whether `left` items suffice.
fn count(mut bytes: &[u8], message: Message, left: &mut u64) -> bool {
    while bytes.has_remaining() {
        let Ok((field, wire)) = decode_key(&mut bytes) else {
            return true;
        };
        if wire != WireType::LengthDelimited {
            if skip_field(wire, field, &mut bytes, DecodeContext::default()).is_err() {
                return true;
            }
            continue;
        }
        let length = decode_varint(&mut bytes)
            .ok()
            .and_then(|n| usize::try_from(n).ok());
        let Some((inner, rest)) = length.and_then(|n| bytes.split_at_checked(n)) else {
            return true;
        };
        bytes = rest;
        let inside = message.inside(field);
        let is_item = message == Message::Bytes || inside.is_some_and(|(_, is_item)| is_item);
        if is_item {
            let Some(fewer) = left.checked_sub(1) else {
                return false;
            };
            *left = fewer;
        }
        if let Some((inside, _)) = inside
            && !count(inner, inside, left)
        {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use prost::Message as _;

    use super::super::proto::{BytesList, Example, Feature, Features, Kind};
    use super::*;

    #[test]
    fn many_empty_values_are_refused_before_they_are_decoded() {
        let value = vec![bytes::Bytes::new(); 5000];
        let kind = Some(Kind::Bytes(BytesList { value }));
        let feature = [("f".to_owned(), Feature { kind })].into();
        let payload = Example {
            features: Some(Features { feature }),
        }
        .encode_to_vec();
        let with = |members| {
            check(
                &payload,
                &Limits {
                    members,
                    ..Limits::default()
                },
            )
        };
        assert!(with(5002).is_ok());
        assert_eq!(with(2000).unwrap_err().kind(), crate::Kind::Limit);
    }

    #[test]
    fn damage_is_left_to_the_decoder() {
        let limits = Limits {
            members: 1,
            ..Limits::default()
        };
        for bytes in [&[0xff; 40][..], &[0x0a, 0xff, 0xff, 1, 1, 1], &[0x0b; 20]] {
            assert!(check(bytes, &limits).is_ok());
        }
    }
}
