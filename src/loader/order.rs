//! A seeded order of any number of items that takes no memory: item `i` of the order is worked out
//! alone, so a run can begin anywhere in it.
//!
//! A Feistel network of six rounds on the next even number of bits, walked along until it falls
//! below the number of items. Its result is a contract: the same seed, epoch and number give the
//! same order in every version of kpack.

const ROUNDS: usize = 6;

/// A permutation of `0..n`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    n: u64,
    /// Bits of each half.
    bits: u32,
    keys: [u64; ROUNDS],
}

/// SplitMix64's mixing of one number.
pub(super) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Order {
    pub(crate) fn new(n: u64, seed: u64) -> Self {
        let all = u64::BITS - n.saturating_sub(1).leading_zeros();
        let mut key = seed;
        let keys = [(); ROUNDS].map(|()| {
            key = mix(key);
            key
        });
        Self {
            n,
            bits: all.div_ceil(2).max(1),
            keys,
        }
    }

    /// Item `place` of the order; `place` is below `n`.
    pub(crate) fn item(&self, place: u64) -> u64 {
        let mut number = place;
        loop {
            number = self.round_trip(number);
            // At most four numbers stand for each item, so this ends soon.
            if number < self.n || self.n == 0 {
                return number;
            }
        }
    }

    fn round_trip(&self, number: u64) -> u64 {
        let mask = (1 << self.bits) - 1;
        let (mut left, mut right) = (number >> self.bits & mask, number & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (mix(key ^ right) & mask));
        }
        left << self.bits | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_comes_once() {
        for n in [1, 2, 3, 5, 16, 17, 1000, 4096, 4097] {
            let order = Order::new(n, 7);
            let mut seen: Vec<u64> = (0..n).map(|place| order.item(place)).collect();
            seen.sort_unstable();
            assert!(seen.into_iter().eq(0..n), "{n}");
        }
        assert!(Order::new(u64::MAX >> 1, 1).item(12) < u64::MAX >> 1);
    }

    #[test]
    fn order_never_changes_between_versions() {
        let order = Order::new(10, 7);
        let items: Vec<u64> = (0..10).map(|place| order.item(place)).collect();
        assert_eq!(items, GOLDEN);
    }

    // Worked out apart, in another language.
    const GOLDEN: [u64; 10] = [2, 7, 6, 8, 5, 4, 3, 0, 9, 1];

    #[test]
    fn every_item_is_likely_in_every_place() {
        let mut hits = [[0_u32; 5]; 5];
        for seed in 0..20_000 {
            let order = Order::new(5, seed);
            for (place, row) in (0..).zip(&mut hits) {
                row[order.item(place) as usize] += 1;
            }
        }
        let all = hits.as_flattened();
        assert!(all.iter().all(|n| (3_600..4_400).contains(n)), "{hits:?}");
    }
}
