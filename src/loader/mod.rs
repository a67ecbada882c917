//! What a dataloader sits on: samples of a dataset in a seeded order, divided among ranks and
//! workers, resumed exactly from 32 bytes.
//!
//! ```text
//! SHARD, SHARD.kidx ..──> Dataset: every sample's place, shards mapped when they are needed
//!                            │
//!       seed, epoch ──> order of all samples ──> every (ranks x workers)-th is this Loader's
//!                            │
//!                            └─> Loader ──> Loaded {number, sample}, State
//! ```
//!
//! An order takes no memory and is worked out place by place, so a resume costs nothing, wherever
//! it is. Blobs are slices of the mapped shard: nothing is copied.
//!
//! ```no_run
//! use kpack::loader::{Dataset, Loader, Options, State};
//!
//! let dataset = Dataset::open(&["train/".into()])?;
//! let options = Options { seed: Some(7), rank: 3, ranks: 8, ..Options::default() };
//! let mut loader = Loader::new(dataset.clone(), options)?;
//! for _ in 0..100 {
//!     let Some(loaded) = loader.next_sample()? else { break };
//!     println!("{}: {} blobs", loaded.sample.key, loaded.sample.blobs.len());
//! }
//!
//! let kept: [u8; 32] = loader.state().to_bytes();
//! // Later, in another process: goes on with the sample that would have come next.
//! let mut loader = Loader::resume(dataset, options, &State::from_bytes(&kept)?)?;
//! while let Some(loaded) = loader.next_sample()? {
//!     println!("{}", loaded.sample.key);
//! }
//! loader.next_epoch();
//! # Ok::<(), kpack::Error>(())
//! ```

mod dataset;
mod order;
mod shard;
mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use kpack_formats::Sample;

pub use dataset::Dataset;
pub use state::State;

pub(crate) use order::Order;
pub(crate) use shard::Shard;

use crate::{Error, Result};
use order::mix;

/// What of a dataset a loader gives, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Seed of the order, which differs from epoch to epoch; `None` for the order in which the
    /// samples are stored.
    pub seed: Option<u64>,
    /// This process among `ranks`, from 0.
    pub rank: u32,
    /// Processes that train together, at least 1.
    pub ranks: u32,
    /// This worker among the `workers` of its process, from 0.
    pub worker: u32,
    /// Workers of each process, at least 1.
    pub workers: u32,
    /// How samples are divided.
    pub split: Split,
    /// What happens where the samples cannot be divided evenly among the ranks.
    pub uneven: Uneven,
    /// Leaves checksums uncompared.
    pub unchecked: bool,
    /// Samples that are asked from the disk before they are wanted; 0 for none. Where samples come as
    /// they stand in their shards, the system reads ahead in larger steps.
    pub prefetch: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: None,
            rank: 0,
            ranks: 1,
            worker: 0,
            workers: 1,
            split: Split::Samples,
            uneven: Uneven::Keep,
            unchecked: false,
            prefetch: 2,
        }
    }
}

/// How samples are divided among ranks and workers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Split {
    /// Sample by sample from one order of all: the best mix, and numbers that differ by one at most.
    /// What a rank gets does not depend on the number of its workers.
    #[default]
    Samples,
    /// Shard by shard: each loader reads its own shards only, one after the other, in an order of
    /// its own inside each. For disks and networks that are slow at reading here and there.
    Shards,
}

/// What happens where samples cannot be divided evenly among the ranks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Uneven {
    /// Every sample once in each epoch; some ranks have one more.
    #[default]
    Keep,
    /// As many for each rank: the last few of the epoch's order are left out.
    Drop,
    /// As many for each rank: the first few of the epoch's order come again at its end.
    Repeat,
}

/// A sample, and its number in the dataset.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// From 0 through all shards.
    pub number: u64,
    /// Its blobs share the mapped shard.
    pub sample: Sample,
}

/// Gives one worker's samples, epoch by epoch.
#[derive(Debug)]
pub struct Loader {
    dataset: Arc<Dataset>,
    options: Options,
    epoch: u64,
    taken: u64,
    way: Way,
}

/// The order of one epoch.
#[derive(Debug)]
enum Way {
    /// Places of the order of all samples, of which every so many is this loader's.
    Samples { order: Option<Order>, count: u64 },
    /// The loader's shards: the first sample and their number, the order inside, and how many there
    /// are in the shards before.
    Shards(Vec<(u64, Option<Order>, u64)>, u64),
}

impl Loader {
    /// A loader at the beginning of epoch 0.
    ///
    /// # Errors
    /// [`Error::Usage`] for a rank or worker that is not below their number, and for [`Uneven`] ways
    /// that whole shards cannot be divided by.
    pub fn new(dataset: Arc<Dataset>, options: Options) -> Result<Self> {
        let Options {
            rank,
            ranks,
            worker,
            workers,
            ..
        } = options;
        if rank >= ranks || worker >= workers {
            return Err(Error::usage(format!(
                "rank {rank} of {ranks}, worker {worker} of {workers}: they count from 0"
            )));
        }
        if options.split == Split::Shards && options.uneven != Uneven::Keep {
            let text =
                "whole shards cannot be divided evenly: split by samples, or keep the uneven rest";
            return Err(Error::usage(text));
        }
        let way = Way::Shards(Vec::new(), 0);
        let mut loader = Self {
            dataset,
            options,
            epoch: 0,
            taken: 0,
            way,
        };
        loader.begin(0);
        Ok(loader)
    }

