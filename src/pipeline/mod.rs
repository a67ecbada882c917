//! Clips to shards: the plan, the ordered window, shard commit, resume. [`pack`] is the one screen.

mod layout;
mod names;
mod plan;
mod plan_hash;
mod row;
mod shuffle;
mod summary;
mod target;
mod window;

pub use plan::{Part, Plan, PlanOptions, ShardRule};
pub use row::{Outcome, OutcomeRow};
pub use summary::{Counts, End, Summary};
pub use target::{ShardTarget, Target, TreeWriter};
