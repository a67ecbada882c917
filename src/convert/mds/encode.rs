//! [`Encode`]: what the workers do. They take rows by the bundle, because handing over a small sample
//! costs as much as encoding it.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use kpack_formats::mds::{Encoded, MdsColumns};
use kpack_formats::{Kind, Label, Sample};

use super::Setup;
use crate::convert::Conversion;
use crate::pipeline::{Stage as Steps, panic_text};
use crate::sample::{Class, Made, SampleError, Stage};
use crate::source::Row;

/// Most rows of a bundle; few in tests, so that a stop comes between two shards.
const ROWS: usize = if cfg!(test) { 2 } else { 64 };
/// A bundle ends with the sample that brings it to so many bytes.
const BYTES: u64 = 1 << 20;

/// What came of each row of a bundle.
type Bundled = Vec<Result<Encoded, SampleError>>;

pub(super) struct Encode<'a> {
    conversion: &'a Conversion,
    columns: &'a MdsColumns,
    rows: &'a [&'a Row],
    /// Places of rows one behind another, and about how many bytes their samples have.
    bundles: Vec<(Range<u32>, u64)>,
}

impl<'a> Encode<'a> {
    /// For the `rows` from `first` on.
    pub(super) fn new(setup: &'a Setup<'_>, rows: &'a [&'a Row], first: u32) -> Self {
        let mut bundles: Vec<(Range<u32>, u64)> = Vec::new();
        for (place, row) in (0..).zip(rows).skip(first as usize) {
            let weight = Conversion::weight(&row.clip);
            match bundles.last_mut() {
                Some((places, bytes)) if places.len() < ROWS && *bytes < BYTES => {
                    places.end = place + 1;
                    *bytes = bytes.saturating_add(weight);
                }
                _ => bundles.push((place..place + 1, weight)),
            }
        }
        Self {
            conversion: setup.conversion,
            columns: &setup.columns,
            rows,
            bundles,
        }
    }

    /// Of the bundles.
    pub(super) fn numbers(&self) -> Range<u32> {
        0..self.bundles.len() as u32
    }

    fn bundle(&self, number: u32) -> &[&Row] {
        let (places, _) = &self.bundles[number as usize];
        &self.rows[places.start as usize..places.end as usize]
    }

    fn encoded(&self, row: &Row) -> Result<Encoded, SampleError> {
        let key = &row.clip.key;
        let fault = |class, reason: String| SampleError::new(key, Stage::Encode, class, reason);
        if let Some(problem) = &row.problem {
            let (stage, class) = (problem.stage, problem.class);
            return Err(SampleError::new(key, stage, class, problem.reason.clone()));
        }
        match self.conversion.make(&row.clip)? {
            Made::Sample(mut sample, _) => {
                name(&mut sample, &row.clip.labels);
                self.columns.encode(&sample).map_err(|e| {
                    let class = match e.kind() {
                        Kind::Limit => Class::TooLarge,
                        _ => Class::Internal,
                    };
                    fault(class, e.message().to_owned())
                })
            }
            Made::Skipped(reason) => Err(fault(Class::Internal, reason)),
            Made::Left => Err(fault(Class::Internal, "stopped".to_owned())),
        }
    }
}

/// Gives a label its name, which has its place in `labels.txt` in other formats.
fn name(sample: &mut Sample, told: &[Label]) {
    if let ([label], [told]) = (&mut sample.labels[..], told)
        && label.text.is_none()
        && label.index == told.index
    {
        label.text.clone_from(&told.text);
    }
}

impl Steps<Bundled> for Encode<'_> {
    fn make(&self, number: u32) -> (Bundled, Option<u64>) {
        let one = |row: &&Row| {
            // A panic is the failure of its sample, and of no other in the bundle.
            let encoded = catch_unwind(AssertUnwindSafe(|| self.encoded(row)));
            encoded.unwrap_or_else(|panic| Err(crash(row, &panic_text(panic.as_ref()))))
        };
        let made: Bundled = self.bundle(number).iter().map(one).collect();
        let known = made
            .iter()
            .flatten()
            .map(Encoded::bytes)
            .reduce(|a, b| a + b);
        (made, known)
    }

    fn panicked(&self, number: u32, message: String) -> Bundled {
        let rows = self.bundle(number).iter();
        rows.map(|row| Err(crash(row, &message))).collect()
    }

    fn estimate(&self, number: u32) -> u64 {
        self.bundles[number as usize].1
    }
}

fn crash(row: &Row, message: &str) -> SampleError {
    let reason = format!("kpack panicked on it ({message}); please report this");
    SampleError::new(&row.clip.key, Stage::Encode, Class::Crash, reason)
}