    /// A loader that goes on where another stood.
    ///
    /// # Errors
    /// Those of [`new`](Self::new); [`Error::Usage`] for the state of another dataset, seed, rank,
    /// worker or way of division.
    pub fn resume(dataset: Arc<Dataset>, options: Options, state: &State) -> Result<Self> {
        let mut loader = Self::new(dataset, options)?;
        if state.of != loader.identity() {
            return Err(Error::usage(
                "the state is of another dataset, seed, rank, worker or way of division: resume with those it was kept with",
            ));
        }
        loader.begin(state.epoch);
        loader.taken = state.taken;
        Ok(loader)
    }

    /// Where it stands: behind the sample that came last.
    pub fn state(&self) -> State {
        State {
            of: self.identity(),
            epoch: self.epoch,
            taken: self.taken,
        }
    }

    /// The epoch, from 0.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Samples that the whole epoch has for this loader.
    pub fn epoch_len(&self) -> u64 {
        match &self.way {
            Way::Shards(_, count) => *count,
            Way::Samples { count, .. } => {
                let (first, step) = self.share();
                count.saturating_sub(first).div_ceil(step)
            }
        }
    }

    /// Begins the next epoch, whether or not this one is at its end.
    pub fn next_epoch(&mut self) {
        self.begin(self.epoch + 1);
    }

    /// The next sample; `None` at the end of the epoch.
    ///
    /// # Errors
    /// Those of [`Dataset::get`]. The call after an error gives the sample behind the damaged one.
    pub fn next_sample(&mut self) -> Result<Option<Loaded>> {
        let Some(number) = self.number(self.taken) else {
            return Ok(None);
        };
        match (self.options.prefetch, self.is_in_order()) {
            (0, _) => {}
            (_, true) => self.dataset.in_order(number),
            (_, false) => self.prefetch(),
        }
        self.taken += 1;
        let sample = self.dataset.get(number, self.options.unchecked)?;
        Ok(Some(Loaded { number, sample }))
    }

    /// Whether samples come as they stand in their shards, none left out.
    fn is_in_order(&self) -> bool {
        let all = self.options.split == Split::Shards || self.share().1 == 1;
        self.options.seed.is_none() && all
    }

    fn prefetch(&self) {
        let ahead = u64::from(self.options.prefetch);
        let begin = if self.taken == 0 {
            0
        } else {
            self.taken + ahead
        };
        for k in begin..=self.taken + ahead {
            if let Some(number) = self.number(k) {
                self.dataset.prefetch(number);
            }
        }
    }

    /// Which samples, or shards, in the epoch's order are this loader's: the first, and each how many-th.
    fn share(&self) -> (u64, u64) {
        let Options {
            rank,
            ranks,
            worker,
            workers,
            ..
        } = self.options;
        let first = u64::from(worker) * u64::from(ranks) + u64::from(rank);
        (first, u64::from(ranks) * u64::from(workers))
    }

    /// Number in the dataset of sample `k` of this epoch.
    fn number(&self, k: u64) -> Option<u64> {
        if k >= self.epoch_len() {
            return None;
        }
        match &self.way {
            Way::Samples { order, .. } => {
                let (first, step) = self.share();
                let place = (k * step + first) % self.dataset.len();
                Some(order.map_or(place, |order| order.item(place)))
            }
            Way::Shards(list, _) => {
                let after = list.partition_point(|(_, _, before)| *before <= k);
                let (first, order, before) = list.get(after.checked_sub(1)?)?;
                let place = k - before;
                Some(first + order.map_or(place, |order| order.item(place)))
            }
        }
    }

    fn begin(&mut self, epoch: u64) {
        (self.epoch, self.taken) = (epoch, 0);
        let seed = self
            .options
            .seed
            .map(|seed| mix(seed).wrapping_add(mix(!epoch)));
        self.way = match self.options.split {
            Split::Samples => self.by_samples(seed),
            Split::Shards => self.by_shards(seed),
        };
    }

    fn by_samples(&self, seed: Option<u64>) -> Way {
        let (samples, ranks) = (self.dataset.len(), u64::from(self.options.ranks));
        let count = match self.options.uneven {
            Uneven::Keep => samples,
            Uneven::Drop => samples / ranks * ranks,
            Uneven::Repeat => samples.next_multiple_of(ranks),
        };
        Way::Samples {
            order: seed.map(|seed| Order::new(samples, seed)),
            count,
        }
    }

    fn by_shards(&self, seed: Option<u64>) -> Way {
        let shards = self.dataset.shards() as u64;
        let outer = seed.map(|seed| Order::new(shards, seed));
        let (first, step) = self.share();
        let (mut list, mut count) = (Vec::new(), 0);
        for place in (first..shards).step_by(usize::try_from(step).unwrap_or(usize::MAX)) {
            let shard = outer.map_or(place, |order| order.item(place));
            let (first, end) = self.dataset.range(shard as usize);
            if first < end {
                let inner = seed.map(|seed| Order::new(end - first, seed ^ mix(shard)));
                list.push((first, inner, count));
                count += end - first;
            }
        }
        Way::Shards(list, count)
    }

    /// Of all that says which samples come in which order.
    fn identity(&self) -> u64 {
        let Options {
            seed,
            rank,
            ranks,
            worker,
            workers,
            split,
            uneven,
            ..
        } = self.options;
        let seeded = seed.map_or(0, |seed| mix(seed) | 1);
        [
            self.dataset.len(),
            u64::from(self.dataset.hash()),
            seeded,
            u64::from(rank) << 32 | u64::from(ranks),
            u64::from(worker) << 32 | u64::from(workers),
            (split as u64) << 8 | uneven as u64,
        ]
        .into_iter()
        .fold(0, |all, part| mix(all ^ part))
    }
}
