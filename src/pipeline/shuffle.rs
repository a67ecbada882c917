//! The seeded shuffle of `--shuffle`. Its result is part of the on-disk contract: the same seed and
//! the same number of samples give the same order in every version of kpack.
//!
//! Generator: SplitMix64 (state += 0x9e3779b97f4a7c15; two xor-shift-multiply rounds). A number
//! below `n` is the high half of the 128-bit product `next * n`; products whose low half is below
//! `2^64 mod n` are drawn again, which makes every number equally likely. Order: Fisher-Yates from
//! the last element down to the second, each swapped with one of the elements up to itself.

/// Shuffles `items` by `seed`.
pub(crate) fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut random = SplitMix64(seed);
    for last in (1..items.len()).rev() {
        let other = random.below(last as u64 + 1) as usize;
        items.swap(last, other);
    }
}

struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..n`; `n` is at least 1.
    fn below(&mut self, n: u64) -> u64 {
        let uneven = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.next()) * u128::from(n);
            if product as u64 >= uneven {
                return (product >> 64) as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generator_gives_the_published_first_numbers() {
        let mut random = SplitMix64(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| random.next()).collect();
        let published = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!(first, published);
    }

    #[test]
    fn order_never_changes_between_versions() {
        let mut items: Vec<u8> = (0..10).collect();
        shuffle(&mut items, 7);
        assert_eq!(items, GOLDEN);
    }

    // Worked out apart, in another language.
    const GOLDEN: [u8; 10] = [9, 5, 8, 6, 1, 2, 4, 7, 0, 3];

    #[test]
    fn every_element_stays_and_every_place_is_likely() {
        let mut hits = [[0u32; 5]; 5];
        for seed in 0..20_000 {
            let mut items = [0, 1, 2, 3, 4];
            shuffle(&mut items, seed);
            for (place, item) in items.iter().enumerate() {
                hits[place][*item] += 1;
            }
        }
        assert!(
            hits.iter().flatten().all(|n| (3_700..4_300).contains(n)),
            "{hits:?}"
        );
    }
}
