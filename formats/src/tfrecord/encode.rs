//! A record as fragments around the blobs, so that a payload is neither copied nor loaded, its
//! length is known beforehand, and each blob's place in the file comes out.
//!
//! ```text
//! Example          { 1: Features }
//! SequenceExample  { 1: Features (the context), 2: FeatureLists }
//! Features         { 1: map entry { 1: key, 2: Feature } }...       keys in ascending byte order
//! FeatureLists     { 1: map entry { 1: key, 2: FeatureList } }...
//! FeatureList      { 1: Feature }...
//! Feature          { 1: BytesList | 2: FloatList | 3: Int64List }
//! BytesList        { 1: bytes }...      FloatList, Int64List { 1: packed }
//! ```

use std::borrow::Cow;

use bytes::Bytes;
use prost::encoding::{encode_varint, encoded_len_varint};

use crate::log::Log;
use crate::{Blob, Member, Result};

/// Bytes to be written: few in memory, or a range of a blob.
#[derive(Debug, Clone)]
pub(super) enum Data<'a> {
    Text(Cow<'a, [u8]>),
    Range { blob: &'a Blob, offset: u64 },
}

impl<'a> Data<'a> {
    pub(super) fn text(text: &'a str) -> Self {
        Data::Text(Cow::Borrowed(text.as_bytes()))
    }
    pub(super) fn blob(blob: &'a Blob) -> Self {
        Data::Range { blob, offset: 0 }
    }
    /// Whether this is `bytes`, in memory.
    pub(super) fn is(&self, bytes: &[u8]) -> bool {
        matches!(self, Data::Text(text) if **text == *bytes)
    }
    fn len(&self) -> u64 {
        match self {
            Data::Text(bytes) => bytes.len() as u64,
            Data::Range { blob, offset } => blob.len() - offset,
        }
    }
}

/// What a feature holds.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Unset,
    Bytes(Data<'a>),
    Many(Vec<Data<'a>>),
    /// Little-endian 32-bit floats.
    Floats(Data<'a>),
    Ints(Vec<i64>),
    /// A BytesList that is encoded already.
    List(Bytes),
}

/// A feature. `member` is the name of the blob whose bytes it holds as they are.
#[derive(Debug, Clone)]
pub(super) struct Entry<'a> {
    pub(super) key: Cow<'a, str>,
    pub(super) value: Value<'a>,
    pub(super) member: Option<&'a str>,
}

/// A feature list; or one that is encoded already.
#[derive(Debug, Clone)]
pub(super) struct List<'a> {
    pub(super) key: Cow<'a, str>,
    pub(super) steps: Steps<'a>,
}

#[derive(Debug, Clone)]
pub(super) enum Steps<'a> {
    Values(Vec<(Value<'a>, Option<&'a str>)>),
    Encoded(Bytes),
}

/// A whole record.
#[derive(Debug, Default)]
pub(super) struct Record<'a> {
    pub(super) context: Vec<Entry<'a>>,
    pub(super) lists: Vec<List<'a>>,
}

impl<'a> Record<'a> {
    pub(super) fn put(&mut self, key: impl Into<Cow<'a, str>>, value: Value<'a>) {
        self.context.push(Entry {
            key: key.into(),
            value,
            member: None,
        });
    }
    pub(super) fn text(&mut self, key: &'static str, text: &'a str) {
        self.put(key, Value::Bytes(Data::text(text)));
    }
    pub(super) fn ints(&mut self, key: &'static str, ints: impl Into<Vec<i64>>) {
        self.put(key, Value::Ints(ints.into()));
    }
    pub(super) fn float(&mut self, key: &'static str, float: f32) {
        let bytes = Cow::Owned(float.to_le_bytes().to_vec());
        self.put(key, Value::Floats(Data::Text(bytes)));
    }
    pub(super) fn blob(&mut self, key: impl Into<Cow<'a, str>>, name: &'a str, blob: &'a Blob) {
        let value = Value::Bytes(Data::blob(blob));
        self.context.push(Entry {
            key: key.into(),
            value,
            member: Some(name),
        });
    }

    /// Puts the keys in order; of several values for one key the last stays.
    pub(super) fn sort(&mut self) {
        self.context.reverse();
        self.context.sort_by(|a, b| a.key.cmp(&b.key));
        self.context.dedup_by(|later, first| later.key == first.key);
        self.lists.reverse();
        self.lists.sort_by(|a, b| a.key.cmp(&b.key));
        self.lists.dedup_by(|later, first| later.key == first.key);
    }

    fn context_len(&self) -> u64 {
        self.context
            .iter()
            .map(|e| field(e.key.len() as u64 + entry_extra(e)))
            .sum()
    }
    fn lists_len(&self) -> u64 {
        self.lists.iter().map(|l| field(list_entry(l))).sum()
    }
    /// Bytes of the encoded record.
    pub(super) fn len(&self) -> u64 {
        let message = |n| if n == 0 { 0 } else { field(n) };
        message(self.context_len()) + message(self.lists_len())
    }

