//! The plan's hash: 64-bit FNV-1a over everything that decides the dataset's bytes.
//!
//! It guards against mistakes, not against enemies. Every field is preceded by its length or by a
//! presence byte, so that no two plans run together.

use std::hash::Hasher;

use crate::pipeline::plan::Plan;
use crate::source::{Clip, Input, Row};
use crate::{Error, Result};

/// Changes whenever the meaning of a plan does, so that no older run is continued by mistake.
const VERSION: u64 = 1;

pub(crate) fn of(plan: &Plan) -> Result<u64> {
    let options = (
        &plan.target,
        &plan.recipe,
        plan.options.rule,
        plan.options.shuffle,
        &plan.options.name,
    );
    let text = serde_json::to_string(&options)
        .map_err(|e| Error::usage(format!("the options cannot be written down: {e}")))?;
    Ok(of_input(&text, &plan.input))
}

/// Of an input that is packed with `options`.
pub(crate) fn of_input(options: &str, input: &Input) -> u64 {
    let mut fnv = Fnv(0xcbf2_9ce4_8422_2325);
    fnv.number(VERSION);
    fnv.text(options);
    fnv.number(input.classes.len() as u64);
    input.classes.iter().for_each(|class| fnv.text(class));
    fnv.number(input.rows.len() as u64);
    input.rows.iter().for_each(|row| fnv.row(row));
    fnv.0
}

struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl Fnv {
    fn number(&mut self, number: u64) {
        self.write(&number.to_le_bytes());
    }
    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.write(text.as_bytes());
    }
    fn maybe(&mut self, text: Option<&str>) {
        self.write(&[u8::from(text.is_some())]);
        self.text(text.unwrap_or_default());
    }

    fn row(&mut self, row: &Row) {
        let Clip {
            key,
            source,
            // What is packed is the media, however the input names its source.
            named_by: _,
            media,
            span,
            asked,
            split,
            labels,
            columns,
        } = &row.clip;
        self.text(key);
        self.text(source);
        let media = media
            .as_ref()
            .map(|path| path.as_os_str().as_encoded_bytes());
        self.number(media.map_or(0, |bytes| bytes.len() as u64 + 1));
        self.write(media.unwrap_or_default());
        for span in [span, asked] {
            self.write(&[u8::from(span.is_some())]);
            if let Some(span) = span {
                self.number(span.start.nanos() as u64);
                self.number(span.end.map_or(u64::MAX, |end| end.nanos() as u64));
            }
        }
        self.maybe(split.as_deref());
        self.number(labels.len() as u64);
        for label in labels {
            self.write(&[u8::from(label.index.is_some())]);
            self.number(label.index.unwrap_or(0) as u64);
            self.maybe(label.text.as_deref());
        }
        self.number(columns.len() as u64);
        for (name, value) in columns {
            self.text(name);
            self.text(&value.to_string());
        }
        self.maybe(row.problem.as_ref().map(|problem| problem.class.as_str()));
    }
}
