//! `tf.train.Example` and `tf.train.SequenceExample`, for decoding. Maps are in ascending byte
//! order of their keys. Encoding goes through `encode.rs`, which knows where each payload lands; a
//! test proves both encodings equal.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::{Message, Oneof};

/// Byte strings.
#[derive(Clone, PartialEq, Message)]
pub struct BytesList {
    /// The values.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub value: Vec<Bytes>,
}

/// 32-bit floats.
#[derive(Clone, PartialEq, Message)]
pub struct FloatList {
    /// The values.
    #[prost(float, repeated, tag = "1")]
    pub value: Vec<f32>,
}

/// Signed 64-bit integers.
#[derive(Clone, PartialEq, Message)]
pub struct Int64List {
    /// The values.
    #[prost(int64, repeated, tag = "1")]
    pub value: Vec<i64>,
}

/// A named value.
#[derive(Clone, PartialEq, Message)]
pub struct Feature {
    /// What it holds; nothing where the writer set no kind.
    #[prost(oneof = "Kind", tags = "1, 2, 3")]
    pub kind: Option<Kind>,
}

/// The kinds of a feature.
#[derive(Clone, PartialEq, Oneof)]
pub enum Kind {
    /// Byte strings.
    #[prost(message, tag = "1")]
    Bytes(BytesList),
    /// Floats.
    #[prost(message, tag = "2")]
    Float(FloatList),
    /// Integers.
    #[prost(message, tag = "3")]
    Int64(Int64List),
}

/// Features by name.
#[derive(Clone, PartialEq, Message)]
pub struct Features {
    /// The map.
    #[prost(btree_map = "string, message", tag = "1")]
    pub feature: BTreeMap<String, Feature>,
}

/// A feature per step.
#[derive(Clone, PartialEq, Message)]
pub struct FeatureList {
    /// The steps.
    #[prost(message, repeated, tag = "1")]
    pub feature: Vec<Feature>,
}

/// Feature lists by name.
#[derive(Clone, PartialEq, Message)]
pub struct FeatureLists {
    /// The map.
    #[prost(btree_map = "string, message", tag = "1")]
    pub feature_list: BTreeMap<String, FeatureList>,
}

/// `tf.train.Example`.
#[derive(Clone, PartialEq, Message)]
pub struct Example {
    /// The features.
    #[prost(message, optional, tag = "1")]
    pub features: Option<Features>,
}

/// `tf.train.SequenceExample`. An Example is one without lists: its features are the context.
#[derive(Clone, PartialEq, Message)]
pub struct SequenceExample {
    /// Features of the whole sequence.
    #[prost(message, optional, tag = "1")]
    pub context: Option<Features>,
    /// Features of each step.
    #[prost(message, optional, tag = "2")]
    pub feature_lists: Option<FeatureLists>,
}

impl Feature {
    /// The byte strings, if that is its kind.
    pub fn bytes(&self) -> Option<&[Bytes]> {
        match &self.kind {
            Some(Kind::Bytes(list)) => Some(&list.value),
            _ => None,
        }
    }
    /// The only byte string.
    pub fn one_bytes(&self) -> Option<&Bytes> {
        self.bytes()
            .filter(|list| list.len() == 1)
            .map(|list| &list[0])
    }
    /// The only byte string, as text.
    pub fn one_text(&self) -> Option<&str> {
        self.one_bytes()
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
    }
    /// The floats, if that is its kind.
    pub fn floats(&self) -> Option<&[f32]> {
        match &self.kind {
            Some(Kind::Float(list)) => Some(&list.value),
            _ => None,
        }
    }
    /// The integers, if that is its kind.
    pub fn ints(&self) -> Option<&[i64]> {
        match &self.kind {
            Some(Kind::Int64(list)) => Some(&list.value),
            _ => None,
        }
    }
    /// The only integer.
    pub fn one_int(&self) -> Option<i64> {
        self.ints()
            .filter(|list| list.len() == 1)
            .map(|list| list[0])
    }
    /// The only float.
    pub fn one_float(&self) -> Option<f32> {
        self.floats()
            .filter(|list| list.len() == 1)
            .map(|list| list[0])
    }
}