    /// Writes the record and gives the blobs' places, in file order.
    pub(super) fn write(&self, log: &mut Log) -> Result<Vec<Member>> {
        let mut out = Out {
            log,
            members: Vec::new(),
        };
        if !self.context.is_empty() {
            out.head(1, self.context_len());
        }
        for entry in &self.context {
            out.head(1, entry.key.len() as u64 + entry_extra(entry));
            out.field(1, entry.key.as_bytes());
            out.feature(2, &entry.value, entry.member)?;
        }
        if !self.lists.is_empty() {
            out.head(2, self.lists_len());
        }
        for list in &self.lists {
            out.head(1, list_entry(list));
            out.field(1, list.key.as_bytes());
            out.steps(&list.steps)?;
        }
        Ok(out.members)
    }
}

impl Steps<'_> {
    /// Whether this is written as `list`; of one integer a step.
    pub(super) fn is(&self, list: &super::proto::FeatureList) -> bool {
        let Steps::Values(values) = self else {
            return false;
        };
        let same = |(v, f): (&(Value, _), &super::proto::Feature)| match &v.0 {
            Value::Ints(ints) => f.ints() == Some(ints),
            _ => false,
        };
        values.len() == list.feature.len() && values.iter().zip(&list.feature).all(same)
    }
}

fn varint(value: u64) -> u64 {
    encoded_len_varint(value) as u64
}

/// A field with `n` bytes inside: its tag (one byte for all of ours), its length, its bytes.
fn field(n: u64) -> u64 {
    1 + varint(n) + n
}

/// A map entry without the key's own bytes.
fn entry_extra(entry: &Entry) -> u64 {
    field(entry.key.len() as u64) - entry.key.len() as u64 + field(feature_len(&entry.value))
}

fn list_entry(list: &List) -> u64 {
    field(list.key.len() as u64) + field(steps_len(&list.steps))
}

fn steps_len(steps: &Steps) -> u64 {
    match steps {
        Steps::Values(values) => values.iter().map(|(v, _)| field(feature_len(v))).sum(),
        Steps::Encoded(bytes) => bytes.len() as u64,
    }
}

fn packed_ints(ints: &[i64]) -> u64 {
    ints.iter().map(|i| varint(*i as u64)).sum()
}

/// Bytes of the list message inside a feature, and the feature's field that holds it.
fn list_len(value: &Value) -> Option<(u32, u64)> {
    let packed = |n| if n == 0 { 0 } else { field(n) };
    Some(match value {
        Value::Unset => return None,
        Value::Bytes(data) => (1, field(data.len())),
        Value::Many(all) => (1, all.iter().map(|d| field(d.len())).sum()),
        Value::List(bytes) => (1, bytes.len() as u64),
        Value::Floats(data) => (2, packed(data.len())),
        Value::Ints(ints) => (3, packed(packed_ints(ints))),
    })
}

fn feature_len(value: &Value) -> u64 {
    list_len(value).map_or(0, |(_, n)| field(n))
}

struct Out<'l> {
    log: &'l mut Log,
    members: Vec<Member>,
}

impl Out<'_> {
    /// Tag and length of a length-delimited field.
    fn head(&mut self, number: u32, length: u64) {
        let buffer = self.log.buffer();
        encode_varint(u64::from(number << 3 | 2), buffer);
        encode_varint(length, buffer);
    }

    fn field(&mut self, number: u32, bytes: &[u8]) {
        self.head(number, bytes.len() as u64);
        self.log.put(bytes);
    }

    fn data(&mut self, data: &Data, member: Option<&str>) -> Result<()> {
        self.head(1, data.len());
        let (offset, length) = (self.log.position(), data.len());
        let crc32c = match data {
            Data::Text(bytes) => {
                self.log.put(bytes);
                member.map_or(0, |_| crate::crc32c(bytes))
            }
            Data::Range { blob, offset } => self.log.blob(blob, *offset, length)?,
        };
        if let Some(name) = member {
            self.members.push(Member {
                name: name.to_owned(),
                offset,
                length,
                crc32c,
                frames: None,
            });
        }
        Ok(())
    }

    fn feature(&mut self, number: u32, value: &Value, member: Option<&str>) -> Result<()> {
        self.head(number, feature_len(value));
        let Some((kind, length)) = list_len(value) else {
            return Ok(());
        };
        self.head(kind, length);
        match value {
            Value::Unset => {}
            Value::Bytes(data) => self.data(data, member)?,
            Value::Many(all) => all.iter().try_for_each(|d| self.data(d, None))?,
            Value::List(bytes) => self.log.put(bytes),
            Value::Floats(data) if data.len() > 0 => self.data(data, None)?,
            Value::Floats(_) => {}
            Value::Ints(ints) if !ints.is_empty() => {
                self.head(1, packed_ints(ints));
                let buffer = self.log.buffer();
                ints.iter().for_each(|i| encode_varint(*i as u64, buffer));
            }
            Value::Ints(_) => {}
        }
        Ok(())
    }

    fn steps(&mut self, steps: &Steps) -> Result<()> {
        self.head(2, steps_len(steps));
        match steps {
            Steps::Encoded(bytes) => self.log.put(bytes),
            Steps::Values(values) => {
                for (value, member) in values {
                    self.feature(1, value, *member)?;
                }
            }
        }
        Ok(())
    }
}
