//! [`Header`]: the first line of a log, which says whose it is.

use serde::{Deserialize, Serialize};

use crate::pipeline::dataset::{Origin, PlanRecord};
use crate::pipeline::plan::Plan;

/// All that `kpack merge` must know of a plan without its input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) origin: Origin,
    /// Which part this log is of.
    pub(crate) part: u32,
    /// Number of parts.
    pub(crate) parts: u32,
    /// First plan index of the part.
    pub(crate) first: u32,
    /// Plan index behind the part.
    pub(crate) end: u32,
    /// Rows of the input.
    pub(crate) rows: u32,
    /// Class names in index order.
    pub(crate) classes: Vec<String>,
}

impl Header {
    pub(crate) fn of(plan: &Plan, libav: &str) -> Self {
        let part = plan.part();
        let range = plan.part_range();
        Self {
            origin: Origin {
                kpack: env!("CARGO_PKG_VERSION").to_owned(),
                libav: libav.to_owned(),
                target: plan.target.clone(),
                recipe: plan.recipe.clone(),
                plan: PlanRecord {
                    hash: format!("{:016x}", plan.hash()),
                    shards: plan.options.rule,
                    shuffle: plan.options.shuffle,
                    name: plan.options.name.clone(),
                    samples: plan.len(),
                },
            },
            part: part.index,
            parts: part.of,
            first: range.start,
            end: range.end,
            rows: plan.input.rows.len() as u32,
            classes: plan.input.classes.clone(),
        }
    }

    /// Rows that this part settles.
    pub(crate) fn clips(&self) -> u64 {
        u64::from(self.end - self.first) + self.problems()
    }
    /// Those that take no place in the plan; part 0 settles them.
    pub(crate) fn problems(&self) -> u64 {
        if self.part == 0 {
            u64::from(self.rows - self.origin.plan.samples)
        } else {
            0
        }
    }
}
