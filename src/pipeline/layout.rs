//! [`Split`]: how the plan indexes of one split are cut into shards.

use std::ops::Range;

use crate::pipeline::plan::ShardRule;

/// One split's run of plan indexes.
#[derive(Debug, Clone)]
pub(crate) struct Split {
    pub(crate) name: Option<String>,
    /// Begins the names of its shards.
    pub(crate) prefix: String,
    /// First plan index.
    pub(crate) first: u32,
    /// Plan indexes.
    pub(crate) count: u32,
    /// Its first shard, counted through all splits.
    pub(crate) first_shard: u32,
    /// Its shards; `None` where that is decided while writing.
    pub(crate) shards: Option<u32>,
}

impl Split {
    pub(crate) fn new(name: Option<&str>) -> Self {
        Split {
            name: name.map(str::to_owned),
            prefix: String::new(),
            first: 0,
            count: 0,
            first_shard: 0,
            shards: None,
        }
    }

    /// Sets the place in the plan and returns the number of shards, as far as it is known.
    pub(crate) fn place(
        &mut self,
        rule: ShardRule,
        first: u32,
        count: u32,
        first_shard: u32,
    ) -> u32 {
        self.shards = match rule {
            ShardRule::Samples(samples) => Some(count.div_ceil(samples)),
            ShardRule::Count(shards) => Some(shards.min(count)),
            ShardRule::Bytes(_) => None,
        };
        (self.first, self.count, self.first_shard) = (first, count, first_shard);
        self.shards.unwrap_or(0)
    }

    /// Number within the split of the shard that plan index `index` goes to; `None` where that is
    /// decided while writing.
    pub(crate) fn shard_of(&self, index: u32, rule: ShardRule) -> Option<u32> {
        let i = u64::from(index - self.first);
        match rule {
            ShardRule::Samples(samples) => Some((i / u64::from(samples)) as u32),
            ShardRule::Count(_) => {
                Some((i * u64::from(self.shards?) / u64::from(self.count)) as u32)
            }
            ShardRule::Bytes(_) => None,
        }
    }

    /// Plan indexes of its shard `number`.
    pub(crate) fn slots(&self, number: u32, rule: ShardRule) -> Range<u32> {
        let begin = |n: u32| {
            let n = u64::from(n);
            let i = match rule {
                ShardRule::Samples(samples) => n * u64::from(samples),
                ShardRule::Count(_) => {
                    (n * u64::from(self.count)).div_ceil(u64::from(self.shards.unwrap_or(1).max(1)))
                }
                ShardRule::Bytes(_) => n * u64::from(self.count),
            };
            self.first + i.min(u64::from(self.count)) as u32
        };
        begin(number)..begin(number + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_lies_in_the_shard_that_claims_it() {
        for rule in [1, 2, 3, 7, 10, 11, 1000]
            .iter()
            .flat_map(|n| [ShardRule::Samples(*n), ShardRule::Count(*n)])
        {
            for count in [1, 2, 9, 10, 11, 100] {
                let mut split = Split::new(None);
                let shards = split.place(rule, 5, count, 0);
                let mut next = 5;
                for shard in 0..shards {
                    let slots = split.slots(shard, rule);
                    assert_eq!(slots.start, next, "{rule:?} {count}");
                    assert!(!slots.is_empty(), "{rule:?} {count}");
                    assert!(
                        slots
                            .clone()
                            .all(|i| split.shard_of(i, rule) == Some(shard))
                    );
                    next = slots.end;
                }
                assert_eq!(next, 5 + count);
            }
        }
    }
}
