//! CRC-32C of bytes, and of two pieces joined without looking at the bytes again.
//!
//! All of kpack hashes through here. Where the processor multiplies 512 bits without carry
//! (VPCLMULQDQ), `crc-fast` does it: at twice the speed of `crc32c`, which is the faster of the two
//! elsewhere (the CRC instruction, else tables).
//!
//! A checksum is a polynomial over GF(2), stored with the highest power in bit 0. Appending n bytes
//! multiplies the first piece's checksum by x^(8n) modulo the Castagnoli polynomial, which takes
//! one multiplication per set bit of n: under a microsecond, where hashing costs one per 20 kB.

use crc_fast::{CrcAlgorithm, Digest};

const POLY: u32 = 0x82F6_3B78;
/// x^(2^k) for k = 0..=66, enough for a length of 64 bits in bytes.
const POWERS: [u32; 67] = powers();

const fn powers() -> [u32; 67] {
    let mut table = [1 << 30; 67];
    let mut k = 1;
    while k < 67 {
        table[k] = mul(table[k - 1], table[k - 1]);
        k += 1;
    }
    table
}

/// Product of two polynomials modulo [`POLY`].
const fn mul(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    let mut bit = 1 << 31;
    while bit != 0 {
        if a & bit != 0 {
            product ^= b;
        }
        b = (b >> 1) ^ if b & 1 == 1 { POLY } else { 0 };
        bit >>= 1;
    }
    product
}

/// CRC-32C (Castagnoli) of `bytes`; 0 of none.
pub fn crc32c(bytes: &[u8]) -> u32 {
    match multiplies_512_bits() {
        true => crc_fast::crc32_iscsi(bytes),
        false => ::crc32c::crc32c(bytes),
    }
}

/// CRC-32C of a piece whose checksum is `crc` with `bytes` behind it.
pub fn crc32c_append(crc: u32, bytes: &[u8]) -> u32 {
    if !multiplies_512_bits() {
        return ::crc32c::crc32c_append(crc, bytes);
    }
    let state = u64::from(!crc);
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, state);
    digest.update(bytes);
    // A checksum of 32 bits stands in the lower half.
    (digest.finalize() & 0xffff_ffff) as u32
}

/// Asks the processor once; the answer is kept.
#[cfg(target_arch = "x86_64")]
fn multiplies_512_bits() -> bool {
    use std::arch::is_x86_feature_detected as has;
    has!("avx512vl") && has!("vpclmulqdq")
}

#[cfg(not(target_arch = "x86_64"))]
fn multiplies_512_bits() -> bool {
    false
}

/// CRC-32C of two pieces joined, from their own checksums and the length of the second in bytes.
pub fn crc32c_join(first: u32, second: u32, second_length: u64) -> u32 {
    let mut factor = 1 << 31;
    let (mut left, mut k) = (second_length, 3);
    while left > 0 {
        if left & 1 == 1 {
            factor = mul(POWERS[k], factor);
        }
        left >>= 1;
        k += 1;
    }
    mul(factor, first) ^ second
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(length: u32) -> Vec<u8> {
        (0..length)
            .map(|i| (i.wrapping_mul(i) >> 3) as u8)
            .collect()
    }

    /// Another implementation is the judge, for every length around the steps in which bytes are
    /// folded and wherever they begin in memory.
    #[test]
    fn checksums_are_those_of_the_crc32c_crate() {
        let bytes = bytes(70_000);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        let long = [4096, 5000, 12_288, 65_535, 65_536, 69_000];
        for length in (0..=1100).chain(long) {
            for begin in [0, 1, 7, 33] {
                let part = &bytes[begin..begin + length];
                assert_eq!(crc32c(part), ::crc32c::crc32c(part), "{begin} {length}");
                let appended = crc32c_append(0x1234_5678, part);
                let theirs = ::crc32c::crc32c_append(0x1234_5678, part);
                assert_eq!(appended, theirs, "{begin} {length}");
                // Right also where it is not used.
                assert_eq!(crc_fast::crc32_iscsi(part), ::crc32c::crc32c(part));
            }
        }
    }

    #[test]
    fn joined_is_the_checksum_of_the_whole() {
        let bytes = bytes(40_000);
        for cut in [0, 1, 2, 7, 511, 512, 20_000, 39_999, 40_000] {
            let (a, b) = bytes.split_at(cut);
            let joined = crc32c_join(crc32c(a), crc32c(b), b.len() as u64);
            assert_eq!(joined, crc32c(&bytes), "cut at {cut}");
            assert_eq!(crc32c_append(crc32c(a), b), joined, "cut at {cut}");
        }
    }

    #[test]
    fn lengths_beyond_32_bits_agree_with_the_matrix_method() {
        for shift in [31, 32, 33, 40, 47] {
            let length = (1u64 << shift) + 12345;
            let theirs = ::crc32c::crc32c_combine(0x1234_5678, 0x9abc_def0, length as usize);
            assert_eq!(crc32c_join(0x1234_5678, 0x9abc_def0, length), theirs);
        }
    }
}
